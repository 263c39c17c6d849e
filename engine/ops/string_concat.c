/* StringConcat: the texts of two tensors one behind the other, with broadcasting. */
#include <string.h>

#include "engine/base/checked.h"
#include "engine/ops/sequence.h"
#include "engine/ops/text.h"

static ig_status join(ig_texts *texts, int64_t i, const ig_string *a, const ig_string *b) {
  size_t size;
  IG_CHECK(ig_add_size(a->size, b->size, &size), IG_ERR_MEMORY, "texts are too long");
  char *bytes = ig_arena_alloc(texts->arena, size);
  IG_CHECK_ALLOC(bytes);
  if (a->size) memcpy(bytes, a->bytes, a->size);
  if (b->size) memcpy(bytes + a->size, b->bytes, b->size);
  texts->at[i] = (ig_string){bytes, size};
  return IG_OK;
}

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  IG_UNUSED(node);
  for (int i = 0; i < 2; i++) IG_TRY(ig_texts_check(in, i));
  const ig_shape *a = &in[0]->shape, *b = &in[1]->shape;
  ig_shape shape;
  IG_CHECK(ig_shape_broadcast(a, b, &shape), IG_ERR_SHAPE, "%s and %s do not fit", IG_SHAPE_STR(a),
           IG_SHAPE_STR(b));
  IG_TRY(ig_shape_check(&shape, IG_STRING));
  int64_t strides[2][IG_MAX_RANK], n = ig_shape_count(&shape);
  ig_shape_broadcast_strides(a, &shape, strides[0]);
  ig_shape_broadcast_strides(b, &shape, strides[1]);
  ig_texts texts;
  IG_TRY(ig_texts_begin(n, &texts));
  ig_status status = IG_OK;
  for (int64_t i = 0; i < n && status == IG_OK; i++) {
    int64_t rest = i, from[2] = {0, 0};
    for (int d = shape.rank - 1; d >= 0; d--) {
      from[0] += rest % shape.dims[d] * strides[0][d];
      from[1] += rest % shape.dims[d] * strides[1][d];
      rest /= shape.dims[d];
    }
    status = join(&texts, i, ig_texts_of(in[0]) + from[0], ig_texts_of(in[1]) + from[1]);
  }
  if (status == IG_OK) status = ig_datum_strings(&shape, texts.at, &out[0]);
  ig_texts_end(&texts);
  return status;
}

const ig_op ig_op_string_concat = {
    IG_INTERPRETED("StringConcat", 20, 2, 2, 1, interpret),
};
