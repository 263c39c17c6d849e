/* CSV and its kin: rows of numbers and words as features and a target, in memory (csv_rows.c reads them one
 * by one where that is possible). Words become one 0/1 column a category (or an index); what is missing or
 * not a number is an error that names line and column, unless missing values are asked for. */
#include <string.h>
#include <xxhash.h>

#include "engine/base/checked.h"
#include "formats/csv.h"

/* Fields of one record in the prefix; 0 when it is not all there. */
static int64_t count_fields(ig_csv_scan *scan) {
  ig_csv_field field = {0};
  bool more;
  int64_t n = 0;
  do {
    if (ig_csv_next(scan, &field, &more) != IG_OK || !more) return 0;
    n++;
  } while (!field.last);
  return n;
}

/* Text whose first two records have as many fields, at least two; any other text may still be
 * called CSV by its name. */
static int csv_recognise(const ig_source *source) {
  if (!source->n_prefix || !ig_is_text(source->prefix, source->n_prefix)) return IG_MATCH_NO;
  ig_csv_scan scan;
  ig_csv_begin(&scan, source->spec, source->prefix, source->n_prefix);
  int64_t first = count_fields(&scan);
  int64_t second = count_fields(&scan);
  ig_csv_end(&scan);
  return first >= 2 && first == second ? IG_MATCH_LIKELY : IG_MATCH_POSSIBLE;
}

static ig_status check_bytes(const ig_source *source, const ig_bytes *bytes) {
  if (ig_is_text(bytes->data, bytes->size)) return IG_OK;
  /* Line by line, to say where. */
  int64_t line = 1;
  size_t start = 0;
  while (start < bytes->size) {
    const unsigned char *end = memchr(bytes->data + start, '\n', bytes->size - start);
    size_t length = end ? (size_t)(end - bytes->data) - start + 1 : bytes->size - start;
    if (!ig_is_text(bytes->data + start, length)) break;
    start += length;
    line++;
  }
  return ig_fail(IG_ERR_INPUT, "%s: line %lld: holds bytes that are not UTF-8 text", source->spec,
                 (long long)line);
}

/* ---- all rows ---- */

static ig_status read_rows(const ig_csv_table *table, ig_csv_arrays *to) {
  ig_csv_scan scan;
  ig_status status = ig_csv_rows(table, &scan);
  int64_t row = 0, c = 0;
  while (status == IG_OK) {
    ig_csv_field field;
    bool more;
    status = ig_csv_next(&scan, &field, &more);
    if (status != IG_OK || !more) break;
    status = ig_csv_store(table, &table->columns[c], &field, scan.record_line, row, to);
    c = field.last ? 0 : c + 1; /* the survey saw that all rows have as many fields */
    row += field.last;
  }
  ig_csv_end(&scan);
  return status;
}

/* ---- the data set ---- */

static ig_status allocate(const ig_csv_table *table, ig_holder *holder, ig_csv_arrays *to) {
  bool whole = true;
  for (int64_t c = 0; c < table->n_columns; c++) {
    const ig_csv_column *column = &table->columns[c];
    bool keeps = column->categorical || (column->whole && !column->words && !column->missing);
    if (column->use == IG_CSV_TARGET) whole = whole && keeps;
  }
  IG_CHECK(table->n_features > 0, IG_ERR_INPUT, "%s: has no columns besides the target",
           table->source->spec);
  to->width = table->n_features;
  to->y_dtype = whole ? IG_I64 : IG_F32;
  size_t x, y;
  IG_CHECK(ig_mul_size((size_t)table->n_rows, (size_t)table->n_features * sizeof(float), &x) &&
               ig_mul_size((size_t)table->n_rows, (size_t)table->n_targets * 8, &y) &&
               ig_add_size(x, y, &y) && y <= ig_memory_limit(table->options),
           IG_ERR_MEMORY,
           "%s: %lld rows of %lld features exceed the memory limit of %zu bytes; convert it to "
           "HDF5",
           table->source->spec, (long long)table->n_rows, (long long)table->n_features,
           ig_memory_limit(table->options));
  holder->blocks[0] = ig_alloc(x);
  holder->blocks[1] = ig_alloc(y);
  to->x = holder->blocks[0];
  to->y = holder->blocks[1];
  IG_CHECK(to->x && to->y, IG_ERR_MEMORY, "%s: no memory for %lld rows", table->source->spec,
           (long long)table->n_rows);
  return IG_OK;
}

/* Several whole targets that are all 0 or 1 are flags, kept as bytes. */
static void narrow_flags(const ig_csv_table *table, ig_csv_arrays *to) {
  int64_t n = table->n_rows * table->n_targets, *values = to->y;
  if (table->n_targets < 2) return;
  bool flags = to->y_dtype == IG_I64;
  for (int64_t i = 0; flags && i < n; i++) flags = values[i] == 0 || values[i] == 1;
  if (flags) {
    for (int64_t i = 0; i < n; i++) ((uint8_t *)to->y)[i] = (uint8_t)values[i];
    to->y_dtype = IG_U8;
  } else if (to->y_dtype == IG_I64) { /* in place, from the front: f32 are narrower */
    for (int64_t i = 0; i < n; i++) {
      float value = (float)values[i];
      memcpy((char *)to->y + i * (int64_t)sizeof value, &value, sizeof value);
    }
    to->y_dtype = IG_F32;
  }
}

static ig_status describe(const ig_csv_table *table, const ig_csv_arrays *arrays, ig_holder *holder,
                          ig_dataset *out) {
  out->path = ig_arena_strdup(holder->arena, table->source->spec);
  IG_CHECK_ALLOC(out->path);
  out->format = "csv";
  out->n_samples = table->n_rows;
  out->n_fields = table->n_targets ? 2 : 1;
  out->digest = XXH3_64bits(table->data, table->size);
  out->fields[0] = (ig_field){.name = "x",
                              .dtype = IG_F32,
                              .shape = IG_SHAPE(table->n_features),
                              .columns = table->feature_names};
  if (!table->n_targets) return IG_OK;
  ig_field *y = &out->fields[1];
  *y = (ig_field){.name = "y", .dtype = arrays->y_dtype, .columns = table->target_names};
  if (table->n_targets > 1) y->shape = IG_SHAPE(table->n_targets);
  for (int64_t c = 0; c < table->n_columns; c++) {
    const ig_csv_column *column = &table->columns[c];
    if (column->use != IG_CSV_TARGET || !column->categorical) continue;
    y->n_classes = column->n_categories;
    y->classes = ig_arena_copy(holder->arena, column->categories,
                               (size_t)column->n_categories * sizeof *column->categories);
    IG_CHECK_ALLOC(y->classes);
  }
  return IG_OK;
}

static ig_status load(ig_csv_table *table, ig_holder *holder, ig_dataset **raw) {
  ig_csv_arrays arrays = {0};
  IG_TRY(ig_csv_survey(table));
  IG_TRY(allocate(table, holder, &arrays));
  IG_TRY(read_rows(table, &arrays));
  narrow_flags(table, &arrays);
  ig_dataset description = {0};
  IG_TRY(describe(table, &arrays, holder, &description));
  ig_bytes_release(&holder->bytes);
  const void *data[] = {arrays.x, arrays.y};
  return ig_dataset_own_arrays(&description, data, ig_holder_destroy, holder, raw);
}

static ig_status csv_open(const ig_source *source, const ig_dataset_open_options *options,
                          ig_dataset **out) {
  IG_TRY(ig_source_takes(source, "CSV", false, false));
  if (ig_csv_by_row(source, options)) return ig_csv_rows_open(source, options, out);
  ig_holder *holder;
  IG_TRY(ig_holder_create(&holder));
  ig_dataset *raw = NULL;
  ig_csv_table table = {.source = source, .options = options, .arena = holder->arena};
  ig_status status = ig_bytes_map(source->path, &holder->bytes);
  if (status == IG_OK) status = check_bytes(source, &holder->bytes);
  if (status == IG_OK) {
    table.data = holder->bytes.data;
    table.size = holder->bytes.size;
    status = load(&table, holder, &raw);
  }
  bool has_target = table.n_targets > 0;
  ig_csv_release(&table);
  if (status != IG_OK) {
    ig_holder_destroy(holder);
    return status;
  }
  int hints[2] = {IG_FIELD_FEATURES,
                  raw->n_fields == 2 && raw->fields[1].classes ? IG_FIELD_CLASS : -1};
  return ig_arrays_interpret(raw, has_target, hints, options, out);
}

static const char *const csv_extensions[] = {"csv", "tsv", NULL};

const ig_reader ig_reader_csv = {
    .name = "csv",
    .extensions = csv_extensions,
    .signature = "UTF-8 text",
    .recognise = csv_recognise,
    .open = csv_open,
    .by_offset = ig_csv_by_row,
};
