/* BlackmanWindow: 0.42 - 0.5 cos(x) + 0.08 cos(2 x). */
#include "engine/ops/signal_window.h"

IG_SIGNAL_WINDOW(0.42, 0.5, 0.08)

const ig_op ig_op_blackman_window = {
    .name = "BlackmanWindow",
    .since = 17,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_signal_window_fields,
    .attrs_size = sizeof(ig_signal_window_attrs),
    .infer = ig_signal_window_infer,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
