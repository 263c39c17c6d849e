/* Rows of a table of narrow integers: only those that are asked for become f32. */
#include "kernels/cpu/parallel.h"
#include "kernels/gather.h"

void ig_cpu_gather_pack(const ig_gather_narrow *g, const int8_t *codes, uint8_t *packed) {
  int64_t half = (g->width + 1) / 2;
  IG_PARALLEL_FOR(ig_worth_team(g->rows * g->width))
  for (int64_t row = 0; row < g->rows; row++) {
    for (int64_t i = 0; i < half; i++) {
      const int8_t *pair = codes + row * g->width + 2 * i;
      unsigned second = 2 * i + 1 < g->width ? (unsigned)pair[1] & 15u : 0;
      packed[row * half + i] = (uint8_t)(((unsigned)pair[0] & 15u) | second << 4);
    }
  }
}

static float code_at(const ig_gather_narrow *g, const void *codes, int64_t row, int64_t column) {
  if (!g->packed) return ((const int8_t *)codes)[row * g->width + column];
  unsigned pair = ((const uint8_t *)codes)[row * ((g->width + 1) / 2) + column / 2];
  unsigned code = column % 2 ? pair >> 4 : pair & 15u;
  return (float)((int)(code ^ 8u) - 8);
}

void ig_cpu_gather_narrow(const ig_gather_narrow *g, const void *codes, const float *scale,
                          const void *indices, bool wide, int64_t count, float *target) {
  IG_PARALLEL_FOR(count > 1 && ig_worth_team(count * g->width))
  for (int64_t i = 0; i < count; i++) {
    int64_t row = wide ? ((const int64_t *)indices)[i] : ((const int32_t *)indices)[i];
    if (row < 0) row += g->rows;
    const float *of_row = scale + row / g->row_block * g->row_step;
    for (int64_t first = 0; first < g->width; first += g->column_block) {
      float step = of_row[first / g->column_block * g->column_step];
      int64_t end = IG_MIN(first + g->column_block, g->width);
      for (int64_t j = first; j < end; j++) {
        target[i * g->width + j] = code_at(g, codes, row, j) * step;
      }
    }
  }
}
