/* What a data set is to the engine: named fields of fixed shape, and random access to samples.
 * The readers in formats/ implement it; the feeder shuffles, augments, normalises and batches on
 * top. */
#ifndef IG_TRAIN_DATASET_H
#define IG_TRAIN_DATASET_H

#include "engine/base/shape.h"

#define IG_MAX_FIELDS 16

/* What a field holds, as far as the reader can tell; it decides augmentation and normalisation. */
typedef enum ig_field_kind {
  IG_FIELD_FEATURES = 0, /* numbers; normalised per column (the last dimension) */
  IG_FIELD_IMAGE,        /* [C, H, W] u8 or float; normalised per channel; may be augmented */
  IG_FIELD_TOKENS,       /* integer ids below n_classes (the vocabulary), never normalised */
  IG_FIELD_INTEGERS,     /* integers or flags, given to a model that takes such as they are */
  IG_FIELD_CLASS,        /* a class index below n_classes */
  IG_FIELD_TARGETS       /* regression targets (float) or multi-label flags (u8, bool) */
} ig_field_kind;

/* "features", "image", "tokens", "integers", "class", "targets"; "unknown" for another value. */
const char *ig_field_kind_name(ig_field_kind kind);

typedef struct ig_field {
  const char *name; /* "x" and "y" unless the file names them; owned by the data set */
  ig_field_kind kind;
  ig_dtype dtype;
  ig_shape shape;             /* of one sample, without the batch dimension */
  int64_t n_classes;          /* classes or vocabulary; 0 where it does not apply */
  const char *const *classes; /* n_classes names, or NULL; owned by the data set */
  const char *const *columns; /* names of the last dimension's columns, or NULL */
  ig_dtype takes;             /* of INTEGERS: the model's dtype; IG_NONE before a model is known */
} ig_field;

typedef struct ig_dataset ig_dataset;

typedef struct ig_dataset_vtable {
  /* Writes `count` samples, whose indices are each in [0, n_samples), one after another into
   * buffers[f] for every field f (a NULL buffer skips the field). May be called from several
   * threads at once. A failure names file and sample. */
  ig_status (*read)(ig_dataset *dataset, const int64_t *indices, int64_t count,
                    void *const *buffers);
  void (*destroy)(ig_dataset *dataset);
} ig_dataset_vtable;

/* Readers embed this as their first member. Immutable once opened. */
struct ig_dataset {
  const ig_dataset_vtable *vtable;
  const char *path;   /* as the user named it, for messages; owned by the data set */
  const char *format; /* "hdf5", "csv", "idx", "npy", "images", "text", ... */
  int64_t n_samples;
  int n_fields;
  ig_field fields[IG_MAX_FIELDS]; /* inputs first, the target last */
  /* Consecutive samples overlap or follow one another in time (text): a held-out part is then cut
   * off at the end and not drawn at random. */
  bool sequential;
  /* Samples whose indices differ by at most this share target values (windows over one text). A
   * split keeps them out of each other's part. */
  int64_t overlap;
  /* XXH3 of the content, or of path, size and mtime where that would read all; 0 for arrays lent by
   * a caller. */
  uint64_t digest;
};

static inline ig_status ig_dataset_read(ig_dataset *dataset, const int64_t *indices,
                                        int64_t count, void *const *buffers) {
  return dataset->vtable->read(dataset, indices, count, buffers);
}

static inline void ig_dataset_destroy(ig_dataset *dataset) {
  if (dataset) dataset->vtable->destroy(dataset);
}

/* The field of that name, or NULL. */
const ig_field *ig_dataset_field(const ig_dataset *dataset, const char *name);
/* A view of `count` samples of `base` by index (copied). Takes ownership of `base` when `owns`. */
ig_status ig_dataset_subset(ig_dataset *base, bool owns, const int64_t *indices, int64_t count,
                            ig_dataset **out);
/* Cuts `fraction` of the samples off as *held_out: drawn by seed, stratified by class where the
 * target is one (largest remainders, so that the total is exact); the last part when sequential,
 * then without the `overlap` samples before it and thinned to samples that do not overlap, so that
 * each held-out target counts once. Both views borrow `base`, which must outlive them. Fails when
 * either part would be empty. */
ig_status ig_dataset_split(ig_dataset *base, double fraction, uint64_t seed, ig_dataset **rest,
                           ig_dataset **held_out);
/* Arrays in memory as a data set, for tests and for the C interface: fields[f] over data[f], each
 * n_samples long; data is borrowed. */
ig_status ig_dataset_from_arrays(int64_t n_samples, int n_fields, const ig_field *fields,
                                 const void *const *data, ig_dataset **out);
/* As above for a reader that keeps its arrays in memory: everything but the vtable is copied from
 * `description` (its strings are borrowed), and `release(owner)` is called when the data set is
 * destroyed. On failure the owner stays the caller's. */
ig_status ig_dataset_own_arrays(const ig_dataset *description, const void *const *data,
                                void (*release)(void *owner), void *owner, ig_dataset **out);

#endif
