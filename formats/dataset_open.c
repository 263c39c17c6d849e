/* From a SPEC to a reader: finds the file, reads its beginning, and asks every reader how well
 * that fits. A name's extension only decides between kinds of plain text, and is held against a
 * file that is named like a binary format and is not one. */
#include "formats/dataset_reader.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zlib.h>

#define DEFAULT_MEMORY_LIMIT ((size_t)8 << 30)

size_t ig_memory_limit(const ig_dataset_open_options *options) {
  return options->memory_limit ? options->memory_limit : DEFAULT_MEMORY_LIMIT;
}

uint64_t ig_source_digest(const ig_source *source) {
  uint64_t facts[3] = {XXH3_64bits(source->path, strlen(source->path)), source->size,
                       source->mtime};
  return XXH3_64bits(facts, sizeof facts);
}

bool ig_always_by_offset(const ig_source *source, const ig_dataset_open_options *options) {
  IG_UNUSED(source);
  IG_UNUSED(options);
  return true;
}

ig_status ig_source_takes(const ig_source *source, const char *format, bool part, bool arrays) {
  IG_CHECK(part || !source->part, IG_ERR_INPUT,
           "%s: a %s file has no parts; found the part '%s' named", source->spec, format,
           source->part);
  IG_CHECK(arrays || !source->arrays, IG_ERR_INPUT,
           "%s: a %s file has no arrays to choose; found '%s' named", source->spec, format,
           source->arrays);
  return IG_OK;
}

const ig_field *ig_like_field(const ig_dataset_open_options *options, const char *name) {
  for (int f = 0; f < options->n_like; f++) {
    if (strcmp(options->like[f].name, name) == 0) return &options->like[f];
  }
  return NULL;
}

bool ig_list_has(const char *list, const char *name) {
  size_t length = strlen(name);
  for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
    if (strcspn(at, ",") == length && memcmp(at, name, length) == 0) return true;
  }
  return false;
}

bool ig_is_text(const unsigned char *bytes, size_t n) {
  for (size_t i = 0; i < n;) {
    unsigned char c = bytes[i];
    int more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2
                          : c >= 0xf0 && c < 0xf5  ? 3
                                                   : -1;
    if (more < 0 || c == 0x7f) return false;
    if (c < 0x20 && !(c >= '\t' && c <= '\r') && c != 0x1b) return false;
    for (int k = 1; k <= more; k++) {
      if (i + (size_t)k >= n) return true; /* the prefix ends within a character */
      if ((bytes[i + (size_t)k] & 0xc0) != 0x80) return false;
    }
    i += 1 + (size_t)more;
  }
  return true;
}

/* ---- where it is ---- */

static bool exists(const char *path) {
  struct stat info;
  return stat(path, &info) == 0;
}

/* `name` itself, or beneath $INGOT_DATA; *path is NULL when neither exists. */
static ig_status locate(ig_arena *arena, const char *name, const char **path) {
  const char *folder = getenv("INGOT_DATA");
  *path = NULL;
  char *found = exists(name) || name[0] == '/' || !folder || !*folder
                    ? ig_arena_strdup(arena, name)
                    : ig_arena_format(arena, "%s/%s", folder, name);
  IG_CHECK_ALLOC(found);
  if (exists(found)) *path = found;
  return IG_OK;
}

static ig_status find(ig_arena *arena, const char *spec, ig_source *source) {
  source->spec = spec;
  char *name = ig_arena_strdup(arena, spec);
  IG_CHECK_ALLOC(name);
  IG_CHECK(*name, IG_ERR_USAGE, "no data set is named; expected PATH[:ARRAYS][:PART]");
  for (;;) {
    IG_TRY(locate(arena, name, &source->path));
    if (source->path) return IG_OK;
    char *colon = strrchr(name, ':');
    bool arrays = colon && colon[1] == '/';
    if (!colon || !colon[1] || (arrays ? source->arrays != NULL : source->part || source->arrays)) {
      const char *folder = getenv("INGOT_DATA");
      return ig_fail(IG_ERR_INPUT, "%s: no such file or folder, neither here nor beneath %s", spec,
                     folder && *folder ? folder : "$INGOT_DATA (which is not set)");
    }
    *colon = '\0';
    if (arrays) source->arrays = colon + 1;
    else source->part = colon + 1;
  }
}

/* ---- how it begins ---- */

static void inflate_prefix(ig_source *source, unsigned char *out, size_t size) {
  z_stream z = {.next_in = (unsigned char *)(uintptr_t)source->prefix,
                .avail_in = (unsigned)source->n_prefix,
                .next_out = out,
                .avail_out = (unsigned)size};
  if (inflateInit2(&z, 15 + 16) != Z_OK) return;
  inflate(&z, Z_SYNC_FLUSH); /* an error leaves what was unpacked so far */
  source->n_inflated = size - z.avail_out;
  source->inflated = out;
  inflateEnd(&z);
}

static ig_status read_prefix(ig_arena *arena, ig_source *source) {
  struct stat info;
  if (stat(source->path, &info) != 0) return ig_fail_errno("look up", source->spec);
  source->mtime = (uint64_t)info.st_mtim.tv_sec * 1000000000u + (uint64_t)info.st_mtim.tv_nsec;
  source->folder = S_ISDIR(info.st_mode);
  if (source->folder) return IG_OK;
  IG_CHECK(S_ISREG(info.st_mode), IG_ERR_INPUT, "%s: is neither a file nor a folder",
           source->spec);
  source->size = (uint64_t)info.st_size;
  IG_CHECK(source->size > 0, IG_ERR_INPUT, "%s: is empty (0 bytes); expected a data set",
           source->spec);
  unsigned char *bytes = ig_arena_alloc(arena, 2 * IG_PREFIX_BYTES);
  IG_CHECK_ALLOC(bytes);
  int fd = open(source->path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ig_fail_errno("open", source->spec);
  ssize_t n = 1;
  while (n > 0 && source->n_prefix < IG_PREFIX_BYTES) {
    n = read(fd, bytes + source->n_prefix, IG_PREFIX_BYTES - source->n_prefix);
    if (n > 0) source->n_prefix += (size_t)n;
    if (n < 0 && errno == EINTR) n = 1;
  }
  if (n < 0) {
    int code = errno;
    close(fd);
    errno = code;
    return ig_fail_errno("read", source->spec);
  }
  close(fd);
  source->prefix = bytes;
  if (source->n_prefix > 2 && bytes[0] == 0x1f && bytes[1] == 0x8b) {
    inflate_prefix(source, bytes + IG_PREFIX_BYTES, IG_PREFIX_BYTES);
  }
  return IG_OK;
}

/* ---- whose it is ---- */

static bool is_named_like(const ig_reader *reader, const char *path) {
  const char *name = strrchr(path, '/');
  name = name ? name + 1 : path;
  const char *dot = strrchr(name, '.');
  if (!dot || !reader->extensions) return false;
  for (const char *const *e = reader->extensions; *e; e++) {
    if (strcasecmp(dot + 1, *e) == 0) return true;
  }
  return false;
}

const char *ig_dataset_formats(char *text, size_t size) {
  size_t used = 0;
  text[0] = '\0';
  for (const ig_reader *const *r = ig_reader_registry; *r && used < size; r++) {
    used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", (*r)->name);
  }
  return text;
}

static const char *describe_beginning(const ig_source *source, char text[64]) {
  size_t used = 0;
  for (size_t i = 0; i < 8 && i < source->n_prefix; i++) {
    used += (size_t)snprintf(text + used, 64 - used, "%s%02x", i ? " " : "", source->prefix[i]);
  }
  return text;
}

static ig_status choose(const ig_source *source, const ig_reader **out) {
  const ig_reader *best = NULL, *named = NULL;
  int best_score = 0;
  char text[256], beginning[64];
  for (const ig_reader *const *r = ig_reader_registry; *r; r++) {
    int score = (*r)->recognise(source);
    IG_CHECK(score != IG_MATCH_NO_MEMORY, IG_ERR_MEMORY, "%s: no memory to look into it",
             source->spec);
    bool like = !source->folder && is_named_like(*r, source->path);
    if (like && score) score += IG_MATCH_NAMED;
    if (like && !score && (*r)->signature) named = *r;
    if (score > best_score) {
      best_score = score;
      best = *r;
    }
  }
  if (named && best_score < IG_MATCH_SIGNATURE) {
    return ig_fail(IG_ERR_INPUT, "%s: is named like %s but is not: expected %s, found %s",
                   source->spec, named->name, named->signature,
                   describe_beginning(source, beginning));
  }
  if (!best && source->folder) {
    return ig_fail(IG_ERR_INPUT,
                   "%s: a folder without IDX files or images by class; expected one of them%s%s",
                   source->spec, source->part ? " in part " : "", source->part ? source->part : "");
  }
  IG_CHECK(best, IG_ERR_INPUT, "%s: is of no known format: expected one of %s; found %s",
           source->spec, ig_dataset_formats(text, sizeof text),
           describe_beginning(source, beginning));
  *out = best;
  return IG_OK;
}

static ig_status check_options(const ig_dataset_open_options *options) {
  IG_CHECK(options->context >= 0 && options->stride >= 0, IG_ERR_USAGE,
           "context %lld and stride %lld; expected 0 or more", (long long)options->context,
           (long long)options->stride);
  bool one = (options->image_height == 0) != (options->image_width == 0);
  IG_CHECK(!one && options->image_height >= 0 && options->image_width >= 0 &&
               options->image_height <= 16384 && options->image_width <= 16384,
           IG_ERR_USAGE, "image size %lld x %lld; expected both from 1 to 16384",
           (long long)options->image_height, (long long)options->image_width);
  IG_CHECK(options->image_channels == 0 || options->image_channels == 1 ||
               options->image_channels == 3,
           IG_ERR_USAGE, "%lld image channels; expected 1 or 3",
           (long long)options->image_channels);
  return IG_OK;
}

static ig_status look(ig_arena *arena, const char *spec, const ig_dataset_open_options *options,
                      ig_source *source, const ig_reader **reader) {
  IG_CHECK_ALLOC(arena);
  IG_TRY(check_options(options));
  IG_TRY(find(arena, spec, source));
  IG_TRY(read_prefix(arena, source));
  return choose(source, reader);
}

ig_status ig_dataset_is_by_offset(const char *spec, const ig_dataset_open_options *options,
                                  bool *by_offset) {
  ig_arena *arena = ig_arena_create();
  ig_source source = {0};
  const ig_reader *reader = NULL;
  ig_status status = look(arena, spec, options, &source, &reader);
  *by_offset = status == IG_OK && reader->by_offset && reader->by_offset(&source, options);
  ig_arena_destroy(arena);
  return status;
}

ig_status ig_dataset_open(const char *spec, const ig_dataset_open_options *options,
                          ig_dataset **out) {
  static const ig_dataset_open_options defaults;
  if (!options) options = &defaults;
  ig_arena *arena = ig_arena_create();
  ig_source source = {0};
  const ig_reader *reader = NULL;
  ig_dataset *dataset = NULL;
  ig_status status = look(arena, spec, options, &source, &reader);
  if (status == IG_OK) status = reader->open(&source, options, &dataset);
  if (status == IG_OK && dataset->n_samples == 0) {
    status = ig_fail(IG_ERR_INPUT, "%s: holds no samples", spec);
    ig_dataset_destroy(dataset);
  }
  ig_arena_destroy(arena);
  if (status == IG_OK) *out = dataset;
  return status;
}
