/* Unpacking of .npz files; what the members mean is the caller's. */
#include "formats/npz.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

/* Deflate makes at most 1,032 bytes of one: what claims more is not honest. */
#define MAX_RATIO 1032
#define MOST_MEMBERS 4096

typedef struct reader {
  const char *spec;
  uint64_t file_size;
  size_t limit, unpacked;
  ig_arena *arena; /* of names */
  int n;
  const char *names[MOST_MEMBERS];
} reader;

static ig_status archive_failure(const reader *r, struct archive *archive, const char *what) {
  const char *why = archive_error_string(archive);
  return ig_fail(archive_errno(archive) == ENOMEM ? IG_ERR_MEMORY : IG_ERR_INPUT,
                 "%s: cannot read %s: %s", r->spec, what, why ? why : "damaged zip file");
}

/* Unpacks the current member to a fresh block. */
static ig_status unpack(reader *r, struct archive *archive, const char *name, void **out,
                        size_t *size) {
  void *block = NULL;
  int64_t capacity = 0;
  size_t used = 0;
  for (;;) {
    if (!ig_grow(&block, &capacity, (int64_t)used + 65536, 1)) {
      ig_free(block);
      return ig_fail(IG_ERR_MEMORY, "%s: no memory for '%s'", r->spec, name);
    }
    la_ssize_t n = archive_read_data(archive, (char *)block + used, 65536);
    if (n == 0) break;
    if (n < 0) {
      ig_free(block);
      return archive_failure(r, archive, name);
    }
    used += (size_t)n;
    r->unpacked += (size_t)n;
    if (r->unpacked > r->limit || r->unpacked / MAX_RATIO > r->file_size) {
      ig_free(block);
      return ig_fail(IG_ERR_MEMORY,
                     "%s: unpacks to more than %zu bytes, the memory limit, or than its %llu bytes can "
                     "hold",
                     r->spec, r->limit, (unsigned long long)r->file_size);
    }
  }
  *out = block;
  *size = used;
  return IG_OK;
}

static ig_status take_member(reader *r, struct archive *archive, const char *path,
                             ig_npz_member member, void *context) {
  size_t length = strlen(path), size = 0;
  void *bytes = NULL;
  IG_CHECK(length > 4 && strcmp(path + length - 4, ".npy") == 0, IG_ERR_INPUT,
           "%s: holds '%s'; expected members named *.npy", r->spec, path);
  IG_CHECK(r->n < MOST_MEMBERS, IG_ERR_INPUT, "%s: holds more than %d arrays", r->spec, MOST_MEMBERS);
  char *name = ig_arena_format(r->arena, "%.*s", (int)(length - 4), path);
  IG_CHECK_ALLOC(name);
  for (int i = 0; i < r->n; i++) {
    IG_CHECK(strcmp(r->names[i], name) != 0, IG_ERR_INPUT, "%s: holds '%s' twice", r->spec, path);
  }
  r->names[r->n++] = name;
  IG_TRY(unpack(r, archive, path, &bytes, &size));
  return member(context, name, bytes, size);
}

static ig_status each(reader *r, const char *path, struct archive *archive, ig_npz_member member,
                      void *context) {
  /* The seekable reader needs the list at the end of the file, so a file cut short is noticed. */
  if (archive_read_support_format_zip_seekable(archive) != ARCHIVE_OK ||
      archive_read_open_filename(archive, path, 1 << 16) != ARCHIVE_OK) {
    return archive_failure(r, archive, "it");
  }
  for (;;) {
    struct archive_entry *entry;
    int code = archive_read_next_header(archive, &entry);
    if (code == ARCHIVE_EOF) return IG_OK;
    if (code != ARCHIVE_OK) return archive_failure(r, archive, "its list of members");
    const char *name = archive_entry_pathname(entry);
    IG_TRY(take_member(r, archive, name ? name : "", member, context));
  }
}

ig_status ig_npz_each(const char *spec, const char *path, uint64_t file_size, size_t limit,
                      ig_npz_member member, void *context) {
  IG_CHECK(ig_memory_headroom(IG_ARCHIVE_HEADROOM), IG_ERR_MEMORY, "%s: out of memory", spec);
  reader *r = ig_alloc_zero(1, sizeof *r);
  struct archive *archive = archive_read_new();
  if (r) *r = (reader){.spec = spec, .file_size = file_size, .limit = limit, .arena = ig_arena_create()};
  ig_status status = r && r->arena && archive ? each(r, path, archive, member, context)
                                              : ig_fail(IG_ERR_MEMORY, "%s: out of memory", spec);
  if (archive) archive_read_free(archive);
  if (r) ig_arena_destroy(r->arena);
  ig_free(r);
  return status;
}
