/* NumPy's .npz as data: each array has samples first. They are unpacked into memory; an array named y, label(s), target(s) (or the one that is asked for) is the target. */
#include <string.h>
#include <xxhash.h>

#include "formats/npz.h"

typedef struct npz {
  const ig_source *source;
  ig_holder *holder;
  size_t limit;
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

static ig_status keep_member(void *context, const char *member, void *bytes, size_t size) {
  npz *z = context;
  int i = z->n;
  if (i == IG_MAX_FIELDS) {
    ig_free(bytes);
    return ig_fail(IG_ERR_INPUT, "%s: holds more than %d arrays", z->source->spec, IG_MAX_FIELDS);
  }
  z->n++;
  z->holder->blocks[i] = bytes;
  char *name = ig_arena_strdup(z->holder->arena, member);
  char *label = ig_arena_format(z->holder->arena, "%s: array '%s'", z->source->spec, member);
  IG_CHECK_ALLOC(name && label ? name : NULL);
  z->names[i] = name;
  IG_TRY(ig_npy_parse_samples(label, bytes, size, &z->arrays[i]));
  XXH3_64bits_update(z->digest, name, strlen(name));
  XXH3_64bits_update(z->digest, bytes, size);
  void *converted = NULL;
  ig_status status = ig_npy_values(label, &z->arrays[i], bytes, z->limit, &converted, &z->values[i]);
  if (converted) {
    ig_free(bytes);
    z->holder->blocks[i] = converted;
  }
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
    status = ig_npz_each(source->spec, source->path, source->size, z.limit, keep_member, &z);
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
