/* Rows through a cache of unpacked chunks. A chunk's slot is its number modulo the slots, so
 * that neighbours do not push each other out. The filters' formats: "HDF5 File Format
 * Specification", filter pipeline message, and the descriptions of shuffle and Fletcher-32 in
 * HDF5's documentation. */
#include "formats/hdf5_rows.h"

#include <string.h>
#include <zlib.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"

#define MAX_FILTERS 8
#define MAX_SLOTS 65536
#define MAX_LOOKED_UP 65536

typedef struct filter {
  H5Z_filter_t id;
  size_t output; /* bytes after undoing it; 0: as many as go in */
} filter;

typedef struct chunk_slot {
  int64_t number; /* of the chunk, -1 when empty */
  char *data;
} chunk_slot;

struct ig_h5_rows {
  ig_h5_file *file;
  hid_t dataset, type;
  ig_raw_type raw_type;
  const char *name;
  ig_shape shape;
  bool chunked;
  size_t file_unit, unit; /* bytes of an element in the file and in memory */
  int64_t chunk[IG_MAX_RANK], grid[IG_MAX_RANK]; /* elements of a chunk; chunks in each dimension */
  int64_t chunk_elements;
  int n_filters;
  filter filters[MAX_FILTERS]; /* in the order of writing */
  int64_t n_slots;
  chunk_slot *slots;
  bool own_fill; /* unwritten chunks hold something other than zeros */
  unsigned char *raw, *spare;
  int64_t raw_capacity, spare_capacity;
};

/* ---- undoing filters ---- */

/* Fletcher's checksum over big-endian 16-bit words modulo 65535, an odd last byte as a high
 * byte. */
static uint32_t fletcher32(const unsigned char *data, size_t n) {
  uint64_t a = 0, b = 0;
  for (size_t i = 0; i + 1 < n; i += 2) {
    a += (uint64_t)data[i] << 8 | data[i + 1];
    b += a;
    if ((i & 0xfff) == 0xffe) { /* folding keeps 65535 apart from 0, as HDF5 does */
      a = (a & 0xffff) + (a >> 16);
      b = (b & 0xffff) + (b >> 16);
    }
  }
  if (n & 1) {
    a += (uint64_t)data[n - 1] << 8;
    b += a;
  }
  while (a >> 16) a = (a & 0xffff) + (a >> 16);
  while (b >> 16) b = (b & 0xffff) + (b >> 16);
  return (uint32_t)(b << 16 | a);
}

static ig_status undo_fletcher(const ig_h5_rows *rows, size_t *size) {
  IG_CHECK(*size >= 4, IG_ERR_INPUT, "%s: %s: a chunk of %zu bytes is shorter than its checksum",
           rows->file->path, rows->name, *size);
  *size -= 4;
  const unsigned char *at = rows->raw + *size;
  uint32_t stored = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                    (uint32_t)at[3] << 24;
  uint32_t found = fletcher32(rows->raw, *size);
  IG_CHECK(found == stored, IG_ERR_INPUT,
           "%s: %s: damaged data: expected the checksum %08x, found %08x", rows->file->path,
           rows->name, stored, found);
  return IG_OK;
}

static void swap_buffers(ig_h5_rows *rows) {
  unsigned char *kept = rows->raw;
  int64_t capacity = rows->raw_capacity;
  rows->raw = rows->spare;
  rows->raw_capacity = rows->spare_capacity;
  rows->spare = kept;
  rows->spare_capacity = capacity;
}

static ig_status reserve(ig_h5_rows *rows, size_t bytes) {
  IG_CHECK(ig_grow((void **)&rows->raw, &rows->raw_capacity, (int64_t)bytes, 1) &&
               ig_grow((void **)&rows->spare, &rows->spare_capacity, (int64_t)bytes, 1),
           IG_ERR_MEMORY, "%s: no memory for a chunk of %zu bytes", rows->file->path, bytes);
  return IG_OK;
}

/* Every eighth (for 8-byte elements) of the bytes holds one byte of all elements. */
static void undo_shuffle(ig_h5_rows *rows, size_t size) {
  size_t n = size / rows->file_unit, at = 0;
  for (size_t byte = 0; byte < rows->file_unit; byte++) {
    for (size_t i = 0; i < n; i++) rows->spare[i * rows->file_unit + byte] = rows->raw[at++];
  }
  memcpy(rows->spare + at, rows->raw + at, size - at);
  swap_buffers(rows);
}

static ig_status undo_deflate(ig_h5_rows *rows, size_t *size, size_t expected) {
  uLongf produced = expected;
  uLong consumed = *size;
  int code = uncompress2(rows->spare, &produced, rows->raw, &consumed);
  IG_CHECK(code != Z_MEM_ERROR, IG_ERR_MEMORY, "%s: no memory to unpack %s", rows->file->path,
           rows->name);
  IG_CHECK(code == Z_OK && produced == expected, IG_ERR_INPUT,
           "%s: %s: damaged data: a chunk of %zu bytes does not unpack to %zu", rows->file->path,
           rows->name, *size, expected);
  swap_buffers(rows);
  *size = expected;
  return IG_OK;
}

/* ---- one chunk ---- */

static ig_status convert(const ig_h5_rows *rows, const void *source, int64_t count, void *out) {
  ig_status status = ig_raw_convert(rows->raw_type, source, count, out);
  return status == IG_OK ? IG_OK
                         : ig_fail_in(status, "%s: %s", rows->file->path, rows->name);
}

/* Fetches the chunk at `offset` (in elements) into rows->raw; *size is 0 when it was never
 * written. */
static ig_status fetch(ig_h5_rows *rows, const hsize_t *offset, uint32_t *skipped, size_t *size) {
  hsize_t stored = 0;
  *skipped = 0;
  if (H5Dget_chunk_storage_size(rows->dataset, offset, &stored) < 0) {
    return ig_h5_fail(rows->file, IG_ERR_INPUT, "%s: cannot find a chunk", rows->name);
  }
  IG_CHECK(stored <= rows->file->size, IG_ERR_INPUT,
           "%s: %s: a chunk of %llu bytes in a file of %llu", rows->file->path, rows->name,
           (unsigned long long)stored, (unsigned long long)rows->file->size);
  *size = (size_t)stored;
  if (!stored) return IG_OK;
  size_t unpacked = (size_t)rows->chunk_elements * IG_MAX(rows->file_unit, rows->unit);
  IG_TRY(reserve(rows, IG_MAX(*size, unpacked + 4 * MAX_FILTERS)));
  if (H5Dread_chunk(rows->dataset, H5P_DEFAULT, offset, skipped, rows->raw) < 0) {
    return ig_h5_fail(rows->file, IG_ERR_INPUT, "%s: cannot read a chunk", rows->name);
  }
  return IG_OK;
}

static ig_status unpack(ig_h5_rows *rows, uint32_t skipped, size_t size, char *out) {
  for (int i = rows->n_filters; i-- > 0;) {
    if (skipped >> i & 1) continue;
    switch (rows->filters[i].id) {
    case H5Z_FILTER_FLETCHER32: IG_TRY(undo_fletcher(rows, &size)); break;
    case H5Z_FILTER_SHUFFLE: undo_shuffle(rows, size); break;
    default: IG_TRY(undo_deflate(rows, &size, rows->filters[i].output)); break;
    }
  }
  size_t expected = (size_t)rows->chunk_elements * rows->file_unit;
  IG_CHECK(size == expected, IG_ERR_INPUT,
           "%s: %s: damaged data: a chunk holds %zu bytes; expected %zu", rows->file->path,
           rows->name, size, expected);
  return convert(rows, rows->raw, rows->chunk_elements, out);
}

static ig_status load_chunk(ig_h5_rows *rows, int64_t number, const int64_t *at,
                            const char **data) {
  chunk_slot *slot = &rows->slots[number % rows->n_slots];
  *data = slot->data;
  if (slot->data && slot->number == number) return IG_OK;
  if (!slot->data) slot->data = ig_alloc((size_t)rows->chunk_elements * rows->unit);
  IG_CHECK(slot->data, IG_ERR_MEMORY, "%s: no memory for a chunk", rows->file->path);
  *data = slot->data;
  slot->number = -1;
  hsize_t offset[IG_MAX_RANK];
  for (int i = 0; i < rows->shape.rank; i++) offset[i] = (hsize_t)(at[i] * rows->chunk[i]);
  uint32_t skipped = 0;
  size_t size = 0;
  IG_TRY(fetch(rows, offset, &skipped, &size));
  if (size) {
    IG_TRY(unpack(rows, skipped, size, slot->data));
  } else {
    IG_CHECK(!rows->own_fill, IG_ERR_INPUT,
             "%s: %s has parts that were never written, and a fill value of its own",
             rows->file->path, rows->name);
    memset(slot->data, 0, (size_t)rows->chunk_elements * rows->unit);
  }
  slot->number = number;
  return IG_OK;
}

/* ---- rows ---- */

/* Counts `index` up through the box [low, high), the last dimension fastest; false at the end. */
static bool advance(int rank, int64_t *index, const int64_t *low, const int64_t *high) {
  for (int i = rank - 1; i >= 0; i--) {
    if (++index[i] < high[i]) return true;
    index[i] = low[i];
  }
  return false;
}

/* Copies what chunk `at` holds of rows [first, first + count). */
static void copy_box(const ig_h5_rows *rows, const char *data, const int64_t *at, int64_t first,
                     int64_t count, char *out) {
  int rank = rows->shape.rank, last = rank - 1;
  int64_t low[IG_MAX_RANK], high[IG_MAX_RANK], index[IG_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    int64_t begin = i == 0 ? first : 0, end = i == 0 ? first + count : rows->shape.dims[i];
    low[i] = IG_MAX(at[i] * rows->chunk[i], begin);
    high[i] = IG_MIN((at[i] + 1) * rows->chunk[i], end);
    index[i] = low[i];
  }
  size_t run = (size_t)(high[last] - low[last]) * rows->unit;
  int64_t only_first = low[last] + 1; /* the last dimension goes in one piece */
  int64_t ends[IG_MAX_RANK];
  memcpy(ends, high, sizeof ends);
  ends[last] = only_first;
  do {
    int64_t from = 0, to = 0;
    for (int i = 0; i < rank; i++) {
      from = from * rows->chunk[i] + index[i] - at[i] * rows->chunk[i];
      to = to * (i == 0 ? 1 : rows->shape.dims[i]) + index[i] - (i == 0 ? first : 0);
    }
    memcpy(out + (size_t)to * rows->unit, data + (size_t)from * rows->unit, run);
  } while (advance(rank, index, low, ends));
}

static ig_status read_chunked(ig_h5_rows *rows, int64_t first, int64_t count, char *out) {
  int rank = rows->shape.rank;
  int64_t low[IG_MAX_RANK] = {0}, high[IG_MAX_RANK], at[IG_MAX_RANK];
  memcpy(high, rows->grid, sizeof high);
  low[0] = first / rows->chunk[0];
  high[0] = (first + count - 1) / rows->chunk[0] + 1;
  memcpy(at, low, sizeof at);
  do {
    int64_t number = 0;
    for (int i = 0; i < rank; i++) number = number * rows->grid[i] + at[i];
    const char *data;
    IG_TRY(load_chunk(rows, number, at, &data));
    copy_box(rows, data, at, first, count, out);
  } while (advance(rank, at, low, high));
  return IG_OK;
}

void ig_h5_rows_look_up(const ig_h5_rows *rows) {
  int64_t low[IG_MAX_RANK] = {0}, at[IG_MAX_RANK] = {0};
  for (int64_t n = 0; rows->chunked && n < MAX_LOOKED_UP; n++) {
    hsize_t offset[IG_MAX_RANK], stored;
    for (int i = 0; i < rows->shape.rank; i++) offset[i] = (hsize_t)(at[i] * rows->chunk[i]);
    H5Dget_chunk_storage_size(rows->dataset, offset, &stored);
    if (!advance(rows->shape.rank, at, low, rows->grid)) break;
  }
}

/* Data that lies in one piece goes through the library, in its own type: the library's conversions
 * trust what a file says of its types. */
static ig_status read_plain(ig_h5_rows *rows, int64_t first, int64_t count, void *out) {
  hsize_t start[IG_MAX_RANK] = {0}, length[IG_MAX_RANK];
  int rank = rows->shape.rank;
  int64_t elements = count * ig_shape_span(&rows->shape, 1, rank);
  for (int i = 0; i < rank; i++) length[i] = (hsize_t)rows->shape.dims[i];
  start[0] = (hsize_t)first;
  length[0] = (hsize_t)count;
  bool native = ig_raw_is_native(rows->raw_type);
  if (!native) IG_TRY(reserve(rows, (size_t)elements * rows->file_unit));
  hid_t space = H5Dget_space(rows->dataset), memory = H5Screate_simple(rank, length, NULL);
  bool done = space >= 0 && memory >= 0 &&
              H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, length, NULL) >= 0 &&
              H5Dread(rows->dataset, rows->type, memory, space, H5P_DEFAULT,
                      native ? out : rows->raw) >= 0;
  ig_status status = IG_OK;
  if (!done) {
    status = ig_h5_fail(rows->file, IG_ERR_INPUT, "%s: cannot read rows %lld to %lld", rows->name,
                        (long long)first, (long long)(first + count - 1));
  }
  if (space >= 0) H5Sclose(space);
  if (memory >= 0) H5Sclose(memory);
  return status != IG_OK || native ? status : convert(rows, rows->raw, elements, out);
}

ig_status ig_h5_rows_read(ig_h5_rows *rows, int64_t first, int64_t count, void *out) {
  for (int i = 1; i < rows->shape.rank; i++) {
    if (rows->shape.dims[i] == 0) return IG_OK;
  }
  if (count == 0) return IG_OK;
  return rows->chunked ? read_chunked(rows, first, count, out)
                       : read_plain(rows, first, count, out);
}

/* ---- making and ending ---- */

/* Each filter and the bytes it was given when the file was written. */
static ig_status list_filters(ig_h5_rows *rows, hid_t plist) {
  size_t bytes = (size_t)rows->chunk_elements * rows->file_unit;
  bool packed = false;
  rows->n_filters = H5Pget_nfilters(plist);
  IG_CHECK(rows->n_filters >= 0 && rows->n_filters <= MAX_FILTERS, IG_ERR_INPUT,
           "%s: %s passes through %d filters; expected at most %d", rows->file->path, rows->name,
           rows->n_filters, MAX_FILTERS);
  for (int i = 0; i < rows->n_filters; i++) {
    unsigned flags, config;
    size_t n_values = 0;
    filter *f = &rows->filters[i];
    f->id = H5Pget_filter2(plist, (unsigned)i, &flags, &n_values, NULL, 0, NULL, &config);
    f->output = bytes;
    IG_CHECK(!packed || f->id == H5Z_FILTER_FLETCHER32, IG_ERR_INPUT,
             "%s: %s is deflated before it is shuffled or deflated again", rows->file->path,
             rows->name);
    if (f->id == H5Z_FILTER_FLETCHER32) bytes += 4;
    if (f->id == H5Z_FILTER_DEFLATE) packed = true;
  }
  return IG_OK;
}

static ig_status set_chunks(ig_h5_rows *rows, hid_t plist, size_t cache_bytes) {
  hsize_t chunk[IG_MAX_RANK];
  int rank = rows->shape.rank;
  if (H5Pget_chunk(plist, rank, chunk) != rank) {
    return ig_h5_fail(rows->file, IG_ERR_INPUT, "cannot read the chunks of %s", rows->name);
  }
  int64_t elements = 1, chunks = 1, bytes;
  for (int i = 0; i < rank; i++) {
    rows->chunk[i] = chunk[i] <= INT32_MAX ? (int64_t)chunk[i] : 0;
    IG_CHECK(rows->chunk[i] > 0 && ig_mul_dim(elements, rows->chunk[i], &elements), IG_ERR_INPUT,
             "%s: %s has chunks of no sensible size", rows->file->path, rows->name);
    rows->grid[i] = (rows->shape.dims[i] + rows->chunk[i] - 1) / rows->chunk[i];
    IG_CHECK(ig_mul_dim(chunks, IG_MAX(rows->grid[i], 1), &chunks), IG_ERR_INPUT,
             "%s: %s has too many chunks", rows->file->path, rows->name);
  }
  size_t unit = IG_MAX(rows->unit, rows->file_unit);
  IG_CHECK(ig_mul_dim(elements, (int64_t)unit, &bytes), IG_ERR_INPUT,
           "%s: %s has chunks of no sensible size", rows->file->path, rows->name);
  rows->chunk_elements = elements;
  int64_t fitting = IG_MIN((int64_t)cache_bytes / bytes, MAX_SLOTS);
  rows->n_slots = IG_MAX(IG_MIN(fitting, chunks), 1);
  rows->slots = ig_alloc_zero((size_t)rows->n_slots, sizeof *rows->slots);
  IG_CHECK_ALLOC(rows->slots);
  H5D_fill_value_t fill = H5D_FILL_VALUE_DEFAULT;
  rows->own_fill = H5Pfill_value_defined(plist, &fill) < 0 || fill == H5D_FILL_VALUE_USER_DEFINED;
  return list_filters(rows, plist);
}

static ig_status set_layout(ig_h5_rows *rows, size_t cache_bytes) {
  hid_t plist = H5Dget_create_plist(rows->dataset);
  if (plist < 0) {
    return ig_h5_fail(rows->file, IG_ERR_INPUT, "cannot read the layout of %s", rows->name);
  }
  H5D_layout_t layout = H5Pget_layout(plist);
  rows->chunked = layout == H5D_CHUNKED;
  ig_status status = rows->chunked ? set_chunks(rows, plist, cache_bytes) : IG_OK;
  H5Pclose(plist);
  IG_TRY(status);
  if (layout != H5D_COMPACT) return IG_OK;
  size_t declared = (size_t)ig_shape_count(&rows->shape) * rows->file_unit;
  IG_CHECK(H5Dget_storage_size(rows->dataset) == declared, IG_ERR_INPUT,
           "%s: %s declares %zu bytes and stores %llu", rows->file->path, rows->name, declared,
           (unsigned long long)H5Dget_storage_size(rows->dataset));
  return IG_OK;
}

/* The library's types for numbers, as files have them. */
static ig_status find_type(ig_h5_rows *rows) {
  const struct {
    hid_t type;
    ig_raw_type raw;
  } table[] = {
      {H5T_IEEE_F64LE, {'f', 8, false}}, {H5T_IEEE_F64BE, {'f', 8, true}},
      {H5T_IEEE_F32LE, {'f', 4, false}}, {H5T_IEEE_F32BE, {'f', 4, true}},
      {H5T_STD_I64LE, {'i', 8, false}},  {H5T_STD_I64BE, {'i', 8, true}},
      {H5T_STD_I32LE, {'i', 4, false}},  {H5T_STD_I32BE, {'i', 4, true}},
      {H5T_STD_I16LE, {'i', 2, false}},  {H5T_STD_I16BE, {'i', 2, true}},
      {H5T_STD_I8LE, {'i', 1, false}},   {H5T_STD_I8BE, {'i', 1, true}},
      {H5T_STD_U64LE, {'u', 8, false}},  {H5T_STD_U64BE, {'u', 8, true}},
      {H5T_STD_U32LE, {'u', 4, false}},  {H5T_STD_U32BE, {'u', 4, true}},
      {H5T_STD_U16LE, {'u', 2, false}},  {H5T_STD_U16BE, {'u', 2, true}},
      {H5T_STD_U8LE, {'u', 1, false}},   {H5T_STD_U8BE, {'u', 1, true}},
  };
  for (int i = 0; i < IG_COUNT(table); i++) {
    if (H5Tequal(rows->type, table[i].type) <= 0) continue;
    rows->raw_type = table[i].raw;
    return IG_OK;
  }
  for (int i = 0; i < 2; i++) { /* the ones that have to be made */
    hid_t made = ig_h5_file_type(i ? IG_BOOL : IG_F16);
    if (made < 0) return ig_h5_fail(rows->file, IG_ERR_MEMORY, "cannot make a type");
    bool same = H5Tequal(rows->type, made) > 0;
    H5Tclose(made);
    if (!same) continue;
    rows->raw_type = i ? (ig_raw_type){'b', 1, false} : (ig_raw_type){'f', 2, false};
    return IG_OK;
  }
  return ig_fail(IG_ERR_INPUT,
                 "%s: %s holds no numbers that are read here (f16 to f64, integers of "
                 "8 to 64 bits, booleans)",
                 rows->file->path, rows->name);
}

ig_status ig_h5_rows_create(ig_h5_file *file, hid_t dataset, const char *name,
                            const ig_shape *shape, size_t cache_bytes, ig_h5_rows **out) {
  IG_CHECK(shape->rank >= 1, IG_ERR_INPUT,
           "%s: %s is a single number; expected an array of samples", file->path, name);
  ig_h5_rows *rows = ig_alloc_zero(1, sizeof *rows);
  IG_CHECK_ALLOC(rows);
  rows->file = file;
  rows->dataset = dataset;
  rows->name = name;
  rows->shape = *shape;
  rows->type = H5Dget_type(dataset);
  ig_status status = rows->type < 0
                         ? ig_h5_fail(file, IG_ERR_INPUT, "cannot read the type of %s", name)
                         : find_type(rows);
  if (status == IG_OK) {
    rows->file_unit = (size_t)rows->raw_type.bytes;
    rows->unit = ig_dtype_size(ig_raw_dtype(rows->raw_type));
    status = set_layout(rows, cache_bytes);
  }
  if (status != IG_OK) {
    ig_h5_rows_destroy(rows);
    return status;
  }
  *out = rows;
  return IG_OK;
}

bool ig_h5_rows_chunked(const ig_h5_rows *rows) { return rows->chunked; }

ig_dtype ig_h5_rows_dtype(const ig_h5_rows *rows) { return ig_raw_dtype(rows->raw_type); }

void ig_h5_rows_destroy(ig_h5_rows *rows) {
  if (!rows) return;
  for (int64_t i = 0; rows->slots && i < rows->n_slots; i++) ig_free(rows->slots[i].data);
  ig_free(rows->slots);
  ig_free(rows->raw);
  ig_free(rows->spare);
  if (rows->type >= 0) H5Tclose(rows->type);
  ig_free(rows);
}
