/* Attention as cuDNN has it: not one operation, but the graph of products, element-wise operations and
 * reductions that its fused engines know, in which nothing of queries by keys is in memory. The running
 * softmax is theirs; the logarithm of the sum is natural, as ours. */
#include <math.h>

#include "engine/base/memory.h"
#include "kernels/lib/cuda/cudnn_parts.h"

#define MOST_OPERATIONS 24

enum { Q = 1, K, V, Y, LSE, SCALE, MASKED, DY, DQ, DK, DV, SUMS, ONE, FIRST_VIRTUAL }; /* numbers */

/* The engines know the graph with the logarithms alone: where they are not wanted, they go to the
 * workspace's start. */
struct ig_cudnn_attention {
  ig_cudnn_plan plan;
  size_t lse; /* their bytes */
  bool causal;
  float scale, masked, one; /* read by each run */
};

/* --- the graph -------------------------------------------------------------------------------- */

typedef cudnnBackendDescriptor_t node;

/* A graph on its way. After a failure nothing more is made and `status` keeps it. */
typedef struct builder {
  ig_cudnn_plan *plan;
  ig_status status;
  int64_t next; /* number of the next virtual tensor */
  int64_t count;
  node operations[MOST_OPERATIONS];
} builder;

#define STEP(b, call)                                                                              \
  do {                                                                                             \
    if ((b)->status == IG_OK) (b)->status = (call);                                                \
  } while (0)

static node in_memory(builder *b, int64_t number, cudnnDataType_t type, ig_cudnn_place place,
                      const int64_t dims[4], const int64_t strides[4]) {
  node made = NULL;
  STEP(b, ig_cudnn_tensor(b->plan, number, type, place, dims, strides, &made));
  return made;
}

static node between(builder *b, cudnnDataType_t type, const int64_t dims[4]) {
  const int64_t strides[4] = {dims[1] * dims[2] * dims[3], dims[2] * dims[3], dims[3], 1};
  return in_memory(b, b->next++, type, IG_CUDNN_VIRTUAL, dims, strides);
}

static node scalar(builder *b, int64_t number) {
  const int64_t ones[4] = {1, 1, 1, 1};
  return in_memory(b, number, CUDNN_DATA_FLOAT, IG_CUDNN_BY_VALUE, ones, ones);
}

static void set(builder *b, node at, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, const void *value) {
  STEP(b, ig_cudnn_set(b->plan, at, name, type, 1, value));
}

static void link_to(builder *b, node at, cudnnBackendAttributeName_t name, node value) {
  if (value) set(b, at, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, &value);
}

static node make(builder *b, cudnnBackendDescriptorType_t type) {
  node made = NULL;
  STEP(b, ig_cudnn_make(b->plan, type, &made));
  return made;
}

static void add(builder *b, node operation) {
  STEP(b, ig_cudnn_finish(b->plan, operation));
  if (b->count == MOST_OPERATIONS) {
    STEP(b, ig_fail(IG_ERR_INTERNAL, "more than %d operations", MOST_OPERATIONS));
    return;
  }
  b->operations[b->count++] = operation;
}

/* `axis` counts for indices alone; `second` and `choice` may be NULL. */
static void pointwise(builder *b, cudnnPointwiseMode_t mode, cudnnDataType_t compute, int64_t axis,
                      node first, node second, node choice, node out) {
  node how = make(b, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  set(b, how, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, &mode);
  set(b, how, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, &compute);
  if (mode == CUDNN_POINTWISE_GEN_INDEX) {
    set(b, how, CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, &axis);
  }
  STEP(b, ig_cudnn_finish(b->plan, how));
  node operation = make(b, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  link_to(b, operation, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
  link_to(b, operation, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, first);
  link_to(b, operation, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, second);
  link_to(b, operation, CUDNN_ATTR_OPERATION_POINTWISE_TDESC, choice);
  link_to(b, operation, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, out);
  add(b, operation);
}

static node apply(builder *b, cudnnPointwiseMode_t mode, node first, node second,
                  const int64_t dims[4]) {
  node out = between(b, CUDNN_DATA_FLOAT, dims);
  pointwise(b, mode, CUDNN_DATA_FLOAT, 0, first, second, NULL, out);
  return out;
}

static node reduce(builder *b, cudnnReduceTensorOp_t op, node in, const int64_t dims[4]) {
  const cudnnDataType_t compute = CUDNN_DATA_FLOAT;
  node out = between(b, CUDNN_DATA_FLOAT, dims);
  node how = make(b, CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
  set(b, how, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, &op);
  set(b, how, CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, &compute);
  STEP(b, ig_cudnn_finish(b->plan, how));
  node operation = make(b, CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
  link_to(b, operation, CUDNN_ATTR_OPERATION_REDUCTION_DESC, how);
  link_to(b, operation, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, in);
  link_to(b, operation, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, out);
  add(b, operation);
  return out;
}

static void multiply(builder *b, node left, node right, node out) {
  const cudnnDataType_t compute = CUDNN_DATA_FLOAT;
  node how = make(b, CUDNN_BACKEND_MATMUL_DESCRIPTOR);
  set(b, how, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, &compute);
  STEP(b, ig_cudnn_finish(b->plan, how));
  node operation = make(b, CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
  link_to(b, operation, CUDNN_ATTR_OPERATION_MATMUL_DESC, how);
  link_to(b, operation, CUDNN_ATTR_OPERATION_MATMUL_ADESC, left);
  link_to(b, operation, CUDNN_ATTR_OPERATION_MATMUL_BDESC, right);
  link_to(b, operation, CUDNN_ATTR_OPERATION_MATMUL_CDESC, out);
  add(b, operation);
}

/* Scores where the query's index is not below the key's, and minus infinity elsewhere. */
static node mask(builder *b, node scores, const int64_t dims[4]) {
  node row = between(b, CUDNN_DATA_INT32, dims), column = between(b, CUDNN_DATA_INT32, dims);
  node seen = between(b, CUDNN_DATA_BOOLEAN, dims), out = between(b, CUDNN_DATA_FLOAT, dims);
  pointwise(b, CUDNN_POINTWISE_GEN_INDEX, CUDNN_DATA_INT32, 2, scores, NULL, NULL, row);
  pointwise(b, CUDNN_POINTWISE_GEN_INDEX, CUDNN_DATA_INT32, 3, scores, NULL, NULL, column);
  pointwise(b, CUDNN_POINTWISE_CMP_GE, CUDNN_DATA_BOOLEAN, 0, row, column, NULL, seen);
  pointwise(b, CUDNN_POINTWISE_BINARY_SELECT, CUDNN_DATA_FLOAT, 0, scores, scalar(b, MASKED), seen,
            out);
  return out;
}

/* --- making ----------------------------------------------------------------------------------- */

static ig_status check_taken(const ig_attention *a) {
  IG_CHECK(a->dtype == IG_BF16 || a->dtype == IG_F16, IG_ERR_UNSUPPORTED, "cuDNN: not bf16 or f16");
  IG_CHECK(a->softcap == 0 && a->mask_dtype == IG_NONE && a->mask_keys == a->keys,
           IG_ERR_UNSUPPORTED, "cuDNN: more than attention");
  IG_CHECK(!a->causal || (a->past == 0 && a->queries == a->keys), IG_ERR_UNSUPPORTED,
           "cuDNN: queries and keys start at different places");
  IG_CHECK(a->batch > 0 && a->queries > 0 && a->keys > 0 && a->size > 0 && a->v_size > 0,
           IG_ERR_UNSUPPORTED, "cuDNN: an empty tensor");
  IG_CHECK(a->size % 8 == 0 && a->v_size % 8 == 0, IG_ERR_UNSUPPORTED,
           "cuDNN: heads of no multiple of 8 elements");
  return IG_OK;
}

static node rows_of(builder *b, int64_t number, int64_t batch, int64_t heads, int64_t tokens,
                    int64_t size, const ig_rows *rows, bool transposed) {
  const int64_t dims[4] = {batch, heads, transposed ? size : tokens, transposed ? tokens : size};
  const int64_t strides[4] = {rows->batch, rows->head, transposed ? 1 : rows->row,
                              transposed ? rows->row : 1};
  return in_memory(b, number, ig_cudnn_type(b->plan->dtype), IG_CUDNN_MEMORY, dims, strides);
}

static ig_status make_plan(ig_cudnn_attention *c, const ig_attention *a) {
  builder b = {.plan = &c->plan, .next = FIRST_VIRTUAL};
  const int64_t scores[4] = {a->batch, a->heads, a->queries, a->keys};
  const int64_t sums[4] = {a->batch, a->heads, a->queries, 1};
  const int64_t sum_strides[4] = {a->heads * a->queries, a->queries, 1, 1};
  node q = rows_of(&b, Q, a->batch, a->heads, a->queries, a->size, &a->q, false);
  node k = rows_of(&b, K, a->batch, a->kv_heads, a->keys, a->size, &a->k, true);
  node v = rows_of(&b, V, a->batch, a->kv_heads, a->keys, a->v_size, &a->v, false);
  node y = rows_of(&b, Y, a->batch, a->heads, a->queries, a->v_size, &a->y, false);
  node s = between(&b, CUDNN_DATA_FLOAT, scores);
  multiply(&b, q, k, s);
  s = apply(&b, CUDNN_POINTWISE_MUL, s, scalar(&b, SCALE), scores);
  if (a->causal) s = mask(&b, s, scores);
  node most = reduce(&b, CUDNN_REDUCE_TENSOR_MAX, s, sums);
  node shifted = apply(&b, CUDNN_POINTWISE_SUB, s, most, scores);
  node powers = apply(&b, CUDNN_POINTWISE_EXP, shifted, NULL, scores);
  node sum = reduce(&b, CUDNN_REDUCE_TENSOR_ADD, powers, sums);
  node logarithm = apply(&b, CUDNN_POINTWISE_LOG, sum, NULL, sums);
  node lse = in_memory(&b, LSE, CUDNN_DATA_FLOAT, IG_CUDNN_MEMORY, sums, sum_strides);
  pointwise(&b, CUDNN_POINTWISE_ADD, CUDNN_DATA_FLOAT, 0, most, logarithm, NULL, lse);
  node p = between(&b, ig_cudnn_type(a->dtype), scores);
  pointwise(&b, CUDNN_POINTWISE_DIV, CUDNN_DATA_FLOAT, 0, powers, sum, NULL, p);
  multiply(&b, p, v, y);
  return b.status == IG_OK ? ig_cudnn_build(&c->plan, b.operations, b.count) : b.status;
}

/* The same numbers under other dimensions or strides, in `type`. */
static node reshape(builder *b, node in, cudnnDataType_t type, const int64_t dims[4],
                    const int64_t strides[4]) {
  node out = in_memory(b, b->next++, type, IG_CUDNN_VIRTUAL, dims, strides);
  node operation = make(b, CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR);
  link_to(b, operation, CUDNN_ATTR_OPERATION_RESHAPE_XDESC, in);
  link_to(b, operation, CUDNN_ATTR_OPERATION_RESHAPE_YDESC, out);
  add(b, operation);
  return out;
}

/* The backward engines' graph. With D = sum(dy y), in memory: P = exp(scale q k^T - lse), dv = P^T dy,
 * dS = scale P (dy v^T - D), dk = dS^T q, dq = dS k. dq comes directly, not through a sum in f32 that blocks
 * add to in any order. */
static ig_status make_grad_plan(ig_cudnn_attention *c, const ig_attention *a) {
  builder b = {.plan = &c->plan, .next = FIRST_VIRTUAL};
  const cudnnDataType_t type = ig_cudnn_type(a->dtype);
  const int64_t scores[4] = {a->batch, a->heads, a->queries, a->keys};
  const int64_t turned[4] = {a->batch, a->heads, a->keys, a->queries};
  const int64_t turns[4] = {a->heads * a->queries * a->keys, a->queries * a->keys, 1, a->keys};
  const int64_t sums[4] = {a->batch, a->heads, a->queries, 1};
  const int64_t sum_strides[4] = {a->heads * a->queries, a->queries, 1, 1};
  const int64_t results[4] = {a->batch, a->heads, a->queries, a->v_size};
  const int64_t keys[4] = {a->batch, a->heads, a->keys, a->size};
  const int64_t key_strides[4] = {a->k.batch, a->k.head, a->k.row, 1};
  node q = rows_of(&b, Q, a->batch, a->heads, a->queries, a->size, &a->q, false);
  node k = rows_of(&b, K, a->batch, a->heads, a->keys, a->size, &a->k, true);
  node v = rows_of(&b, V, a->batch, a->heads, a->keys, a->v_size, &a->v, true);
  node y = rows_of(&b, Y, a->batch, a->heads, a->queries, a->v_size, &a->y, false);
  node dy = rows_of(&b, DY, a->batch, a->heads, a->queries, a->v_size, &a->y, false);
  node dq = rows_of(&b, DQ, a->batch, a->heads, a->queries, a->size, &a->q, false);
  node dk = rows_of(&b, DK, a->batch, a->heads, a->keys, a->size, &a->k, false);
  node dv = rows_of(&b, DV, a->batch, a->heads, a->keys, a->v_size, &a->v, false);
  node lse = in_memory(&b, LSE, CUDNN_DATA_FLOAT, IG_CUDNN_MEMORY, sums, sum_strides);
  node sum = in_memory(&b, SUMS, CUDNN_DATA_FLOAT, IG_CUDNN_MEMORY, sums, sum_strides);
  node scale = scalar(&b, SCALE);
  node product = apply(&b, CUDNN_POINTWISE_MUL, dy, y, results);
  node total = reduce(&b, CUDNN_REDUCE_TENSOR_ADD, product, sums);
  pointwise(&b, CUDNN_POINTWISE_MUL, CUDNN_DATA_FLOAT, 0, total, scalar(&b, ONE), NULL, sum);
  node s = between(&b, CUDNN_DATA_FLOAT, scores);
  multiply(&b, q, k, s);
  s = apply(&b, CUDNN_POINTWISE_MUL, s, scale, scores);
  s = apply(&b, CUDNN_POINTWISE_SUB, s, lse, scores);
  if (a->causal) s = mask(&b, s, scores);
  node p = apply(&b, CUDNN_POINTWISE_EXP, s, NULL, scores);
  multiply(&b, reshape(&b, p, type, turned, turns), dy, dv);
  node ds = between(&b, CUDNN_DATA_FLOAT, scores);
  multiply(&b, dy, v, ds);
  ds = apply(&b, CUDNN_POINTWISE_SUB, ds, sum, scores);
  ds = apply(&b, CUDNN_POINTWISE_MUL, ds, p, scores);
  ds = apply(&b, CUDNN_POINTWISE_MUL, ds, scale, scores);
  multiply(&b, reshape(&b, ds, type, turned, turns), q, dk);
  multiply(&b, ds, reshape(&b, k, type, keys, key_strides), dq);
  return b.status == IG_OK ? ig_cudnn_build(&c->plan, b.operations, b.count) : b.status;
}

static ig_status create(const ig_attention *a,
                        ig_status (*plan)(ig_cudnn_attention *c, const ig_attention *a),
                        ig_cudnn_attention **out) {
  const ig_cudnn_library *library;
  *out = NULL;
  IG_TRY(check_taken(a));
  IG_TRY(ig_cudnn_open(&library));
  ig_cudnn_attention *c = ig_alloc_zero(1, sizeof *c);
  IG_CHECK_ALLOC(c);
  c->plan = (ig_cudnn_plan){.library = library, .dtype = a->dtype};
  size_t sums = (size_t)(a->batch * a->heads * a->queries) * sizeof(float);
  c->lse = (sums + IG_ALIGNMENT - 1) / IG_ALIGNMENT * IG_ALIGNMENT;
  c->causal = a->causal;
  c->scale = a->scale;
  c->masked = -INFINITY;
  c->one = 1;
  ig_status status = plan(c, a);
  if (status != IG_OK) {
    ig_cudnn_attention_destroy(c);
    return status;
  }
  *out = c;
  return IG_OK;
}

ig_status ig_cudnn_attention_create(const ig_attention *a, ig_cudnn_attention **out) {
  return create(a, make_plan, out);
}

ig_status ig_cudnn_attention_grad_create(const ig_attention *a, ig_cudnn_attention **out) {
  *out = NULL;
  IG_CHECK(a->heads == a->kv_heads, IG_ERR_UNSUPPORTED, "cuDNN: a gradient of grouped heads");
  return create(a, make_grad_plan, out);
}

void ig_cudnn_attention_destroy(ig_cudnn_attention *c) {
  if (!c) return;
  ig_cudnn_clear(&c->plan);
  ig_free(c);
}

size_t ig_cudnn_attention_workspace(const ig_cudnn_attention *c) {
  return c->lse + c->plan.workspace;
}

/* --- running ---------------------------------------------------------------------------------- */

ig_status ig_cudnn_attention_run(const ig_cudnn_attention *c, const ig_attention_inputs *in,
                                 void *y, float *lse, void *workspace, void *stream) {
  static const int64_t numbers[] = {Q, K, V, Y, LSE, SCALE, MASKED};
  void *addresses[] = {(void *)in->q,         (void *)in->k,     (void *)in->v,     y,
                       lse ? lse : workspace, (void *)&c->scale, (void *)&c->masked};
  int64_t count = c->causal ? 7 : 6;
  return ig_cudnn_execute(&c->plan, count, numbers, addresses, (char *)workspace + c->lse, stream);
}

ig_status ig_cudnn_attention_grad_run(const ig_cudnn_attention *c, const ig_attention_inputs *in,
                                      const void *y, const float *lse, const void *dy,
                                      const ig_attention_inputs *out, void *workspace,
                                      void *stream) {
  static const int64_t numbers[] = {Q, K, V, Y, LSE, DY, DQ, DK, DV, SUMS, SCALE, ONE, MASKED};
  void *addresses[] = {(void *)in->q,     (void *)in->k,   (void *)in->v,     (void *)y,
                       (void *)lse,       (void *)dy,      (void *)out->q,    (void *)out->k,
                       (void *)out->v,    workspace,       (void *)&c->scale, (void *)&c->one,
                       (void *)&c->masked};
  int64_t count = c->causal ? 13 : 12;
  return ig_cudnn_execute(&c->plan, count, numbers, addresses, (char *)workspace + c->lse, stream);
}
