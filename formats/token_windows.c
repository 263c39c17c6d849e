/* Windows over a run of tokens. The ids stay as narrow as they came (a mapped file, or bytes)
 * and are widened while reading, where each is held against the vocabulary. */
#include "formats/token_windows.h"

#include <inttypes.h>
#include <string.h>

typedef struct windows {
  ig_dataset base;
  ig_token_run run;
  int64_t context, stride;
  ig_holder *holder;
} windows;

/* Widens ids [from, from + n); returns the position of one outside the vocabulary, or -1. */
static int64_t widen(const ig_token_run *run, int64_t from, int64_t n, int64_t *out) {
  switch (run->width) {
  case 1:
    for (int64_t i = 0; i < n; i++) out[i] = ((const uint8_t *)run->ids)[from + i];
    break;
  case 2:
    for (int64_t i = 0; i < n; i++) out[i] = ((const uint16_t *)run->ids)[from + i];
    break;
  default:
    for (int64_t i = 0; i < n; i++) out[i] = ((const uint32_t *)run->ids)[from + i];
    break;
  }
  int64_t largest = 0;
  for (int64_t i = 0; i < n; i++) largest = IG_MAX(largest, out[i]);
  if (largest < run->vocabulary) return -1;
  int64_t at = 0;
  while (out[at] < run->vocabulary) at++;
  return from + at;
}

static ig_status windows_read(ig_dataset *dataset, const int64_t *indices, int64_t count,
                              void *const *buffers) {
  const windows *w = (const windows *)dataset;
  for (int64_t i = 0; i < count; i++) {
    for (int f = 0; f < 2; f++) {
      if (!buffers[f]) continue;
      int64_t *out = (int64_t *)buffers[f] + i * w->context;
      int64_t bad = widen(&w->run, indices[i] * w->stride + f, w->context, out);
      IG_CHECK(bad < 0, IG_ERR_INPUT,
               "%s: token %" PRId64 " is outside the vocabulary; expected 0 to %" PRId64,
               dataset->path, bad, w->run.vocabulary - 1);
    }
  }
  return IG_OK;
}

static void windows_destroy(ig_dataset *dataset) {
  windows *w = (windows *)dataset;
  ig_holder_destroy(w->holder);
  ig_free(w);
}

static const ig_dataset_vtable windows_vtable = {.read = windows_read, .destroy = windows_destroy};

ig_status ig_token_windows_create(const ig_source *source, const char *format,
                                  const ig_token_run *run, uint64_t digest,
                                  const ig_dataset_open_options *options, ig_holder *holder,
                                  ig_dataset **out) {
  int64_t context = options->context ? options->context : IG_DEFAULT_CONTEXT;
  int64_t stride = options->stride ? options->stride : 1;
  IG_CHECK(run->vocabulary >= 1, IG_ERR_INPUT, "%s: the vocabulary is empty", source->spec);
  IG_CHECK(context < run->count, IG_ERR_INPUT,
           "%s: holds %" PRId64 " tokens; a window of %" PRId64 " and the next one need %" PRId64,
           source->spec, run->count, context, context + 1);
  char *path = ig_arena_strdup(holder->arena, source->spec);
  windows *w = ig_alloc_zero(1, sizeof *w);
  if (!w || !path) {
    ig_free(w);
    return ig_fail(IG_ERR_MEMORY, "%s: out of memory", __func__);
  }
  w->base = (ig_dataset){
      .vtable = &windows_vtable,
      .path = path,
      .format = format,
      .n_samples = (run->count - 1 - context) / stride + 1,
      .n_fields = 2,
      .sequential = true,
      .overlap = (context - 1) / stride, /* windows nearer than that predict common tokens */
      .digest = digest,
  };
  w->base.fields[0] = (ig_field){.name = "x",
                                 .kind = IG_FIELD_TOKENS,
                                 .dtype = IG_I64,
                                 .shape = IG_SHAPE(context),
                                 .n_classes = run->vocabulary,
                                 .classes = run->names};
  w->base.fields[1] = w->base.fields[0];
  w->base.fields[1].name = "y";
  w->run = *run;
  w->context = context;
  w->stride = stride;
  w->holder = holder;
  *out = &w->base;
  return IG_OK;
}
