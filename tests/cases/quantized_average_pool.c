/* Cases of ingot.QuantizedAveragePool. Windows of a power of two of elements, where codes are compared. */
#include "pool_cases.h"
#include "quantized_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  pool_window p;
  double zero = (double)ig_attr_int_of(node, "x_zero", 0);
  double scale = (double)ig_attr_float_of(node, "x_scale", 1);
  double *x = less_zero(&in[0], &(ig_case_array){.shape = IG_SCALAR, .data = &zero}, 1);
  find_pool(node, &in[0].shape, &out[0].shape, &p);
  bool pads = ig_attr_int_of(node, "count_include_pad", 0) != 0;
  int64_t src_area = p.src[2] * p.src[3], area = p.dst[2] * p.dst[3];
  for (int64_t i = 0; i < ig_shape_count(&out[0].shape); i++) {
    int64_t plane = i / area, at = i % area;
    pool_result r =
        window_of(&p, x + plane * src_area, at / p.dst[3], at % p.dst[3], true, pads);
    out->data[i] = quantized_store(node, r.value * scale);
  }
  free(x);
}

static const ig_op_case cases[] = {
    {.name = "u8, whole plane",
     .inputs = {BYTES(2, 21, 4, 8)},
     .n_attrs = 6,
     .attrs = {LIST("kernel_shape", 4, 8), TO_U8, X_STEP(0x1p-4f), X_ZERO(12), Y_STEP(0x1p-5f),
               Y_ZERO(3)}},
    {.name = "i8 to u8, pads that count",
     .inputs = {SIGNED(2, 5, 6, 7)},
     .n_attrs = 9,
     .attrs = {LIST("kernel_shape", 2, 4), LIST("pads", 1, 1, 0, 2), LIST("strides", 2, 1),
               NUMBER("count_include_pad", 1), TO_U8, X_STEP(0x1p-4f), X_ZERO(-12),
               Y_STEP(0x1p-5f), Y_ZERO(120)}},
    {.name = "to f32, pads",
     .inputs = {BYTES(2, 5, 6, 7)},
     .n_attrs = 4,
     .attrs = {LIST("kernel_shape", 3, 3), PAD1, X_STEP(0x1p-4f), X_ZERO(33)}},
    {.name = "one dimension, to i8",
     .inputs = {BYTES(2, 5, 9)},
     .n_attrs = 6,
     .attrs = {LIST("kernel_shape", 4), X_STEP(0x1p-4f), X_ZERO(128), Y_STEP(0x1p-4f), TO_I8,
               Y_ZERO(1)}},
};

const ig_op_cases ig_cases_quantized_average_pool = {.op = "ingot.QuantizedAveragePool",
                                                     .reference = reference,
                                                     .n_cases = IG_COUNT(cases),
                                                     .cases = cases};
