/* Matrix products through oneDNN. */
#include "engine/base/memory.h"
#include "kernels/lib/onednn_parts.h"

typedef struct matmul_parts {
  ig_dnn_md a, b, b_any, addend, c;
  dnnl_primitive_attr_t attr;
  bool bias; /* the addend is one row that oneDNN takes as bias, its fastest form */
} matmul_parts;

/* One value for each column, added before anything else happens to the result. */
static bool is_bias(const ig_matmul *spec) {
  if (!spec->addend || spec->alpha != 1) return false;
  int last = spec->rank - 1;
  for (int i = 0; i < last; i++) {
    if (spec->addend_dims[i] != 1) return false;
  }
  return spec->addend_dims[last] == spec->c_dims[last];
}

static ig_status make_parts(const ig_matmul *spec, bool pack_b, matmul_parts *p) {
  int rank = spec->rank;
  IG_TRY(ig_dnn_md_strided(spec->dtype, rank, spec->a_dims, spec->a_strides, &p->a));
  IG_TRY(ig_dnn_md_strided(spec->dtype, rank, spec->b_dims, spec->b_strides, &p->b));
  if (pack_b) IG_TRY(ig_dnn_md_any(spec->dtype, rank, spec->b_dims, &p->b_any));
  IG_TRY(ig_dnn_md_strided(spec->c_dtype, rank, spec->c_dims, spec->c_strides, &p->c));
  if (spec->addend) IG_TRY(ig_dnn_md_rows(spec->c_dtype, rank, spec->addend_dims, &p->addend));
  p->bias = is_bias(spec);
  return ig_dnn_attr_create(spec->alpha, false, p->bias ? NULL : p->addend, &spec->activation,
                            &p->attr);
}

static void free_parts(matmul_parts *p) {
  ig_dnn_md_free(p->a);
  ig_dnn_md_free(p->b);
  ig_dnn_md_free(p->b_any);
  ig_dnn_md_free(p->addend);
  ig_dnn_md_free(p->c);
  if (p->attr) dnnl_primitive_attr_destroy(p->attr);
}

static ig_status assemble(const ig_matmul *spec, const matmul_parts *p, const void *fixed_b,
                          ig_dnn **out) {
  dnnl_primitive_desc_t desc = NULL;
  IG_TRY(ig_dnn_matmul_desc(p->a, p->b_any ? p->b_any : p->b, p->bias ? p->addend : NULL, p->c,
                            p->attr, &desc));
  IG_TRY(ig_dnn_open(desc, out));
  IG_CHECK(!ig_dnn_is_slow(desc), IG_ERR_UNSUPPORTED, "oneDNN has no fast matrix product here");
  IG_TRY(ig_dnn_operand_add(*out, DNNL_ARG_SRC, 0, IG_DNN_IN, p->a, NULL));
  IG_TRY(ig_dnn_operand_add(*out, DNNL_ARG_WEIGHTS, 1, IG_DNN_IN, p->b, fixed_b));
  if (spec->addend) {
    int arg = p->bias ? DNNL_ARG_BIAS : ig_dnn_addend_arg(spec->alpha);
    IG_TRY(ig_dnn_operand_add(*out, arg, 2, IG_DNN_IN, p->addend, NULL));
  }
  IG_TRY(ig_dnn_operand_add(*out, DNNL_ARG_DST, 3, IG_DNN_OUT, p->c, NULL));
  return ig_dnn_close(*out);
}

ig_status ig_dnn_matmul_create(const ig_matmul *spec, const void *fixed_b, ig_dnn **out) {
  matmul_parts parts = {0};
  ig_dnn *dnn = NULL;
  ig_status status = make_parts(spec, fixed_b != NULL, &parts);
  if (status == IG_OK) status = assemble(spec, &parts, fixed_b, &dnn);
  free_parts(&parts);
  if (status != IG_OK) {
    ig_dnn_destroy(dnn);
    return status;
  }
  *out = dnn;
  return IG_OK;
}
