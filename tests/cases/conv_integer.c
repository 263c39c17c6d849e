/* Cases of ConvInteger. */
#include "integer_conv_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const ig_case_array *p = node->n_inputs > 2 && in[2].data ? &in[2] : NULL;
  const ig_case_array *q = node->n_inputs > 3 && in[3].data ? &in[3] : NULL;
  integer_conv(node, &in[0], &in[1], p, q, &out->shape, out->data);
}

#define GEOMETRY(title, src, dst, filter, n, ...)                                                  \
  {.name = title, .inputs = {BYTES src, SIGNED filter}, .n_attrs = n, .attrs = {__VA_ARGS__}},     \
      {.name = title ", zero points",                                                              \
       .inputs = {BYTES src, SIGNED filter, ONE(IG_U8, 131), ONE(IG_I8, -9)},                      \
       .n_attrs = n,                                                                               \
       .attrs = {__VA_ARGS__}},

static const ig_op_case cases[] = {
    CONV_GEOMETRIES(GEOMETRY) TILE_GEOMETRY(GEOMETRY){
        .name = "i8 by u8",
        .inputs = {SIGNED(2, 5, 6, 5), BYTES(7, 5, 3, 3), ONE(IG_I8, -20), ONE(IG_U8, 128)},
        .n_attrs = 1,
        .attrs = {PAD1}},
    {.name = "i8 by i8", .inputs = {SIGNED(2, 5, 6, 5), SIGNED(7, 5, 3, 3)}},
    {.name = "u8 by u8, without zero points", .inputs = {BYTES(2, 16, 6, 5), BYTES(20, 16, 1, 1)}},
    {.name = "a zero point a channel, groups",
     .inputs = {BYTES(2, 32, 5, 5), SIGNED(6, 16, 3, 3), ONE(IG_U8, 7), SIGNED(6)},
     .n_attrs = 2,
     .attrs = {PAD1, NUMBER("group", 2)}},
    {.name = "filter's zero points known to be 0",
     .inputs = {BYTES(2, 16, 5, 5),
                SIGNED(6, 16, 3, 3),
                ONE(IG_U8, 7),
                {.dtype = IG_I8, .shape = DIMS(6), .fill = IG_FILL_INT, .constant = true}},
     .n_attrs = 1,
     .attrs = {PAD1}},
    {.name = "greatest sums",
     .inputs = {{.dtype = IG_U8,
                 .shape = DIMS(1, 40, 3, 3),
                 .fill = IG_FILL_INT,
                 .low = 255,
                 .high = 255},
                {.dtype = IG_I8,
                 .shape = DIMS(2, 40, 3, 3),
                 .fill = IG_FILL_INT,
                 .low = -128,
                 .high = -128},
                ONE(IG_U8, 0),
                ONE(IG_I8, 127)}},
    {.name = "same upper",
     .inputs = {BYTES(1, 3, 6, 7), SIGNED(2, 3, 4, 3), ONE(IG_U8, 50)},
     .n_attrs = 2,
     .attrs = {WORD("auto_pad", "SAME_UPPER"), LIST("strides", 1, 2)}},
    {.name = "no samples", .inputs = {BYTES(0, 3, 6, 5), SIGNED(2, 3, 3, 3)}},
};

const ig_op_cases ig_cases_conv_integer = {
    .op = "ConvInteger", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
