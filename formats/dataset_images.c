/* Pictures by class: a folder of folders, or the same as a tar. A sample's file is read and decoded
 * when it is asked for, on the thread that asks. Only names are kept, unless the caller means to read
 * again and again (keep_images): then each picture is decoded once. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/base/checked.h"
#include "formats/image.h"

#define LOOKED_AT 16 /* headers read while opening */
#define KEPT_BYTES ((size_t)1 << 30)

/* Of a kept picture. The thread that takes it from NONE to BUSY writes it, and no other reads it before
 * it is READY. */
enum { KEPT_NONE, KEPT_BUSY, KEPT_READY };

typedef struct images {
  ig_dataset base;
  char *path;
  int tar;    /* file descriptor, -1 for a folder */
  bool fit;   /* resize to the field's size */
  ig_image_list list;
  uint8_t *kept; /* decoded pictures one after another; NULL where none are kept */
  atomic_uchar *kept_state;
} images;

static bool is_tar(const unsigned char *bytes, size_t n) {
  return n >= 512 && memcmp(bytes + 257, "ustar", 5) == 0;
}

static int images_recognise(const ig_source *source) {
  if (source->folder) {
    int holds = ig_image_folder_looks_so(source->path);
    return holds < 0 ? IG_MATCH_NO_MEMORY : holds ? IG_MATCH_LIKELY : IG_MATCH_NO;
  }
  bool is =
      is_tar(source->prefix, source->n_prefix) || is_tar(source->inflated, source->n_inflated);
  return is ? IG_MATCH_SIGNATURE : IG_MATCH_NO;
}

/* ---- one picture ---- */

typedef struct loader {
  ig_image_decoder decoder;
  unsigned char *bytes;
  int64_t capacity;
} loader;

static void loader_release(loader *l) {
  ig_image_decoder_release(&l->decoder);
  ig_free(l->bytes);
}

static ig_status read_all(int fd, const char *name, int64_t offset, int64_t size,
                          unsigned char *to) {
  for (int64_t done = 0; done < size;) {
    ssize_t n = pread(fd, to + done, (size_t)(size - done), offset + done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ig_fail_errno("read", name);
    IG_CHECK(n > 0, IG_ERR_INPUT, "%s: ends after %lld of %lld bytes; it has changed since it was "
             "opened", name, (long long)done, (long long)size);
    done += n;
  }
  return IG_OK;
}

/* The bytes of entry `i`; `name` is "photos.tar: dog/1.jpg". */
static ig_status load(const images *set, int64_t i, const char *name, loader *l) {
  const ig_image_entry *entry = &set->list.entries[i];
  IG_CHECK(ig_grow((void **)&l->bytes, &l->capacity, entry->size, 1), IG_ERR_MEMORY,
           "%s: no memory for %lld bytes", name, (long long)entry->size);
  if (set->tar >= 0) return read_all(set->tar, name, entry->offset, entry->size, l->bytes);
  char *path = ig_format("%s/%s", set->path, entry->name);
  IG_CHECK_ALLOC(path);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ig_status status = fd < 0 ? ig_fail_errno("open", path)
                            : read_all(fd, name, 0, entry->size, l->bytes);
  if (fd >= 0) close(fd);
  ig_free(path);
  return status;
}

static void to_planes(const unsigned char *pixels, int64_t n, int64_t channels, uint8_t *out) {
  for (int64_t c = 0; c < channels; c++) {
    for (int64_t i = 0; i < n; i++) *out++ = pixels[i * channels + c];
  }
}

static ig_status decode(const images *set, int64_t i, const char *name, loader *l, uint8_t *out) {
  const ig_shape *shape = &set->base.fields[0].shape;
  int64_t channels = shape->dims[0], height = shape->dims[1], width = shape->dims[2];
  ig_image_size size;
  const unsigned char *pixels;
  IG_TRY(load(set, i, name, l));
  IG_TRY(ig_image_decode(&l->decoder, name, l->bytes, (size_t)set->list.entries[i].size,
                         (int)channels, &size, &pixels));
  if (size.height != height || size.width != width) {
    IG_CHECK(set->fit, IG_ERR_INPUT,
             "%s: expected %lld x %lld pixels, found %lld x %lld; give a size to resize all to",
             name, (long long)width, (long long)height, (long long)size.width,
             (long long)size.height);
    IG_TRY(ig_image_resize(&l->decoder, pixels, &size, height, width, &pixels));
  }
  to_planes(pixels, height * width, channels, out);
  return IG_OK;
}

static ig_status decode_named(const images *set, int64_t i, loader *l, uint8_t *out) {
  char *name = ig_format("%s: %s", set->base.path, set->list.entries[i].name);
  IG_CHECK(name, IG_ERR_MEMORY, "%s: out of memory", set->base.path);
  ig_status status = decode(set, i, name, l, out);
  ig_free(name);
  return status;
}

static ig_status picture(const images *set, int64_t i, size_t bytes, loader *l, uint8_t *out) {
  if (!set->kept) return decode_named(set, i, l, out);
  uint8_t *kept = set->kept + (size_t)i * bytes;
  if (atomic_load_explicit(&set->kept_state[i], memory_order_acquire) == KEPT_READY) {
    memcpy(out, kept, bytes);
    return IG_OK;
  }
  IG_TRY(decode_named(set, i, l, out));
  unsigned char none = KEPT_NONE;
  if (atomic_compare_exchange_strong(&set->kept_state[i], &none, KEPT_BUSY)) {
    memcpy(kept, out, bytes);
    atomic_store_explicit(&set->kept_state[i], KEPT_READY, memory_order_release);
  }
  return IG_OK;
}

static ig_status images_read(ig_dataset *dataset, const int64_t *indices, int64_t count,
                             void *const *buffers) {
  const images *set = (const images *)dataset;
  loader l = {.bytes = NULL};
  ig_status status = IG_OK;
  size_t bytes = ig_shape_bytes(&dataset->fields[0].shape, IG_U8);
  for (int64_t i = 0; i < count && status == IG_OK; i++) {
    const ig_image_entry *entry = &set->list.entries[indices[i]];
    if (dataset->n_fields > 1 && buffers[1]) ((int32_t *)buffers[1])[i] = entry->class;
    if (!buffers[0]) continue;
    status = picture(set, indices[i], bytes, &l, (uint8_t *)buffers[0] + (size_t)i * bytes);
  }
  loader_release(&l);
  return status;
}

static void images_destroy(ig_dataset *dataset) {
  images *set = (images *)dataset;
  if (set->tar >= 0) close(set->tar);
  ig_image_list_release(&set->list);
  ig_free(set->kept);
  ig_free(set->kept_state);
  ig_free(set->path);
  ig_free(set);
}

static const ig_dataset_vtable images_vtable = {.read = images_read, .destroy = images_destroy};

/* ---- opening ---- */

/* Classes stand where they stood in training. */
static ig_status follow_classes(images *set, const ig_field *like) {
  ig_image_list *list = &set->list;
  int32_t *place = ig_alloc_zero((size_t)list->n_classes, sizeof *place);
  IG_CHECK_ALLOC(place);
  ig_status status = IG_OK;
  const char **classes = ig_arena_alloc(list->arena, (size_t)like->n_classes * sizeof *classes);
  IG_CHECK_DONE(classes, IG_ERR_MEMORY, "%s: no memory for classes", set->base.path);
  for (int64_t k = 0; k < like->n_classes; k++) {
    classes[k] = ig_arena_strdup(list->arena, like->classes[k]);
    IG_CHECK_DONE(classes[k], IG_ERR_MEMORY, "%s: no memory for classes", set->base.path);
  }
  for (int64_t c = 0; c < list->n_classes; c++) {
    int64_t k = 0;
    while (k < like->n_classes && strcmp(list->classes[c], classes[k]) != 0) k++;
    IG_CHECK_DONE(k < like->n_classes, IG_ERR_INPUT,
                  "%s: the class '%s' is not one of the %lld of the training data", set->base.path,
                  list->classes[c], (long long)like->n_classes);
    place[c] = (int32_t)k;
  }
  for (int64_t i = 0; i < list->count; i++) list->entries[i].class = place[list->entries[i].class];
  list->classes = classes;
  list->n_classes = like->n_classes;
done:
  ig_free(place);
  return status;
}

/* Size of the first picture, and colour when any of a few has it: grey ones lie among others. */
static ig_status look_at_some(const images *set, ig_image_size *out) {
  loader l = {.bytes = NULL};
  ig_status status = IG_OK;
  int64_t n = IG_MIN(set->list.count, LOOKED_AT);
  *out = (ig_image_size){0};
  for (int64_t k = 0; k < n && status == IG_OK; k++) {
    int64_t i = k * (set->list.count / n);
    ig_image_size size;
    char *name = ig_format("%s: %s", set->base.path, set->list.entries[i].name);
    status = name ? load(set, i, name, &l)
                  : ig_fail(IG_ERR_MEMORY, "%s: out of memory", set->base.path);
    if (status == IG_OK) {
      status = ig_image_header(&l.decoder, name, l.bytes, (size_t)set->list.entries[i].size, &size);
    }
    if (status == IG_OK && k == 0) *out = size;
    if (status == IG_OK) out->channels = IG_MAX(out->channels, size.channels);
    ig_free(name);
  }
  loader_release(&l);
  return status;
}

/* The shape of all pictures: as asked for, as in training, or as they are found. */
static ig_status choose_shape(images *set, const ig_dataset_open_options *options,
                              ig_shape *shape) {
  const ig_field *like = ig_like_field(options, "x");
  if (like && (like->kind != IG_FIELD_IMAGE || like->shape.rank != 3)) like = NULL;
  int64_t channels = options->image_channels, height = options->image_height;
  int64_t width = options->image_width;
  if (like && !channels) channels = like->shape.dims[0];
  if (like && !height) {
    height = like->shape.dims[1];
    width = like->shape.dims[2];
  }
  set->fit = height > 0;
  ig_image_size size = {0};
  if (!channels || !height) IG_TRY(look_at_some(set, &size));
  if (!channels) channels = size.channels;
  if (!height) {
    height = size.height;
    width = size.width;
  }
  IG_CHECK(channels == 1 || channels == 3, IG_ERR_SHAPE,
           "%s: the model takes %lld channels; pictures have 1 or 3", set->base.path,
           (long long)channels);
  *shape = IG_SHAPE(channels, height, width);
  return ig_shape_check(shape, IG_F32);
}

static ig_status open_files(const ig_source *source, images *set) {
  set->path = ig_strdup(source->path);
  IG_CHECK_ALLOC(set->path);
  if (source->folder) return ig_image_list_folder(source, &set->list);
  IG_CHECK(!source->inflated, IG_ERR_INPUT,
           "%s: is a compressed tar, whose pictures cannot be reached one by one; unpack it with "
           "gunzip",
           source->spec);
  IG_TRY(ig_image_list_tar(source, &set->list));
  set->tar = open(source->path, O_RDONLY | O_CLOEXEC);
  return set->tar < 0 ? ig_fail_errno("open", source->spec) : IG_OK;
}

/* Pages of pictures that are never read are never touched, so that this costs nothing by itself. */
static ig_status make_kept(images *set) {
  size_t bytes, count = (size_t)set->list.count;
  bool small = ig_mul_size(ig_shape_bytes(&set->base.fields[0].shape, IG_U8), count, &bytes) &&
               bytes <= KEPT_BYTES;
  if (!small) return IG_OK;
  set->kept = ig_alloc(bytes);
  set->kept_state = ig_alloc_zero(count, sizeof *set->kept_state);
  IG_CHECK(set->kept && set->kept_state, IG_ERR_MEMORY, "%s: no memory for %zu bytes of pictures",
           set->base.path, bytes);
  return IG_OK;
}

static ig_status open_set(const ig_source *source, const ig_dataset_open_options *options,
                          images *set) {
  IG_TRY(open_files(source, set));
  set->base.path = ig_arena_strdup(set->list.arena, source->spec);
  IG_CHECK_ALLOC(set->base.path);
  set->base.format = "images";
  set->base.n_samples = set->list.count;
  set->base.digest = set->list.digest;
  set->base.n_fields = 1;
  set->base.fields[0] = (ig_field){.name = "x", .kind = IG_FIELD_IMAGE, .dtype = IG_U8};
  IG_TRY(choose_shape(set, options, &set->base.fields[0].shape));
  if (options->keep_images) IG_TRY(make_kept(set));
  if (!set->list.n_classes || options->no_target) return IG_OK;
  const ig_field *like = ig_like_field(options, "y");
  if (like && like->classes) IG_TRY(follow_classes(set, like));
  set->base.n_fields = 2;
  set->base.fields[1] = (ig_field){.name = "y",
                                   .kind = IG_FIELD_CLASS,
                                   .dtype = IG_I32,
                                   .shape = IG_SCALAR,
                                   .n_classes = set->list.n_classes,
                                   .classes = set->list.classes};
  return IG_OK;
}

static ig_status images_open(const ig_source *source, const ig_dataset_open_options *options,
                             ig_dataset **out) {
  IG_TRY(ig_source_takes(source, "picture", true, false));
  images *set = ig_alloc_zero(1, sizeof *set);
  IG_CHECK_ALLOC(set);
  set->base.vtable = &images_vtable;
  set->tar = -1;
  ig_status status = open_set(source, options, set);
  if (status != IG_OK) {
    images_destroy(&set->base);
    return status;
  }
  *out = &set->base;
  return IG_OK;
}

static const char *const images_extensions[] = {"tar", NULL};

const ig_reader ig_reader_images = {
    .name = "images",
    .extensions = images_extensions,
    .signature = "a tar (\"ustar\" at byte 257)",
    .recognise = images_recognise,
    .open = images_open,
    .by_offset = ig_always_by_offset,
};
