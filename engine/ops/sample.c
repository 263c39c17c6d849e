/* ingot.Sample: one token drawn from each row of logits [..., n], as i64 [...]. Optional inputs, one
 * number each, read when running: temperature f32 (1), top_k i64 (0: all), top_p f32 (1). Row r's
 * random number is a function of the plan's seed and step and of r; kernels/sample.h defines the draw,
 * which is the same on every device. -1 where a logit is NaN, the greatest is not finite or a number is
 * out of range: generation reports it, since a device cannot. */
#include "engine/ops/sample.h"

static ig_status check_scalar(const ig_node *node, int i, ig_dtype dtype, const char *name) {
  const ig_value *v = node->n_inputs > i ? node->inputs[i] : NULL;
  IG_CHECK(!v || (v->dtype == dtype && ig_value_count(v) == 1), IG_ERR_SHAPE,
           "%s must be one %s, found %s%s", name, ig_dtype_name(dtype), ig_dtype_name(v->dtype),
           IG_SHAPE_STR(&v->shape));
  return IG_OK;
}

static ig_status infer(ig_node *node) {
  const ig_shape *x = &node->inputs[0]->shape;
  IG_TRY(ig_require_float(node, 0));
  int64_t n = x->rank ? x->dims[x->rank - 1] : 0;
  IG_CHECK(n >= 1 && n <= IG_SAMPLE_MOST, IG_ERR_SHAPE,
           "logits %s, expected [..., n] with n from 1 to %d", IG_SHAPE_STR(x), IG_SAMPLE_MOST);
  IG_TRY(check_scalar(node, 1, IG_F32, "temperature"));
  IG_TRY(check_scalar(node, 2, IG_I64, "top_k"));
  IG_TRY(check_scalar(node, 3, IG_F32, "top_p"));
  ig_shape y = *x;
  y.rank--;
  y.dims[y.rank] = 0;
  return ig_infer_set(node, 0, IG_I64, &y);
}

/* A weight costs some 30 operations. */
static ig_cost cost(const ig_node *node) {
  ig_cost cost = ig_cost_copy(node);
  cost.flops = 30 * (double)ig_value_count(node->inputs[0]);
  return cost;
}

static size_t workspace(const ig_node *node) {
  const ig_shape *x = &node->inputs[0]->shape;
  return ig_cpu_sample_workspace(x->dims[x->rank - 1]);
}

static ig_status run(const ig_call *call) {
  int64_t rows, n;
  ig_sample_scalars scalars = ig_sample_scalars_of(call, &rows, &n);
  ig_cpu_sample(call->node->inputs[0]->dtype, &scalars, rows, n, call->in[0], call->out[0],
                call->workspace);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "search", .workspace = workspace, .run = run}, {0}};

const ig_op ig_op_sample = {
    .name = "ingot.Sample",
    .n_in = {1, 4},
    .n_out = {1, 1},
    .flags = IG_OP_RANDOM,
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
