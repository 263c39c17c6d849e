/* One field of a CSV as numbers in the arrays of features and targets. */
#include <math.h>

#include "engine/base/dtype.h"
#include "formats/csv.h"

static ig_status report(const ig_csv_table *table, const ig_csv_column *column, int64_t line,
                        const char *expected, const ig_csv_field *field) {
  return ig_fail(IG_ERR_INPUT, "%s: line %lld, column '%s': expected %s, found %s%.*s%s",
                 table->source->spec, (long long)line, column->name, expected,
                 field->length ? "'" : "nothing", (int)IG_MIN(field->length, 64), field->text,
                 field->length ? "'" : "");
}

/* The field as a number: NaN where it is missing and may be. */
static ig_status read_number(const ig_csv_table *table, const ig_csv_column *column,
                             const ig_csv_field *field, int64_t line, double *number) {
  bool tolerant = table->options->missing == IG_MISSING_NAN;
  switch (ig_csv_classify(field->text, field->length, number)) {
  case IG_CSV_MISSING:
    if (!tolerant) return report(table, column, line, "a number", field);
    *number = NAN;
    return IG_OK;
  case IG_CSV_WORD: return report(table, column, line, "a number", field);
  default:
    if (!tolerant && !isfinite((float)*number)) {
      return report(table, column, line, "a finite number", field);
    }
    return IG_OK;
  }
}

/* The index of the field's category, -1 where it is missing and may be. */
static ig_status read_category(const ig_csv_table *table, const ig_csv_column *column,
                               const ig_csv_field *field, int64_t line, int64_t *index) {
  double number;
  bool missing = ig_csv_classify(field->text, field->length, &number) == IG_CSV_MISSING;
  *index = ig_csv_category(column, field->text, field->length);
  if (*index >= 0) return IG_OK;
  if (missing && table->options->missing == IG_MISSING_NAN && column->use != IG_CSV_TARGET) {
    return IG_OK;
  }
  return report(table, column, line,
                column->known ? "a category of the training data" : "a category", field);
}

static ig_status store_target(const ig_csv_table *table, const ig_csv_column *column,
                              const ig_csv_field *field, int64_t line, int64_t row,
                              ig_csv_arrays *to) {
  int64_t at = row * table->n_targets + column->at, index;
  if (column->categorical) {
    IG_TRY(read_category(table, column, field, line, &index));
    ((int64_t *)to->y)[at] = index;
    return IG_OK;
  }
  double number;
  IG_TRY(read_number(table, column, field, line, &number));
  ig_store_f64(to->y_dtype, to->y, at, number);
  return IG_OK;
}

ig_status ig_csv_store(const ig_csv_table *table, const ig_csv_column *column,
                       const ig_csv_field *field, int64_t line, int64_t row, ig_csv_arrays *to) {
  float *features = to->x + row * to->width;
  double number;
  int64_t index;
  switch (column->use) {
  case IG_CSV_IGNORED: return IG_OK;
  case IG_CSV_TARGET: return store_target(table, column, field, line, row, to);
  case IG_CSV_NUMBER:
    IG_TRY(read_number(table, column, field, line, &number));
    features[column->at] = (float)number;
    return IG_OK;
  case IG_CSV_ONE_HOT:
    IG_TRY(read_category(table, column, field, line, &index));
    for (int64_t i = 0; i < column->n_categories; i++) features[column->at + i] = i == index;
    return IG_OK;
  case IG_CSV_INDEXED:
    IG_TRY(read_category(table, column, field, line, &index));
    features[column->at] = index < 0 ? NAN : (float)index;
    return IG_OK;
  }
  return IG_OK;
}
