/* Cases of RotaryEmbedding: each pair as a complex number times that of its angle. */
#include <complex.h>

#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const ig_shape *x = &in[0].shape;
  int64_t heads = attr_int(node, "num_heads"), at[IG_MAX_RANK];
  bool interleaved = attr_int(node, "interleaved") != 0;
  int64_t size = x->rank == 4 ? x->dims[3] : x->dims[2] / heads;
  int64_t turned = attr_int(node, "rotary_embedding_dim");
  if (turned == 0) turned = size;
  memcpy(out->data, in[0].data, (size_t)count_of(out) * sizeof(double));
  for (int64_t i = 0; i < count_of(out); i++) {
    index_of(x, i, at);
    int64_t token = x->rank == 4 ? at[2] : at[1];
    int64_t d = x->rank == 4 ? at[3] : at[2] % size;
    bool first = d < turned && (interleaved ? d % 2 == 0 : d < turned / 2);
    if (!first) continue;
    int64_t pair = interleaved ? d / 2 : d, other = i + (interleaved ? 1 : turned / 2);
    int64_t row = node->n_inputs > 3
                      ? (int64_t)in[3].data[at[0] * in[3].shape.dims[1] + token]
                      : (in[1].shape.dims[0] == 1 ? 0 : at[0] * in[1].shape.dims[1]) + token;
    double complex z = in[0].data[i] + I * in[0].data[other];
    z *= in[1].data[row * turned / 2 + pair] + I * in[2].data[row * turned / 2 + pair];
    out->data[i] = creal(z);
    out->data[other] = cimag(z);
  }
}

static const ig_op_case cases[] = {
    {.name = "heads",
     .inputs = {NORMAL(IG_F32, 2, 3, 4, 8), FIXED(IG_F32, 7, 4), FIXED(IG_F32, 7, 4),
                INTS(IG_I64, 0, 6, 2, 4)}},
    {.name = "interleaved",
     .inputs = {NORMAL(IG_F32, 2, 3, 4, 34), FIXED(IG_F32, 7, 17), FIXED(IG_F32, 7, 17),
                INTS(IG_I64, 0, 6, 2, 4)},
     .n_attrs = 1,
     .attrs = {A_INT("interleaved", 1)}},
    {.name = "packed",
     .inputs = {NORMAL(IG_F32, 2, 4, 24), FIXED(IG_F32, 2, 4, 4), FIXED(IG_F32, 2, 4, 4)},
     .n_attrs = 1,
     .attrs = {A_INT("num_heads", 3)}},
    {.name = "one table for all", .inputs = {NORMAL(IG_F32, 2, 3, 4, 8), FIXED(IG_F32, 1, 4, 4), FIXED(IG_F32, 1, 4, 4)}},
    {.name = "partly",
     .inputs = {NORMAL(IG_F32, 2, 4, 24), FIXED(IG_F32, 9, 2), FIXED(IG_F32, 9, 2),
                INTS(IG_I64, 0, 8, 2, 4)},
     .n_attrs = 3,
     .attrs = {A_INT("num_heads", 3), A_INT("rotary_embedding_dim", 4), A_INT("interleaved", 1)}},
    {.name = "f64",
     .inputs = {NORMAL(IG_F64, 1, 2, 3, 6), FIXED(IG_F64, 1, 3, 3), FIXED(IG_F64, 1, 3, 3)}},
    {.name = "threads",
     .inputs = {NORMAL(IG_F32, 3, 4, 50, 64), FIXED(IG_F32, 99, 32), FIXED(IG_F32, 99, 32),
                INTS(IG_I64, 0, 98, 3, 50)},
     BIG},
};

const ig_op_cases ig_cases_rotary_embedding = {
    .op = "RotaryEmbedding", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
