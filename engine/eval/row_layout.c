/* Records of results. Values stand unaligned in them, so all access goes through memcpy. */
#include "engine/eval/row_layout.h"

#include <math.h>
#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/dtype.h"

static ig_status add_part(ig_row_layout *layout, const char *name, ig_dtype dtype,
                          const ig_shape *shape) {
  ig_row_part *part = &layout->parts[layout->n++];
  *part = (ig_row_part){.name = name, .dtype = dtype, .shape = *shape, .offset = layout->bytes};
  IG_TRY(ig_shape_check(shape, dtype));
  part->bytes = ig_shape_bytes(shape, dtype);
  IG_CHECK(ig_add_size(layout->bytes, part->bytes, &layout->bytes), IG_ERR_MEMORY,
           "output '%s' of shape %s: a row exceeds the address space", name, IG_SHAPE_STR(shape));
  return IG_OK;
}

ig_status ig_row_layout_make(int n_outputs, const ig_tensor_info *outputs, ig_task task, bool derive,
                             ig_row_layout *out) {
  ig_row_layout layout = {.task = task, .n_outputs = n_outputs, .probability = -1, .prediction = -1};
  IG_CHECK(n_outputs >= 1 && n_outputs <= IG_MOST_OUTPUTS, IG_ERR_UNSUPPORTED,
           "%d outputs, expected 1 to %d", n_outputs, IG_MOST_OUTPUTS);
  for (int i = 0; i < n_outputs; i++) {
    IG_TRY(add_part(&layout, outputs[i].name, outputs[i].dtype, &outputs[i].shape));
  }
  const ig_shape *first = &outputs[0].shape;
  layout.width = first->rank > 0 ? first->dims[first->rank - 1] : 1;
  layout.lines = first->rank > 0 ? ig_shape_span(first, 0, first->rank - 1) : 1;
  bool known = derive && outputs[0].dtype == IG_F32;
  if (known && (task == IG_TASK_CLASSIFICATION || task == IG_TASK_MULTILABEL)) {
    layout.probability = layout.n;
    IG_TRY(add_part(&layout, "probability", IG_F32, first));
  }
  if (known && task == IG_TASK_CLASSIFICATION) {
    ig_shape shape = *first;
    if (shape.rank > 0) shape.rank--;
    layout.prediction = layout.n;
    IG_TRY(add_part(&layout, "prediction", IG_I64, &shape));
  }
  IG_CHECK(ig_add_size(layout.bytes, 1, &layout.bytes), IG_ERR_MEMORY,
           "a row of results exceeds the address space");
  *out = layout;
  return IG_OK;
}

static void put(char *to, int64_t index, float value) {
  memcpy(to + index * (int64_t)sizeof value, &value, sizeof value);
}

static int64_t put_softmax(const float *logits, int64_t n, char *to) {
  int64_t best = 0;
  for (int64_t k = 1; k < n; k++) {
    if (logits[k] > logits[best]) best = k;
  }
  double sum = 0;
  for (int64_t k = 0; k < n; k++) sum += exp((double)logits[k] - logits[best]);
  for (int64_t k = 0; k < n; k++) {
    put(to, k, (float)(exp((double)logits[k] - logits[best]) / sum));
  }
  return best;
}

void ig_row_layout_fill(const ig_row_layout *layout, const void *const *outputs, int64_t row,
                        char *record) {
  for (int i = 0; i < layout->n_outputs; i++) {
    const ig_row_part *part = &layout->parts[i];
    memcpy(record + part->offset, (const char *)outputs[i] + (size_t)row * part->bytes,
           part->bytes);
  }
  record[layout->bytes - 1] = IG_ROW_COMPUTED;
  if (layout->probability < 0) return;
  int64_t width = layout->width, n = layout->lines * width;
  const float *logits = (const float *)outputs[0] + row * n;
  char *probability = record + layout->parts[layout->probability].offset;
  for (int64_t i = 0; i < n && layout->prediction < 0; i++) {
    put(probability, i, (float)(1 / (1 + exp(-(double)logits[i]))));
  }
  for (int64_t i = 0; i < layout->lines && layout->prediction >= 0; i++) {
    int64_t best = put_softmax(logits + i * width, width, probability + (size_t)(i * width) * 4);
    memcpy(record + layout->parts[layout->prediction].offset + (size_t)i * sizeof best, &best,
           sizeof best);
  }
}

void ig_row_layout_skip(const ig_row_layout *layout, char *record) {
  for (int i = 0; i < layout->n; i++) {
    const ig_row_part *part = &layout->parts[i];
    size_t size = ig_dtype_size(part->dtype);
    int64_t n = ig_shape_count(&part->shape);
    uint64_t value = part->dtype == IG_BOOL ? 0 : UINT64_MAX;
    if (ig_dtype_is_float(part->dtype)) ig_store_f64(part->dtype, &value, 0, NAN);
    for (int64_t k = 0; k < n; k++) memcpy(record + part->offset + (size_t)k * size, &value, size);
  }
  record[layout->bytes - 1] = IG_ROW_SKIPPED;
}

ig_row_state ig_row_state_of(const ig_row_layout *layout, const char *record) {
  return (ig_row_state)record[layout->bytes - 1];
}

void ig_row_layout_columns(const ig_row_layout *layout, const char *records, int64_t count,
                           void *const *columns) {
  for (int p = 0; p < layout->n; p++) {
    const ig_row_part *part = &layout->parts[p];
    const char *from = records + part->offset;
    char *to = columns[p];
    for (int64_t i = 0; i < count; i++, from += layout->bytes, to += part->bytes) {
      memcpy(to, from, part->bytes);
    }
  }
}
