/* What the columns of a CSV file are. One pass counts numbers and words by column; columns of words
 * are categorical, and a second pass collects their categories. With the training data's fields
 * given, columns are found by its names and categories keep its order. */
#include "formats/csv.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "engine/base/checked.h"

/* ---- categories ---- */

static uint64_t hash(const char *text, size_t length) { return XXH3_64bits(text, length); }

static int64_t *slot_of(const ig_csv_column *column, const char *text, size_t length) {
  uint64_t mask = (uint64_t)column->table_size - 1;
  for (uint64_t i = hash(text, length) & mask;; i = (i + 1) & mask) {
    int64_t index = column->table[i];
    if (index == 0) return &column->table[i];
    const char *name = column->categories[index - 1];
    if (strncmp(name, text, length) == 0 && name[length] == '\0') return &column->table[i];
  }
}

int64_t ig_csv_category(const ig_csv_column *column, const char *text, size_t length) {
  return column->table ? *slot_of(column, text, length) - 1 : -1;
}

/* Makes the hash hold the categories as they stand, with room for as many again. */
static ig_status rehash(ig_csv_column *column) {
  int64_t size = 16;
  while (size < 4 * column->n_categories) size *= 2;
  ig_free(column->table);
  column->table = ig_alloc_zero((size_t)size, sizeof *column->table);
  IG_CHECK_ALLOC(column->table);
  column->table_size = size;
  for (int64_t i = 0; i < column->n_categories; i++) {
    const char *name = column->categories[i];
    *slot_of(column, name, strlen(name)) = i + 1;
  }
  return IG_OK;
}

static ig_status add_category(const ig_csv_table *table, ig_csv_column *column, const char *text,
                              size_t length, int64_t line) {
  if (!column->table) IG_TRY(rehash(column));
  int64_t *slot = slot_of(column, text, length);
  if (*slot) return IG_OK;
  IG_CHECK(column->n_categories < IG_CSV_MAX_CATEGORIES && length <= IG_CSV_MAX_WORD, IG_ERR_INPUT,
           "%s: line %lld, column '%s': expected at most %d categories of %d bytes; is this column "
           "free text or an identifier?",
           table->source->spec, (long long)line, column->name, IG_CSV_MAX_CATEGORIES,
           IG_CSV_MAX_WORD);
  char *name = ig_arena_format(table->arena, "%.*s", (int)length, text);
  IG_CHECK_ALLOC(name);
  IG_CHECK(ig_grow((void **)&column->categories, &column->category_capacity,
                   column->n_categories + 1, sizeof *column->categories),
           IG_ERR_MEMORY, "%s: no memory for categories", table->source->spec);
  column->categories[column->n_categories++] = name;
  *slot = column->n_categories;
  return 2 * column->n_categories > column->table_size ? rehash(column) : IG_OK;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* ---- the survey ---- */

static ig_status add_column(ig_csv_table *table, const char *text, size_t length) {
  int64_t n = table->n_columns;
  IG_CHECK(n < IG_CSV_MAX_COLUMNS && length <= IG_CSV_MAX_WORD, IG_ERR_INPUT,
           "%s: expected at most %d columns, with names of at most %d bytes", table->source->spec,
           IG_CSV_MAX_COLUMNS, IG_CSV_MAX_WORD);
  IG_CHECK(ig_grow((void **)&table->columns, &table->column_capacity, n + 1,
                   sizeof *table->columns),
           IG_ERR_MEMORY, "%s: no memory for columns", table->source->spec);
  char *name = ig_arena_format(table->arena, "%.*s", (int)length, text);
  IG_CHECK_ALLOC(name);
  table->columns[n] = (ig_csv_column){.name = name, .whole = true};
  table->n_columns++;
  return IG_OK;
}

/* The names of the first record, sorted, have a twin. */
static ig_status find_twin(const ig_csv_table *table, const char **twin) {
  *twin = NULL;
  const char **names = ig_alloc_zero((size_t)table->n_columns, sizeof *names);
  IG_CHECK_ALLOC(names);
  for (int64_t c = 0; c < table->n_columns; c++) names[c] = table->columns[c].name;
  qsort(names, (size_t)table->n_columns, sizeof *names, compare_names);
  for (int64_t c = 1; c < table->n_columns; c++) {
    if (*names[c] && strcmp(names[c - 1], names[c]) == 0) *twin = names[c];
  }
  ig_free(names);
  return IG_OK;
}

/* The first record gives the number of columns, and their names when it is a header: no number
 * among its fields, and no name twice. */
static ig_status read_header(ig_csv_table *table, ig_csv_scan *scan) {
  ig_csv_field field;
  bool more, numbers = false;
  do {
    IG_TRY(ig_csv_next(scan, &field, &more));
    IG_CHECK(more, IG_ERR_INPUT, "%s: holds no records", table->source->spec);
    double number;
    ig_csv_value value = ig_csv_classify(field.text, field.length, &number);
    numbers = numbers || value == IG_CSV_WHOLE || value == IG_CSV_REAL;
    IG_TRY(add_column(table, field.text, field.length));
  } while (!field.last);
  const char *twin;
  IG_TRY(find_twin(table, &twin));
  IG_CHECK(!twin || table->options->header != IG_HEADER_YES, IG_ERR_INPUT,
           "%s: line %lld: the column '%s' is named twice", table->source->spec,
           (long long)scan->record_line, twin);
  table->header = table->options->header == IG_HEADER_AUTO
                      ? !numbers && !twin
                      : table->options->header == IG_HEADER_YES;
  for (int64_t c = 0; c < table->n_columns; c++) {
    ig_csv_column *column = &table->columns[c];
    if (table->header && *column->name) continue;
    column->name = table->header ? ig_arena_format(table->arena, "column_%lld", (long long)c + 1)
                                 : ig_arena_format(table->arena, "%lld", (long long)c);
    IG_CHECK_ALLOC(column->name);
  }
  return IG_OK;
}

ig_status ig_csv_rows(const ig_csv_table *table, ig_csv_scan *scan) {
  ig_csv_begin(scan, table->source->spec, table->data, table->size);
  ig_csv_field field = {.last = !table->header};
  bool more;
  while (!field.last) IG_TRY(ig_csv_next(scan, &field, &more));
  return IG_OK;
}

/* Calls `visit` for every field of every row. */
typedef ig_status (*visit_field)(ig_csv_table *table, ig_csv_column *column,
                                 const ig_csv_field *field, int64_t line);

static ig_status for_every_field(ig_csv_table *table, visit_field visit) {
  ig_csv_scan scan;
  ig_status status = ig_csv_rows(table, &scan);
  int64_t c = 0;
  table->n_rows = 0;
  while (status == IG_OK) {
    ig_csv_field field;
    bool more;
    status = ig_csv_next(&scan, &field, &more);
    if (status != IG_OK || !more) break;
    if (c < table->n_columns) status = visit(table, &table->columns[c], &field, scan.record_line);
    c++;
    if (!field.last) continue;
    if (status == IG_OK && c != table->n_columns) {
      status = ig_fail(IG_ERR_INPUT, "%s: line %lld: found %lld fields; expected %lld",
                       table->source->spec, (long long)scan.record_line, (long long)c,
                       (long long)table->n_columns);
    }
    table->n_rows++;
    c = 0;
  }
  ig_csv_end(&scan);
  return status;
}

static ig_status count_field(ig_csv_table *table, ig_csv_column *column, const ig_csv_field *field,
                             int64_t line) {
  IG_UNUSED(table);
  IG_UNUSED(line);
  double number;
  switch (ig_csv_classify(field->text, field->length, &number)) {
  case IG_CSV_MISSING: column->missing++; break;
  case IG_CSV_REAL: column->whole = false; /* falls through */
  case IG_CSV_WHOLE: column->numbers++; break;
  case IG_CSV_WORD: column->words++; break;
  }
  return IG_OK;
}

static ig_status collect_category(ig_csv_table *table, ig_csv_column *column,
                                  const ig_csv_field *field, int64_t line) {
  double number;
  bool wanted = column->categorical && column->use != IG_CSV_IGNORED && !column->known;
  if (!wanted || ig_csv_classify(field->text, field->length, &number) == IG_CSV_MISSING) {
    return IG_OK;
  }
  return add_category(table, column, field->text, field->length, line);
}

/* ---- uses ---- */

static ig_csv_column *find_column(const ig_csv_table *table, const char *name, size_t length) {
  for (int64_t c = 0; c < table->n_columns; c++) {
    const char *own = table->columns[c].name;
    if (strncmp(own, name, length) == 0 && own[length] == '\0') return &table->columns[c];
  }
  return NULL;
}

static ig_status mark_target(ig_csv_table *table, const char *name, size_t length, bool required) {
  ig_csv_column *column = find_column(table, name, length);
  IG_CHECK(column || !required, IG_ERR_INPUT,
           "%s: has no column '%.*s' for the target; its columns are '%s' to '%s'",
           table->source->spec, (int)length, name, table->columns[0].name,
           table->columns[table->n_columns - 1].name);
  if (!column || column->use == IG_CSV_TARGET) return IG_OK;
  column->use = IG_CSV_TARGET;
  column->at = table->n_targets++;
  return IG_OK;
}

/* The named ones, or those of the training data where the file has them, or the last. */
static ig_status mark_targets(ig_csv_table *table) {
  const ig_dataset_open_options *options = table->options;
  if (options->no_target) return IG_OK;
  if (options->target) {
    for (const char *at = options->target; at;) {
      size_t length = strcspn(at, ",");
      IG_TRY(mark_target(table, at, length, true));
      at = at[length] ? at + length + 1 : NULL;
    }
    return IG_OK;
  }
  const ig_field *like = ig_like_field(options, "y");
  if (like && like->columns) {
    int64_t n = like->shape.rank ? like->shape.dims[like->shape.rank - 1] : 1;
    for (int64_t i = 0; i < n; i++) {
      IG_TRY(mark_target(table, like->columns[i], strlen(like->columns[i]), false));
    }
    IG_CHECK(table->n_targets == 0 || table->n_targets == n, IG_ERR_INPUT,
             "%s: has %lld of the %lld target columns of the training data", table->source->spec,
             (long long)table->n_targets, (long long)n);
    return IG_OK;
  }
  if (options->n_like) return IG_OK;
  IG_CHECK(table->n_columns >= 2, IG_ERR_INPUT,
           "%s: has one column, delimited by none of , ; | and tab; expected features and a target",
           table->source->spec);
  const char *last = table->columns[table->n_columns - 1].name;
  return mark_target(table, last, strlen(last), true);
}

/* A few words among many numbers are mistakes, and named as such when values are read. */
static bool looks_categorical(const ig_csv_column *column) {
  return column->words > 0 && column->words * 10 > column->numbers;
}

static ig_status decide_uses(ig_csv_table *table) {
  const ig_field *like = ig_like_field(table->options, "y");
  IG_TRY(mark_targets(table));
  for (int64_t c = 0; c < table->n_columns; c++) {
    ig_csv_column *column = &table->columns[c];
    column->categorical = looks_categorical(column);
    if (column->use != IG_CSV_TARGET) {
      column->use = !column->categorical                             ? IG_CSV_NUMBER
                    : table->options->categorical == IG_INDEX ? IG_CSV_INDEXED
                                                                     : IG_CSV_ONE_HOT;
      continue;
    }
    /* Classes of words stay so even where this file's happen to look like numbers. */
    if (like) column->categorical = like->classes != NULL;
    IG_CHECK(!column->categorical || table->n_targets == 1, IG_ERR_INPUT,
             "%s: the target column '%s' holds words; with several targets, numbers are expected",
             table->source->spec, column->name);
    IG_CHECK(!column->categorical || table->options->target_as != IG_TARGET_VALUES, IG_ERR_INPUT,
             "%s: the target column '%s' holds words; values to predict are numbers",
             table->source->spec, column->name);
  }
  return IG_OK;
}

/* ---- names of the features ---- */

/* "color{blue|green|red}" */
static char *indexed_name(const ig_csv_table *table, const ig_csv_column *column) {
  size_t size = strlen(column->name) + 3;
  for (int64_t i = 0; i < column->n_categories; i++) size += strlen(column->categories[i]) + 1;
  char *text = ig_arena_alloc(table->arena, size);
  if (!text) return NULL;
  char *at = stpcpy(stpcpy(text, column->name), "{");
  for (int64_t i = 0; i < column->n_categories; i++) {
    at = stpcpy(stpcpy(at, i ? "|" : ""), column->categories[i]);
  }
  stpcpy(at, "}");
  return text;
}

static ig_status name_features(ig_csv_table *table) {
  for (int64_t c = 0; c < table->n_columns; c++) {
    ig_csv_column *column = &table->columns[c];
    if (column->use == IG_CSV_IGNORED || column->use == IG_CSV_TARGET) continue;
    column->at = table->n_features;
    table->n_features += column->use == IG_CSV_ONE_HOT ? column->n_categories : 1;
  }
  table->feature_names =
      ig_arena_alloc(table->arena, (size_t)table->n_features * sizeof *table->feature_names);
  IG_CHECK_ALLOC(table->feature_names);
  for (int64_t c = 0; c < table->n_columns; c++) {
    const ig_csv_column *column = &table->columns[c];
    const char **names = &table->feature_names[column->at];
    if (column->use == IG_CSV_NUMBER) names[0] = column->name;
    if (column->use == IG_CSV_INDEXED) {
      for (int64_t i = 0; i < column->n_categories; i++) {
        IG_CHECK(!strpbrk(column->categories[i], "|}"), IG_ERR_INPUT,
                 "%s: column '%s': the category '%s' holds | or }, which an index cannot keep",
                 table->source->spec, column->name, column->categories[i]);
      }
      names[0] = indexed_name(table, column);
      IG_CHECK_ALLOC(names[0]);
    }
    for (int64_t i = 0; column->use == IG_CSV_ONE_HOT && i < column->n_categories; i++) {
      names[i] = ig_arena_format(table->arena, "%s=%s", column->name, column->categories[i]);
      IG_CHECK_ALLOC(names[i]);
    }
  }
  return IG_OK;
}

/* The column of this file that a feature of the training data came from, and how; the category (or
 * list of them) follows at *rest. */
static ig_csv_column *match_feature(const ig_csv_table *table, const char *feature,
                                    ig_csv_use *use, const char **rest) {
  ig_csv_column *column = find_column(table, feature, strlen(feature));
  *use = IG_CSV_NUMBER;
  if (column && column->use != IG_CSV_TARGET) return column;
  for (const char *at = feature; (at = strpbrk(at, "={")); at++) {
    column = find_column(table, feature, (size_t)(at - feature));
    if (!column || column->use == IG_CSV_TARGET) continue;
    *use = *at == '=' ? IG_CSV_ONE_HOT : IG_CSV_INDEXED;
    *rest = at + 1;
    return column;
  }
  return NULL;
}

static ig_status take_categories(ig_csv_table *table, ig_csv_column *column, const char *list) {
  while (*list && *list != '}') {
    size_t length = strcspn(list, "|}");
    IG_TRY(add_category(table, column, list, length, 0));
    list += length + (list[length] == '|');
  }
  return IG_OK;
}

/* Features in the places they had in training; other columns of the file are left out. */
static ig_status follow_features(ig_csv_table *table, const ig_field *like) {
  IG_CHECK(like->shape.rank == 1, IG_ERR_SHAPE,
           "%s: a table has one row of columns a sample; the model takes %s", table->source->spec,
           IG_SHAPE_STR(&like->shape));
  for (int64_t c = 0; c < table->n_columns; c++) {
    if (table->columns[c].use != IG_CSV_TARGET) table->columns[c].use = IG_CSV_IGNORED;
  }
  table->n_features = like->shape.dims[0];
  table->feature_names =
      ig_arena_alloc(table->arena, (size_t)table->n_features * sizeof *table->feature_names);
  IG_CHECK_ALLOC(table->feature_names);
  for (int64_t f = 0; f < table->n_features; f++) {
    ig_csv_use use;
    const char *rest = "";
    ig_csv_column *column = match_feature(table, like->columns[f], &use, &rest);
    IG_CHECK(column, IG_ERR_INPUT,
             "%s: has no column for '%s', which the model was trained on; its columns are '%s' to "
             "'%s'",
             table->source->spec, like->columns[f], table->columns[0].name,
             table->columns[table->n_columns - 1].name);
    if (column->use == IG_CSV_IGNORED) column->at = f;
    column->use = use;
    column->categorical = use != IG_CSV_NUMBER;
    column->known = true;
    if (use == IG_CSV_ONE_HOT) IG_TRY(add_category(table, column, rest, strlen(rest), 0));
    if (use == IG_CSV_INDEXED) IG_TRY(take_categories(table, column, rest));
    table->feature_names[f] = ig_arena_strdup(table->arena, like->columns[f]);
    IG_CHECK_ALLOC(table->feature_names[f]);
    bool contiguous = use != IG_CSV_ONE_HOT || column->at + column->n_categories == f + 1;
    IG_CHECK(contiguous, IG_ERR_INPUT, "%s: the model's feature '%s' stands apart from its column",
             table->source->spec, like->columns[f]);
  }
  return IG_OK;
}

static ig_status name_targets(ig_csv_table *table) {
  table->target_names =
      ig_arena_alloc(table->arena, (size_t)table->n_targets * sizeof *table->target_names);
  IG_CHECK_ALLOC(table->target_names);
  for (int64_t c = 0; c < table->n_columns; c++) {
    const ig_csv_column *column = &table->columns[c];
    if (column->use == IG_CSV_TARGET) table->target_names[column->at] = column->name;
  }
  return IG_OK;
}

/* The classes that a target of words had in training. */
static ig_status follow_classes(ig_csv_table *table, const ig_field *like) {
  for (int64_t c = 0; c < table->n_columns; c++) {
    ig_csv_column *column = &table->columns[c];
    if (column->use != IG_CSV_TARGET) continue;
    column->known = true;
    for (int64_t i = 0; i < like->n_classes; i++) {
      IG_TRY(add_category(table, column, like->classes[i], strlen(like->classes[i]), 0));
    }
  }
  return IG_OK;
}

/* A second pass where columns of words are not known yet; their order is that of the alphabet. */
static ig_status collect_categories(ig_csv_table *table) {
  bool words = false;
  for (int64_t c = 0; c < table->n_columns; c++) {
    const ig_csv_column *column = &table->columns[c];
    words = words || (column->categorical && !column->known && column->use != IG_CSV_IGNORED);
  }
  if (!words) return IG_OK;
  IG_TRY(for_every_field(table, collect_category));
  for (int64_t c = 0; c < table->n_columns; c++) {
    ig_csv_column *column = &table->columns[c];
    if (!column->n_categories || column->known) continue;
    qsort(column->categories, (size_t)column->n_categories, sizeof *column->categories,
          compare_names);
    IG_TRY(rehash(column));
  }
  return IG_OK;
}

static ig_status read_names(ig_csv_table *table) {
  ig_csv_scan scan;
  ig_csv_begin(&scan, table->source->spec, table->data, table->size);
  ig_status status = read_header(table, &scan);
  ig_csv_end(&scan);
  return status;
}

ig_status ig_csv_follow(ig_csv_table *table) {
  IG_TRY(read_names(table));
  return follow_features(table, ig_like_field(table->options, "x"));
}

ig_status ig_csv_survey(ig_csv_table *table) {
  IG_TRY(read_names(table));
  IG_TRY(for_every_field(table, count_field));
  IG_CHECK(table->n_rows > 0, IG_ERR_INPUT, "%s: holds a header and no rows",
           table->source->spec);
  IG_TRY(decide_uses(table));
  const ig_field *x = ig_like_field(table->options, "x"), *y = ig_like_field(table->options, "y");
  bool follow = x && x->columns;
  if (follow) IG_TRY(follow_features(table, x));
  if (y && y->classes) IG_TRY(follow_classes(table, y));
  IG_TRY(collect_categories(table));
  if (!follow) IG_TRY(name_features(table));
  return name_targets(table);
}

void ig_csv_release(ig_csv_table *table) {
  for (int64_t c = 0; c < table->n_columns; c++) {
    ig_free(table->columns[c].categories);
    ig_free(table->columns[c].table);
  }
  ig_free(table->columns);
}
