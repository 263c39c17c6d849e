/* ingot.Reorder: the same activation [N, C, H, W] in another memory layout. The layout pass puts
 * it at the borders of regions; shapes do not change. */
#include <inttypes.h>
#include <string.h>

#include "engine/ops/op.h"
#include "kernels/lib/onednn.h"

typedef struct reorder_attrs {
  int64_t to; /* an ig_layout */
} reorder_attrs;

static const ig_attr_field attrs[] = {IG_FIELD_INT(reorder_attrs, to, IG_LAYOUT_ROWS), {0}};

static ig_status infer(ig_node *node) {
  int64_t to = IG_ATTRS_OF(reorder_attrs, node)->to;
  IG_CHECK(to >= IG_LAYOUT_ROWS && to <= IG_LAYOUT_BLOCK16, IG_ERR_USAGE,
           "attribute to is %" PRId64 ", expected 0 to %d", to, IG_LAYOUT_BLOCK16);
  IG_CHECK(node->inputs[0]->shape.rank == 4, IG_ERR_SHAPE, "expected [N, C, H, W], found %s",
           IG_SHAPE_STR(&node->inputs[0]->shape));
  IG_TRY(ig_infer_same(node));
  node->outputs[0]->layout = (ig_layout)to;
  return IG_OK;
}

static const char *reject_onednn(const ig_node *node) {
  const ig_value *x = node->inputs[0];
  bool bytes = x->dtype == IG_I8 || x->dtype == IG_U8;
  if (x->dtype != IG_F32 && x->dtype != IG_BF16 && !bytes) return "not f32, bf16 or bytes";
  if (x->layout == node->outputs[0]->layout) return "nothing changes";
  return ig_value_count(x) == 0 ? "empty" : NULL;
}

static ig_status prepare_onednn(ig_call *call) {
  const ig_value *x = call->node->inputs[0], *y = call->node->outputs[0];
  ig_dnn *dnn;
  IG_TRY(ig_dnn_reorder_create(x->dtype, x->shape.dims, x->layout, y->layout, &dnn));
  call->state = dnn;
  call->workspace_size = ig_dnn_workspace(dnn);
  return IG_OK;
}

static void release_onednn(ig_call *call) {
  ig_dnn_destroy(call->state);
  call->state = NULL;
}

static ig_status run_onednn(const ig_call *call) {
  const void *operands[] = {call->in[0], call->out[0]};
  return ig_dnn_run(call->state, operands, call->workspace);
}

static ig_status run_reference(const ig_call *call) {
  const ig_value *x = call->node->inputs[0], *y = call->node->outputs[0];
  const int64_t *d = x->shape.dims;
  size_t size = ig_dtype_size(x->dtype);
  memset(call->out[0], 0, ig_value_storage(y));
  for (int64_t n = 0; n < d[0]; n++) {
    for (int64_t c = 0; c < d[1]; c++) {
      for (int64_t p = 0; p < d[2] * d[3]; p++) {
        int64_t from = ig_layout_offset(x->layout, d, n, c, p / d[3], p % d[3]);
        int64_t to = ig_layout_offset(y->layout, d, n, c, p / d[3], p % d[3]);
        memcpy((char *)call->out[0] + (size_t)to * size,
               (const char *)call->in[0] + (size_t)from * size, size);
      }
    }
  }
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "onednn",
     .reject = reject_onednn,
     .prepare = prepare_onednn,
     .release = release_onednn,
     .run = run_onednn},
    {.name = "reference", .run = run_reference},
    {0},
};

const ig_op ig_op_reorder = {
    .name = "ingot.Reorder",
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(reorder_attrs),
    .infer = infer,
    .cost = ig_cost_copy,
    .impls = impls,
};
