/* Cases of LinearAttention. */
#include "linear_attention_cases.h"

#define CASE(title, rule_, ...)                                                                    \
  {.name = title,                                                                                  \
   .inputs = {__VA_ARGS__},                                                                        \
   .n_attrs = 3,                                                                                   \
   .attrs = {RULE(rule_), HEADS(4, 2)},                                                            \
   .n_outputs = 2,                                                                                 \
   .tolerance = 1e-4,                                                                              \
   .grad_outputs = 3}
#define QKV(type) SMALL(type, 2, 3, 12), SMALL(type, 2, 3, 6), NORMAL(type, 2, 3, 8)

static const ig_op_case cases[] = {
    CASE("linear", "linear", QKV(IG_F32)),
    CASE("linear with a past", "linear", QKV(IG_F32), NORMAL(IG_F32, 2, 2, 3, 4)),
    CASE("gated by head", "gated", QKV(IG_F32), ABSENT, SMALL(IG_F32, 2, 3, 2)),
    CASE("gated by key", "gated", QKV(IG_F32), NORMAL(IG_F32, 2, 2, 3, 4), SMALL(IG_F32, 2, 3, 6)),
    CASE("delta", "delta", QKV(IG_F32), ABSENT, ABSENT, SMALL(IG_F32, 2, 3, 2)),
    CASE("gated delta", "gated_delta", QKV(IG_F32), NORMAL(IG_F32, 2, 2, 3, 4),
         SMALL(IG_F32, 2, 3, 2), SMALL(IG_F32, 2, 3, 1)),
};

const ig_op_cases ig_cases_linear_attention = {.op = "LinearAttention",
                                               .reference = linear_attention_reference,
                                               .n_cases = IG_COUNT(cases),
                                               .cases = cases};
