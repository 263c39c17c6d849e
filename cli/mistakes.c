/* The worst mistakes: wrong predictions by confidence. Pictures are read again from the data, as they
 * are there and not as they were normalised. */
#include "cli/mistakes.h"

#include <math.h>
#include <string.h>

void ig_mistakes_begin(ig_mistakes *m, ig_task task, ig_dataset *dataset) {
  m->task = task;
  m->dataset = dataset;
  m->count = 0;
}

static bool shows_pictures(const ig_mistakes *m) {
  const ig_field *x = &m->dataset->fields[0], *y = &m->dataset->fields[m->dataset->n_fields - 1];
  return m->task == IG_TASK_CLASSIFICATION && x->kind == IG_FIELD_IMAGE && x->shape.rank == 3 &&
         y->kind == IG_FIELD_CLASS && y->shape.rank == 0;
}

/* Keeps the list sorted; the least confident falls off its end. */
static void insert(ig_mistakes *m, ig_mistake mistake) {
  int at = m->count;
  while (at > 0 && m->worst[at - 1].confidence < mistake.confidence) at--;
  if (at == IG_MOST_MISTAKES) return;
  if (m->count < IG_MOST_MISTAKES) m->count++;
  memmove(&m->worst[at + 1], &m->worst[at], (size_t)(m->count - 1 - at) * sizeof *m->worst);
  m->worst[at] = mistake;
}

ig_status ig_mistakes_take(void *context, const ig_batch *batch, const ig_plan *plan) {
  ig_mistakes *m = context;
  if (!shows_pictures(m)) return IG_OK;
  const ig_shape *shape = &ig_plan_graph(plan)->outputs[0]->shape;
  int64_t n = shape->dims[shape->rank - 1];
  const float *logits = ig_plan_output(plan, 0);
  const int64_t *targets = batch->fields[m->dataset->n_fields - 1];
  for (int64_t i = 0; i < batch->count; i++, logits += n) {
    int64_t best = 0;
    for (int64_t k = 1; k < n; k++) {
      if (logits[k] > logits[best]) best = k;
    }
    if (best == targets[i]) continue;
    double sum = 0;
    for (int64_t k = 0; k < n; k++) sum += exp((double)logits[k] - logits[best]);
    insert(m, (ig_mistake){batch->indices[i], targets[i], best, 1 / sum});
  }
  return IG_OK;
}

/* Bytes as they are; other numbers stretched from their least to their largest. */
static void to_bytes(ig_dtype dtype, const void *data, int64_t count, uint8_t *bytes) {
  if (dtype == IG_U8) {
    memcpy(bytes, data, (size_t)count);
    return;
  }
  double low = INFINITY, high = -INFINITY;
  for (int64_t i = 0; i < count; i++) {
    low = fmin(low, ig_load_f64(dtype, data, i));
    high = fmax(high, ig_load_f64(dtype, data, i));
  }
  double scale = high > low ? 255 / (high - low) : 0;
  for (int64_t i = 0; i < count; i++) {
    bytes[i] = (uint8_t)lround((ig_load_f64(dtype, data, i) - low) * scale);
  }
}

/* Pictures of few grey levels, such as the digits' 16, would be black: they are stretched too. */
static void stretch(uint8_t *bytes, int64_t count) {
  int high = 1;
  for (int64_t i = 0; i < count; i++) high = IG_MAX(high, bytes[i]);
  if (high >= 64) return;
  for (int64_t i = 0; i < count; i++) bytes[i] = (uint8_t)(bytes[i] * 255 / high);
}

static const char *class_name(const ig_mistakes *m, int64_t k, ig_arena *arena) {
  const ig_field *y = &m->dataset->fields[m->dataset->n_fields - 1];
  if (y->classes && k < y->n_classes) return y->classes[k];
  return ig_arena_format(arena, "%lld", (long long)k);
}

static ig_status fill_row(ig_mistakes *m, int i, void *raw, ig_arena *arena) {
  const ig_mistake *mistake = &m->worst[i];
  const ig_field *x = &m->dataset->fields[0];
  int64_t count = ig_shape_count(&x->shape);
  void *buffers[IG_MAX_FIELDS] = {raw};
  uint8_t *pixels = ig_arena_alloc(arena, (size_t)count);
  IG_CHECK(pixels, IG_ERR_MEMORY, "no memory for a picture");
  IG_TRY(ig_dataset_read(m->dataset, &mistake->index, 1, buffers));
  to_bytes(x->dtype, raw, count, pixels);
  stretch(pixels, count);
  m->rows[i] =
      (ig_report_mistake){.channels = (int)x->shape.dims[0],
                          .height = (int)x->shape.dims[1],
                          .width = (int)x->shape.dims[2],
                          .pixels = x->shape.dims[0] == 1 || x->shape.dims[0] == 3 ? pixels : NULL,
                          .truth = class_name(m, mistake->truth, arena),
                          .predicted = class_name(m, mistake->predicted, arena),
                          .confidence = mistake->confidence,
                          .index = mistake->index};
  IG_CHECK(m->rows[i].truth && m->rows[i].predicted, IG_ERR_MEMORY, "no memory for names");
  return IG_OK;
}

ig_status ig_mistakes_end(ig_mistakes *m, ig_arena *arena) {
  if (m->count == 0) return IG_OK;
  const ig_field *x = &m->dataset->fields[0];
  void *raw = ig_arena_alloc(arena, ig_shape_bytes(&x->shape, x->dtype));
  IG_CHECK(raw, IG_ERR_MEMORY, "no memory for a picture");
  for (int i = 0; i < m->count; i++) IG_TRY(fill_row(m, i, raw, arena));
  return IG_OK;
}
