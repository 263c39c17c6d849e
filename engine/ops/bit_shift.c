/* BitShift: natural numbers moved by so many bits, with broadcasting; what is moved beyond the type is lost. */
#include <string.h>

#include "engine/ops/elementwise.h"

typedef struct bit_shift_attrs {
  const char *direction;
} bit_shift_attrs;

static const ig_attr_field attrs[] = {
    {.name = "direction",
     .type = IG_ATTR_STRING,
     .offset = offsetof(bit_shift_attrs, direction),
     .required = true},
    {0},
};

static bool is_left(const ig_node *node) {
  return strcmp(IG_ATTRS_OF(bit_shift_attrs, node)->direction, "LEFT") == 0;
}

static ig_status infer(ig_node *node) {
  const char *direction = IG_ATTRS_OF(bit_shift_attrs, node)->direction;
  ig_dtype dtype = node->inputs[0]->dtype;
  IG_CHECK(is_left(node) || strcmp(direction, "RIGHT") == 0, IG_ERR_USAGE,
           "attribute direction is '%s', expected LEFT or RIGHT", direction);
  IG_CHECK(ig_dtype_is_unsigned(dtype) && ig_dtype_is_int(dtype), IG_ERR_SHAPE,
           "input 0 must be natural numbers, found %s", ig_dtype_name(dtype));
  return ig_infer_broadcast(node);
}

static ig_status run(const ig_call *call) {
  return ig_binary_reference(call, is_left(call->node) ? IG_BINARY_SHIFT_LEFT : IG_BINARY_SHIFT_RIGHT);
}

static const ig_impl impls[] = {
    {.name = "reference", .reject = ig_reject_binary_reference, .run = run},
    {0},
};

const ig_op ig_op_bit_shift = {
    .name = "BitShift",
    .since = 11,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .attrs = attrs,
    .attrs_size = sizeof(bit_shift_attrs),
    .infer = infer,
    .cost = ig_cost_elementwise,
    .inplace = ig_inplace_binary,
    .impls = impls,
};
