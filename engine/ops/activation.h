/* The `activation` attribute that fused operators share, with its two numbers. */
#ifndef IG_OPS_ACTIVATION_H
#define IG_OPS_ACTIVATION_H

#include "engine/ops/op.h"
#include "kernels/activation.h"

/* `name` is an operator's name (GeluTanh is Gelu with approximate = "tanh") or "" for none; a is
 * the slope of LeakyRelu or the lower bound of Clip, b the upper bound. */
ig_status ig_activation_parse(const char *name, float a, float b, ig_activation *out);
/* The gradient before the activation from the one after it, which must be a function whose
 * derivative reads its result; records a failure otherwise. */
ig_value *ig_activation_grad(ig_graph *graph, const char *name, ig_value *dy, ig_value *y);

#endif
