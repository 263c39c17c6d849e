/* Finds presets and reads their arguments: NAME[:item,item,...], an item being name=value, a number
 * or a word. All names are checked here against the preset's lists, so that a preset only asks for
 * values and a slip is answered with the nearest valid name. */
#include "engine/models/model.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/nearest.h"

#define MOST_ITEMS 32
#define MOST_TEXT 512

typedef struct item {
  const char *name;  /* NULL for a bare item */
  const char *value; /* the number, the word, or what follows '=' */
  bool number;       /* a bare item of digits that is not one of the preset's words */
} item;

struct ig_model_args {
  const ig_model_preset *preset;
  int count;
  item items[MOST_ITEMS];
  char text[MOST_TEXT]; /* items point into it */
};

#define SUGGESTION_BYTES 96
/* ", did you mean "best"?", or "" when nothing is near. */
static const char *suggestion(const ig_nearest_search *nearest, char text[SUGGESTION_BYTES]) {
  if (nearest->best) {
    snprintf(text, SUGGESTION_BYTES, ", did you mean \"%.64s\"?", nearest->best);
  }
  return text;
}
#define SUGGESTION(nearest) suggestion(&(nearest), (char[SUGGESTION_BYTES]){0})

static size_t name_length(const char *text) {
  return strcspn(text, ":");
}

ig_status ig_model_find(const char *text, const ig_model_preset **out) {
  char name[64];
  size_t length = name_length(text);
  if (length >= sizeof name) length = sizeof name - 1;
  memcpy(name, text, length);
  name[length] = '\0';
  ig_nearest_search nearest = ig_nearest_begin(name);
  char known[256] = "";
  size_t used = 0;
  for (int i = 0; ig_model_preset_registry[i]; i++) {
    const ig_model_preset *preset = ig_model_preset_registry[i];
    if (strcmp(preset->name, name) == 0) {
      *out = preset;
      return IG_OK;
    }
    ig_nearest_offer(&nearest, preset->name);
    size_t bytes = strlen(preset->name) + 2;
    if (used + bytes < sizeof known) {
      memcpy(known + used, used ? ", " : "", used ? 2 : 0);
      memcpy(known + used + (used ? 2 : 0), preset->name, bytes - 1);
      used += bytes - (used ? 0 : 2);
    }
  }
  return ig_fail(IG_ERR_USAGE, "unknown model \"%s\"%s (expected a file or one of: %s)", name,
                 SUGGESTION(nearest), known);
}

static bool listed(const char *const *list, const char *word) {
  for (; list && *list; list++) {
    if (strcmp(*list, word) == 0) return true;
  }
  return false;
}

static ig_status unknown_argument(const ig_model_preset *preset, const char *const *list,
                                  const char *kind, const char *word) {
  ig_nearest_search nearest = ig_nearest_begin(word);
  for (const char *const *c = list; c && *c; c++) ig_nearest_offer(&nearest, *c);
  return ig_fail(IG_ERR_USAGE, "unknown %s \"%.64s\"%s (expected %s)", kind, word,
                 SUGGESTION(nearest), preset->what);
}

static ig_status add_item(ig_model_args *args, char *text) {
  const ig_model_preset *preset = args->preset;
  IG_CHECK(args->count < MOST_ITEMS, IG_ERR_USAGE, "more than %d arguments", MOST_ITEMS);
  item *it = &args->items[args->count];
  char *equals = strchr(text, '=');
  if (equals) {
    *equals = '\0';
    *it = (item){.name = text, .value = equals + 1};
    if (!listed(preset->named, text)) {
      return unknown_argument(preset, preset->named, "argument", text);
    }
    for (int i = 0; i < args->count; i++) {
      IG_CHECK(!args->items[i].name || strcmp(args->items[i].name, text) != 0, IG_ERR_USAGE,
               "argument \"%s\" is given twice", text);
    }
  } else if (listed(preset->words, text)) {
    *it = (item){.value = text};
  } else if (*text && strspn(text, "0123456789") == strlen(text)) {
    *it = (item){.value = text, .number = true};
    int numbers = 1;
    for (int i = 0; i < args->count; i++) numbers += args->items[i].number;
    IG_CHECK(numbers <= preset->numbers, IG_ERR_USAGE, "unexpected number \"%.64s\" (expected %s)",
             text, preset->what);
  } else {
    return unknown_argument(preset, preset->words, "word", text);
  }
  args->count++;
  return IG_OK;
}

static ig_status parse_items(ig_model_args *args, const char *text) {
  size_t length = strlen(text);
  IG_CHECK(length < sizeof args->text, IG_ERR_USAGE, "arguments longer than %d bytes",
           MOST_TEXT - 1);
  memcpy(args->text, text, length + 1);
  for (char *at = args->text, *next; at; at = next) {
    next = strchr(at, ',');
    if (next) *next++ = '\0';
    IG_TRY(add_item(args, at));
  }
  return IG_OK;
}

static ig_status parse(const char *text, const ig_model_preset **preset, ig_model_args *args) {
  IG_TRY(ig_model_find(text, preset));
  args->preset = *preset;
  size_t length = name_length(text);
  if (text[length] != ':') return IG_OK;
  ig_status status = parse_items(args, text + length + 1);
  return status == IG_OK ? IG_OK : ig_fail_in(status, "model %s", (*preset)->name);
}

/* --- what presets ask ------------------------------------------------------------------------ */

static const char *named_value(const ig_model_args *args, const char *name) {
  for (int i = 0; i < args->count; i++) {
    if (args->items[i].name && strcmp(args->items[i].name, name) == 0) return args->items[i].value;
  }
  return NULL;
}

static ig_status read_int(const char *name, const char *text, int64_t low, int64_t high,
                          int64_t *out) {
  char *end;
  errno = 0;
  int64_t value = strtoll(text, &end, 10);
  IG_CHECK(end != text && !*end && !errno && value >= low && value <= high, IG_ERR_USAGE,
           "%s is \"%.64s\", expected a whole number from %" PRId64 " to %" PRId64, name, text, low,
           high);
  *out = value;
  return IG_OK;
}

ig_status ig_args_int(const ig_model_args *args, const char *name, int64_t fallback, int64_t low,
                      int64_t high, int64_t *out) {
  const char *text = named_value(args, name);
  *out = fallback;
  return text ? read_int(name, text, low, high, out) : IG_OK;
}

ig_status ig_args_float(const ig_model_args *args, const char *name, double fallback, double low,
                        double high, double *out) {
  const char *text = named_value(args, name);
  *out = fallback;
  if (!text) return IG_OK;
  char *end;
  double value = strtod(text, &end);
  IG_CHECK(end != text && !*end && value >= low && value <= high, IG_ERR_USAGE,
           "%s is \"%.64s\", expected a number from %g to %g", name, text, low, high);
  *out = value;
  return IG_OK;
}

ig_status ig_args_choice(const ig_model_args *args, const char *name, const char *const *choices,
                         int fallback, int *out) {
  const char *text = named_value(args, name);
  *out = fallback;
  if (!text) return IG_OK;
  ig_nearest_search nearest = ig_nearest_begin(text);
  for (int i = 0; choices[i]; i++) {
    if (strcmp(choices[i], text) == 0) {
      *out = i;
      return IG_OK;
    }
    ig_nearest_offer(&nearest, choices[i]);
  }
  return ig_fail(IG_ERR_USAGE, "%s is \"%.64s\"%s (expected %s)", name, text, SUGGESTION(nearest),
                 args->preset->what);
}

ig_status ig_args_ints(const ig_model_args *args, int64_t low, int64_t high, int capacity,
                       int64_t *out, int *count) {
  *count = 0;
  for (int i = 0; i < args->count; i++) {
    if (!args->items[i].number) continue;
    IG_CHECK(*count < capacity, IG_ERR_USAGE, "more than %d numbers", capacity);
    IG_TRY(read_int("a size", args->items[i].value, low, high, &out[*count]));
    (*count)++;
  }
  return IG_OK;
}

const char *ig_args_word(const ig_model_args *args, int position) {
  for (int i = 0; i < args->count; i++) {
    const item *it = &args->items[i];
    if (!it->name && !it->number && position-- == 0) return it->value;
  }
  return NULL;
}

/* --- building -------------------------------------------------------------------------------- */

static ig_status check_spec(const ig_model_preset *preset, const ig_model_spec *spec,
                            bool with_input) {
  int64_t least = preset->tokens ? 0 : 1;
  IG_CHECK(spec->n_outputs >= least && spec->n_outputs <= INT32_MAX, IG_ERR_SHAPE,
           "model %s: %" PRId64 " outputs asked for, expected 1 to %d", preset->name,
           spec->n_outputs, INT32_MAX);
  if (!with_input) return IG_OK;
  IG_TRY(ig_shape_check(&spec->input, IG_F64));
  IG_CHECK(spec->input.rank < IG_MAX_RANK, IG_ERR_SHAPE, "samples of rank %d, expected at most %d",
           spec->input.rank, IG_MAX_RANK - 1);
  for (int i = 0; i < spec->input.rank; i++) {
    IG_CHECK(spec->input.dims[i] > 0, IG_ERR_SHAPE, "samples of shape %s are empty",
             IG_SHAPE_STR(&spec->input));
  }
  return IG_OK;
}

typedef ig_status (*builder)(ig_graph *graph, const ig_model_args *args, const ig_model_spec *spec);

static ig_status build(builder make, const ig_model_args *args, const ig_model_spec *spec,
                       ig_graph **out) {
  ig_graph *graph;
  IG_TRY(ig_graph_create(args->preset->name, &graph));
  ig_status status = make(graph, args, spec);
  if (status == IG_OK) status = ig_graph_status(graph);
  if (status != IG_OK) {
    ig_graph_destroy(graph);
    return ig_fail_in(status, "model %s", args->preset->name);
  }
  *out = graph;
  return IG_OK;
}

ig_status ig_model_build(const char *text, const ig_model_spec *spec, ig_graph **out) {
  const ig_model_preset *preset;
  ig_model_args args = {0};
  IG_TRY(parse(text, &preset, &args));
  IG_TRY(check_spec(preset, spec, true));
  return build(preset->build, &args, spec, out);
}

ig_status ig_model_build_decode(const char *text, const ig_model_spec *spec, ig_graph **out) {
  const ig_model_preset *preset;
  ig_model_args args = {0};
  IG_TRY(parse(text, &preset, &args));
  IG_CHECK(preset->build_decode, IG_ERR_USAGE, "model %s does not generate text", preset->name);
  IG_TRY(check_spec(preset, spec, false));
  return build(preset->build_decode, &args, spec, out);
}

ig_status ig_model_context(const char *text, int64_t *tokens) {
  const ig_model_preset *preset;
  ig_model_args args = {0};
  IG_TRY(parse(text, &preset, &args));
  IG_CHECK(preset->context, IG_ERR_USAGE, "model %s takes no tokens", preset->name);
  ig_status status = preset->context(&args, tokens);
  return status == IG_OK ? IG_OK : ig_fail_in(status, "model %s", preset->name);
}

ig_status ig_model_describe(const char *text, const ig_model_spec *spec, void *out) {
  const ig_model_preset *preset;
  ig_model_args args = {0};
  IG_TRY(parse(text, &preset, &args));
  IG_CHECK(preset->describe, IG_ERR_UNSUPPORTED, "model %s is none that other programs know",
           preset->name);
  ig_status status = preset->describe(&args, spec, out);
  return status == IG_OK ? IG_OK : ig_fail_in(status, "model %s", preset->name);
}
