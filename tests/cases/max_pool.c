/* Cases of MaxPool. */
#include "pool_cases.h"
#include "volume_cases.h"

static void volume_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  volume v = volume_of(node, 3, NULL);
  int64_t area = ig_shape_span(&out[0].shape, 2, 5), src = ig_shape_span(&in[0].shape, 2, 5), at[IG_MAX_RANK];
  bool by_column = ig_attr_int_of(node, "storage_order", 0) == 1;
  for (int64_t i = 0; i < ig_shape_count(&out[0].shape); i++) {
    volume_index(&out[0].shape, i, at);
    volume_window w = volume_window_of(&v, &in[0].shape, in[0].data + i / area * src, at + 2, false, 2);
    int64_t s[IG_MAX_RANK], rows = in[0].shape.dims[3], planes = in[0].shape.dims[2];
    volume_index(&in[0].shape, w.place, s);
    out[0].data[i] = w.max;
    if (node->n_outputs < 2) continue;
    int64_t place = by_column ? (s[4] * rows + s[3]) * planes + s[2] : w.place;
    out[1].data[i] = (double)(i / area * src + place);
  }
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  if (in[0].shape.rank == 5) {
    volume_reference(node, in, out);
    return;
  }
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
    {.name = "a volume", .inputs = {VOLUME_DISTINCT(2, 3, 5, 4, 6)}, .n_attrs = 3, .attrs = {LIST("kernel_shape", 2, 3, 2), LIST("strides", 2, 2, 1), LIST("pads", 1, 1, 0, 0, 1, 1)}},
    {.name = "a volume with indices",
     .inputs = {VOLUME_DISTINCT(1, 2, 4, 4, 5)},
     .n_attrs = 4,
     .attrs = {LIST("kernel_shape", 2, 2, 2), LIST("strides", 1, 2, 2), NUMBER("ceil_mode", 1),
               NUMBER("storage_order", 1)},
     .n_outputs = 2},
    
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
