/* What the indexing, arranging and reducing operators refuse before anything is allocated: attributes and
 * lists made to overflow, to divide by zero or to fill memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/ops/op.h"

typedef struct operand {
  ig_dtype dtype;
  ig_shape shape;
  const int64_t *list; /* of a constant i64 */
} operand;

#define DIMS(...)                                                                                  \
  {                                                                                                \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {                                   \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }
#define F32(...)                                                                                   \
  { IG_F32, DIMS(__VA_ARGS__), NULL }
#define I64(...)                                                                                   \
  { IG_I64, DIMS(__VA_ARGS__), NULL }
#define LIST(...)                                                                                  \
  {                                                                                                \
    IG_I64, DIMS((int64_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))),                   \
        (const int64_t[]) {                                                                        \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }
#define INT(key, value)                                                                            \
  { .name = (key), .type = IG_ATTR_INT, .i = (value) }
#define TEXT(key, value)                                                                           \
  { .name = (key), .type = IG_ATTR_STRING, .s = (value) }
#define LONGS(key, ...)                                                                            \
  {                                                                                                \
    .name = (key), .type = IG_ATTR_INTS, .ints = {                                                 \
      (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                                   \
      (const int64_t[]){__VA_ARGS__}                                                               \
    }                                                                                              \
  }

#define HUGE_DIM ((int64_t)1 << 62)

typedef struct refusal {
  const char *op;
  int n_in;
  operand in[3];
  int n_attrs;
  ig_attr attrs[3];
  const char *says;
} refusal;

static const refusal refusals[] = {
    {"Tile", 2, {F32(2, 3), LIST(HUGE_DIM, 1)}, 0, {{0}}, "cannot be repeated"},
    {"Tile", 2, {F32(2, 3), LIST(HUGE_DIM / 2, HUGE_DIM / 2)}, 0, {{0}}, "more elements than"},
    {"Tile", 2, {F32(2, 3), LIST(-1, 1)}, 0, {{0}}, "cannot be repeated -1 times"},
    {"Tile", 2, {F32(2, 3), LIST(2)}, 0, {{0}}, "1 repeats for [2, 3]"},
    {"Tile", 2, {F32(2, 3), I64(2)}, 0, {{0}}, "repeats must be known before running"},
    {"DepthToSpace", 1, {F32(1, 8, 2, 2)}, 1, {INT("blocksize", HUGE_DIM)}, "blocksize is"},
    {"DepthToSpace", 1, {F32(1, 8, 2, 2)}, 1, {INT("blocksize", 0)}, "blocksize is 0"},
    {"DepthToSpace", 1, {F32(1, 8, 2, 2)}, 1, {INT("blocksize", 3)}, "no channels for blocks of 3"},
    {"DepthToSpace", 1, {F32(1, 8, 2)}, 1, {INT("blocksize", 2)}, "must be [N, C, H, W]"},
    {"DepthToSpace",
     1,
     {F32(1, 4, 2, 2)},
     2,
     {INT("blocksize", 2), TEXT("mode", "X")},
     "DCR or CRD"},
    {"SpaceToDepth", 1, {F32(1, 2, 4, 4)}, 1, {INT("blocksize", -2)}, "blocksize is -2"},
    {"SpaceToDepth", 1, {F32(1, 2, 4, 4)}, 1, {INT("blocksize", 3)}, "cannot be cut into blocks"},
    {"Trilu", 1, {F32(4)}, 0, {{0}}, "must be matrices"},
    {"GatherElements", 2, {F32(3, 2), I64(2)}, 0, {{0}}, "indices [2] do not fit data [3, 2]"},
    {"GatherElements", 2, {F32(3, 2), I64(3, 3)}, 0, {{0}}, "do not fit data"},
    {"GatherElements", 2, {F32(3, 2), F32(3, 2)}, 0, {{0}}, "indices must be i64 or i32, not f32"},
    {"GatherElements", 2, {F32(3, 2), I64(3, 2)}, 1, {INT("axis", 2)}, "axis 2 does not fit"},
    {"ScatterElements", 3, {F32(3), I64(2), F32(3)}, 0, {{0}}, "updates must be f32[2]"},
    {"ScatterElements",
     3,
     {F32(3), I64(2), F32(2)},
     1,
     {TEXT("reduction", "mean")},
     "found 'mean'"},
    {"GatherND", 2, {F32(3, 2), I64(1, 3)}, 0, {{0}}, "tuples of 3 indices do not fit"},
    {"GatherND", 2, {F32(3, 2), I64(1, 0)}, 0, {{0}}, "tuples of 0 indices do not fit"},
    {"GatherND",
     2,
     {F32(3, 2), I64(3, 1)},
     1,
     {INT("batch_dims", -1)},
     "batch_dims -1 does not fit"},
    {"GatherND",
     2,
     {F32(3, 2), I64(2, 1)},
     1,
     {INT("batch_dims", 1)},
     "differ in batch dimension 0"},
    {"ScatterND", 3, {F32(3, 2), I64(4, 1), F32(4, 3)}, 0, {{0}}, "updates must be f32[4, 2]"},
    {"OneHot", 3, {I64(3), LIST(HUGE_DIM), F32(2)}, 0, {{0}}, "depth is"},
    {"OneHot", 3, {I64(3), LIST(-1), F32(2)}, 0, {{0}}, "depth is -1"},
    {"OneHot", 3, {I64(3), LIST(4), F32(3)}, 0, {{0}}, "values must have shape [2]"},
    {"CenterCropPad", 2, {F32(3, 2), LIST(-1, 2)}, 0, {{0}}, "is negative"},
    {"CenterCropPad", 2, {F32(3, 2), LIST(HUGE_DIM, HUGE_DIM)}, 0, {{0}}, "more elements than"},
    {"CenterCropPad", 2, {F32(3, 2), LIST(1, 2)}, 1, {LONGS("axes", 1, -1)}, "named twice"},
    {"ReverseSequence", 2, {F32(3, 2), I64(3)}, 0, {{0}}, "sequence_lens must be i64[2]"},
    {"ReverseSequence", 2, {F32(3, 2), I64(2)}, 1, {INT("time_axis", 1)}, "must be 0 and 1"},
    {"CumSum", 2, {F32(3), I64(2)}, 0, {{0}}, "axis must be one i64 or i32"},
    {"LRN", 1, {F32(1, 3, 2)}, 1, {INT("size", 0)}, "size is 0"},
    {"Det", 1, {F32(2, 3)}, 0, {{0}}, "must be square matrices"},
    {"LpNormalization", 1, {F32(2, 3)}, 1, {INT("p", 3)}, "p must be 1 or 2"},
    {"MeanVarianceNormalization", 1, {F32(2, 3)}, 0, {{0}}, "axis 2 does not fit"},
    {"Col2Im", 3, {F32(1, 4, 4), LIST(3, 3), LIST(2, 2)}, 1, {LONGS("strides", 0, 1)}, "stride 0"},
    {"Col2Im", 3, {F32(1, 4, 4), LIST(3, 3), LIST(0, 2)}, 0, {{0}}, "a block of 0"},
    {"Col2Im", 3, {F32(1, 4, 4), LIST(3, 3), LIST(2)}, 0, {{0}}, "2 entries, block_shape 1"},
    {"Col2Im",
     3,
     {F32(1, 4, 4), LIST(HUGE_DIM, HUGE_DIM), LIST(2, 2)},
     0,
     {{0}},
     "than can be counted"},
    {"Col2Im", 3, {F32(1, 4, 4), LIST(3, 3), LIST(2, 2)}, 1, {LONGS("pads", 1)}, "1 pads"},
    {"Col2Im",
     3,
     {F32(1, 4, 4), LIST(3, 3), LIST(2, 2)},
     1,
     {LONGS("dilations", HUGE_DIM, HUGE_DIM)},
     "does not fit an image"},
    {"Compress", 2, {F32(3), {IG_BOOL, DIMS(3), NULL}}, 0, {{0}}, "must be known before running"},
    {"NonZero", 1, {F32(3)}, 0, {{0}}, "must be known before running"},
    {"Unique", 1, {F32(3)}, 1, {INT("axis", 1)}, "axis 1 does not fit [3]"},
    {"Einsum", 2, {F32(2, 3), F32(3)}, 1, {TEXT("equation", "ij->i")}, "1 terms for 2 operands"},
    {"Einsum", 1, {F32(2, 3)}, 1, {TEXT("equation", "ij,j->i")}, "more terms than 1 operands"},
    {"Einsum", 1, {F32(2, 3)}, 1, {TEXT("equation", "i->i")}, "1 labels for shape [2, 3]"},
    {"Einsum", 1, {F32(2, 3)}, 1, {TEXT("equation", "ij->k")}, "is in no operand"},
    {"Einsum", 1, {F32(2, 3)}, 1, {TEXT("equation", "ij->ii")}, "there twice"},
    {"Einsum", 1, {F32(2, 3)}, 1, {TEXT("equation", "ii->i")}, "dimensions of 2 and 3"},
    {"Einsum", 1, {F32(2, 3)}, 1, {TEXT("equation", "i%->i")}, "character 0x25"},
    {"Einsum", 1, {F32(2, 3)}, 1, {TEXT("equation", "i..j->i")}, "a point that is not"},
    {"Einsum", 1, {F32(2, 3)}, 1, {TEXT("equation", "ij-")}, "half an arrow"},
    {"Einsum", 1, {F32(2, 3)}, 1, {TEXT("equation", "aaaaaaaaa")}, "more than 8 labels"},
    {"Einsum",
     2,
     {F32(1 << 30, 2), F32(1 << 30, 2)},
     1,
     {TEXT("equation", "ij,kl->iljk")},
     "address space"},
    {"Range", 3, {LIST(0), LIST(9), LIST(0)}, 0, {{0}}, "delta is 0"},
    {"Range", 3, {LIST(INT64_MIN), LIST(INT64_MAX), LIST(1)}, 0, {{0}}, "has no length"},
    {"ReduceProd", 2, {F32(2, 3), LIST(1, -1)}, 0, {{0}}, "named twice"},
    {"ReduceL2", 1, {{IG_BOOL, DIMS(3), NULL}}, 0, {{0}}, "must be numbers, found bool"},
    {"ReduceMin", 1, {{IG_F8E4M3, DIMS(3), NULL}}, 0, {{0}}, "must be numbers, found f8e4m3"},
    {"ArgMin", 1, {F32(2, 0)}, 1, {INT("axis", 1)}, "is empty"},
    {"TopK", 2, {F32(2, 3), LIST(4)}, 0, {{0}}, "K is 4, expected 0 to 3"},
};

static void every_refusal_says_why(void **state) {
  (void)state;
  for (int i = 0; i < IG_COUNT(refusals); i++) {
    const refusal *r = &refusals[i];
    ig_graph *g = NULL;
    ig_value *in[3];
    assert_int_equal(ig_graph_create("refused", &g), IG_OK);
    for (int k = 0; k < r->n_in; k++) {
      const operand *o = &r->in[k];
      in[k] = o->list ? ig_graph_const(g, NULL, o->dtype, o->shape, o->list)
                      : ig_graph_input(g, NULL, o->dtype, o->shape);
    }
    ig_graph_node(g, r->op, "node", r->n_in, in, r->n_attrs, r->attrs,
                  strcmp(r->op, "TopK") == 0 ? 2 : 1);
    if (ig_graph_status(g) == IG_OK || !strstr(ig_last_error(), r->says))
      fail_msg("%s (%d): expected '%s', found '%s'", r->op, i, r->says,
               ig_graph_status(g) == IG_OK ? "no error" : ig_last_error());
    ig_graph_destroy(g);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_refusal_says_why)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
