/* JPEG and PNG pictures in memory to bytes of pixels, and the list of pictures in a folder or
 * tar. */
#ifndef IG_FORMATS_IMAGE_H
#define IG_FORMATS_IMAGE_H

#include "formats/dataset_reader.h"

/* Pixels of one picture at most: a header of a few bytes must not ask for gigabytes. */
#define IG_IMAGE_MAX_PIXELS ((int64_t)1 << 26)

/* ---- image_decode.c ---- */

/* What decoding needs, kept from picture to picture. One thread uses one decoder. */
typedef struct ig_image_decoder {
  void *jpeg; /* libturbojpeg's handle, made on first use */
  unsigned char *pixels, *resized;
  int64_t pixel_capacity, resized_capacity;
  float *rows;
  int64_t row_capacity;
} ig_image_decoder;

void ig_image_decoder_release(ig_image_decoder *decoder);

typedef struct ig_image_size {
  int64_t height, width;
  int channels; /* 1 for grey, 3 for colour (palettes and transparency included) */
} ig_image_size;

/* The size from the header. `name` is for messages. */
ig_status ig_image_header(ig_image_decoder *decoder, const char *name, const unsigned char *data,
                          size_t size, ig_image_size *out);
/* Decodes to [height, width, channels] bytes, borrowed until the next call. Grey pictures fill
 * three equal channels where three are wanted; transparency is dropped. */
ig_status ig_image_decode(ig_image_decoder *decoder, const char *name, const unsigned char *data,
                          size_t size, int channels, ig_image_size *out,
                          const unsigned char **pixels);
/* Bilinear with a triangle filter as wide as the reduction (so no source pixel is skipped), as
 * Pillow's BILINEAR; [height, width, channels] bytes, borrowed until the next call. */
ig_status ig_image_resize(ig_image_decoder *decoder, const unsigned char *pixels,
                          const ig_image_size *from, int64_t height, int64_t width,
                          const unsigned char **resized);

/* ---- image_list.c ---- */

typedef struct ig_image_entry {
  const char *name; /* path within the folder or tar */
  int64_t offset;   /* in the tar */
  int64_t size;     /* bytes */
  int32_t class;
} ig_image_entry;

typedef struct ig_image_list {
  ig_arena *arena; /* names */
  int64_t count, capacity;
  ig_image_entry *entries; /* sorted by name; heap */
  int64_t n_classes;       /* 0 when pictures lie in no class's folder */
  const char **classes;
  uint64_t digest;
} ig_image_list;

/* Finds the pictures (of source->part, if named); the folder right above each is its class. */
ig_status ig_image_list_folder(const ig_source *source, ig_image_list *list);
ig_status ig_image_list_tar(const ig_source *source, ig_image_list *list);
void ig_image_list_release(ig_image_list *list);
/* 1 when some folder at most two below `path` holds a picture, 0 when none does, -1 without
 * memory. */
int ig_image_folder_looks_so(const char *path);

#endif
