/* JPEG by libturbojpeg, PNG by libpng's simplified reader, and resizing. All of them only see bytes
 * in memory; sizes are checked before pixels are allocated. */
#include "formats/image.h"

#include <math.h>
#include <png.h>
#include <string.h>
#include <turbojpeg.h>

#include "engine/base/checked.h"

void ig_image_decoder_release(ig_image_decoder *decoder) {
  if (decoder->jpeg) tjDestroy(decoder->jpeg);
  ig_free(decoder->pixels);
  ig_free(decoder->resized);
  ig_free(decoder->rows);
  *decoder = (ig_image_decoder){0};
}

/* Both libraries report a lack of memory in words only. */
static ig_status fail_decoding(const char *name, const char *what, const char *why) {
  return ig_fail(strcasestr(why, "memory") ? IG_ERR_MEMORY : IG_ERR_INPUT, "%s: cannot %s: %s",
                 name, what, why);
}

static bool is_jpeg(const unsigned char *data, size_t size) {
  return size >= 3 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff;
}

static bool is_png(const unsigned char *data, size_t size) {
  return size >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0;
}

static ig_status unknown(const char *name, const unsigned char *data, size_t size) {
  IG_CHECK(size >= 8, IG_ERR_INPUT, "%s: expected a JPEG or PNG picture, found %zu bytes", name,
           size);
  return ig_fail(IG_ERR_INPUT,
                 "%s: expected a JPEG (ff d8 ff) or PNG (89 50 4e 47) picture, found %02x %02x "
                 "%02x %02x",
                 name, data[0], data[1], data[2], data[3]);
}

static ig_status check_size(const char *name, const ig_image_size *size) {
  int64_t pixels;
  IG_CHECK(size->height >= 1 && size->width >= 1 &&
               ig_mul_dim(size->height, size->width, &pixels) && pixels <= IG_IMAGE_MAX_PIXELS,
           IG_ERR_INPUT, "%s: a picture of %lld x %lld pixels; expected 1 to %lld of them", name,
           (long long)size->width, (long long)size->height, (long long)IG_IMAGE_MAX_PIXELS);
  return IG_OK;
}

/* ---- JPEG ---- */

static ig_status jpeg_header(ig_image_decoder *decoder, const char *name,
                             const unsigned char *data, size_t size, ig_image_size *out) {
  if (!decoder->jpeg) decoder->jpeg = tjInitDecompress();
  IG_CHECK(decoder->jpeg, IG_ERR_MEMORY, "%s: no memory for a JPEG decoder", name);
  int width, height, sampling, space;
  if (tjDecompressHeader3(decoder->jpeg, data, size, &width, &height, &sampling, &space) != 0) {
    return fail_decoding(name, "read the JPEG header", tjGetErrorStr2(decoder->jpeg));
  }
  IG_CHECK(space != TJCS_CMYK && space != TJCS_YCCK, IG_ERR_INPUT,
           "%s: a JPEG in four print colours (CMYK); expected grey or RGB", name);
  *out = (ig_image_size){height, width, space == TJCS_GRAY ? 1 : 3};
  return check_size(name, out);
}

/* Stray bytes between segments, which many cameras leave, are only warned of; missing data is not
 * forgiven. */
static ig_status jpeg_decode(ig_image_decoder *decoder, const char *name,
                             const unsigned char *data, size_t size, int channels,
                             const ig_image_size *image) {
  int code = tjDecompress2(decoder->jpeg, data, size, decoder->pixels, (int)image->width, 0,
                           (int)image->height, channels == 1 ? TJPF_GRAY : TJPF_RGB,
                           TJFLAG_ACCURATEDCT);
  if (code == 0) return IG_OK;
  const char *why = tjGetErrorStr2(decoder->jpeg);
  bool harmless = tjGetErrorCode(decoder->jpeg) == TJERR_WARNING && !strstr(why, "remature end");
  return harmless ? IG_OK : fail_decoding(name, "decode the JPEG", why);
}

/* ---- PNG ---- */

/* Opens the picture; the caller finishes or frees it. */
static ig_status png_open(png_image *png, const char *name, const unsigned char *data, size_t size,
                          ig_image_size *out) {
  *png = (png_image){.version = PNG_IMAGE_VERSION};
  if (!png_image_begin_read_from_memory(png, data, size)) {
    return fail_decoding(name, "read the PNG header", png->message);
  }
  *out = (ig_image_size){png->height, png->width, png->format & PNG_FORMAT_FLAG_COLOR ? 3 : 1};
  ig_status status = check_size(name, out);
  if (status != IG_OK) png_image_free(png);
  return status;
}

/* Reads with an alpha channel and drops it: asked for none, libpng would blend with a
 * background. */
static ig_status png_decode(png_image *png, ig_image_decoder *decoder, const char *name,
                            int channels, const ig_image_size *image) {
  png->format = channels == 1 ? PNG_FORMAT_GA : PNG_FORMAT_RGBA;
  png->flags |= PNG_IMAGE_FLAG_16BIT_sRGB; /* 16 bits are a finer 8, not linear light */
  if (!png_image_finish_read(png, NULL, decoder->pixels, 0, NULL)) {
    ig_status status = fail_decoding(name, "decode the PNG", png->message);
    png_image_free(png);
    return status;
  }
  int64_t pixels = image->height * image->width;
  unsigned char *to = decoder->pixels;
  const unsigned char *from = decoder->pixels;
  for (int64_t i = 0; i < pixels; i++, from++) {
    for (int c = 0; c < channels; c++) *to++ = *from++;
  }
  return IG_OK;
}

/* ---- either ---- */

ig_status ig_image_header(ig_image_decoder *decoder, const char *name, const unsigned char *data,
                          size_t size, ig_image_size *out) {
  if (is_jpeg(data, size)) return jpeg_header(decoder, name, data, size, out);
  if (!is_png(data, size)) return unknown(name, data, size);
  png_image png;
  IG_TRY(png_open(&png, name, data, size, out));
  png_image_free(&png);
  return IG_OK;
}

ig_status ig_image_decode(ig_image_decoder *decoder, const char *name, const unsigned char *data,
                          size_t size, int channels, ig_image_size *out,
                          const unsigned char **pixels) {
  bool jpeg = is_jpeg(data, size);
  png_image png;
  if (jpeg) {
    IG_TRY(jpeg_header(decoder, name, data, size, out));
  } else {
    if (!is_png(data, size)) return unknown(name, data, size);
    IG_TRY(png_open(&png, name, data, size, out));
  }
  bool fits = out->channels <= channels;
  int64_t bytes = out->height * out->width * (channels + 1); /* a PNG's alpha comes along */
  if (!fits || !ig_grow((void **)&decoder->pixels, &decoder->pixel_capacity, bytes, 1)) {
    if (!jpeg) png_image_free(&png);
    IG_CHECK(fits, IG_ERR_INPUT, "%s: expected a grey picture, found colour", name);
    return ig_fail(IG_ERR_MEMORY, "%s: no memory for %lld pixels", name,
                   (long long)(out->height * out->width));
  }
  out->channels = channels;
  *pixels = decoder->pixels;
  return jpeg ? jpeg_decode(decoder, name, data, size, channels, out)
              : png_decode(&png, decoder, name, channels, out);
}

/* ---- resizing ---- */

/* Source positions [*first, *first + *count) that make up target position i, and their weights. */
static void filter_of(int64_t i, int64_t from, int64_t to, int64_t *first, int64_t *count,
                      float *weights) {
  double scale = (double)from / (double)to, support = fmax(scale, 1.0);
  double centre = ((double)i + 0.5) * scale;
  *first = IG_MAX((int64_t)(centre - support + 0.5), 0);
  int64_t end = IG_MIN((int64_t)(centre + support + 0.5), from);
  *count = end - *first;
  double sum = 0;
  for (int64_t k = 0; k < *count; k++) {
    double distance = fabs(((double)(*first + k) + 0.5 - centre) / support);
    double weight = distance < 1.0 ? 1.0 - distance : 0.0;
    weights[k] = (float)weight;
    sum += weight;
  }
  for (int64_t k = 0; k < *count; k++) weights[k] = (float)(weights[k] / sum);
}

static void resize_rows(const unsigned char *pixels, const ig_image_size *from, int64_t width,
                        float *weights, float *rows) {
  int64_t channels = from->channels, first, count;
  for (int64_t x = 0; x < width; x++) {
    filter_of(x, from->width, width, &first, &count, weights);
    for (int64_t y = 0; y < from->height; y++) {
      const unsigned char *source = pixels + (y * from->width + first) * channels;
      for (int64_t c = 0; c < channels; c++) {
        float sum = 0;
        for (int64_t k = 0; k < count; k++) sum += weights[k] * (float)source[k * channels + c];
        rows[(y * width + x) * channels + c] = sum;
      }
    }
  }
}

ig_status ig_image_resize(ig_image_decoder *decoder, const unsigned char *pixels,
                          const ig_image_size *from, int64_t height, int64_t width,
                          const unsigned char **resized) {
  int64_t channels = from->channels, line = width * channels, first, count, floats, bytes;
  int64_t longest = IG_MAX(from->height, from->width) + 2;
  IG_CHECK(ig_mul_dim(from->height, line, &floats) && ig_add_dim(floats, longest, &floats) &&
               ig_mul_dim(height, line, &bytes) &&
               ig_grow((void **)&decoder->rows, &decoder->row_capacity, floats, sizeof(float)) &&
               ig_grow((void **)&decoder->resized, &decoder->resized_capacity, bytes, 1),
           IG_ERR_MEMORY, "no memory to resize a picture to %lld x %lld", (long long)width,
           (long long)height);
  float *rows = decoder->rows, *weights = rows + from->height * line;
  resize_rows(pixels, from, width, weights, rows);
  for (int64_t y = 0; y < height; y++) {
    filter_of(y, from->height, height, &first, &count, weights);
    for (int64_t i = 0; i < line; i++) {
      float sum = 0;
      for (int64_t k = 0; k < count; k++) sum += weights[k] * rows[(first + k) * line + i];
      decoder->resized[y * line + i] = (unsigned char)IG_MIN(IG_MAX(sum + 0.5f, 0.0f), 255.0f);
    }
  }
  *resized = decoder->resized;
  return IG_OK;
}
