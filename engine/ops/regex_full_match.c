/* RegexFullMatch: whether each text as a whole matches a pattern. */
#include "engine/ops/sequence.h"
#include "engine/ops/text.h"
#include "kernels/regex.h"

typedef struct match_attrs {
  const char *pattern;
} match_attrs;

static const ig_attr_field fields[] = {
    IG_FIELD_STRING(match_attrs, pattern, ""),
    {.name = NULL},
};

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  ig_regex *regex = NULL;
  IG_TRY(ig_texts_check(in, 0));
  IG_TRY(ig_datum_tensor(IG_BOOL, &in[0]->shape, &out[0]));
  IG_TRY(ig_regex_compile(IG_ATTRS_OF(match_attrs, node)->pattern, &regex));
  ig_status status = IG_OK;
  for (int64_t i = 0; i < ig_shape_count(&in[0]->shape) && status == IG_OK; i++) {
    const ig_string *text = &ig_texts_of(in[0])[i];
    bool matches = false;
    status = ig_regex_matches(regex, text->bytes, text->size, &matches);
    ((uint8_t *)out[0]->data)[i] = matches;
  }
  ig_regex_destroy(regex);
  return status;
}

const ig_op ig_op_regex_full_match = {
    IG_INTERPRETED("RegexFullMatch", 20, 1, 1, 1, interpret),
    .attrs = fields,
    .attrs_size = sizeof(match_attrs),
};
