/* What several readers need: whole files mapped or unpacked into memory within a limit, the
 * owner of a data set that lives in memory, and number types as files state them. */
#include "formats/dataset_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zlib.h>

#include "engine/base/checked.h"

/* ---- bytes of a file ---- */

ig_status ig_bytes_map(const char *path, ig_bytes *out) {
  *out = (ig_bytes){0};
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ig_fail_errno("open", path);
  ig_status status = IG_OK;
  struct stat info;
  if (fstat(fd, &info) != 0) {
    status = ig_fail_errno("look up", path);
  } else if (info.st_size > 0) {
    out->size = (size_t)info.st_size;
    out->mapped = mmap(NULL, out->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (out->mapped == MAP_FAILED) {
      *out = (ig_bytes){0};
      status = ig_fail_errno("map", path);
    }
    out->data = out->mapped;
  }
  close(fd);
  return status;
}

#define MAX_DIGESTED ((size_t)64 << 20)

uint64_t ig_bytes_digest(const ig_bytes *bytes, const ig_source *source,
                         const ig_dataset_open_options *options) {
  bool large = options->by_offset || bytes->size > MAX_DIGESTED;
  return large && bytes->mapped ? ig_source_digest(source) : XXH3_64bits(bytes->data, bytes->size);
}

/* Appends what gzread gives until the end; it passes plain files through. */
static ig_status unpack(gzFile file, const char *path, size_t limit, ig_bytes *out) {
  int64_t capacity = 0;
  for (;;) {
    int64_t room = (int64_t)out->size + ((int64_t)1 << 18);
    IG_CHECK(ig_grow(&out->owned, &capacity, room, 1), IG_ERR_MEMORY,
             "%s: no memory for %zu bytes", path, out->size);
    int n = gzread(file, (char *)out->owned + out->size, 1u << 18);
    if (n < 0) {
      int code;
      const char *why = gzerror(file, &code);
      IG_CHECK(code != Z_ERRNO, IG_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
      IG_CHECK(code != Z_MEM_ERROR, IG_ERR_MEMORY, "%s: no memory to unpack it", path);
      return ig_fail(IG_ERR_INPUT, "%s: cannot unpack after %zu bytes: %s", path, out->size,
                     code == Z_BUF_ERROR ? "the file is cut short" : why);
    }
    if (n == 0) break;
    out->size += (size_t)n;
    IG_CHECK(out->size <= limit, IG_ERR_MEMORY,
             "%s: holds more than the memory limit of %zu bytes", path, limit);
  }
  out->data = out->owned;
  return IG_OK;
}

ig_status ig_bytes_read(const char *path, size_t limit, ig_bytes *out) {
  *out = (ig_bytes){0};
  errno = 0;
  gzFile file = gzopen(path, "rbe");
  if (!file) {
    if (errno) return ig_fail_errno("open", path);
    return ig_fail(IG_ERR_MEMORY, "%s: no memory to read it", path);
  }
  ig_status status = unpack(file, path, limit, out);
  int code = gzclose_r(file); /* a stream that ends too early shows only here or in gzread */
  if (status == IG_OK && code == Z_BUF_ERROR) {
    status = ig_fail(IG_ERR_INPUT, "%s: cannot unpack after %zu bytes: the file is cut short", path,
                     out->size);
  }
  if (status != IG_OK) ig_bytes_release(out);
  return status;
}

void ig_bytes_release(ig_bytes *bytes) {
  if (bytes->mapped) munmap(bytes->mapped, bytes->size);
  ig_free(bytes->owned);
  *bytes = (ig_bytes){0};
}

/* ---- the owner ---- */

ig_status ig_holder_create(ig_holder **out) {
  ig_holder *holder = ig_alloc_zero(1, sizeof *holder);
  IG_CHECK_ALLOC(holder);
  holder->arena = ig_arena_create();
  if (!holder->arena) {
    ig_free(holder);
    return ig_fail(IG_ERR_MEMORY, "%s: out of memory", __func__);
  }
  *out = holder;
  return IG_OK;
}

void ig_holder_destroy(void *owner) {
  ig_holder *holder = owner;
  if (!holder) return;
  for (int i = 0; i < IG_MAX_FIELDS; i++) ig_free(holder->blocks[i]);
  ig_bytes_release(&holder->bytes);
  ig_arena_destroy(holder->arena);
  ig_free(holder);
}

/* ---- number types ---- */

ig_dtype ig_raw_dtype(ig_raw_type raw) {
  static const struct {
    char kind;
    int bytes;
    ig_dtype dtype;
  } table[] = {
      {'f', 8, IG_F64}, {'f', 4, IG_F32}, {'f', 2, IG_F16}, {'i', 8, IG_I64}, {'i', 4, IG_I32},
      {'i', 2, IG_I32}, {'i', 1, IG_I8},  {'u', 8, IG_I64}, {'u', 4, IG_I64}, {'u', 2, IG_I32},
      {'u', 1, IG_U8},  {'b', 1, IG_BOOL},
  };
  for (int i = 0; i < IG_COUNT(table); i++) {
    if (table[i].kind == raw.kind && table[i].bytes == raw.bytes) return table[i].dtype;
  }
  return IG_NONE;
}

/* Widened or swapped types and u64, whose upper half does not fit, pass through ig_raw_convert. */
bool ig_raw_is_native(ig_raw_type raw) {
  if (raw.big_endian && raw.bytes > 1) return false;
  return raw.kind == 'u' ? raw.bytes == 1 : raw.bytes != 2 || raw.kind == 'f';
}

static uint64_t load_bits(const unsigned char *at, int bytes, bool big_endian) {
  uint64_t bits = 0;
  for (int i = 0; i < bytes; i++) {
    bits |= (uint64_t)at[big_endian ? bytes - 1 - i : i] << (8 * i);
  }
  return bits;
}

ig_status ig_raw_convert(ig_raw_type raw, const void *source, int64_t count, void *target) {
  ig_dtype dtype = ig_raw_dtype(raw);
  size_t size = ig_dtype_size(dtype);
  if (ig_raw_is_native(raw)) {
    memcpy(target, source, (size_t)count * size);
    return IG_OK;
  }
  int unused = 64 - 8 * raw.bytes;
  for (int64_t i = 0; i < count; i++) {
    uint64_t bits = load_bits((const unsigned char *)source + (size_t)i * (size_t)raw.bytes,
                              raw.bytes, raw.big_endian);
    if (raw.kind == 'i') bits = (uint64_t)((int64_t)(bits << unused) >> unused);
    IG_CHECK(raw.kind != 'u' || raw.bytes < 8 || bits <= INT64_MAX, IG_ERR_INPUT,
             "element %lld is %llu; integers up to 2^63 - 1 are read", (long long)i,
             (unsigned long long)bits);
    memcpy((char *)target + (size_t)i * size, &bits, size); /* little-endian: the low bytes */
  }
  return IG_OK;
}
