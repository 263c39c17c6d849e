/* Constant: the tensor or numbers in its one attribute. Exactly one is to be given. */
#include <math.h>
#include <string.h>

#include "engine/ops/op.h"

typedef struct constant_attrs {
  const ig_literal *value;
  int64_t value_int;
  ig_ints value_ints;
  float value_float;
  ig_floats value_floats;
} constant_attrs;

/* Defaults that stand for "not given"; a constant of either goes through `value`. */
#define NO_INT INT64_MIN

static const ig_attr_field constant_fields[] = {
    {.name = "value",                    .type = IG_ATTR_TENSOR, .offset = offsetof(constant_attrs, value)},
    IG_FIELD_INT(constant_attrs, value_int, NO_INT),
    IG_FIELD_INTS(constant_attrs, value_ints),
    IG_FIELD_FLOAT(constant_attrs, value_float, NAN),
    {.name = "value_floats",
     .type = IG_ATTR_FLOATS,
     .offset = offsetof(constant_attrs, value_floats)},
    {.name = NULL                                 },
};

/* The attribute that was given, as a literal over its bytes. */
static ig_status constant_of(const ig_node *node, ig_literal *out) {
  const constant_attrs *a = IG_ATTRS_OF(constant_attrs, node);
  int given = (a->value != NULL) + (a->value_int != NO_INT) + (a->value_ints.n > 0) +
              !isnan(a->value_float) + (a->value_floats.n > 0);
  IG_CHECK(given == 1, IG_ERR_INPUT,
           "one of value, value_int(s), value_float(s) is to be given, "
           "found %d",
           given);
  if (a->value) {
    *out = *a->value;
  } else if (a->value_int != NO_INT) {
    *out = (ig_literal){IG_I64, IG_SCALAR, &a->value_int};
  } else if (a->value_ints.n > 0) {
    *out = (ig_literal){IG_I64, IG_SHAPE(a->value_ints.n), a->value_ints.v};
  } else if (a->value_floats.n > 0) {
    *out = (ig_literal){IG_F32, IG_SHAPE(a->value_floats.n), a->value_floats.v};
  } else {
    *out = (ig_literal){IG_F32, IG_SCALAR, &a->value_float};
  }
  return IG_OK;
}

static ig_status constant_infer(ig_node *node) {
  ig_literal constant;
  IG_TRY(constant_of(node, &constant));
  return ig_infer_set(node, 0, constant.dtype, &constant.shape);
}

static ig_status constant_run(const ig_call *call) {
  ig_literal constant;
  IG_TRY(constant_of(call->node, &constant));
  memcpy(call->out[0], constant.data, ig_shape_bytes(&constant.shape, constant.dtype));
  return IG_OK;
}

static const ig_impl constant_impls[] = {
    {.name = "cpu",        .device = IG_CPU, .run = constant_run},
    {.name = NULL},
};

const ig_op ig_op_constant = {
    .name = "Constant",
    .since = 13,
    .n_in = {0, 0},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = constant_fields,
    .attrs_size = sizeof(constant_attrs),
    .infer = constant_infer,
    .cost = ig_cost_copy,
    .impls = constant_impls,
};
