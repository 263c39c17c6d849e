/* Resize and its gradient on a GPU: one dimension after another, through f32. The maps are made once,
 * on the host. */
#include "engine/base/memory.h"
#include "engine/ops/resize.h"

/* What prepare leaves: the maps of the dimensions that change, in the order in which they run. */
typedef struct plan {
  int n;
  int dims[IG_MAX_RANK];
  ig_resample axes[IG_MAX_RANK];
  void *tables[IG_MAX_RANK];
  size_t table_bytes, room_bytes;
} plan;

static const char *reject(const ig_node *node) {
  const ig_value *x = node->inputs[0];
  bool taken = x->dtype == IG_F32 || x->dtype == IG_BF16 || x->dtype == IG_F16 ||
               x->dtype == IG_I8 || x->dtype == IG_U8;
  if (!taken) return "not f32, bf16, f16 or bytes";
  return x->shape.rank == 0 ? "a single number" : NULL;
}

static void release(ig_call *call) {
  plan *p = call->state;
  for (int k = 0; p && k < p->n; k++) ig_free(p->tables[k]);
  ig_free(p);
  call->state = NULL;
}

static size_t round_up(size_t bytes) { return (bytes + 255) / 256 * 256; }

static ig_status add_axis(plan *p, const ig_resize *r, int d) {
  int64_t taps = ig_resize_taps(r, d), out = r->out.dims[d];
  size_t count = (size_t)(out * taps);
  int64_t *index = ig_alloc(count * (sizeof(int64_t) + sizeof(double)) + 1);
  IG_CHECK_ALLOC(index);
  double *weight = (double *)(void *)(index + count);
  ig_resize_fill(r, d, index, weight);
  p->dims[p->n] = d;
  p->tables[p->n] = index;
  p->axes[p->n++] = (ig_resample){r->in.dims[d], out, taps, index, weight,
                                  (double)r->attrs->extrapolation_value};
  size_t bytes = round_up(ig_cuda_resample_workspace(r->in.dims[d], out, taps));
  p->table_bytes = IG_MAX(p->table_bytes, bytes);
  return IG_OK;
}

static ig_status prepare(ig_call *call, bool transposed) {
  ig_resize r;
  IG_TRY(ig_resize_of_node(call->node, transposed, &r));
  plan *p = ig_alloc_zero(1, sizeof *p);
  IG_CHECK_ALLOC(p);
  call->state = p;
  ig_status status = IG_OK;
  int rank = r.in.rank;
  for (int k = 0; k < rank && status == IG_OK; k++) {
    int d = transposed ? rank - 1 - k : k;
    bool last = k == rank - 1 && p->n == 0; /* something must copy */
    if (ig_resize_changes(&r, d) || last) status = add_axis(p, &r, d);
  }
  if (status != IG_OK) {
    release(call);
    return status;
  }
  int64_t largest = 1;
  for (int d = 0; d < rank; d++) largest *= IG_MAX(r.in.dims[d], r.out.dims[d]);
  p->room_bytes = round_up((size_t)largest * sizeof(float));
  call->workspace_size = p->table_bytes + 2 * p->room_bytes;
  return IG_OK;
}

static ig_status run(const ig_call *call, bool transposed) {
  const plan *p = call->state;
  const ig_value *x = call->node->inputs[0], *y = call->node->outputs[0];
  ig_shape shape = x->shape;
  char *rooms = (char *)call->workspace + p->table_bytes;
  const void *now = call->in[0];
  ig_dtype dtype = x->dtype;
  for (int k = 0; k < p->n; k++) {
    int d = p->dims[k];
    bool last = k == p->n - 1;
    void *to = last ? call->out[0] : rooms + (size_t)(k % 2) * p->room_bytes;
    int64_t outer = ig_shape_span(&shape, 0, d), inner = ig_shape_span(&shape, d + 1, shape.rank);
    IG_TRY(ig_cuda_resample(&p->axes[k], transposed, dtype, last ? y->dtype : IG_F32, outer, inner,
                            now, to, call->workspace, call->stream));
    shape.dims[d] = transposed ? p->axes[k].in : p->axes[k].out;
    now = to;
    dtype = IG_F32;
  }
  return IG_OK;
}

static ig_status prepare_forward(ig_call *call) { return prepare(call, false); }
static ig_status prepare_grad(ig_call *call) { return prepare(call, true); }
static ig_status run_forward(const ig_call *call) { return run(call, false); }
static ig_status run_grad(const ig_call *call) { return run(call, true); }

#define RESIZE(stem)                                                                               \
  static const ig_impl stem##_impls[] = {{.name = "axes",                                          \
                                          .device = IG_CUDA,                                       \
                                          .reject = reject,                                        \
                                          .prepare = prepare_##stem,                               \
                                          .release = release,                                      \
                                          .run = run_##stem},                                      \
                                         {0}};

RESIZE(forward)
RESIZE(grad)

static const struct ig_op_impls ops[] = {
    {"Resize", forward_impls}, {"ingot.ResizeGrad", grad_impls}, {0}};

const ig_device_ops ig_cuda_ops_resize = {.ops = ops};
