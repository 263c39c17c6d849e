/* Cases of ingot.WeightOnlyMatMul. Rows that are rounded are so by the definition, in the arithmetic that it
 * names: f32. */
#include "narrow_reference.h"

/* Each stretch of `block` numbers as whole multiples, up to 127, of its largest magnitude / 127. */
static void round_rows(const ig_case_array *x, int64_t block, double *out) {
  int64_t k = x->shape.dims[x->shape.rank - 1];
  for (int64_t first = 0; first < count_of(x);) {
    int64_t end = first % k + block < k ? first + block : first - first % k + k;
    float most = 0;
    for (int64_t i = first; i < end; i++) most = fmaxf(most, fabsf((float)x->data[i]));
    float scale = most / 127.0f;
    for (int64_t i = first; i < end; i++) {
      out[i] = most > 0 ? (double)(nearbyintf((float)x->data[i] / scale) * scale) : 0;
    }
    first = end;
  }
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  static double rounded[1 << 17];
  int64_t block = attr_int(node, "x_block");
  if (block) round_rows(in, block, rounded);
  narrow_reference(node, in, block ? rounded : in[0].data, attr_int(node, "trans_b"),
                   attr_int(node, "block_size"), 0, out);
}

#define X(...) FIXED(IG_F32, __VA_ARGS__)
#define BYTES(...) NARROW_CODES(IG_I8, -128, 127, true, __VA_ARGS__)
#define HALVES(...) NARROW_CODES(IG_I4, -8, 7, true, __VA_ARGS__)
#define LATE(...) NARROW_CODES(IG_I4, -8, 7, false, __VA_ARGS__)
#define S(...) NARROW_SCALES(__VA_ARGS__)
#define TRANS A_INT("trans_b", 1)
#define BLOCK(size) A_INT("block_size", size)
#define ROUND(size) A_INT("x_block", size)
#define LIST1(a) .n_attrs = 1, .attrs = {a}
#define LIST2(a, b) .n_attrs = 2, .attrs = {a, b}
#define LIST3(a, b, c) .n_attrs = 3, .attrs = {a, b, c}

static const ig_op_case cases[] = {
    {.name = "i8", .inputs = {X(1, 32), BYTES(32, 5), S(5)}},
    {.name = "i8 one scale", .inputs = {X(3, 32), BYTES(32, 70), SCALAR_AS(IG_F32, true, 0.01)}},
    {.name = "i8 transposed", .inputs = {X(2, 5, 24), BYTES(67, 24), S(67), X(67)}, LIST1(TRANS)},
    {.name = "k no multiple of 8", .inputs = {X(7, 13), BYTES(13, 130), S(130)}},
    {.name = "i8 blocks",
     .inputs = {X(1, 96), BYTES(96, 70), S(3, 70), X(70)},
     LIST1(BLOCK(32))},
    {.name = "i4", .inputs = {X(1, 40), HALVES(40, 130), S(130)}},
    {.name = "i4, k no multiple of 8", .inputs = {X(5, 21), HALVES(30, 21), S(30)}, LIST1(TRANS)},
    {.name = "i4 blocks", .inputs = {X(1, 96), HALVES(96, 64), S(3, 64)}, LIST1(BLOCK(32))},
    {.name = "i4 blocks, transposed, a short last one",
     .inputs = {X(11, 77), HALVES(70, 77), S(70, 3), X(70)},
     LIST2(BLOCK(32), TRANS)},
    {.name = "i4 late", .inputs = {X(2, 64), LATE(70, 64), S(70, 2)}, LIST2(BLOCK(32), TRANS)},
    {.name = "blocks of 12",
     .inputs = {X(3, 40), BYTES(40, 9), S(4, 9)},
     LIST1(BLOCK(12))},
    {.name = "a vector", .inputs = {X(40), HALVES(40, 9), S(9)}},
    {.name = "bf16", .inputs = {FIXED(IG_BF16, 3, 40), HALVES(40, 90), S(90), X(90)},
     .tolerance = 0.02},
    {.name = "relu", .inputs = {X(3, 40), BYTES(40, 9), S(9), X(9)}, LIST1(NARROW_ACTIVATION("Relu"))},
    {.name = "gelu", .inputs = {X(3, 40), BYTES(40, 9), S(9)}, LIST1(NARROW_ACTIVATION("GeluTanh"))},
    {.name = "rounded rows, i8", .inputs = {X(3, 128), BYTES(128, 70), S(70)}, LIST1(ROUND(64))},
    {.name = "rounded rows, i8 blocks",
     .inputs = {X(1, 128), BYTES(128, 70), S(2, 70), X(70)},
     LIST2(ROUND(32), BLOCK(64))},
    {.name = "rounded rows, i4 blocks, transposed",
     .inputs = {X(13, 80), HALVES(70, 80), S(70, 3)},
     LIST3(ROUND(32), BLOCK(32), TRANS)},
    {.name = "rounded rows, k no multiple of 8",
     .inputs = {X(2, 77), HALVES(70, 77), S(70), X(70)},
     LIST2(ROUND(16), TRANS)},
    {.name = "rounded zeros",
     .inputs = {{.dtype = IG_F32, .shape = DIMS(2, 32), .fill = IG_FILL_INT, .no_grad = true},
                BYTES(32, 9), S(9)},
     LIST1(ROUND(32))},
    {.name = "no rows", .inputs = {X(0, 32), BYTES(32, 9), S(9)}},
    {.name = "nothing to add", .inputs = {X(3, 0), BYTES(0, 9), S(9), X(9)}},
    {.name = "threads",
     .inputs = {X(20, 256), HALVES(256, 300), S(8, 300)},
     LIST1(BLOCK(32)),
     .tolerance = 2e-5},
    {.name = "threads, rounded rows",
     .inputs = {X(20, 256), BYTES(256, 300), S(8, 300)},
     LIST2(ROUND(32), BLOCK(32))},
};

const ig_op_cases ig_cases_weight_only_mat_mul = {.op = "ingot.WeightOnlyMatMul",
                                                  .reference = reference,
                                                  .n_cases = IG_COUNT(cases),
                                                  .cases = cases};
