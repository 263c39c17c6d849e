/* What a reader is: formats/dataset_<format>.c ends in `const ig_reader ig_reader_<format> = {...}`
 * and the build lists it. Shared by the readers: the file's beginning, whole files in memory or
 * mapped, and the interpretation of plain arrays as inputs and target. */
#ifndef IG_FORMATS_DATASET_READER_H
#define IG_FORMATS_DATASET_READER_H

#include "engine/base/memory.h"
#include "formats/dataset_open.h"

#define IG_PREFIX_BYTES 65536

/* A file or folder that exists, and how it begins. */
typedef struct ig_source {
  const char *spec;   /* as the user wrote it: the name in messages */
  const char *path;   /* where it was found */
  const char *arrays; /* "/x,/y" or NULL */
  const char *part;   /* "train" or NULL */
  bool folder;
  uint64_t size;  /* bytes of a file */
  uint64_t mtime; /* nanoseconds */
  size_t n_prefix, n_inflated;
  const unsigned char *prefix;   /* the first IG_PREFIX_BYTES, or all */
  const unsigned char *inflated; /* those of a gzip file, unpacked; else NULL */
} ig_source;

/* How sure a reader is. A file name's extension adds IG_MATCH_NAMED to what is not zero. */
enum {
  IG_MATCH_NO_MEMORY = -1, /* cannot tell */
  IG_MATCH_NO = 0,
  IG_MATCH_POSSIBLE = 1,
  IG_MATCH_FALLBACK = 2,
  IG_MATCH_LIKELY = 3,
  IG_MATCH_NAMED = 4,
  IG_MATCH_SIGNATURE = 10
};

typedef struct ig_reader {
  const char *name;
  const char *const *extensions; /* without dot, NULL at the end; NULL when none */
  const char *signature;         /* how such a file begins, for messages; may be NULL */
  int (*recognise)(const ig_source *source);
  ig_status (*open)(const ig_source *source, const ig_dataset_open_options *options,
                    ig_dataset **out);
  /* Whether the samples of this file can be read one by one; NULL for never. */
  bool (*by_offset)(const ig_source *source, const ig_dataset_open_options *options);
} ig_reader;

extern const ig_reader *const ig_reader_registry[];

/* XXH3 of path, size and mtime, for what is too large to read whole. */
uint64_t ig_source_digest(const ig_source *source);
/* What a format says whose samples can always be read one by one. */
bool ig_always_by_offset(const ig_source *source, const ig_dataset_open_options *options);
/* Fails for a part or arrays that the format does not have. */
ig_status ig_source_takes(const ig_source *source, const char *format, bool part, bool arrays);
/* Whether `n` bytes are plain text: no NUL or other control bytes, and valid UTF-8 but for a cut at
 * the end. */
bool ig_is_text(const unsigned char *bytes, size_t n);
/* Bytes that may be held in memory. */
size_t ig_memory_limit(const ig_dataset_open_options *options);

/* A whole file: mapped when it is a plain file, and never written. Release with
 * ig_bytes_release. */
typedef struct ig_bytes {
  const unsigned char *data;
  size_t size;
  void *mapped, *owned;
} ig_bytes;

ig_status ig_bytes_map(const char *path, ig_bytes *out);
/* XXH3 of the bytes where that reads no more than opening may; otherwise ig_source_digest. */
uint64_t ig_bytes_digest(const ig_bytes *bytes, const ig_source *source,
                         const ig_dataset_open_options *options);
/* Read into memory, unpacked when it is gzip; IG_ERR_MEMORY beyond `limit` bytes. */
ig_status ig_bytes_read(const char *path, size_t limit, ig_bytes *out);
void ig_bytes_release(ig_bytes *bytes);

/* libarchive crashes when its own allocations fail: asked for with ig_memory_headroom before. */
#define IG_ARCHIVE_HEADROOM ((size_t)4 << 20)

/* What a reader in memory owns: the arena with names, and the bytes of its file. */
typedef struct ig_holder {
  ig_arena *arena;
  ig_bytes bytes;
  void *blocks[IG_MAX_FIELDS]; /* ig_free */
} ig_holder;

ig_status ig_holder_create(ig_holder **out);
void ig_holder_destroy(void *holder); /* for ig_dataset_own_arrays */

/* Element type as numpy and IDX name it: kind 'f', 'i', 'u' or 'b', bytes of an element, and order.
 * u16 and i16 become i32, u32 and u64 i64 (IG_ERR_INPUT beyond 2^63). */
typedef struct ig_raw_type {
  char kind;
  int bytes;
  bool big_endian;
} ig_raw_type;

/* The dtype in which a raw type is kept, IG_NONE when it is not a number of ours. */
ig_dtype ig_raw_dtype(ig_raw_type raw);
/* True when elements can be used as they lie in the file. */
bool ig_raw_is_native(ig_raw_type raw);
/* Converts `count` elements. */
ig_status ig_raw_convert(ig_raw_type raw, const void *source, int64_t count, void *target);

/* The order in which arrays become fields: inputs as they come, the target last. */
ig_status ig_arrays_order(const char *path, int n, const char *const *names,
                          const ig_dataset_open_options *options, int *order, bool *has_target);
/* Gives the fields of a data set of plain arrays their meaning: which are images, classes,
 * values, tokens. `raw` has names, dtypes and shapes, the target last; `hints` (one a field, or
 * NULL) says a kind that the file itself states, or -1. Images stored [H, W, C] are turned to
 * [C, H, W] while reading. Takes `raw` over, also on failure. */
ig_status ig_arrays_interpret(ig_dataset *raw, bool has_target, const int *hints,
                              const ig_dataset_open_options *options, ig_dataset **out);
/* The field of `options->like` with that name, or NULL. */
const ig_field *ig_like_field(const ig_dataset_open_options *options, const char *name);
/* True when the comma-separated `list` has `name`. */
bool ig_list_has(const char *list, const char *name);

#endif
