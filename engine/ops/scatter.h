/* What the operators share that gather or scatter by element or by slice. */
#ifndef IG_OPS_SCATTER_H
#define IG_OPS_SCATTER_H

#include "engine/ops/op.h"
#include "kernels/gather.h"
#include "kernels/indexing.h"

/* ONNX's name of a reduction. */
ig_status ig_scatter_parse(const char *text, ig_scatter *out);
/* Whether `dtype` can be joined that way. */
ig_status ig_scatter_check(ig_scatter how, ig_dtype dtype);

/* GatherElements and ScatterElements: data in input 0, indices in input 1, i64 or i32, of its rank and
 * except along `axis` no larger. */
ig_status ig_elements_check(const ig_node *node, int64_t axis);
ig_elements ig_elements_of(const ig_node *node, int64_t axis);
/* Fails at run time when an index leaves [-rows, rows). */
ig_status ig_elements_inside(const ig_call *call, const ig_elements *e);

/* GatherND and ScatterND: i64 indices [batch_dims..., ..., depth] into data's dimensions beyond
 * `batch_dims`. */
ig_status ig_slices_check(const ig_node *node, int64_t batch_dims);
ig_slices ig_slices_of(const ig_node *node, int batch_dims);
ig_status ig_slices_inside(const ig_call *call, const ig_slices *s);
/* The indices' dims but the last, then data's beyond those that a tuple names. */
ig_status ig_slices_shape(const ig_node *node, int batch_dims, ig_shape *out);

/* Gradients of data and updates of the scattering operator of `grad`, whose inverse is `gather`; both
 * take the given attributes. Where several elements share an extreme, they share its gradient. */
void ig_scatter_grad(const ig_grad *grad, const char *reduction, const char *gather, int n_attrs,
                     const ig_attr *attrs);

#endif
