/* Matches fields to inputs by name, else by position, and refuses what does not fit before anything
 * is compiled, so that the message speaks of files and inputs and not of operators. */
#include "engine/train/match.h"

#include <stdio.h>
#include <string.h>

#include "engine/train/feeder.h"

static int field_by_name(const ig_dataset *dataset, int n_fields, const char *name) {
  for (int f = 0; f < n_fields; f++) {
    if (strcmp(dataset->fields[f].name, name) == 0) return f;
  }
  return -1;
}

/* "[N, 3, 32, 32]": a free dimension by its symbol. */
static const char *template_text(const ig_value *input, char text[IG_SHAPE_TEXT]) {
  size_t used = 0;
  text[0] = '\0';
  for (int d = 0; d < input->shape.rank && used < IG_SHAPE_TEXT; d++) {
    const char *before = d ? ", " : "[";
    int wrote = input->symbols[d]
                    ? snprintf(text + used, IG_SHAPE_TEXT - used, "%s%s", before, input->symbols[d])
                    : snprintf(text + used, IG_SHAPE_TEXT - used, "%s%lld", before,
                               (long long)input->shape.dims[d]);
    if (wrote > 0) used += (size_t)wrote;
  }
  if (used < IG_SHAPE_TEXT) snprintf(text + used, IG_SHAPE_TEXT - used, "]");
  return text;
}

static ig_status check_field(const ig_dataset *dataset, int f, const ig_value *input) {
  const ig_field *field = &dataset->fields[f];
  bool fits = input->shape.rank == field->shape.rank + 1;
  for (int d = 1; fits && d < input->shape.rank; d++) {
    fits = input->symbols[d] || input->shape.dims[d] == field->shape.dims[d - 1];
  }
  IG_CHECK(fits, IG_ERR_SHAPE,
           "%s: field '%s' has samples of shape %s, but the model's input "
           "'%s' takes %s",
           dataset->path, field->name, IG_SHAPE_STR(&field->shape), input->name,
           template_text(input, (char[IG_SHAPE_TEXT]){0}));
  ig_dtype delivered = ig_feeder_dtype(dataset, f);
  IG_CHECK(delivered == input->dtype, IG_ERR_SHAPE,
           "%s: field '%s' gives %s, but the model's input '%s' takes %s", dataset->path,
           field->name, ig_dtype_name(delivered), input->name, ig_dtype_name(input->dtype));
  return IG_OK;
}

static int field_of(const ig_graph *model, const ig_dataset *dataset, int n_candidates, int i) {
  int f = field_by_name(dataset, n_candidates, model->inputs[i]->name);
  return f >= 0 ? f : i;
}

static bool is_whole(ig_dtype dtype) { return ig_dtype_is_int(dtype) || dtype == IG_BOOL; }

/* Bytes [H, W] were taken for a picture of one channel; the model says what they are. */
static void undo_channel(const ig_value *input, ig_field *field) {
  bool one = field->kind == IG_FIELD_IMAGE && field->shape.rank == 3 && field->shape.dims[0] == 1;
  if (one && !input->any_shape && input->shape.rank == 3)
    field->shape = IG_SHAPE(field->shape.dims[1], field->shape.dims[2]);
}

void ig_match_types(const ig_graph *model, ig_dataset *dataset) {
  int n_candidates = dataset->n_fields - (dataset->n_fields > model->n_inputs);
  for (int i = 0; i < model->n_inputs && model->n_inputs <= dataset->n_fields; i++) {
    const ig_value *input = model->inputs[i];
    int f = field_of(model, dataset, n_candidates, i);
    ig_field *field = &dataset->fields[f];
    if (!is_whole(input->dtype) || !is_whole(field->dtype)) continue;
    if (field->kind != IG_FIELD_INTEGERS && field->kind != IG_FIELD_IMAGE &&
        field->kind != IG_FIELD_FEATURES && ig_feeder_dtype(dataset, f) == input->dtype) {
      continue;
    }
    undo_channel(input, field);
    field->kind = IG_FIELD_INTEGERS;
    field->takes = input->dtype;
  }
}

ig_status ig_match_fields(const ig_graph *model, const ig_dataset *dataset, ig_match *out) {
  ig_match match = {.n_inputs = model->n_inputs, .target = -1};
  IG_CHECK(model->n_inputs >= 1 && model->n_inputs <= dataset->n_fields, IG_ERR_SHAPE,
           "%s: %d fields, but the model has %d inputs", dataset->path, dataset->n_fields,
           model->n_inputs);
  int n_candidates = dataset->n_fields;
  if (dataset->n_fields > model->n_inputs) match.target = --n_candidates;
  for (int i = 0; i < model->n_inputs; i++) {
    match.inputs[i] = field_of(model, dataset, n_candidates, i);
    IG_TRY(check_field(dataset, match.inputs[i], model->inputs[i]));
  }
  *out = match;
  return IG_OK;
}

ig_shape ig_match_shape(const ig_match *match, const ig_dataset *dataset, int i, int64_t count) {
  const ig_shape *sample = &dataset->fields[match->inputs[i]].shape;
  ig_shape shape = {.rank = sample->rank + 1, .dims = {count}};
  memcpy(shape.dims + 1, sample->dims, (size_t)sample->rank * sizeof *sample->dims);
  return shape;
}
