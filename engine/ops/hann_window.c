/* HannWindow: 0.5 - 0.5 cos(x) + 0 cos(2 x). */
#include "engine/ops/signal_window.h"

IG_SIGNAL_WINDOW(0.5, 0.5, 0)

const ig_op ig_op_hann_window = {
    .name = "HannWindow",
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
