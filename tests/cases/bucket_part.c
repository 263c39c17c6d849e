/* Cases of ingot.BucketPart. */
#include <stdlib.h>

#include "bucket_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t part = count_of(out), whole = part * attr_int(node, "ranks");
  double *all = malloc((size_t)whole * sizeof *all);
  if (!all) abort();
  lay_out(node, in, all, whole);
  memcpy(out->data, all + part * attr_int(node, "rank"), (size_t)part * sizeof *all);
  free(all);
}

#define RANK(r, n) .n_attrs = 2, .attrs = {A_INT("rank", r), A_INT("ranks", n)}

static const ig_op_case cases[] = {
    {.name = "all of it", .inputs = {NORMAL(IG_F32, 7), NORMAL(IG_F32, 3)}},
    {.name = "the first of three",
     .inputs = {NORMAL(IG_F32, 70), NORMAL(IG_F32, 3), NORMAL(IG_F32, 20)},
     RANK(0, 3)},
    {.name = "a middle that begins inside a tensor",
     .inputs = {NORMAL(IG_F32, 70), NORMAL(IG_F32, 3), NORMAL(IG_F32, 20)},
     RANK(1, 3)},
    {.name = "the end, with padding",
     .inputs = {NORMAL(IG_F32, 70), NORMAL(IG_F32, 3), NORMAL(IG_F32, 20)},
     RANK(2, 3)},
    {.name = "nothing but padding", .inputs = {NORMAL(IG_F32, 5)}, RANK(3, 4)},
    {.name = "as bf16, several pieces",
     .inputs = {NORMAL(IG_F32, 20011), NORMAL(IG_F32, 30000)},
     .n_attrs = 3,
     .attrs = {A_INT("rank", 1), A_INT("ranks", 2), A_INT("to", ONNX_BF16)}},
};

const ig_op_cases ig_cases_bucket_part = {
    .op = "ingot.BucketPart", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
