/* Mod: the remainder of a / b with broadcasting: with fmod of the sign of a, as C has it, otherwise of the
 * sign of b and of integers alone. By 0 it is 0, of floats NaN. */
#include "engine/ops/elementwise.h"

typedef struct mod_attrs {
  int64_t fmod;
} mod_attrs;

static const ig_attr_field attrs[] = {IG_FIELD_INT(mod_attrs, fmod, 0), {0}};

static ig_status infer(ig_node *node) {
  int64_t fmod = IG_ATTRS_OF(mod_attrs, node)->fmod;
  ig_dtype dtype = node->inputs[0]->dtype;
  IG_CHECK(fmod == 0 || fmod == 1, IG_ERR_USAGE, "attribute fmod is %lld, expected 0 or 1",
           (long long)fmod);
  IG_CHECK(fmod || ig_dtype_is_int(dtype), IG_ERR_SHAPE,
           "input 0 must be integers where fmod is 0, found %s", ig_dtype_name(dtype));
  return ig_infer_binary_number(node);
}

static ig_binary kind_of(const ig_node *node) {
  return IG_ATTRS_OF(mod_attrs, node)->fmod ? IG_BINARY_FMOD : IG_BINARY_MOD;
}

IG_BINARY_IMPLS(kind_of(call->node))

/* y = a - b trunc(a / b): da = dy, db = -dy trunc(a / b) = dy (y - a) / b. */
static void grad(const ig_grad *g) {
  ig_value *a = g->node->inputs[0], *b = g->node->inputs[1], *y = g->node->outputs[0];
  if (g->need[0]) g->dx[0] = ig_grad_unbroadcast(g->graph, g->dy[0], a);
  if (g->need[1]) {
    ig_value *less = ig_op1(g->graph, "Sub", NULL, IG_INS(y, a), IG_NO_ATTRS);
    ig_value *times = ig_op1(g->graph, "Div", NULL, IG_INS(less, b), IG_NO_ATTRS);
    ig_value *product = ig_op1(g->graph, "Mul", NULL, IG_INS(times, g->dy[0]), IG_NO_ATTRS);
    g->dx[1] = ig_grad_unbroadcast(g->graph, product, b);
  }
}

const ig_op ig_op_mod = {
    .name = "Mod",
    .since = 10,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .attrs = attrs,
    .attrs_size = sizeof(mod_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .inplace = ig_inplace_binary,
    .impls = impls,
};
