/* Equal of texts, for equal.c. */
#include "engine/ops/equal_text.h"

#include "engine/ops/text.h"
#include "engine/plan/interpret.h"

static ig_status compare(const ig_datum *a, const ig_datum *b, ig_datum **out) {
  ig_shape shape;
  IG_CHECK(ig_shape_broadcast(&a->shape, &b->shape, &shape), IG_ERR_SHAPE, "%s and %s do not fit",
           IG_SHAPE_STR(&a->shape), IG_SHAPE_STR(&b->shape));
  int64_t strides[2][IG_MAX_RANK];
  ig_shape_broadcast_strides(&a->shape, &shape, strides[0]);
  ig_shape_broadcast_strides(&b->shape, &shape, strides[1]);
  IG_TRY(ig_datum_tensor(IG_BOOL, &shape, out));
  for (int64_t i = 0; i < ig_shape_count(&shape); i++) {
    int64_t rest = i, from[2] = {0, 0};
    for (int d = shape.rank - 1; d >= 0; d--) {
      from[0] += rest % shape.dims[d] * strides[0][d];
      from[1] += rest % shape.dims[d] * strides[1][d];
      rest /= shape.dims[d];
    }
    ((uint8_t *)(*out)->data)[i] =
        ig_texts_equal(&ig_texts_of(a)[from[0]], &ig_texts_of(b)[from[1]]);
  }
  return IG_OK;
}

ig_status ig_equal_interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                             ig_datum **out) {
  bool texts = false;
  for (int i = 0; i < 2; i++) {
    texts |= in[i] && in[i]->kind == IG_DATUM_TENSOR && in[i]->dtype == IG_STRING;
  }
  if (!texts) return ig_interpret_node(interpreter, node, in, out);
  for (int i = 0; i < 2; i++) IG_TRY(ig_texts_check(in, i));
  return compare(in[0], in[1], &out[0]);
}
