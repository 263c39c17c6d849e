/* Random flip, crop and cutout of one image, fused with its normalisation so that a pixel is read
 * and written once. What is drawn depends on (seed, epoch, sample) alone. */
#include "engine/train/prepare.h"

#include <string.h>

#include "engine/base/rng.h"

/* What was drawn: target (y, x) shows source (y + dy, x + dx), mirrored when `flip`; outside of the
 * source are zero pixels, or its reflection; rows [top, bottom) x columns [left, right) are cut out. */
typedef struct change {
  bool flip;
  int64_t dy, dx;
  int64_t top, bottom, left, right;
} change;

static change draw(const ig_augment *augment, uint64_t seed, int64_t epoch, int64_t sample,
                   int64_t height, int64_t width) {
  change c = {0};
  ig_rng rng = ig_rng_stream(seed, IG_RNG_AUGMENT, (uint64_t)epoch, (uint64_t)sample);
  uint64_t draws = 0;
  if (augment->flip) {
    ig_rng first = ig_rng_stream(seed, IG_RNG_AUGMENT, UINT64_MAX, (uint64_t)sample);
    c.flip = (ig_rng_below(&first, 0, 2) + (uint64_t)epoch) % 2 == 1;
  }
  if (augment->crop_padding) {
    uint64_t range = 2 * (uint64_t)augment->crop_padding + 1;
    c.dy = (int64_t)ig_rng_below(&rng, draws++, range) - augment->crop_padding;
    c.dx = (int64_t)ig_rng_below(&rng, draws++, range) - augment->crop_padding;
  }
  if (augment->cutout) { /* the square's centre is any pixel, so it may hang over the border */
    int64_t side = augment->cutout;
    int64_t y = (int64_t)ig_rng_below(&rng, draws++, (uint64_t)height) - side / 2;
    int64_t x = (int64_t)ig_rng_below(&rng, draws++, (uint64_t)width) - side / 2;
    c.top = IG_MAX(y, 0);
    c.bottom = IG_MIN(y + side, height);
    c.left = IG_MAX(x, 0);
    c.right = IG_MIN(x + side, width);
  }
  return c;
}

static void scale_u8(const uint8_t *source, float gain, float offset, int64_t n, float *target) {
  for (int64_t i = 0; i < n; i++) target[i] = (float)source[i] * gain + offset;
}

static void scale_f32(const float *source, float gain, float offset, int64_t n, float *target) {
  for (int64_t i = 0; i < n; i++) target[i] = source[i] * gain + offset;
}

static void fill(float *target, int64_t n, float value) {
  for (int64_t i = 0; i < n; i++) target[i] = value;
}

static void mirror(float *row, int64_t width) {
  for (int64_t i = 0, j = width - 1; i < j; i++, j--) {
    float kept = row[i];
    row[i] = row[j];
    row[j] = kept;
  }
}

/* The place inside [0, n) whose reflection in the first or last pixel is i. */
static int64_t reflected(int64_t i, int64_t n) {
  int64_t period = 2 * (n - 1);
  if (period == 0) return 0;
  i = (i % period + period) % period;
  return i < n ? i : period - i;
}

static void reflect_part(ig_dtype dtype, const char *row, int64_t dx, int64_t width, float gain,
                         float offset, int64_t from, int64_t to, float *target) {
  for (int64_t i = from; i < to; i++) {
    int64_t x = reflected(i + dx, width);
    float v = dtype == IG_U8 ? (float)((const uint8_t *)row)[x]
                             : ((const float *)(const void *)row)[x];
    target[i] = v * gain + offset;
  }
}

/* One row of the target: the part that the source covers, and beside it zero pixels or its
 * reflection. */
static void shift_row(ig_dtype dtype, const char *row, int64_t dx, int64_t width, bool reflect,
                      float gain, float offset, float *target) {
  int64_t from = IG_MIN(IG_MAX(-dx, 0), width), to = IG_MAX(IG_MIN(width - dx, width), from);
  if (to > from && dtype == IG_U8) {
    scale_u8((const uint8_t *)row + from + dx, gain, offset, to - from, target + from);
  } else if (to > from) {
    scale_f32((const float *)(const void *)row + from + dx, gain, offset, to - from, target + from);
  }
  if (reflect) {
    reflect_part(dtype, row, dx, width, gain, offset, 0, from, target);
    reflect_part(dtype, row, dx, width, gain, offset, to, width, target);
  } else {
    fill(target, from, offset);
    fill(target + to, width - to, offset);
  }
}

void ig_augment_image(const ig_augment *augment, uint64_t seed, int64_t epoch, int64_t sample,
                      const ig_shape *shape, ig_dtype dtype, const void *source,
                      const double *gain, const double *offset, float *target) {
  int64_t channels = shape->dims[0], height = shape->dims[1], width = shape->dims[2];
  size_t element = ig_dtype_size(dtype);
  bool plain = !augment->flip && !augment->crop_padding && !augment->cutout;
  change c = plain ? (change){0} : draw(augment, seed, epoch, sample, height, width);
  for (int64_t channel = 0; channel < channels; channel++) {
    float a = gain ? (float)gain[channel] : 1.0f, b = offset ? (float)offset[channel] : 0.0f;
    const char *plane = (const char *)source + (size_t)(channel * height * width) * element;
    float *out = target + channel * height * width;
    if (plain) {
      shift_row(dtype, plane, 0, height * width, false, a, b, out);
      continue;
    }
    for (int64_t y = 0; y < height; y++) {
      float *row = out + y * width;
      int64_t from = augment->reflect ? reflected(y + c.dy, height) : y + c.dy;
      if (from < 0 || from >= height) {
        fill(row, width, b);
      } else {
        shift_row(dtype, plane + (size_t)(from * width) * element, c.dx, width, augment->reflect, a,
                  b, row);
        if (c.flip) mirror(row, width);
      }
    }
    for (int64_t y = c.top; y < c.bottom; y++) fill(out + y * width + c.left, c.right - c.left, 0);
  }
}
