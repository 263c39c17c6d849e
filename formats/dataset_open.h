/* Opening data sets by name. SPEC is
 *
 *     PATH[:ARRAYS][:PART]
 *
 * PATH is a file or a folder, as given or beneath $INGOT_DATA; what it holds is told by its
 * content, never by its name alone. ARRAYS, comma-separated with a leading '/' each, chooses
 * arrays of an HDF5 file ("digits.h5:/x,/y"). PART chooses one of the named parts: "mnist:train"
 * and "mnist:test" the files of an IDX folder, "photos:train" the subfolder (or the tar's
 * folder) `train`, and "digits.h5:test" or "digits.h5:/x,/y:test" the samples whose indices
 * /split/test lists. */
#ifndef IG_FORMATS_DATASET_OPEN_H
#define IG_FORMATS_DATASET_OPEN_H

#include "engine/backend/comm.h"
#include "engine/train/dataset.h"

/* How the target is to be understood. */
typedef enum ig_target_as {
  IG_TARGET_AUTO = 0, /* words and small integers are classes, other numbers are values */
  IG_TARGET_CLASS,
  IG_TARGET_VALUES
} ig_target_as;

/* What to do with missing values (empty, NA, NaN, null, ?) of a CSV file. */
typedef enum ig_missing {
  IG_MISSING_FAIL = 0, /* an error that names row and column */
  IG_MISSING_NAN       /* kept as NaN in features and values, for data validate and data stats */
} ig_missing;

/* How a categorical column of a CSV file becomes numbers. */
typedef enum ig_categorical {
  IG_ONE_HOT = 0, /* one 0/1 column a category, named "color=red" */
  IG_INDEX        /* one column of indices, named "color{blue|green|red}" */
} ig_categorical;

typedef enum ig_header { IG_HEADER_AUTO = 0, IG_HEADER_YES, IG_HEADER_NO } ig_header;

/* What a token of a text file is, unless an encoder is given. */
typedef enum ig_text_unit {
  IG_TEXT_CHARACTERS = 0, /* Unicode characters; the vocabulary is what the text uses, sorted */
  IG_TEXT_BYTES           /* bytes; 256 of them */
} ig_text_unit;

/* A tokenizer, as far as reading text needs one. */
typedef struct ig_text_encoder {
  void *context;
  const char *name; /* for the digest: another vocabulary is other data */
  int64_t vocabulary;
  /* The ids of a whole text, each below `vocabulary`. *ids is released with ig_free. */
  ig_status (*encode)(void *context, const char *text, size_t length, int32_t **ids,
                      int64_t *count);
} ig_text_encoder;

/* All zero: everything is found out from the file. */
typedef struct ig_dataset_open_options {
  /* CSV columns or array names that are the target, comma-separated; NULL for the last column, or
   * for an array named y, labels, label, targets or target. */
  const char *target;
  ig_target_as target_as;
  bool no_target; /* there is none: everything is input */
  /* The target will not be asked for, and may be left out. A CSV whose columns `like` names is then read row
   * by row: a row that is malformed fails when it is read, and not when the file is opened. */
  bool inputs_only;
  /* Fields of the data that a model was trained on: classes, categories and columns keep their
   * places, and what does not fit is an error. */
  int n_like;
  const ig_field *like;
  ig_missing missing;
  ig_categorical categorical;
  ig_header header;
  ig_text_unit text;
  const ig_text_encoder *encoder; /* borrowed while opening */
  int64_t context;                /* tokens of a window; 0 for 64 */
  int64_t stride;                 /* tokens between windows; 0 for 1 */
  /* Images: 0 takes what the first image has. With a height and width, images are resized. */
  int64_t image_channels, image_height, image_width;
  bool keep_images; /* decoded pictures stay in memory, where all of them take at most 1 GiB: for
                       data that is read again and again */
  size_t memory_limit; /* bytes that may be held in memory; 0 for 8 GiB */
  bool by_offset; /* of a file whose samples can be read one by one nothing else is read: it is neither
                     held in memory nor hashed or checked as a whole. For one of several ranks. */
} ig_dataset_open_options;

/* Opens SPEC; `options` may be NULL. IG_ERR_INPUT names the file, the place in it, what was
 * expected and what was found. */
ig_status ig_dataset_open(const char *spec, const ig_dataset_open_options *options,
                          ig_dataset **out);
/* As ig_dataset_open, by all ranks of `comm` together (NULL for one process), with the same result on all
 * of them: formats whose samples can be read one by one are opened `by_offset`, others are read by one
 * rank of each machine for all of it. The samples are those of ig_dataset_open. */
ig_status ig_dataset_open_among(const char *spec, const ig_dataset_open_options *options,
                                ig_comm *comm, ig_dataset **out);
/* Whether a rank can read its samples of SPEC without the others'. */
ig_status ig_dataset_is_by_offset(const char *spec, const ig_dataset_open_options *options,
                                  bool *by_offset);
/* "csv, hdf5, ..." */
const char *ig_dataset_formats(char *text, size_t size);

#endif
