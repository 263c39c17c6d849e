/* Cases of MaxPool. */
#include "pool_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  pool_window p;
  find_pool(node, &in[0].shape, &out[0].shape, &p);
  bool by_column = ig_attr_int_of(node, "storage_order", 0) == 1;
  int64_t src_area = p.src[2] * p.src[3], area = p.dst[2] * p.dst[3];
  for (int64_t i = 0; i < ig_shape_count(&out[0].shape); i++) {
    int64_t plane = i / area, at = i % area;
    pool_result r =
        window_of(&p, in[0].data + plane * src_area, at / p.dst[3], at % p.dst[3], false, false);
    int64_t h = r.place / p.src[3], w = r.place % p.src[3];
    out[0].data[i] = r.value;
    if (node->n_outputs > 1) {
      out[1].data[i] = (double)(plane * src_area + (by_column ? w * p.src[2] + h : r.place));
    }
  }
}

#define GEOMETRY(title, src, dst, n, ...)                                                          \
  {.name = title, .inputs = {DISTINCT src}, .n_attrs = n, .attrs = {__VA_ARGS__}},

static const ig_op_case cases[] = {
    POOL_GEOMETRIES(GEOMETRY){.name = "indices",
                              .inputs = {DISTINCT(2, 3, 5, 4)},
                              .n_attrs = 2,
                              .attrs = {LIST("kernel_shape", 3, 2), PAD1},
                              .n_outputs = 2},
    {.name = "indices by column",
     .inputs = {DISTINCT(2, 3, 5, 4)},
     .n_attrs = 2,
     .attrs = {LIST("kernel_shape", 2, 2), NUMBER("storage_order", 1)},
     .n_outputs = 2},
    {.name = "bytes",
     .inputs = {{.dtype = IG_U8, .shape = DIMS(1, 2, 4, 4), .fill = IG_FILL_INT, .high = 255}},
     .n_attrs = 1,
     .attrs = {LIST("kernel_shape", 2, 2)}},
};

const ig_op_cases ig_cases_max_pool = {
    .op = "MaxPool", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
