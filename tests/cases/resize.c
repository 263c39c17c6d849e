/* Cases of Resize. */
#include "resize_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  resize_all(node, in, &in[0].shape, in[0].data, &out->shape, out->data, false);
}

#define IMAGE NORMAL(IG_F32, 1, 2, 4, 5)
#define UP SCALES(1, 1, 2, 1.5)
#define DOWN SCALES(1, 1, 0.5, 0.6)
#define ATTRS(n, ...) .n_attrs = (n), .attrs = {__VA_ARGS__}

static const ig_op_case cases[] = {
    {.name = "nearest", .inputs = {IMAGE, ABSENT, UP}},
    {.name = "nearest floor",
     .inputs = {IMAGE, ABSENT, UP},
     ATTRS(2, TRANSFORM("asymmetric"), A_STRING("nearest_mode", "floor"))},
    {.name = "nearest ceil",
     .inputs = {IMAGE, ABSENT, ABSENT, LIST(1, 2, 7, 3)},
     ATTRS(1, A_STRING("nearest_mode", "ceil"))},
    {.name = "nearest round up",
     .inputs = {IMAGE, ABSENT, DOWN},
     ATTRS(2, TRANSFORM("asymmetric"), A_STRING("nearest_mode", "round_prefer_ceil"))},
    {.name = "linear", .inputs = {IMAGE, EMPTY_LIST(IG_F32), UP}, ATTRS(1, MODE("linear"))},
    {.name = "linear sizes",
     .inputs = {IMAGE, ABSENT, ABSENT, LIST(1, 2, 9, 3)},
     ATTRS(1, MODE("linear"))},
    {.name = "linear corners",
     .inputs = {IMAGE, ABSENT, ABSENT, LIST(1, 2, 7, 1)},
     ATTRS(2, MODE("linear"), TRANSFORM("align_corners"))},
    {.name = "linear corners, scales",
     .inputs = {IMAGE, ABSENT, DOWN},
     ATTRS(2, MODE("linear"), TRANSFORM("align_corners"))},
    {.name = "linear torch",
     .inputs = {IMAGE, ABSENT, ABSENT, LIST(1, 2, 1, 8)},
     ATTRS(2, MODE("linear"), TRANSFORM("pytorch_half_pixel"))},
    {.name = "linear symmetric",
     .inputs = {IMAGE, ABSENT, SCALES(1, 1, 2.3, 1.45)},
     ATTRS(2, MODE("linear"), TRANSFORM("half_pixel_symmetric"))},
    {.name = "linear antialias",
     .inputs = {IMAGE, ABSENT, DOWN},
     ATTRS(2, MODE("linear"), A_INT("antialias", 1))},
    {.name = "linear crop",
     .inputs = {IMAGE, SCALES(0, 0, -0.2, 0.1, 1, 1, 0.9, 0.8), ABSENT, LIST(1, 2, 6, 4)},
     ATTRS(3, MODE("linear"), TRANSFORM("tf_crop_and_resize"), A_FLOAT("extrapolation_value", 10))},
    {.name = "cubic", .inputs = {IMAGE, ABSENT, UP}, ATTRS(1, MODE("cubic"))},
    {.name = "cubic inside",
     .inputs = {IMAGE, ABSENT, DOWN},
     ATTRS(3, MODE("cubic"), A_INT("exclude_outside", 1), A_FLOAT("cubic_coeff_a", -0.5f))},
    {.name = "cubic antialias",
     .inputs = {IMAGE, ABSENT, DOWN},
     ATTRS(2, MODE("cubic"), A_INT("antialias", 1))},
    {.name = "volume",
     .inputs = {NORMAL(IG_F64, 3, 4, 5), ABSENT, SCALES(2, 1.5, 0.6)},
     ATTRS(1, MODE("linear"))},
    {.name = "i8", .inputs = {INTS(IG_I8, -9, 9, 1, 1, 3, 3), ABSENT, UP}},
    {.name = "unchanged", .inputs = {IMAGE, ABSENT, SCALES(1, 1, 1, 1)}},
    {.name = "threads",
     .inputs = {NORMAL(IG_F32, 30, 20), ABSENT, SCALES(4.5, 8)},
     ATTRS(1, MODE("linear")),
     BIG},
};

const ig_op_cases ig_cases_resize = {
    .op = "Resize", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
