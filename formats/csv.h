/* Parts of the CSV reader: csv_scan.c cuts bytes into fields (RFC 4180), csv_table.c decides
 * what each column is, csv_values.c turns fields into numbers, dataset_csv.c makes the data set in memory and
 * csv_rows.c the one that reads row by row. */
#ifndef IG_FORMATS_CSV_H
#define IG_FORMATS_CSV_H

#include "formats/dataset_reader.h"

#define IG_CSV_MAX_COLUMNS 65536
#define IG_CSV_MAX_CATEGORIES 4096
#define IG_CSV_MAX_WORD 1024 /* bytes of a category */

/* ---- csv_scan.c ---- */

/* Walks over the bytes of a file, one field after another. */
typedef struct ig_csv_scan {
  const char *path; /* for messages */
  const char *data;
  size_t size, at;
  char delimiter;
  int64_t line;        /* of `at`, from 1 */
  int64_t record_line; /* where the current record began */
  bool in_record;
  char *buffer; /* for quoted fields with doubled quotes; grows */
  int64_t capacity;
} ig_csv_scan;

typedef struct ig_csv_field {
  const char *text; /* not ended by NUL; valid until the next field */
  size_t length;
  bool last; /* of its record */
} ig_csv_field;

/* Begins after a byte order mark, with the delimiter that the first record uses most. */
void ig_csv_begin(ig_csv_scan *scan, const char *path, const void *data, size_t size);
void ig_csv_end(ig_csv_scan *scan);
/* *more is false at the end of the file. Empty lines are skipped; blanks around unquoted fields are
 * dropped. */
ig_status ig_csv_next(ig_csv_scan *scan, ig_csv_field *field, bool *more);

typedef enum ig_csv_value {
  IG_CSV_MISSING, /* empty, NA, N/A, NaN, null, none, ? */
  IG_CSV_WHOLE,
  IG_CSV_REAL,
  IG_CSV_WORD
} ig_csv_value;

/* What a field is; *number is set for the numbers. */
ig_csv_value ig_csv_classify(const char *text, size_t length, double *number);

/* ---- csv_table.c ---- */

typedef enum ig_csv_use {
  IG_CSV_IGNORED = 0,
  IG_CSV_NUMBER, /* one feature */
  IG_CSV_ONE_HOT,
  IG_CSV_INDEXED,
  IG_CSV_TARGET /* a number; or a class when there are categories */
} ig_csv_use;

typedef struct ig_csv_column {
  const char *name;
  int64_t numbers, words, missing; /* seen in the survey */
  bool whole;                      /* all numbers were whole */
  ig_csv_use use;
  bool categorical;
  bool known; /* its categories come from the training data */
  int64_t at; /* first feature column, or the place among the targets */
  int64_t n_categories, category_capacity;
  const char **categories; /* sorted, or in the training data's order */
  int64_t *table;          /* hash of categories: index + 1, or 0 */
  int64_t table_size;
} ig_csv_column;

typedef struct ig_csv_table {
  const ig_source *source;
  const ig_dataset_open_options *options;
  ig_arena *arena;
  const void *data;
  size_t size;
  bool header;
  int64_t n_columns, column_capacity;
  ig_csv_column *columns;
  int64_t n_rows;
  int64_t n_features, n_targets;
  const char **feature_names, **target_names;
} ig_csv_table;

/* Reads the file once or twice and fills in columns, categories and uses. */
ig_status ig_csv_survey(ig_csv_table *table);
/* Reads the header alone, and fills in columns and uses after the training data's features; targets are not
 * looked for, and rows not counted. */
ig_status ig_csv_follow(ig_csv_table *table);
void ig_csv_release(ig_csv_table *table);
/* The index of a category, -1 when it is not one. */
int64_t ig_csv_category(const ig_csv_column *column, const char *text, size_t length);
/* Begins a scan at the first row of values. */
ig_status ig_csv_rows(const ig_csv_table *table, ig_csv_scan *scan);

/* ---- csv_values.c ---- */

typedef struct ig_csv_arrays {
  float *x;
  void *y; /* i64 when every target is whole or a class, otherwise f32 */
  ig_dtype y_dtype;
  int64_t width;
} ig_csv_arrays;

/* Puts a field of row `row` in its place; what is not what the column holds is an error with line and
 * column. */
ig_status ig_csv_store(const ig_csv_table *table, const ig_csv_column *column,
                       const ig_csv_field *field, int64_t line, int64_t row, ig_csv_arrays *to);

/* ---- csv_rows.c ---- */

/* Whether the rows of such a file can be read one by one: nothing has to be found out from all of them. */
bool ig_csv_by_row(const ig_source *source, const ig_dataset_open_options *options);
ig_status ig_csv_rows_open(const ig_source *source, const ig_dataset_open_options *options,
                           ig_dataset **out);

#endif
