/* Is a data set as expected? Every failed expectation is found before it ends, so that one run shows
 * all that must be mended. */
#ifndef IG_LIFECYCLE_VALIDATE_H
#define IG_LIFECYCLE_VALIDATE_H

#include "lifecycle/drift.h"

typedef struct ig_expectations {
  /* The schema and the columns of a reference; with none, what concerns them is not checked. Columns
   * from a checkpoint have a profile alone. */
  int n_fields, n_reference;
  const ig_field *fields;
  const ig_column *reference;
  double max_missing; /* share of a column's values, 0 to 1 */
  double max_drift;   /* share of columns from which on the data set has drifted, above 0 to 1 */
  int64_t min_samples;
  bool allow_duplicates, allow_constant;
} ig_expectations;

/* One expectation that failed. */
typedef struct ig_finding {
  const char *check;      /* "samples", "schema", "missing", "infinite", "constant", "range",
                        "duplicates" or "drift" */
  const char *subject;    /* the field or column; NULL for the data set */
  double found, expected; /* numbers behind the words, NaN where there are none */
  const char *text;       /* a line for people */
} ig_finding;

typedef struct ig_validation {
  int n_columns, n_drifts, n_findings;
  ig_column *columns;
  int64_t duplicates; /* samples equal to an earlier one; -1: not looked for (text, or too many) */
  ig_drift *drifts;
  double drift_share; /* NaN without a reference */
  int64_t finding_capacity;
  ig_finding *findings; /* heap; ig_validation_release */
} ig_validation;

/* Reads the whole data set. Findings are not failures: IG_OK is returned. Texts and columns are in
 * `arena`. */
ig_status ig_validate(ig_dataset *dataset, const ig_expectations *expected, ig_arena *arena,
                      ig_validation *out);
void ig_validation_release(ig_validation *validation);

#endif
