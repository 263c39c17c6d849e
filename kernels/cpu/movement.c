/* Strided copies and padding. A box is first simplified (dimensions of one element dropped,
 * neighbours that step alike merged); what then is innermost decides the loop: memcpy of runs,
 * repetition, tiles that read along one dimension and write along another, or single elements. */
#include "kernels/movement.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu/parallel.h"

#define MAX_RANK IG_CPU_COPY_RANK
/* A row of a tile of words of 4 bytes is a cache line: a tile uses its lines up at once, so that strides
 * which fall on few sets of the cache do no harm. */
#define TILE 16
/* Parts of the outer loop: enough to balance on many cores, few enough to cost nothing on two. */
#define MOST_PARTS 256

typedef struct box {
  int rank;
  int64_t dims[MAX_RANK], from[MAX_RANK], to[MAX_RANK];
} box;

/* Position in the outer dimensions of a box, with element offsets into source and target. */
typedef struct walk {
  int64_t index[MAX_RANK];
  int64_t from, to;
} walk;

static walk walk_at(const box *b, int outer_rank, int64_t linear) {
  walk w = {.from = 0};
  for (int d = outer_rank - 1; d >= 0; d--) {
    w.index[d] = linear % b->dims[d];
    linear /= b->dims[d];
    w.from += w.index[d] * b->from[d];
    w.to += w.index[d] * b->to[d];
  }
  return w;
}

static void walk_next(walk *w, const box *b, int outer_rank) {
  for (int d = outer_rank - 1; d >= 0; d--) {
    w->from += b->from[d];
    w->to += b->to[d];
    if (++w->index[d] < b->dims[d]) return;
    w->from -= b->dims[d] * b->from[d];
    w->to -= b->dims[d] * b->to[d];
    w->index[d] = 0;
  }
}

/* Orders dimensions by the target's stride, largest first, so that writing goes forwards; then drops
 * and merges. Returns false when the box is empty. */
static bool box_make(box *b, int rank, const int64_t *dims, const int64_t *from,
                     const int64_t *to) {
  b->rank = 0;
  for (int d = 0; d < rank; d++) {
    if (dims[d] == 0) return false;
    if (dims[d] == 1) continue;
    int at = b->rank++;
    for (; at > 0 && llabs(b->to[at - 1]) < llabs(to[d]); at--) {
      b->dims[at] = b->dims[at - 1];
      b->from[at] = b->from[at - 1];
      b->to[at] = b->to[at - 1];
    }
    b->dims[at] = dims[d];
    b->from[at] = from[d];
    b->to[at] = to[d];
  }
  for (int d = b->rank - 2; d >= 0; d--) {
    int64_t inner = b->dims[d + 1];
    if (b->from[d] != b->from[d + 1] * inner || b->to[d] != b->to[d + 1] * inner) continue;
    b->dims[d + 1] *= b->dims[d];
    for (int k = d; k < b->rank - 1; k++) {
      b->dims[k] = b->dims[k + 1];
      b->from[k] = b->from[k + 1];
      b->to[k] = b->to[k + 1];
    }
    b->rank--;
  }
  return true;
}

static void box_swap(box *b, int d, int e) {
  int64_t dim = b->dims[d], from = b->from[d], to = b->to[d];
  b->dims[d] = b->dims[e];
  b->from[d] = b->from[e];
  b->to[d] = b->to[e];
  b->dims[e] = dim;
  b->from[e] = from;
  b->to[e] = to;
}

/* The loops over single words, once per word size. `line` copies a strided line; `tile` writes `rows`
 * lines of `columns` words, reading along the rows. */
#define DEFINE_WORDS(bits)                                                                         \
  static void line_##bits(const uint##bits##_t *from, int64_t from_step, uint##bits##_t *to,       \
                          int64_t to_step, int64_t n) {                                            \
    if (to_step == 1 && from_step == 0) {                                                          \
      uint##bits##_t word = *from;                                                                 \
      for (int64_t i = 0; i < n; i++) to[i] = word;                                                \
    } else if (to_step == 1) {                                                                     \
      for (int64_t i = 0; i < n; i++) to[i] = from[i * from_step];                                 \
    } else {                                                                                       \
      for (int64_t i = 0; i < n; i++) to[i * to_step] = from[i * from_step];                       \
    }                                                                                              \
  }                                                                                                \
  static void tile_##bits(const uint##bits##_t *from, int64_t from_step, uint##bits##_t *to,       \
                          int64_t to_step, int64_t rows, int64_t columns) {                        \
    for (int64_t r = 0; r < rows; r++) {                                                           \
      for (int64_t c = 0; c < columns; c++) to[r * to_step + c] = from[c * from_step + r];         \
    }                                                                                              \
  }

DEFINE_WORDS(8)
DEFINE_WORDS(16)
DEFINE_WORDS(32)
DEFINE_WORDS(64)

/* Texts, as a pointer and a length. */
typedef struct word128 {
  uint64_t low, high;
} uint128_t;
DEFINE_WORDS(128)

static void copy_line(size_t size, const char *from, int64_t from_step, char *to, int64_t to_step,
                      int64_t n) {
  switch (size) {
  case 1: line_8((const uint8_t *)from, from_step, (uint8_t *)to, to_step, n); break;
  case 2:
    line_16((const uint16_t *)(const void *)from, from_step, (uint16_t *)(void *)to, to_step, n);
    break;
  case 4:
    line_32((const uint32_t *)(const void *)from, from_step, (uint32_t *)(void *)to, to_step, n);
    break;
  case 8:
    line_64((const uint64_t *)(const void *)from, from_step, (uint64_t *)(void *)to, to_step, n);
    break;
  default:
    line_128((const uint128_t *)(const void *)from, from_step, (uint128_t *)(void *)to, to_step, n);
  }
}

/* Rows of 16 words of 4 bytes, as vectors of the compiler's: on AVX-512 each is a register. */
typedef uint32_t words16 __attribute__((vector_size(64)));

/* Transposes a 16 x 16 tile of words: four rounds, each of which interleaves the upper half of the rows
 * with the lower half. Every cache line of source and target is touched once. */
static void transpose_16x16(const uint32_t *from, int64_t from_step, uint32_t *to,
                            int64_t to_step) {
  words16 a[16], b[16];
  for (int r = 0; r < 16; r++) memcpy(&a[r], from + r * from_step, sizeof a[r]);
  for (int round = 0; round < 4; round++) {
    for (int r = 0; r < 8; r++) {
      b[2 * r] = __builtin_shufflevector(a[r], a[r + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21,
                                         6, 22, 7, 23);
      b[2 * r + 1] = __builtin_shufflevector(a[r], a[r + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28,
                                             13, 29, 14, 30, 15, 31);
    }
    for (int r = 0; r < 16; r++) a[r] = b[r];
  }
  for (int r = 0; r < 16; r++) memcpy(to + r * to_step, &a[r], sizeof a[r]);
}

static void copy_tile(size_t size, const char *from, int64_t from_step, char *to, int64_t to_step,
                      int64_t rows, int64_t columns) {
  if (size == 4 && rows == 16 && columns == 16) {
    transpose_16x16((const uint32_t *)(const void *)from, from_step, (uint32_t *)(void *)to,
                    to_step);
    return;
  }
  switch (size) {
  case 1: tile_8((const uint8_t *)from, from_step, (uint8_t *)to, to_step, rows, columns); break;
  case 2:
    tile_16((const uint16_t *)(const void *)from, from_step, (uint16_t *)(void *)to, to_step, rows,
            columns);
    break;
  case 4:
    tile_32((const uint32_t *)(const void *)from, from_step, (uint32_t *)(void *)to, to_step, rows,
            columns);
    break;
  case 8:
    tile_64((const uint64_t *)(const void *)from, from_step, (uint64_t *)(void *)to, to_step, rows,
            columns);
    break;
  default:
    tile_128((const uint128_t *)(const void *)from, from_step, (uint128_t *)(void *)to, to_step,
             rows, columns);
  }
}

static int64_t box_count(const box *b, int rank) {
  int64_t count = 1;
  for (int d = 0; d < rank; d++) count *= b->dims[d];
  return count;
}

/* The last dimension is a line, all before are walked. A single long line is cut as well. */
static void copy_lines(size_t size, const box *b, const char *source, char *target) {
  int inner = b->rank - 1;
  int64_t n = b->dims[inner], lines = box_count(b, inner);
  int64_t cuts = lines >= MOST_PARTS ? 1 : ig_parts(n, 1 << 14, MOST_PARTS / lines);
  int64_t parts = cuts > 1 ? lines * cuts : ig_parts(lines, 1, MOST_PARTS);
  bool run = b->from[inner] == 1 && b->to[inner] == 1;
  IG_PARALLEL_FOR(ig_worth_team(lines * n * (int64_t)size))
  for (int64_t part = 0; part < parts; part++) {
    int64_t first = cuts > 1 ? part / cuts : ig_part_begin(lines, parts, part);
    int64_t last = cuts > 1 ? first + 1 : ig_part_begin(lines, parts, part + 1);
    int64_t begin = ig_part_begin(n, cuts, cuts > 1 ? part % cuts : 0);
    int64_t end = cuts > 1 ? ig_part_begin(n, cuts, part % cuts + 1) : n;
    walk w = walk_at(b, inner, first);
    for (int64_t line = first; line < last; line++) {
      const char *from = source + (w.from + begin * b->from[inner]) * (int64_t)size;
      char *to = target + (w.to + begin * b->to[inner]) * (int64_t)size;
      if (run) {
        memcpy(to, from, (size_t)(end - begin) * size);
      } else {
        copy_line(size, from, b->from[inner], to, b->to[inner], end - begin);
      }
      walk_next(&w, b, inner);
    }
  }
}

/* The last dimension is contiguous in the target, the one before it in the source. */
static void copy_tiles(size_t size, const box *b, const char *source, char *target) {
  int outer = b->rank - 2;
  int64_t rows = b->dims[outer], columns = b->dims[outer + 1];
  int64_t tile_rows = (rows + TILE - 1) / TILE, boxes = box_count(b, outer);
  int64_t from_step = b->from[outer + 1], to_step = b->to[outer];
  IG_PARALLEL_FOR(ig_worth_team(boxes * rows * columns * (int64_t)size))
  for (int64_t unit = 0; unit < boxes * tile_rows; unit++) {
    walk w = walk_at(b, outer, unit / tile_rows);
    int64_t row = unit % tile_rows * TILE;
    int64_t height = rows - row < TILE ? rows - row : TILE;
    for (int64_t column = 0; column < columns; column += TILE) {
      int64_t width = columns - column < TILE ? columns - column : TILE;
      copy_tile(size, source + (w.from + row + column * from_step) * (int64_t)size, from_step,
                target + (w.to + row * to_step + column) * (int64_t)size, to_step, height, width);
    }
  }
}

void ig_cpu_strided_copy(size_t size, int rank, const int64_t *dims, const void *source,
                         const int64_t *source_strides, void *target,
                         const int64_t *target_strides) {
  box b;
  if (!box_make(&b, rank, dims, source_strides, target_strides)) return;
  if (b.rank == 0) {
    memcpy(target, source, size);
    return;
  }
  int inner = b.rank - 1;
  if (b.to[inner] == 1 && b.from[inner] > 1) {
    for (int d = 0; d < inner; d++) {
      if (b.from[d] != 1 || b.dims[d] < 4 || b.dims[inner] < 4) continue;
      box_swap(&b, d, inner - 1);
      copy_tiles(size, &b, source, target);
      return;
    }
  }
  copy_lines(size, &b, source, target);
}

void ig_cpu_fill(size_t size, const void *value, void *target, int64_t count) {
  if (count <= 0) return;
  int64_t dims[1] = {count}, from[1] = {0}, to[1] = {1};
  ig_cpu_strided_copy(size, 1, dims, value, from, target, to);
}

/* One line along the last axis, whose outer coordinates all lie inside the source. */
static void pad_line(size_t size, const ig_pad_axis *axis, const void *value, const char *source,
                     char *target) {
  for (int64_t i = 0; i < axis->out; i++) {
    if (i == axis->first && axis->last > axis->first) {
      int64_t n = axis->last - axis->first;
      memcpy(target + i * (int64_t)size, source + (i - axis->shift) * (int64_t)size,
             (size_t)n * size);
      i += n - 1;
      continue;
    }
    const void *from =
        axis->source[i] < 0 ? value : (const void *)(source + axis->source[i] * (int64_t)size);
    memcpy(target + i * (int64_t)size, from, size);
  }
}

/* Offset, in lines of the source, of the line that output line `line` below axes [from, rank - 1)
 * comes from; -1 when some coordinate lies in the padding. */
static int64_t line_source(const ig_pad_axis *axes, int from, int rank, int64_t line) {
  int64_t row = 0, stride = 1;
  for (int d = rank - 2; d >= from; d--) {
    int64_t at = axes[d].source[line % axes[d].out];
    if (at < 0) return -1;
    row += at * stride;
    stride *= axes[d].in;
    line /= axes[d].out;
  }
  return row;
}

void ig_cpu_pad(size_t size, int rank, const ig_pad_axis *axes, const void *value,
                const void *source, void *target) {
  if (rank == 0) {
    memcpy(target, source, size);
    return;
  }
  const ig_pad_axis *inner = &axes[rank - 1];
  int64_t lines = 1;
  for (int d = 0; d < rank - 1; d++) lines *= axes[d].out;
  IG_PARALLEL_FOR(ig_worth_team(lines * inner->out * (int64_t)size))
  for (int64_t line = 0; line < lines; line++) {
    int64_t row = line_source(axes, 0, rank, line);
    char *to = (char *)target + line * inner->out * (int64_t)size;
    if (row < 0) {
      copy_line(size, value, 0, to, 1, inner->out);
    } else {
      pad_line(size, inner, value, (const char *)source + row * inner->in * (int64_t)size, to);
    }
  }
}

static void add_line(ig_dtype dtype, const ig_pad_axis *axis, const void *dy, int64_t from,
                     void *dx, int64_t to) {
  for (int64_t i = 0; i < axis->out; i++) {
    int64_t at = axis->source[i];
    if (at < 0) continue;
    if (dtype == IG_F32) {
      ((float *)dx)[to + at] += ((const float *)dy)[from + i];
    } else if (dtype == IG_F64) {
      ((double *)dx)[to + at] += ((const double *)dy)[from + i];
    } else {
      double sum = ig_load_f64(dtype, dx, to + at) + ig_load_f64(dtype, dy, from + i);
      ig_store_f64(dtype, dx, to + at, sum);
    }
  }
}

void ig_cpu_pad_grad(ig_dtype dtype, int rank, const ig_pad_axis *axes, const void *dy, void *dx) {
  size_t size = ig_dtype_size(dtype);
  int lead = 0; /* leading dimensions that pass through: batch and channels, usually */
  int64_t units = 1, out = 1, in = 1;
  for (; lead < rank - 1 && axes[lead].first == 0 && axes[lead].last == axes[lead].out &&
         axes[lead].in == axes[lead].out;
       lead++) {
    units *= axes[lead].out;
  }
  for (int d = lead; d < rank; d++) {
    out *= axes[d].out;
    in *= axes[d].in;
  }
  const ig_pad_axis *inner = &axes[rank - 1];
  IG_PARALLEL_FOR(ig_worth_team(units * out * (int64_t)size))
  for (int64_t unit = 0; unit < units; unit++) {
    memset((char *)dx + unit * in * (int64_t)size, 0, (size_t)in * size);
    for (int64_t line = 0; line < out / inner->out; line++) {
      int64_t row = line_source(axes, lead, rank, line);
      if (row >= 0)
        add_line(dtype, inner, dy, unit * out + line * inner->out, dx, unit * in + row * inner->in);
    }
  }
}
