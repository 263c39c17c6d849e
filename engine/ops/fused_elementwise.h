/* ingot.FusedElementwise as a program: what the pass makes, the node holds, and kernels run. */
#ifndef IG_OPS_FUSED_ELEMENTWISE_H
#define IG_OPS_FUSED_ELEMENTWISE_H

#include "engine/ops/op.h"
#include "kernels/elementwise.h"

/* The node's program, its operands naming values. Fails when the attributes are not one. */
ig_status ig_fused_program(const ig_node *node, ig_program *out);
/* How input `i` is read: 0 as it lies, else i % period; -1 when its shape or layout does not fit. */
int64_t ig_fused_period(const ig_value *input, const ig_value *result);
/* Names registers instead of values, each freed after its last use; false when IG_FUSED_REGISTERS are
 * too few. */
bool ig_fused_allocate(ig_program *program);

#endif
