/* A CSV read row by row, where the model's training data says what each column is: opening finds where rows
 * begin and nothing else, so that threads and ranks parse their own rows while others compute. What is wrong
 * with a row comes out when it is read, with its line, and concerns that row alone.
 *
 * The index keeps the beginning of every GROUP-th row. Rows are read with pread and not from a mapping: a file
 * that is cut short meanwhile is then an error. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/checked.h"
#include "formats/csv.h"
#include "formats/number_text.h"

#define GROUP 32

typedef struct csv_rows {
  ig_dataset base;
  ig_arena *arena;
  ig_source source;                /* of which `spec` alone is kept */
  ig_dataset_open_options options; /* for the table's functions */
  ig_csv_table table;
  int fd;
  uint64_t size;
  char delimiter;
  bool plain; /* no quotes and no CR: a row is a line */
  int64_t n_starts, capacity;
  uint64_t *starts;
} csv_rows;

bool ig_csv_by_row(const ig_source *source, const ig_dataset_open_options *options) {
  const ig_field *x = ig_like_field(options, "x");
  bool read_as_it_is = options->missing == IG_MISSING_FAIL && !options->target;
  return options->inputs_only && read_as_it_is && !source->folder && !source->inflated && x &&
         x->columns && x->shape.rank == 1;
}

/* ---- where rows begin ---- */

static bool is_line_end(char c) { return c == '\n' || c == '\r'; }

/* From the opening quote to behind the closing one, or the end. */
static size_t skip_quoted(const char *data, size_t size, size_t at) {
  for (at++; at < size; at++) {
    if (data[at] != '"') continue;
    if (at + 1 < size && data[at + 1] == '"') at++;
    else return at + 1;
  }
  return size;
}

/* The line end of the record that begins at `at`; a quote opens a field only where that begins. */
static size_t record_end(const char *data, size_t size, size_t at, char delimiter, bool plain) {
  if (plain) {
    const char *end = memchr(data + at, '\n', size - at);
    return end ? (size_t)(end - data) : size;
  }
  bool begins = true;
  while (at < size && !is_line_end(data[at])) {
    char c = data[at];
    if (begins && c == '"') {
      at = skip_quoted(data, size, at);
      begins = false;
      continue;
    }
    if (c == delimiter) begins = true;
    else if (c != ' ' && c != '\t') begins = false;
    at++;
  }
  return at;
}

static size_t next_record(const char *data, size_t size, size_t at, char delimiter, bool plain) {
  at = record_end(data, size, at, delimiter, plain);
  while (at < size && is_line_end(data[at])) at++;
  return at;
}

static ig_status index_rows(csv_rows *set) {
  const char *data = set->table.data;
  size_t size = set->table.size;
  ig_csv_scan scan;
  IG_TRY(ig_csv_rows(&set->table, &scan));
  size_t at = scan.at;
  set->delimiter = scan.delimiter;
  ig_csv_end(&scan);
  set->plain = !memchr(data, '"', size) && !memchr(data, '\r', size);
  while (at < size && is_line_end(data[at])) at++;
  for (int64_t row = 0; at < size; row++) {
    if (row % GROUP == 0) {
      IG_CHECK(ig_grow((void **)&set->starts, &set->capacity, set->n_starts + 1,
                       sizeof *set->starts),
               IG_ERR_MEMORY, "%s: no memory for the places of rows", set->source.spec);
      set->starts[set->n_starts++] = at;
    }
    set->base.n_samples = row + 1;
    at = next_record(data, size, at, set->delimiter, set->plain);
  }
  IG_CHECK(set->base.n_samples > 0, IG_ERR_INPUT, "%s: holds a header and no rows",
           set->source.spec);
  return IG_OK;
}

/* ---- one row ---- */

/* A block of the file that begins with a row. */
typedef struct block {
  char *data;
  size_t size;
  uint64_t at; /* in the file */
} block;

/* Counted only for a message. */
static int64_t line_of(const csv_rows *set, uint64_t at) {
  char buffer[65536];
  int64_t line = 1;
  for (uint64_t done = 0; done < at;) {
    ssize_t n = pread(set->fd, buffer, (size_t)IG_MIN(sizeof buffer, at - done), (off_t)done);
    if (n <= 0) break;
    for (const char *p = buffer; (p = memchr(p, '\n', (size_t)(buffer + n - p))); p++) line++;
    done += (uint64_t)n;
  }
  return line;
}

/* The row as the scanner cuts it: quotes, words, and all that is an error. */
static ig_status read_slowly(const csv_rows *set, const block *b, size_t at, int64_t row,
                             ig_csv_arrays *to) {
  const ig_csv_table *table = &set->table;
  ig_csv_scan scan = {.path = set->source.spec,
                      .data = b->data,
                      .size = b->size,
                      .at = at,
                      .delimiter = set->delimiter,
                      .line = line_of(set, b->at + at)};
  ig_csv_field field = {.last = false};
  int64_t c = 0;
  ig_status status = IG_OK;
  for (bool more = true; status == IG_OK && !field.last; c++) {
    status = ig_csv_next(&scan, &field, &more);
    if (status == IG_OK && c < table->n_columns) {
      status = ig_csv_store(table, &table->columns[c], &field, scan.record_line, row, to);
    }
  }
  if (status == IG_OK && c != table->n_columns) {
    status = ig_fail(IG_ERR_INPUT, "%s: line %lld: found %lld fields; expected %lld",
                     set->source.spec, (long long)scan.record_line, (long long)c,
                     (long long)table->n_columns);
  }
  ig_csv_end(&scan);
  return status;
}

/* A row whose fields that are wanted are all simple numbers; false for any other. */
static bool read_quickly(const csv_rows *set, const char *at, const char *end, float *features) {
  const ig_csv_table *table = &set->table;
  for (int64_t c = 0; c < table->n_columns; c++) {
    const ig_csv_column *column = &table->columns[c];
    while (at < end && *at == ' ') at++;
    if (column->use == IG_CSV_NUMBER) {
      double number;
      bool whole;
      size_t length = ig_number_read(at, (size_t)(end - at), &number, &whole);
      float value = (float)number;
      if (length == 0 || (value - value) != 0) return false;
      features[column->at] = value;
      at += length;
      while (at < end && *at == ' ') at++;
    } else if (column->use == IG_CSV_IGNORED) {
      while (at < end && *at != set->delimiter) at++;
    } else {
      return false;
    }
    bool last = c == table->n_columns - 1;
    if (last ? at != end : (at >= end || *at != set->delimiter)) return false;
    at++;
  }
  return true;
}

static ig_status read_row(const csv_rows *set, const block *b, size_t at, size_t end, int64_t row,
                          float *x) {
  ig_csv_arrays to = {.x = x, .width = set->table.n_features};
  bool quick = set->plain &&
               read_quickly(set, b->data + at, b->data + end, x + row * to.width);
  return quick ? IG_OK : read_slowly(set, b, at, row, &to);
}

/* ---- rows ---- */

/* The groups that hold rows `first` to `last`. */
static ig_status read_block(const csv_rows *set, int64_t first, int64_t last, block *b) {
  int64_t next = last / GROUP + 1;
  b->at = set->starts[first / GROUP];
  b->size = (size_t)((next < set->n_starts ? set->starts[next] : set->size) - b->at);
  b->data = ig_alloc(b->size + 1);
  IG_CHECK(b->data, IG_ERR_MEMORY, "%s: no memory for %zu bytes of rows", set->source.spec,
           b->size);
  for (size_t done = 0; done < b->size;) {
    ssize_t n = pread(set->fd, b->data + done, b->size - done, (off_t)(b->at + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ig_fail_errno("read", set->source.spec);
    IG_CHECK(n > 0, IG_ERR_IO, "%s: ends at byte %" PRIu64 "; it has changed since it was opened",
             set->source.spec, b->at + done);
    done += (size_t)n;
  }
  return IG_OK;
}

/* `count` rows that follow one another. */
static ig_status read_run(const csv_rows *set, int64_t first, int64_t count, float *x) {
  block b = {.data = NULL};
  ig_status status = read_block(set, first, first + count - 1, &b);
  size_t at = 0;
  for (int64_t k = first % GROUP; k > 0 && status == IG_OK; k--) {
    at = next_record(b.data, b.size, at, set->delimiter, set->plain);
  }
  for (int64_t i = 0; i < count && status == IG_OK; i++) {
    size_t end = record_end(b.data, b.size, at, set->delimiter, set->plain);
    status = read_row(set, &b, at, end, i, x);
    for (at = end; at < b.size && is_line_end(b.data[at]);) at++;
  }
  ig_free(b.data);
  return status;
}

static ig_status rows_read(ig_dataset *dataset, const int64_t *indices, int64_t count,
                           void *const *buffers) {
  const csv_rows *set = (const csv_rows *)dataset;
  float *x = buffers[0];
  for (int64_t i = 0, n; i < count && x; i += n) {
    for (n = 1; i + n < count && indices[i + n] == indices[i] + n;) n++;
    IG_TRY(read_run(set, indices[i], n, x + i * set->table.n_features));
  }
  return IG_OK;
}

static void rows_destroy(ig_dataset *dataset) {
  csv_rows *set = (csv_rows *)dataset;
  if (set->fd >= 0) close(set->fd);
  ig_csv_release(&set->table);
  ig_free(set->starts);
  ig_arena_destroy(set->arena);
  ig_free(set);
}

static const ig_dataset_vtable rows_vtable = {.read = rows_read, .destroy = rows_destroy};

/* ---- opening ---- */

static ig_status open_table(csv_rows *set, const ig_source *source,
                            const ig_dataset_open_options *options, const ig_bytes *bytes) {
  set->source.spec = ig_arena_strdup(set->arena, source->spec);
  IG_CHECK_ALLOC(set->source.spec);
  set->options = *options; /* whose `like` is looked at while opening alone */
  set->size = bytes->size;
  set->table = (ig_csv_table){.source = &set->source,
                              .options = &set->options,
                              .arena = set->arena,
                              .data = bytes->data,
                              .size = bytes->size};
  IG_TRY(ig_csv_follow(&set->table));
  IG_TRY(index_rows(set));
  set->base.path = set->source.spec;
  set->base.format = "csv";
  set->base.n_fields = 1;
  set->base.digest = ig_bytes_digest(bytes, source, options);
  set->base.fields[0] = (ig_field){.name = "x",
                                   .dtype = IG_F32,
                                   .shape = IG_SHAPE(set->table.n_features),
                                   .columns = set->table.feature_names};
  set->table.data = NULL;
  set->table.size = 0;
  set->options.like = NULL;
  set->options.n_like = 0;
  return IG_OK;
}

ig_status ig_csv_rows_open(const ig_source *source, const ig_dataset_open_options *options,
                           ig_dataset **out) {
  ig_bytes bytes = {.data = NULL};
  csv_rows *set = ig_alloc_zero(1, sizeof *set);
  IG_CHECK_ALLOC(set);
  set->base.vtable = &rows_vtable;
  set->arena = ig_arena_create();
  set->fd = open(source->path, O_RDONLY | O_CLOEXEC);
  ig_status status = set->fd < 0     ? ig_fail_errno("open", source->spec)
                     : !set->arena ? ig_fail(IG_ERR_MEMORY, "%s: out of memory", source->spec)
                                     : ig_bytes_map(source->path, &bytes);
  if (status == IG_OK) status = open_table(set, source, options, &bytes);
  ig_bytes_release(&bytes);
  if (status != IG_OK) {
    rows_destroy(&set->base);
    return status;
  }
  *out = &set->base;
  return IG_OK;
}
