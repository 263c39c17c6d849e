/* ReverseSequence: the first sequence_lens[b] steps of batch entry b backwards. Time and batch are the
 * first two dimensions. */
#include "engine/ops/op.h"
#include "kernels/indexing.h"

typedef struct reverse_sequence_attrs {
  int64_t batch_axis, time_axis;
} reverse_sequence_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INT(reverse_sequence_attrs, batch_axis, 1),
    IG_FIELD_INT(reverse_sequence_attrs, time_axis, 0),
    {0},
};

static ig_status infer(ig_node *node) {
  const reverse_sequence_attrs *a = IG_ATTRS_OF(reverse_sequence_attrs, node);
  const ig_value *x = node->inputs[0], *lengths = node->inputs[1];
  IG_CHECK(a->batch_axis >= 0 && a->batch_axis <= 1 && a->time_axis == 1 - a->batch_axis,
           IG_ERR_INPUT,
           "batch_axis and time_axis must be 0 and 1 in some order, found %lld and %lld",
           (long long)a->batch_axis, (long long)a->time_axis);
  IG_CHECK(x->shape.rank >= 2, IG_ERR_SHAPE, "input 0 must have rank 2 at least, found %s",
           IG_SHAPE_STR(&x->shape));
  ig_shape want = IG_SHAPE(x->shape.dims[a->batch_axis]);
  IG_CHECK(lengths->dtype == IG_I64 && ig_shape_equal(&lengths->shape, &want), IG_ERR_SHAPE,
           "sequence_lens must be i64%s, found %s%s", IG_SHAPE_STR(&want),
           ig_dtype_name(lengths->dtype), IG_SHAPE_STR(&lengths->shape));
  return ig_infer_set(node, 0, x->dtype, &x->shape);
}

static void grad(const ig_grad *g) {
  const reverse_sequence_attrs *a = IG_ATTRS_OF(reverse_sequence_attrs, g->node);
  g->dx[0] =
      ig_op1(g->graph, "ReverseSequence", NULL, IG_INS(g->dy[0], g->node->inputs[1]),
             IG_ATTRS(IG_INT("batch_axis", a->batch_axis), IG_INT("time_axis", a->time_axis)));
}

static ig_status run(const ig_call *call) {
  const reverse_sequence_attrs *a = IG_ATTRS_OF(reverse_sequence_attrs, call->node);
  const ig_value *x = call->node->inputs[0];
  const int64_t *dims = x->shape.dims, *lengths = call->in[1];
  for (int64_t b = 0; b < dims[a->batch_axis]; b++) {
    IG_CHECK(lengths[b] >= 0 && lengths[b] <= dims[a->time_axis], IG_ERR_INPUT,
             "%s: sequence_lens[%lld] is %lld, expected 0 to %lld", call->node->name, (long long)b,
             (long long)lengths[b], (long long)dims[a->time_axis]);
  }
  ig_cpu_reverse_sequence(ig_dtype_size(x->dtype), dims[0], dims[1],
                          ig_shape_span(&x->shape, 2, x->shape.rank), a->time_axis == 0, lengths,
                          call->in[0], call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_reverse_sequence = {
    .name = "ReverseSequence",
    .since = 10,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(reverse_sequence_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_copy,
    .impls = impls,
};
