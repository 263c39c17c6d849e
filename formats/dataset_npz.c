/* NumPy's .npz: a zip of .npy members, each an array with samples first. They are unpacked into
 * memory; an array named y, label(s), target(s) (or the one that is asked for) is the target. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "engine/base/checked.h"
#include "formats/npy.h"

/* Deflate makes at most 1,032 bytes of one: what claims more is not honest. */
#define MAX_RATIO 1032

typedef struct npz {
  const ig_source *source;
  ig_holder *holder;
  size_t limit, unpacked;
  int n;
  const char *names[IG_MAX_FIELDS];
  ig_npy arrays[IG_MAX_FIELDS];
  const void *values[IG_MAX_FIELDS];
  XXH3_state_t *digest;
} npz;

static int npz_recognise(const ig_source *source) {
  /* A zip file; the first member of what numpy.savez writes is a .npy. */
  if (source->n_prefix < 34 || memcmp(source->prefix, "PK\x03\x04", 4) != 0) return IG_MATCH_NO;
  size_t length = (size_t)source->prefix[26] | (size_t)source->prefix[27] << 8;
  if (length < 5 || 30 + length > source->n_prefix) return IG_MATCH_NO;
  return memcmp(source->prefix + 30 + length - 4, ".npy", 4) == 0 ? IG_MATCH_SIGNATURE
                                                                  : IG_MATCH_NO;
}

static ig_status archive_failure(const npz *z, struct archive *archive, const char *what) {
  const char *why = archive_error_string(archive);
  return ig_fail(archive_errno(archive) == ENOMEM ? IG_ERR_MEMORY : IG_ERR_INPUT,
                 "%s: cannot read %s: %s", z->source->spec, what, why ? why : "damaged zip file");
}

/* Unpacks the current member to a fresh block. */
static ig_status unpack(npz *z, struct archive *archive, const char *name, unsigned char **out,
                        size_t *size) {
  void *block = NULL;
  int64_t capacity = 0;
  size_t used = 0;
  for (;;) {
    if (!ig_grow(&block, &capacity, (int64_t)used + 65536, 1)) {
      ig_free(block);
      return ig_fail(IG_ERR_MEMORY, "%s: no memory for '%s'", z->source->spec, name);
    }
    la_ssize_t n = archive_read_data(archive, (char *)block + used, 65536);
    if (n == 0) break;
    if (n < 0) {
      ig_free(block);
      return archive_failure(z, archive, name);
    }
    used += (size_t)n;
    z->unpacked += (size_t)n;
    if (z->unpacked > z->limit || z->unpacked / MAX_RATIO > z->source->size) {
      ig_free(block);
      return ig_fail(IG_ERR_MEMORY, "%s: unpacks to more than %zu bytes, the memory limit, or than "
                     "its %llu bytes can hold", z->source->spec, z->limit,
                     (unsigned long long)z->source->size);
    }
  }
  *out = block;
  *size = used;
  return IG_OK;
}

/* Keeps member `path` ("x.npy") as array "x". */
static ig_status keep_member(npz *z, struct archive *archive, const char *path) {
  size_t length = strlen(path);
  IG_CHECK(length > 4 && strcmp(path + length - 4, ".npy") == 0, IG_ERR_INPUT,
           "%s: holds '%s'; expected members named *.npy", z->source->spec, path);
  IG_CHECK(z->n < IG_MAX_FIELDS, IG_ERR_INPUT, "%s: holds more than %d arrays", z->source->spec,
           IG_MAX_FIELDS);
  char *name = ig_arena_strdup(z->holder->arena, path);
  char *label = ig_arena_format(z->holder->arena, "%s: array '%.*s'", z->source->spec,
                                (int)(length - 4), path);
  IG_CHECK_ALLOC(name && label ? name : NULL);
  name[length - 4] = '\0';
  for (int i = 0; i < z->n; i++) {
    IG_CHECK(strcmp(z->names[i], name) != 0, IG_ERR_INPUT, "%s: holds '%s' twice",
             z->source->spec, path);
  }
  unsigned char *bytes = NULL;
  size_t size = 0;
  IG_TRY(unpack(z, archive, path, &bytes, &size));
  int i = z->n++;
  z->holder->blocks[i] = bytes;
  z->names[i] = name;
  IG_TRY(ig_npy_parse(label, bytes, size, &z->arrays[i]));
  XXH3_64bits_update(z->digest, name, length - 4);
  XXH3_64bits_update(z->digest, bytes, size);
  void *converted = NULL;
  ig_status status = ig_npy_values(label, &z->arrays[i], bytes, z->limit, &converted,
                                   &z->values[i]);
  if (converted) {
    ig_free(bytes);
    z->holder->blocks[i] = converted;
  }
  return status;
}

static ig_status read_members(npz *z) {
  IG_CHECK(ig_memory_headroom(IG_ARCHIVE_HEADROOM), IG_ERR_MEMORY, "%s: out of memory",
           z->source->spec);
  struct archive *archive = archive_read_new();
  IG_CHECK_ALLOC(archive);
  ig_status status = IG_OK;
  /* The seekable reader needs the list at the end of the file, so a file cut short is noticed. */
  if (archive_read_support_format_zip_seekable(archive) != ARCHIVE_OK ||
      archive_read_open_filename(archive, z->source->path, 1 << 16) != ARCHIVE_OK) {
    status = archive_failure(z, archive, "it");
  }
  while (status == IG_OK) {
    struct archive_entry *entry;
    int code = archive_read_next_header(archive, &entry);
    if (code == ARCHIVE_EOF) break;
    if (code != ARCHIVE_OK) {
      status = archive_failure(z, archive, "its list of members");
      break;
    }
    const char *path = archive_entry_pathname(entry);
    status = keep_member(z, archive, path ? path : "");
  }
  archive_read_free(archive);
  return status;
}

static ig_status describe(npz *z, const ig_dataset_open_options *options, ig_dataset *description,
                          const void **data, bool *has_target) {
  IG_CHECK(z->n > 0, IG_ERR_INPUT, "%s: holds no arrays", z->source->spec);
  int order[IG_MAX_FIELDS];
  IG_TRY(ig_arrays_order(z->source->spec, z->n, z->names, options, order, has_target));
  description->path = ig_arena_strdup(z->holder->arena, z->source->spec);
  IG_CHECK_ALLOC(description->path);
  description->format = "npz";
  description->n_samples = z->arrays[order[0]].shape.dims[0];
  description->n_fields = z->n;
  description->digest = XXH3_64bits_digest(z->digest);
  for (int f = 0; f < z->n; f++) {
    const ig_npy *array = &z->arrays[order[f]];
    IG_CHECK(array->shape.dims[0] == description->n_samples, IG_ERR_SHAPE,
             "%s: array '%s' has %lld samples and '%s' has %lld; expected as many",
             z->source->spec, z->names[order[0]], (long long)description->n_samples,
             z->names[order[f]], (long long)array->shape.dims[0]);
    ig_shape sample = {.rank = array->shape.rank - 1};
    for (int i = 0; i < sample.rank; i++) sample.dims[i] = array->shape.dims[i + 1];
    description->fields[f] =
        (ig_field){.name = z->names[order[f]], .dtype = array->dtype, .shape = sample};
    data[f] = z->values[order[f]];
  }
  return IG_OK;
}

static ig_status npz_open(const ig_source *source, const ig_dataset_open_options *options,
                          ig_dataset **out) {
  IG_TRY(ig_source_takes(source, "NPZ", false, false));
  npz z = {.source = source, .limit = ig_memory_limit(options)};
  IG_TRY(ig_holder_create(&z.holder));
  ig_dataset description = {0}, *raw;
  const void *data[IG_MAX_FIELDS];
  bool has_target = false;
  z.digest = XXH3_createState();
  ig_status status = z.digest ? IG_OK : ig_fail(IG_ERR_MEMORY, "%s: out of memory", __func__);
  if (status == IG_OK) {
    XXH3_64bits_reset(z.digest);
    status = read_members(&z);
  }
  if (status == IG_OK) status = describe(&z, options, &description, data, &has_target);
  if (status == IG_OK) {
    status = ig_dataset_own_arrays(&description, data, ig_holder_destroy, z.holder, &raw);
  }
  XXH3_freeState(z.digest);
  if (status != IG_OK) {
    ig_holder_destroy(z.holder);
    return status;
  }
  return ig_arrays_interpret(raw, has_target, NULL, options, out);
}

static const char *const npz_extensions[] = {"npz", NULL};

const ig_reader ig_reader_npz = {
    .name = "npz",
    .extensions = npz_extensions,
    .signature = "50 4b 03 04 (a zip file) with a .npy member first",
    .recognise = npz_recognise,
    .open = npz_open,
};
