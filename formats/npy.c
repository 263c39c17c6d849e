/* NPY headers and elements. The header is Python's text of a dictionary with the keys descr,
 * fortran_order and shape; only what numpy.save writes is understood, so nothing is evaluated and
 * pickled objects cannot get in. */
#include "formats/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/checked.h"

#define MAX_HEADER 65536

/* ---- the header's text ---- */

typedef struct cursor {
  const char *at, *end;
} cursor;

static void skip_spaces(cursor *c) {
  while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t')) c->at++;
}

static bool take(cursor *c, const char *word) {
  skip_spaces(c);
  size_t n = strlen(word);
  if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return false;
  c->at += n;
  return true;
}

/* A quoted string without escapes, copied to `text`. */
static bool take_string(cursor *c, char *text, size_t size) {
  skip_spaces(c);
  if (c->at >= c->end || (*c->at != '\'' && *c->at != '"')) return false;
  char quote = *c->at++;
  size_t n = 0;
  while (c->at < c->end && *c->at != quote && n + 1 < size) text[n++] = *c->at++;
  if (c->at >= c->end || *c->at != quote) return false;
  text[n] = '\0';
  c->at++;
  return true;
}

static bool take_dim(cursor *c, int64_t *dim) {
  skip_spaces(c);
  int64_t value = 0;
  const char *start = c->at;
  for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
    if (!ig_mul_dim(value, 10, &value) || !ig_add_dim(value, *c->at - '0', &value)) return false;
  }
  *dim = value;
  take(c, "L"); /* Python 2 wrote long integers so */
  return c->at > start;
}

static ig_status take_shape(const char *name, cursor *c, ig_shape *shape) {
  *shape = (ig_shape){0};
  IG_CHECK(take(c, "("), IG_ERR_INPUT, "%s: NPY header: expected '(' after 'shape'", name);
  while (!take(c, ")")) {
    IG_CHECK(shape->rank < IG_MAX_RANK, IG_ERR_INPUT,
             "%s: NPY header: more than %d dimensions", name, IG_MAX_RANK);
    IG_CHECK(take_dim(c, &shape->dims[shape->rank++]), IG_ERR_INPUT,
             "%s: NPY header: dimension %d is not a number that fits", name, shape->rank - 1);
    if (!take(c, ",")) {
      IG_CHECK(take(c, ")"), IG_ERR_INPUT, "%s: NPY header: the shape does not end", name);
      break;
    }
  }
  return IG_OK;
}

static ig_status parse_descr(const char *name, const char *descr, ig_raw_type *raw) {
  IG_CHECK(!strchr(descr, 'O'), IG_ERR_INPUT,
           "%s: holds Python objects (dtype %s), which are not read; expected numbers", name,
           descr);
  const char *at = descr;
  raw->big_endian = *at == '>';
  if (*at == '<' || *at == '>' || *at == '|' || *at == '=') at++;
  int bytes = 0;
  raw->kind = *at ? *at++ : '?';
  if (raw->kind == '?' || raw->kind == 'b') raw->kind = 'b';
  for (; *at >= '0' && *at <= '9' && bytes < 1000; at++) bytes = 10 * bytes + (*at - '0');
  raw->bytes = bytes;
  IG_CHECK(!*at && ig_raw_dtype(*raw) != IG_NONE, IG_ERR_INPUT,
           "%s: has dtype %s; expected numbers or booleans (f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1)",
           name, descr);
  return IG_OK;
}

static ig_status parse_dict(const char *name, cursor c, ig_npy *out) {
  char key[32], descr[32];
  bool seen[3] = {false};
  IG_CHECK(take(&c, "{"), IG_ERR_INPUT, "%s: NPY header: expected '{'", name);
  while (!take(&c, "}")) {
    IG_CHECK(take_string(&c, key, sizeof key) && take(&c, ":"), IG_ERR_INPUT,
             "%s: NPY header: expected a key and ':'", name);
    if (strcmp(key, "descr") == 0) {
      skip_spaces(&c);
      IG_CHECK(c.at < c.end && *c.at != '[', IG_ERR_INPUT,
               "%s: holds records (a structured dtype); expected plain numbers", name);
      IG_CHECK(take_string(&c, descr, sizeof descr), IG_ERR_INPUT,
               "%s: NPY header: expected a dtype after 'descr'", name);
      IG_TRY(parse_descr(name, descr, &out->raw));
      seen[0] = true;
    } else if (strcmp(key, "fortran_order") == 0) {
      out->fortran = take(&c, "True");
      IG_CHECK(out->fortran || take(&c, "False"), IG_ERR_INPUT,
               "%s: NPY header: expected True or False after 'fortran_order'", name);
      seen[1] = true;
    } else if (strcmp(key, "shape") == 0) {
      IG_TRY(take_shape(name, &c, &out->shape));
      seen[2] = true;
    } else {
      return ig_fail(IG_ERR_INPUT, "%s: NPY header: unknown key '%s'", name, key);
    }
    if (!take(&c, ",")) {
      IG_CHECK(take(&c, "}"), IG_ERR_INPUT, "%s: NPY header: does not end with '}'", name);
      break;
    }
  }
  IG_CHECK(seen[0] && seen[1] && seen[2], IG_ERR_INPUT,
           "%s: NPY header: expected descr, fortran_order and shape", name);
  return IG_OK;
}

ig_status ig_npy_parse(const char *name, const unsigned char *data, size_t size, ig_npy *out) {
  *out = (ig_npy){0};
  IG_CHECK(size >= 10 && memcmp(data, IG_NPY_MAGIC, 6) == 0, IG_ERR_INPUT,
           "%s: not NPY: expected the signature 93 4e 55 4d 50 59 and a header, found %zu bytes",
           name, size);
  int version = data[6];
  IG_CHECK(version >= 1 && version <= 3, IG_ERR_INPUT, "%s: NPY version %d; expected 1 to 3", name,
           version);
  size_t start = version == 1 ? 10 : 12;
  IG_CHECK(size >= start, IG_ERR_INPUT, "%s: the NPY header is cut short", name);
  size_t length = (size_t)data[8] | (size_t)data[9] << 8;
  if (version > 1) length |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
  IG_CHECK(length <= MAX_HEADER && ig_range_within(start, length, size), IG_ERR_INPUT,
           "%s: the NPY header is cut short: expected %zu bytes, found %zu", name, length,
           size - start);
  const char *text = (const char *)data + start;
  IG_TRY(parse_dict(name, (cursor){text, text + length}, out));
  out->dtype = ig_raw_dtype(out->raw);
  ig_status status = ig_shape_check(&out->shape, IG_F64);
  if (status != IG_OK) return ig_fail_in(IG_ERR_INPUT, "%s", name);
  out->offset = start + length;
  out->bytes = (size_t)ig_shape_count(&out->shape) * (size_t)out->raw.bytes;
  IG_CHECK(size - out->offset == out->bytes, IG_ERR_INPUT,
           "%s: shape %s of dtype %c%d needs %zu bytes of elements; found %zu", name,
           IG_SHAPE_STR(&out->shape), out->raw.kind, out->raw.bytes, out->bytes,
           size - out->offset);
  return IG_OK;
}

ig_status ig_npy_parse_samples(const char *name, const unsigned char *data, size_t size,
                               ig_npy *out) {
  IG_TRY(ig_npy_parse(name, data, size, out));
  IG_CHECK(out->shape.rank >= 1, IG_ERR_INPUT,
           "%s: is a single number; expected an array of samples", name);
  return IG_OK;
}

/* ---- elements ---- */

/* Fortran order is the row-major order of the reversed shape: this turns it around. */
static void transpose(const char *source, char *target, const ig_shape *shape, size_t element) {
  int64_t index[IG_MAX_RANK] = {0}, stride[IG_MAX_RANK], count = ig_shape_count(shape);
  int64_t at = 0, step = 1;
  for (int i = 0; i < shape->rank; i++) {
    stride[i] = step;
    step *= shape->dims[i];
  }
  for (int64_t i = 0; i < count; i++) {
    memcpy(target + (size_t)i * element, source + (size_t)at * element, element);
    for (int d = shape->rank - 1; d >= 0; d--) {
      at += stride[d];
      if (++index[d] < shape->dims[d]) break;
      at -= stride[d] * shape->dims[d];
      index[d] = 0;
    }
  }
}

ig_status ig_npy_values(const char *name, const ig_npy *npy, const unsigned char *data,
                        size_t limit, void **block, const void **values) {
  const unsigned char *elements = data + npy->offset;
  bool aligned = (uintptr_t)elements % ig_dtype_size(npy->dtype) == 0;
  bool fortran = npy->fortran && npy->shape.rank > 1;
  if (ig_raw_is_native(npy->raw) && !fortran && aligned) {
    *values = elements;
    return IG_OK;
  }
  int64_t count = ig_shape_count(&npy->shape);
  size_t element = ig_dtype_size(npy->dtype), bytes;
  IG_CHECK(ig_mul_size((size_t)count, element, &bytes) && bytes <= limit, IG_ERR_MEMORY,
           "%s: converting %s elements in memory exceeds the limit of %zu bytes", name,
           IG_SHAPE_STR(&npy->shape), limit);
  *block = ig_alloc(bytes);
  IG_CHECK_ALLOC(*block);
  ig_status status = ig_raw_convert(npy->raw, elements, count, *block);
  if (status != IG_OK) return ig_fail_in(status, "%s", name);
  if (fortran) {
    char *turned = ig_alloc(bytes);
    IG_CHECK_ALLOC(turned);
    transpose(*block, turned, &npy->shape, element);
    ig_free(*block);
    *block = turned;
  }
  *values = *block;
  return IG_OK;
}

size_t ig_npy_header(ig_dtype dtype, const ig_shape *shape, char text[IG_NPY_HEADER_BYTES]) {
  char characters[24] = "";
  int rank = dtype == IG_STRING ? shape->rank - 1 : shape->rank;
  if (dtype == IG_STRING) snprintf(characters, sizeof characters, "<U%" PRId64, shape->dims[rank]);
  static const char *const descr[] = {
      [IG_F64] = "<f8", [IG_F32] = "<f4", [IG_F16] = "<f2",  [IG_BF16] = "<u2", [IG_I64] = "<i8",
      [IG_I32] = "<i4", [IG_I8] = "|i1",  [IG_U8] = "|u1", [IG_BOOL] = "|b1",
      [IG_U16] = "<u2", [IG_U32] = "<u4", [IG_U64] = "<u8", [IG_I16] = "<i2"};
  char dims[IG_SHAPE_TEXT];
  size_t used = 0;
  dims[0] = '\0';
  for (int i = 0; i < rank; i++) {
    used += (size_t)snprintf(dims + used, sizeof dims - used, "%s%" PRId64, i ? ", " : "",
                             shape->dims[i]);
  }
  int n = snprintf(text + 10, IG_NPY_HEADER_BYTES - 10,
                   "{'descr': '%s', 'fortran_order': False, 'shape': (%s%s), }",
                   *characters ? characters : descr[dtype], dims, rank == 1 ? "," : "");
  size_t total = (10 + (size_t)n + 1 + 63) & ~(size_t)63;
  memset(text + 10 + n, ' ', total - 10 - (size_t)n);
  text[total - 1] = '\n';
  memcpy(text, IG_NPY_MAGIC "\x01", 8); /* version 1.0: the terminating NUL is the minor number */
  text[8] = (char)((total - 10) & 0xff);
  text[9] = (char)((total - 10) >> 8);
  return total;
}
