/* What inference keeps of a row of data: the model's outputs, then what follows from them (a classifier's
 * probabilities and class, the probabilities of flags), side by side in a record of fixed size. Records can be
 * written, read and kept in any order, whatever the format of the results. */
#ifndef IG_EVAL_ROW_LAYOUT_H
#define IG_EVAL_ROW_LAYOUT_H

#include "engine/graph/graph.h"
#include "engine/train/task.h"

#define IG_MOST_OUTPUTS 16
#define IG_MOST_PARTS (IG_MOST_OUTPUTS + 2)

typedef struct ig_row_part {
  const char *name; /* borrowed */
  ig_dtype dtype;
  ig_shape shape;       /* of one row */
  size_t offset, bytes; /* in the record; not aligned */
} ig_row_part;

typedef struct ig_row_layout {
  ig_task task; /* decides what follows from output 0 */
  int n, n_outputs;
  ig_row_part parts[IG_MOST_PARTS]; /* the outputs first */
  int probability, prediction;      /* their places among the parts, or -1 */
  int64_t lines, width;             /* output 0 of one row as [lines, width] */
  size_t bytes;                     /* of a record: the parts, and a byte of ig_row_state */
} ig_row_layout;

/* The last byte of a record. */
typedef enum ig_row_state {
  IG_ROW_MISSING = 0,
  IG_ROW_COMPUTED = 1,
  IG_ROW_SKIPPED = 2 /* its input could not be read: floats are NaN, integers -1, flags false */
} ig_row_state;

/* `outputs` are of one row. With `derive`, probabilities and predictions are added where the task and the
 * dtype (f32) of output 0 have them. */
ig_status ig_row_layout_make(int n_outputs, const ig_tensor_info *outputs, ig_task task, bool derive,
                             ig_row_layout *out);
/* Row `row` of the outputs, each [rows, ...] as the model gives it, and what follows from it. */
void ig_row_layout_fill(const ig_row_layout *layout, const void *const *outputs, int64_t row,
                        char *record);
/* The record of a row that was passed over. */
void ig_row_layout_skip(const ig_row_layout *layout, char *record);
ig_row_state ig_row_state_of(const ig_row_layout *layout, const char *record);
/* The parts of `count` records each by itself: columns[p] has room for count * parts[p].bytes. */
void ig_row_layout_columns(const ig_row_layout *layout, const char *records, int64_t count,
                           void *const *columns);

#endif
