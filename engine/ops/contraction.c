/* Each step takes what was made so far, [batch, m, k], and the next operand, [batch, k, n], where the
 * labels of `batch` are in both and needed later, those of `k` in both and not, and what neither the other
 * nor anything later has was summed before. Computed in f64, in f32 for the shorter floats, and in i64 for
 * integers. One walk over the steps serves planning, which only notes sizes, and running. */
#include "engine/ops/contraction.h"

#include "engine/base/checked.h"
#include "kernels/contract.h"
#include "kernels/convert.h"
#include "kernels/movement.h"

/* A strided tensor of distinct labels; dimensions of 1 are left out. */
typedef struct tensor {
  int rank;
  int labels[IG_CONTRACT_RANK];
  int64_t dims[IG_CONTRACT_RANK], strides[IG_CONTRACT_RANK];
  const void *data; /* of the type computed in */
} tensor;

/* The result so far and the next one, the two operands of a product, and operands converted: the first
 * lives on while the second is. */
enum { SLOT_RESULT, SLOT_NEXT, SLOT_LEFT, SLOT_RIGHT, SLOT_FIRST, SLOT_CONVERTED, SLOTS };

typedef struct machine {
  const ig_node *node;
  const ig_equation *e;
  const ig_call *call; /* NULL when planning */
  ig_dtype dtype;
  size_t sizes[SLOTS];
  char *slots[SLOTS];
  double flops;
} machine;

static ig_dtype compute_dtype(ig_dtype dtype) {
  return dtype == IG_F64 ? IG_F64 : ig_dtype_is_float(dtype) ? IG_F32 : IG_I64;
}

static bool has_label(const tensor *t, int label) {
  for (int d = 0; d < t->rank; d++) {
    if (t->labels[d] == label) return true;
  }
  return false;
}

static ig_status need(machine *m, int slot, int64_t elements) {
  int64_t bytes;
  IG_CHECK(ig_mul_dim(elements, (int64_t)ig_dtype_size(m->dtype), &bytes) && bytes < INT64_MAX / 16,
           IG_ERR_SHAPE, "an intermediate result has more elements than can be counted");
  m->sizes[slot] = IG_MAX(m->sizes[slot], (size_t)bytes);
  return IG_OK;
}

static ig_status add_dim(tensor *t, int label, int64_t dim, int64_t stride) {
  for (int d = 0; d < t->rank; d++) {
    if (t->labels[d] != label) continue;
    t->strides[d] += stride; /* a diagonal */
    return IG_OK;
  }
  IG_CHECK(t->rank < IG_CONTRACT_RANK, IG_ERR_UNSUPPORTED,
           "an intermediate result has more than %d dimensions", IG_CONTRACT_RANK);
  t->labels[t->rank] = label;
  t->dims[t->rank] = dim;
  t->strides[t->rank++] = stride;
  return IG_OK;
}

/* Operand i, in the type computed in. */
static ig_status operand(machine *m, int i, tensor *out) {
  const ig_value *x = m->node->inputs[i];
  const ig_term *term = &m->e->terms[i];
  int slot = i == 0 ? SLOT_FIRST : SLOT_CONVERTED;
  int64_t strides[IG_MAX_RANK];
  ig_shape_strides(&x->shape, strides);
  *out = (tensor){.rank = 0};
  for (int d = 0; d < term->rank; d++) {
    if (x->shape.dims[d] != 1) IG_TRY(add_dim(out, term->labels[d], x->shape.dims[d], strides[d]));
  }
  if (x->dtype != m->dtype) IG_TRY(need(m, slot, ig_value_count(x)));
  if (!m->call) return IG_OK;
  out->data = m->call->in[i];
  if (x->dtype != m->dtype) {
    ig_cpu_convert(x->dtype, m->call->in[i], m->dtype, m->slots[slot], ig_value_count(x));
    out->data = m->slots[slot];
  }
  return IG_OK;
}

/* Whether operands behind `i`, or the result, have the label. */
static bool needed_later(const machine *m, int i, int label) {
  for (int t = i + 1; t < m->e->n; t++) {
    if (ig_term_has(&m->e->terms[t], label)) return true;
  }
  return ig_term_has(&m->e->out, label);
}

static ig_status count_of(const tensor *t, int64_t *out) {
  *out = 1;
  for (int d = 0; d < t->rank; d++) {
    IG_CHECK(ig_mul_dim(*out, t->dims[d], out), IG_ERR_SHAPE,
             "an intermediate result has more elements than can be counted");
  }
  return IG_OK;
}

/* `to`, whose labels and their order are given, gets dims and dense strides, and x's elements into
 * `target`, summed over the other labels. */
static ig_status pack(machine *m, const tensor *x, tensor *to, void *target, int slot) {
  int64_t count, stride = 1;
  ig_box_sum box = {.kept = to->rank};
  for (int d = 0; d < x->rank; d++) {
    int at = 0;
    while (at < to->rank && to->labels[at] != x->labels[d]) at++;
    if (at < to->rank) {
      to->dims[at] = box.kept_dims[at] = x->dims[d];
      box.kept_strides[at] = x->strides[d];
    } else {
      box.summed_dims[box.summed] = x->dims[d];
      box.summed_strides[box.summed++] = x->strides[d];
    }
  }
  IG_TRY(count_of(to, &count));
  for (int d = to->rank - 1; d >= 0; d--) {
    to->strides[d] = stride;
    stride *= to->dims[d];
  }
  if (slot < SLOTS) IG_TRY(need(m, slot, count));
  if (!m->call) return IG_OK;
  to->data = target;
  if (box.summed) {
    ig_cpu_box_sum(m->dtype, &box, x->data, target);
  } else {
    ig_cpu_strided_copy(ig_dtype_size(m->dtype), to->rank, to->dims, x->data, box.kept_strides,
                        target, to->strides);
  }
  return IG_OK;
}

/* The kinds of labels that a step tells apart. */
enum { BATCH, LEFT_ONLY, RIGHT_ONLY, CONTRACTED };

/* Appends to `to` the labels of `from` that are of that kind; gives the product of their dims. */
static ig_status append(const machine *m, int i, const tensor *from, const tensor *other, int kind,
                        tensor *to, int64_t *size) {
  *size = 1;
  for (int d = 0; d < from->rank; d++) {
    bool both = has_label(other, from->labels[d]), later = needed_later(m, i, from->labels[d]);
    bool fits = kind == BATCH        ? both && later
                : kind == CONTRACTED ? both && !later
                                     : !both && later;
    if (!fits) continue;
    IG_TRY(add_dim(to, from->labels[d], from->dims[d], 0));
    IG_CHECK(ig_mul_dim(*size, from->dims[d], size), IG_ERR_SHAPE,
             "an intermediate result has more elements than can be counted");
  }
  return IG_OK;
}

/* `now` becomes its product with operand i. */
static ig_status step(machine *m, int i, tensor *now) {
  tensor next, left = {.rank = 0}, right = {.rank = 0}, result = {.rank = 0};
  ig_batched_product p;
  IG_TRY(operand(m, i, &next));
  IG_TRY(append(m, i, now, &next, BATCH, &left, &p.batch));
  right = result = left;
  IG_TRY(append(m, i, now, &next, LEFT_ONLY, &left, &p.m));
  IG_TRY(append(m, i, now, &next, CONTRACTED, &left, &p.k));
  IG_TRY(append(m, i, now, &next, CONTRACTED, &right, &p.k));
  IG_TRY(append(m, i, &next, now, RIGHT_ONLY, &right, &p.n));
  IG_TRY(append(m, i, now, &next, LEFT_ONLY, &result, &p.m));
  IG_TRY(append(m, i, &next, now, RIGHT_ONLY, &result, &p.n));
  IG_TRY(pack(m, now, &left, m->slots[SLOT_LEFT], SLOT_LEFT));
  IG_TRY(pack(m, &next, &right, m->slots[SLOT_RIGHT], SLOT_RIGHT));
  int64_t count, stride = 1;
  IG_TRY(count_of(&result, &count));
  for (int d = result.rank - 1; d >= 0; d--) {
    result.strides[d] = stride;
    stride *= result.dims[d];
  }
  int slot = i % 2 ? SLOT_RESULT : SLOT_NEXT;
  IG_TRY(need(m, slot, count));
  m->flops += 2.0 * (double)p.batch * (double)p.m * (double)p.k * (double)p.n;
  if (m->call) {
    ig_cpu_batched_product(m->dtype, &p, left.data, right.data, m->slots[slot]);
    result.data = m->slots[slot];
  }
  *now = result;
  return IG_OK;
}

static ig_status execute(machine *m) {
  const ig_value *y = m->node->outputs[0];
  tensor now, out = {.rank = 0};
  IG_TRY(operand(m, 0, &now));
  m->flops = (double)ig_value_count(m->node->inputs[0]);
  for (int i = 1; i < m->e->n; i++) IG_TRY(step(m, i, &now));
  for (int d = 0; d < m->e->out.rank; d++) {
    int label = m->e->out.labels[d];
    if (m->e->dims[label] != 1) IG_TRY(add_dim(&out, label, m->e->dims[label], 0));
  }
  bool direct = m->dtype == y->dtype;
  IG_TRY(pack(m, &now, &out, direct ? (m->call ? m->call->out[0] : NULL) : m->slots[SLOT_LEFT],
              direct ? SLOTS : SLOT_LEFT));
  if (m->call && !direct)
    ig_cpu_convert(m->dtype, out.data, y->dtype, m->call->out[0], ig_value_count(y));
  return IG_OK;
}

ig_status ig_contraction_plan(const ig_node *node, const ig_equation *e, ig_contraction *out) {
  machine m = {.node = node, .e = e, .dtype = compute_dtype(node->inputs[0]->dtype)};
  IG_TRY(execute(&m));
  out->workspace = 0;
  out->flops = m.flops;
  for (int s = 0; s < SLOTS; s++)
    out->workspace += (m.sizes[s] + IG_ALIGNMENT - 1) / IG_ALIGNMENT * IG_ALIGNMENT;
  return IG_OK;
}

ig_status ig_contraction_run(const ig_call *call, const ig_equation *e) {
  machine m = {.node = call->node, .e = e, .dtype = compute_dtype(call->node->inputs[0]->dtype)};
  IG_TRY(execute(&m));
  char *at = call->workspace;
  for (int s = 0; s < SLOTS; s++) {
    m.slots[s] = at;
    at += (m.sizes[s] + IG_ALIGNMENT - 1) / IG_ALIGNMENT * IG_ALIGNMENT;
  }
  m.call = call;
  return execute(&m);
}
