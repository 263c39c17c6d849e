/* Shared parts of the operators on buckets: layout, copying in and out, and beginning an operation. */
#include "engine/ops/buckets.h"

#include "engine/base/checked.h"

#define LINE 64 /* bytes, to which everything in a bucket is aligned */

enum { SEGMENTS = 64, MOST_RANKS = 1 << 20 };

/* --- layout ------------------------------------------------------------------------------------- */

static bool round_up(int64_t count, int64_t step, int64_t *out) {
  int64_t more;
  if (!ig_add_dim(count, step - 1, &more) || more > INT64_MAX / 16) return false;
  *out = more - more % step;
  return true;
}

static int64_t line_of(ig_dtype dtype) {
  return LINE / (int64_t)ig_dtype_size(dtype);
}

bool ig_bucket_stride(ig_dtype dtype, int64_t count, int64_t *out) {
  return round_up(count, line_of(dtype), out);
}

bool ig_bucket_pad(ig_dtype dtype, int64_t ranks, int64_t count, int64_t *out) {
  return round_up(count, line_of(dtype) * ranks, out);
}

static bool travels(ig_dtype dtype) {
  return dtype == IG_F32 || dtype == IG_F16 || dtype == IG_BF16;
}

static ig_status check_ranks(const ig_node *node) {
  const ig_bucket_attrs *a = IG_BUCKET_ATTRS(node);
  IG_CHECK(a->ranks >= 1 && a->ranks <= MOST_RANKS && a->rank >= 0 && a->rank < a->ranks,
           IG_ERR_SHAPE, "rank %lld of %lld ranks", (long long)a->rank, (long long)a->ranks);
  return IG_OK;
}

static ig_status check_after(const ig_node *node) {
  int64_t after = IG_BUCKET_ATTRS(node)->after;
  IG_CHECK(after >= 0 && after < node->n_inputs, IG_ERR_SHAPE, "%lld of %d inputs only come first",
           (long long)after, node->n_inputs);
  return IG_OK;
}

int ig_bucket_reads(const ig_node *node) {
  return node->n_inputs - (int)IG_BUCKET_ATTRS(node)->after;
}

ig_status ig_bucket_count(const ig_node *node, ig_dtype to, int64_t ranks, int64_t *count) {
  IG_TRY(check_ranks(node));
  IG_CHECK(travels(to), IG_ERR_SHAPE, "a bucket is f32, f16 or bf16, found %s", ig_dtype_name(to));
  IG_TRY(check_after(node));
  *count = 0;
  for (int i = 0; i < ig_bucket_reads(node); i++) {
    const ig_value *v = node->inputs[i];
    IG_CHECK(v && v->dtype == node->inputs[0]->dtype && travels(v->dtype), IG_ERR_SHAPE,
             "input %d must be f32, f16 or bf16 like the others, found %s", i,
             ig_dtype_name(v ? v->dtype : IG_NONE));
    int64_t stride;
    IG_CHECK(ig_bucket_stride(to, ig_value_count(v), &stride) &&
                 ig_add_dim(*count, stride, count),
             IG_ERR_SHAPE, "the bucket is larger than memory can be");
  }
  IG_CHECK(ig_bucket_pad(to, ranks, *count, count), IG_ERR_SHAPE,
           "the bucket is larger than memory can be");
  return IG_OK;
}

ig_status ig_bucket_check_flat(const ig_node *node, ig_dtype *dtype, int64_t *count) {
  const ig_value *flat = node->inputs[0];
  IG_TRY(check_after(node));
  IG_CHECK(flat->shape.rank == 1 && travels(flat->dtype), IG_ERR_SHAPE,
           "the bucket must be flat and of f32, f16 or bf16, found %s %s",
           ig_dtype_name(flat->dtype), IG_SHAPE_STR(&flat->shape));
  *dtype = flat->dtype;
  *count = ig_value_count(flat);
  return IG_OK;
}

/* --- copying ------------------------------------------------------------------------------------ */

/* Segments on their way to the kernel, so many at a time that running allocates nothing. */
typedef struct batch {
  ig_copy_segments copy;
  ig_dtype from, to;
  void *stream;
  int n;
  ig_segment segments[SEGMENTS];
} batch;

static ig_status flush(batch *b) {
  int n = b->n;
  b->n = 0;
  return n ? b->copy(b->from, b->to, b->segments, n, b->stream) : IG_OK;
}

static ig_status add(batch *b, const void *from, void *to, int64_t count) {
  if (count == 0 || from == to) return IG_OK;
  if (b->n == SEGMENTS) IG_TRY(flush(b));
  b->segments[b->n++] = (ig_segment){from, to, count};
  return IG_OK;
}

/* Elements [first, first + count) of the bucket of all inputs. */
static ig_status copy_in(const ig_call *call, int64_t first, int64_t count, ig_copy_segments copy) {
  const ig_node *node = call->node;
  ig_dtype from = node->inputs[0]->dtype, to = node->outputs[0]->dtype;
  batch b = {.copy = copy, .from = from, .to = to, .stream = call->stream};
  int64_t size = (int64_t)ig_dtype_size(to), at = 0, done = first, end = first + count;
  char *out = call->out[0];
  for (int i = 0; i < ig_bucket_reads(node) && at < end; i++) {
    int64_t own = ig_value_count(node->inputs[i]), stride;
    int64_t begin = IG_MAX(at, first), stop = IG_MIN(at + own, end);
    if (begin < stop) {
      const char *source = (const char *)call->in[i] + (begin - at) * (int64_t)ig_dtype_size(from);
      IG_TRY(add(&b, NULL, out + (done - first) * size, begin - done));
      IG_TRY(add(&b, source, out + (begin - first) * size, stop - begin));
      done = stop;
    }
    if (!ig_bucket_stride(to, own, &stride)) break; /* inference has checked it */
    at += stride;
  }
  IG_TRY(add(&b, NULL, out + (done - first) * size, end - done));
  return flush(&b);
}

ig_status ig_bucket_run(const ig_call *call, ig_copy_segments copy) {
  return copy_in(call, 0, ig_value_count(call->node->outputs[0]), copy);
}

ig_status ig_bucket_part_run(const ig_call *call, ig_copy_segments copy) {
  int64_t part = ig_value_count(call->node->outputs[0]);
  return copy_in(call, IG_BUCKET_ATTRS(call->node)->rank * part, part, copy);
}

ig_status ig_unbucket_run(const ig_call *call, ig_copy_segments copy) {
  const ig_node *node = call->node;
  ig_dtype from = node->inputs[0]->dtype;
  batch b = {.copy = copy, .from = from, .to = node->outputs[0]->dtype, .stream = call->stream};
  const char *source = call->in[0];
  for (int i = 0; i < node->n_outputs; i++) {
    int64_t own = ig_value_count(node->outputs[i]), stride;
    if (call->out[i] && call->out[i] != (const void *)source)
      IG_TRY(add(&b, source, call->out[i], own));
    if (!ig_bucket_stride(from, own, &stride)) break;
    source += stride * (int64_t)ig_dtype_size(from);
  }
  return flush(&b);
}

/* --- operations --------------------------------------------------------------------------------- */

ig_status ig_bucket_begin(const ig_call *call, ig_collective_kind kind) {
  const ig_node *node = call->node;
  const ig_bucket_attrs *a = IG_BUCKET_ATTRS(node);
  IG_CHECK(call->comm, IG_ERR_USAGE, "the plan was given no communicator");
  IG_CHECK(kind == IG_ALL_REDUCE || a->ranks == call->comm->size, IG_ERR_USAGE,
           "the graph was made for %lld ranks, the communicator has %d", (long long)a->ranks,
           call->comm->size);
  const ig_value *whole = node->inputs[0];
  if (kind == IG_ALL_GATHER) whole = node->outputs[0];
  ig_collective operation = {.kind = kind,
                             .dtype = whole->dtype,
                             .count = ig_value_count(whole),
                             .index = (int)a->index,
                             .in = call->in[0],
                             .out = call->out[0]};
  return ig_comm_begin(call->comm, &operation, call->stream);
}

ig_cost ig_bucket_cost(const ig_node *node) {
  return (ig_cost){0, (double)(ig_value_bytes(node->inputs[0]) + ig_value_bytes(node->outputs[0]))};
}
