/* Cases of GridSample. */
#include "grid_sample_cases.h"

#define FORWARD(title, x, grid, y, ...)                                                            \
  {.name = title, .inputs = {NORMAL(IG_F64, ONLY x), GRID(IG_F64, ONLY grid)}, GRID_ATTRS(__VA_ARGS__)},
#define ONLY(...) __VA_ARGS__

static const ig_op_case cases[] = {
    GRID_CASES(FORWARD){.name = "in f32",
                        .inputs = {NORMAL(IG_F32, 1, 2, 3, 4), GRID(IG_F32, 1, 2, 3, 2)},
                        .no_grad_check = true,
                        .why = "in 16 bits, coordinates round onto kinks"},
};

const ig_op_cases ig_cases_grid_sample = {.op = "GridSample",
                                          .reference = grid_sample_reference,
                                          .n_cases = IG_COUNT(cases),
                                          .cases = cases};
