/* Cases of Einsum. The reference goes through all values of all labels: letters, and the dimensions of
 * ellipses, which the cases write as digits ("8" being the last) for it in `plain`. */
#include "case_tools.h"

/* The equations of the cases with ellipses, spelled out. */
static const char *const spelled[][2] = {
    {"...ii->...i", "9ii->9i"}, {"...ij,...jk->...ik", "89ij,9jk->89ik"},
    {"i...,...->i", "i9,9->i"}, {"...a,a...", "9a,a9->9"},
    {"...->...", "89->89"},     {"b...d -> d...b", "b9d->d9b"},
};

static const char *plain_of(const ig_node *node) {
  const char *text = attr_of(node, "equation").s;
  for (int i = 0; i < IG_COUNT(spelled); i++) {
    if (strcmp(spelled[i][0], text) == 0) return spelled[i][1];
  }
  return text;
}

/* The `which`-th term's element at the labels' values, a broadcast dimension standing still. */
static int64_t element_at(const char *term, const ig_shape *shape, const int64_t *value) {
  int64_t offset = 0;
  int d = 0;
  for (; *term && *term != ',' && *term != '-'; term++) {
    if (*term == ' ') continue;
    offset = offset * shape->dims[d] + (shape->dims[d] == 1 ? 0 : value[(unsigned char)*term]);
    d++;
  }
  return offset;
}

static void note_dims(const char *term, const ig_shape *shape, int64_t *dims) {
  int d = 0;
  for (; *term && *term != ',' && *term != '-'; term++) {
    if (*term == ' ') continue;
    int64_t *dim = &dims[(unsigned char)*term];
    if (*dim < 0 || *dim == 1) *dim = shape->dims[d];
    d++;
  }
}

/* Implicit results of the cases: their labels in the order of the alphabet. */
static const char *result_of(const char *text) {
  const char *arrow = strstr(text, "->");
  return arrow                        ? arrow + 2
         : strcmp(text, "ba,c") == 0  ? "abc"
         : strcmp(text, "ij,jk") == 0 ? "ik"
                                      : "";
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const char *text = plain_of(node), *terms[8] = {text};
  int64_t dims[128], value[128] = {0}, total = 1;
  int n = 1;
  for (int c = 0; c < 128; c++) dims[c] = -1;
  for (const char *at = text; *at && *at != '-'; at++) {
    if (*at == ',') terms[n++] = at + 1;
  }
  for (int t = 0; t < n; t++) note_dims(terms[t], &in[t].shape, dims);
  for (int c = 0; c < 128; c++) total *= dims[c] < 0 ? 1 : dims[c];
  for (int64_t i = 0; i < count_of(out); i++) out->data[i] = 0;
  for (int64_t i = 0; i < total; i++) {
    int64_t rest = i;
    for (int c = 0; c < 128; c++) {
      if (dims[c] < 0) continue;
      value[c] = rest % dims[c];
      rest /= dims[c];
    }
    double product = 1;
    for (int t = 0; t < n; t++) product *= in[t].data[element_at(terms[t], &in[t].shape, value)];
    out->data[element_at(result_of(text), &out->shape, value)] += product;
  }
}

#define EQUATION(value) .n_attrs = 1, .attrs = {A_STRING("equation", value)}

static const ig_op_case cases[] = {
    {.name = "product",
     .inputs = {NORMAL(IG_F32, 3, 4), NORMAL(IG_F32, 4, 5)},
     EQUATION("ij,jk->ik")},
    {.name = "implicit", .inputs = {NORMAL(IG_F32, 3, 4), NORMAL(IG_F32, 4, 5)}, EQUATION("ij,jk")},
    {.name = "transposed result",
     .inputs = {NORMAL(IG_F64, 2, 3), NORMAL(IG_F64, 4)},
     EQUATION("ba,c")},
    {.name = "batch",
     .inputs = {NORMAL(IG_F32, 2, 3, 4), NORMAL(IG_F32, 2, 4, 5)},
     EQUATION("bij, bjk -> bik")},
    {.name = "heads",
     .inputs = {NORMAL(IG_F32, 2, 3, 2, 4), NORMAL(IG_F32, 2, 5, 2, 4)},
     EQUATION("bqhd,bkhd->bhqk")},
    {.name = "three",
     .inputs = {NORMAL(IG_F32, 2, 3), NORMAL(IG_F32, 3, 4), NORMAL(IG_F32, 4, 2)},
     EQUATION("ij,jk,kl->il")},
    {.name = "bilinear",
     .inputs = {NORMAL(IG_F32, 2, 3), NORMAL(IG_F32, 4, 3, 5), NORMAL(IG_F32, 2, 5)},
     EQUATION("bn,anm,bm->ba")},
    {.name = "dot", .inputs = {NORMAL(IG_F32, 7), NORMAL(IG_F32, 7)}, EQUATION("i,i")},
    {.name = "outer", .inputs = {NORMAL(IG_F32, 3), NORMAL(IG_F32, 4)}, EQUATION("i,j->ji")},
    {.name = "elementwise",
     .inputs = {NORMAL(IG_F32, 3, 4), NORMAL(IG_F32, 4, 3)},
     EQUATION("ij,ji->ij")},
    {.name = "sum", .inputs = {NORMAL(IG_F32, 3, 4)}, EQUATION("ij->i")},
    {.name = "sums of both",
     .inputs = {NORMAL(IG_F32, 3, 4), NORMAL(IG_F32, 5, 2)},
     EQUATION("ij,kl->k")},
    {.name = "transpose", .inputs = {NORMAL(IG_F32, 2, 3, 4)}, EQUATION("abc->cab")},
    {.name = "trace", .inputs = {NORMAL(IG_F32, 4, 4)}, EQUATION("ii->")},
    {.name = "diagonal", .inputs = {NORMAL(IG_F32, 2, 3, 3)}, EQUATION("...ii->...i")},
    {.name = "cube's diagonal",
     .inputs = {NORMAL(IG_F64, 3, 3, 3), NORMAL(IG_F64, 3)},
     EQUATION("iii,i->i")},
    {.name = "ellipses",
     .inputs = {NORMAL(IG_F32, 2, 3, 2, 4), NORMAL(IG_F32, 3, 4, 2)},
     EQUATION("...ij,...jk->...ik")},
    {.name = "ellipsis summed",
     .inputs = {NORMAL(IG_F32, 2, 3), NORMAL(IG_F32, 3)},
     EQUATION("i...,...->i")},
    {.name = "ellipsis, implicit",
     .inputs = {NORMAL(IG_F32, 3, 4), NORMAL(IG_F32, 4, 3)},
     EQUATION("...a,a...")},
    {.name = "ellipsis moved", .inputs = {NORMAL(IG_F32, 2, 3, 4)}, EQUATION("b...d -> d...b")},
    {.name = "all as it is", .inputs = {NORMAL(IG_F32, 2, 3)}, EQUATION("...->...")},
    {.name = "broadcast",
     .inputs = {NORMAL(IG_F32, 1, 3, 4), NORMAL(IG_F32, 2, 4, 1)},
     EQUATION("bij,bjk->bik")},
    {.name = "scalars",
     .inputs = {{.dtype = IG_F32, .shape = NO_DIMS}, NORMAL(IG_F32, 3)},
     EQUATION(",i->i")},
    {.name = "scalar", .inputs = {{.dtype = IG_F64, .shape = NO_DIMS}}, EQUATION("->")},
    {.name = "i32",
     .inputs = {INTS(IG_I32, -9, 9, 3, 4), INTS(IG_I32, -9, 9, 4, 2)},
     EQUATION("ij,jk->ki")},
    {.name = "u8",
     .inputs = {INTS(IG_U8, 0, 3, 3, 4), INTS(IG_U8, 0, 3, 4, 2)},
     EQUATION("ij,jk->ik")},
    {.name = "empty sum",
     .inputs = {NORMAL(IG_F32, 3, 0), NORMAL(IG_F32, 0, 2)},
     EQUATION("ij,jk->ik")},
    {.name = "threads",
     .inputs = {NORMAL(IG_F32, 70, 50), NORMAL(IG_F32, 50, 60)},
     .n_attrs = 1,
     .attrs = {A_STRING("equation", "ij,jk->ik")},
     BIG},
};

const ig_op_cases ig_cases_einsum = {
    .op = "Einsum", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
