/* External data of ONNX: parsing the place, opening it safely, mapping it once. */
#include "formats/onnx_external.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/base/checked.h"

/* --- opening ---------------------------------------------------------------------------------- */

/* linux/openat2.h may be absent; the numbers are the kernel's interface. */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
typedef struct open_how {
  uint64_t flags, mode, resolve;
} open_how;
#define NO_MAGICLINKS 0x02u
#define NO_SYMLINKS 0x04u
#define BENEATH 0x08u

/* For kernels without openat2: one component at a time, none of them a link or "..". */
static int open_by_steps(int folder, const char *path) {
  char part[256];
  int at = dup(folder);
  while (at >= 0) {
    size_t n = strcspn(path, "/");
    if (n == 0 || n >= sizeof part) break;
    memcpy(part, path, n);
    part[n] = 0;
    if (strcmp(part, "..") == 0) {
      close(at);
      errno = EXDEV;
      return -1;
    }
    bool last = path[n] == 0;
    int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | (last ? O_NONBLOCK : O_DIRECTORY);
    int next = openat(at, part, flags);
    int code = errno;
    close(at);
    errno = code;
    if (last || next < 0) return next;
    at = next;
    path += n + 1;
  }
  if (at >= 0) close(at);
  errno = EXDEV;
  return -1;
}

int ig_open_beneath(const char *folder, const char *path) {
  if (path[0] == '/' || path[0] == 0) {
    errno = EXDEV;
    return -1;
  }
  int base = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (base < 0) return -1;
  open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                  .resolve = BENEATH | NO_SYMLINKS | NO_MAGICLINKS};
  int fd = (int)syscall(SYS_openat2, base, path, &how, sizeof how);
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) fd = open_by_steps(base, path);
  int code = errno;
  close(base);
  struct stat info;
  if (fd >= 0 && (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink != 1)) {
    code = info.st_nlink != 1 ? EMLINK : EINVAL;
    close(fd);
    fd = -1;
  }
  errno = code;
  return fd;
}

static const char *refusal(int code) {
  switch (code) {
  case ELOOP: return "a symbolic link is on the way";
  case EXDEV: return "it leaves the model's folder";
  case EMLINK: return "it has another hard link";
  case EINVAL: return "it is no plain file";
  default: return strerror(code);
  }
}

/* --- places ----------------------------------------------------------------------------------- */

typedef struct place {
  const char *location;
  uint64_t offset, length;
  bool has_length;
} place;

static ig_status parse_count(const ig_onnx_model *model, const char *name, const ig_onnx_entry *entry,
                             uint64_t *out) {
  char *end;
  errno = 0;
  unsigned long long value = strtoull(entry->value, &end, 10);
  IG_CHECK(entry->value[0] >= '0' && entry->value[0] <= '9' && *end == 0 && errno == 0, IG_ERR_INPUT,
           "%s: external data of '%s': %s must be a number of bytes, found '%.40s'", model->path, name,
           entry->key, entry->value);
  *out = value;
  return IG_OK;
}

static ig_status parse_place(const ig_onnx_model *model, const ig_onnx_tensor *t, const char *name,
                             place *out) {
  *out = (place){0};
  for (int64_t i = 0; i < t->n_places; i++) {
    const ig_onnx_entry *entry = &t->places[i];
    if (!entry->key || !entry->value) continue;
    if (strcmp(entry->key, "location") == 0) {
      IG_CHECK(!out->location, IG_ERR_INPUT, "%s: external data of '%s': two locations", model->path,
               name);
      out->location = entry->value;
    } else if (strcmp(entry->key, "offset") == 0) {
      IG_TRY(parse_count(model, name, entry, &out->offset));
    } else if (strcmp(entry->key, "length") == 0) {
      IG_TRY(parse_count(model, name, entry, &out->length));
      out->has_length = true;
    } /* others ("checksum", "basepath") say nothing about where the bytes are */
  }
  IG_CHECK(out->location, IG_ERR_INPUT, "%s: external data of '%s' has no location", model->path, name);
  return IG_OK;
}

/* The folder of the model's file, in the model's arena. */
static const char *folder_of(const ig_onnx_model *model) {
  const char *slash = strrchr(model->path, '/');
  if (!slash) return ".";
  if (slash == model->path) return "/";
  return ig_arena_format(model->arena, "%.*s", (int)(slash - model->path), model->path);
}

static ig_status map_place(ig_onnx_model *model, const char *root, const char *name, const place *p,
                           const ig_onnx_mapping **out) {
  for (const ig_onnx_mapping *m = model->mappings; m; m = m->next) {
    if (m->location && strcmp(m->location, p->location) == 0) {
      *out = m;
      return IG_OK;
    }
  }
  const char *folder = root ? root : folder_of(model);
  ig_onnx_mapping *made = ig_arena_alloc(model->arena, sizeof *made);
  IG_CHECK(folder && made, IG_ERR_MEMORY, "%s: out of memory", model->path);
  int fd = ig_open_beneath(folder, p->location);
  IG_CHECK(fd >= 0, IG_ERR_INPUT, "%s: external data of '%s': '%.200s' is refused: %s", model->path,
           name, p->location, refusal(errno));
  struct stat info;
  void *data = NULL;
  bool mapped = fstat(fd, &info) == 0;
  if (mapped && info.st_size > 0) {
    data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    mapped = data != MAP_FAILED;
  }
  int code = errno;
  close(fd);
  IG_CHECK(mapped, IG_ERR_IO, "%s: external data of '%s': cannot map '%.200s': %s", model->path, name,
           p->location, strerror(code));
  *made = (ig_onnx_mapping){model->mappings, p->location, data, (size_t)info.st_size};
  model->mappings = made;
  *out = made;
  return IG_OK;
}

ig_status ig_onnx_external(ig_onnx_model *model, const char *root, const ig_onnx_tensor *tensor,
                           size_t bytes, const unsigned char **out) {
  const char *name = tensor->name ? tensor->name : "";
  place p;
  const ig_onnx_mapping *m = NULL;
  IG_TRY(parse_place(model, tensor, name, &p));
  IG_CHECK(!p.has_length || p.length == bytes, IG_ERR_INPUT,
           "%s: external data of '%s': its shape needs %zu bytes, its length is %llu", model->path, name,
           bytes, (unsigned long long)p.length);
  IG_TRY(map_place(model, root, name, &p, &m));
  IG_CHECK(ig_range_within(p.offset, bytes, m->size), IG_ERR_INPUT,
           "%s: external data of '%s': bytes %llu to %llu lie outside '%.200s' of %zu", model->path,
           name, (unsigned long long)p.offset, (unsigned long long)(p.offset + bytes), p.location,
           m->size);
  *out = (const unsigned char *)m->data + p.offset;
  return IG_OK;
}
