/* The cache's file: a head, then sets of WAYS places. A key can stand in one set alone, which is read as a
 * whole; a new record takes a free place of its set, or that of one chosen by its key. */
#include "formats/row_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"

#define HEAD_BYTES 4096
#define WAYS 4
#define MOST_RECORD ((size_t)16 << 20)

static const char magic[16] = "ingot cache 1\n";

typedef struct head {
  char magic[16];
  uint64_t record, sets;
  uint64_t digest; /* of the three before */
} head;

/* The record follows. */
typedef struct place {
  uint64_t key[2];
  uint64_t digest; /* of key and record */
} place;

struct ig_row_cache {
  int fd;
  size_t record, place;
  uint64_t sets;
  uint64_t identity[2];
  atomic_llong lost;
};

static uint64_t digest_of_head(const head *h) { return XXH3_64bits(h, offsetof(head, digest)); }

/* --- opening ----------------------------------------------------------------------------------- */

static ig_status make_head(ig_row_cache *c, const char *path, size_t bytes) {
  head h = {.record = c->record};
  memcpy(h.magic, magic, sizeof magic);
  size_t set = WAYS * c->place;
  IG_CHECK(bytes >= HEAD_BYTES + set, IG_ERR_USAGE,
           "%s: %zu bytes hold no set of results, which takes %zu", path, bytes, HEAD_BYTES + set);
  h.sets = (bytes - HEAD_BYTES) / set;
  h.digest = digest_of_head(&h);
  c->sets = h.sets;
  if (pwrite(c->fd, &h, sizeof h, 0) != (ssize_t)sizeof h) return ig_fail_errno("write", path);
  return IG_OK;
}

static ig_status read_head(ig_row_cache *c, const char *path, const head *h, size_t had) {
  bool whole = had == sizeof *h && memcmp(h->magic, magic, sizeof magic) == 0 &&
               digest_of_head(h) == h->digest;
  IG_CHECK(whole, IG_ERR_INPUT, "%s: is no cache of results", path);
  IG_CHECK(h->record == c->record, IG_ERR_INPUT,
           "%s: holds results of %llu bytes, but a row of this model gives %zu; give each size a "
           "file of its own",
           path, (unsigned long long)h->record, c->record);
  IG_CHECK(h->sets >= 1 && h->sets <= (uint64_t)INT64_MAX / WAYS / c->place - 1, IG_ERR_INPUT,
           "%s: is damaged: %llu sets", path, (unsigned long long)h->sets);
  c->sets = h->sets;
  return IG_OK;
}

/* One process at a time makes or reads the head. */
static ig_status open_head(ig_row_cache *c, const char *path, size_t bytes) {
  head h = {.record = 0};
  flock(c->fd, LOCK_EX); /* without locks on this file system: two that make it write the same */
  ssize_t n = pread(c->fd, &h, sizeof h, 0);
  ig_status status = n < 0    ? ig_fail_errno("read", path)
                     : n == 0 ? make_head(c, path, bytes)
                              : read_head(c, path, &h, (size_t)n);
  flock(c->fd, LOCK_UN);
  return status;
}

ig_status ig_row_cache_open(const char *path, const char *identity, size_t record, size_t bytes,
                            ig_row_cache **cache) {
  IG_CHECK(record >= 1 && record <= MOST_RECORD, IG_ERR_UNSUPPORTED,
           "%s: results of %zu bytes a row are not kept; at most %zu are", path, record,
           MOST_RECORD);
  ig_row_cache *c = ig_alloc_zero(1, sizeof *c);
  IG_CHECK_ALLOC(c);
  XXH128_hash_t hash = XXH3_128bits(identity, strlen(identity));
  c->identity[0] = hash.low64;
  c->identity[1] = hash.high64;
  c->record = record;
  c->place = (sizeof(place) + record + 7) & ~(size_t)7;
  c->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  ig_status status = c->fd < 0 ? ig_fail_errno("open", path) : open_head(c, path, bytes);
  if (status != IG_OK) {
    ig_row_cache_close(c);
    return status;
  }
  *cache = c;
  return IG_OK;
}

void ig_row_cache_close(ig_row_cache *c) {
  if (!c) return;
  if (c->fd >= 0) close(c->fd);
  ig_free(c);
}

/* --- records ----------------------------------------------------------------------------------- */

static void key_of(const ig_row_cache *c, int n, const void *const *data, const size_t *bytes,
                   uint64_t key[2]) {
  uint64_t words[5] = {c->identity[0], c->identity[1]};
  for (int i = 0; i < n; i++) {
    XXH128_hash_t hash = XXH3_128bits(data[i], bytes[i]);
    words[2] = hash.low64;
    words[3] = hash.high64;
    words[4] = bytes[i];
    hash = XXH3_128bits(words, sizeof words);
    words[0] = hash.low64;
    words[1] = hash.high64;
  }
  key[0] = words[0];
  key[1] = words[1];
}

static uint64_t digest_of(const uint64_t key[2], const void *record, size_t bytes) {
  return XXH3_64bits_withSeed(record, bytes, key[0] ^ (key[1] << 1));
}

/* Reads the key's set; what lies behind the end of the file is empty. */
static char *read_set(const ig_row_cache *c, const uint64_t key[2], off_t *at) {
  size_t bytes = WAYS * c->place, done = 0;
  char *set = ig_alloc_zero(bytes, 1);
  *at = HEAD_BYTES + (off_t)(key[0] % c->sets * bytes);
  while (set && done < bytes) {
    ssize_t n = pread(c->fd, set + done, bytes - done, *at + (off_t)done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += (size_t)n;
  }
  return set;
}

/* The place of the set that holds the key's record, or NULL. */
static const char *find(const ig_row_cache *c, const char *set, const uint64_t key[2]) {
  for (int w = 0; w < WAYS; w++) {
    const char *at = set + (size_t)w * c->place;
    place p;
    memcpy(&p, at, sizeof p);
    if (p.key[0] == key[0] && p.key[1] == key[1] &&
        p.digest == digest_of(key, at + sizeof p, c->record)) {
      return at;
    }
  }
  return NULL;
}

bool ig_row_cache_find(const ig_row_cache *c, int n, const void *const *data, const size_t *bytes,
                       void *record) {
  uint64_t key[2];
  off_t at;
  key_of(c, n, data, bytes, key);
  char *set = read_set(c, key, &at);
  const char *found = set ? find(c, set, key) : NULL;
  if (found) memcpy(record, found + sizeof(place), c->record);
  ig_free(set);
  return found != NULL;
}

void ig_row_cache_keep(ig_row_cache *c, int n, const void *const *data, const size_t *bytes,
                       const void *record) {
  place p = {.digest = 0};
  off_t at;
  key_of(c, n, data, bytes, p.key);
  char *set = read_set(c, p.key, &at);
  if (!set) {
    atomic_fetch_add(&c->lost, 1);
    return;
  }
  if (!find(c, set, p.key)) {
    size_t way = (size_t)(p.key[1] >> 32) % WAYS;
    for (size_t w = WAYS; w-- > 0;) {
      place taken;
      memcpy(&taken, set + w * c->place, sizeof taken);
      if (!taken.digest && !taken.key[0] && !taken.key[1]) way = w;
    }
    char *to = set + way * c->place;
    p.digest = digest_of(p.key, record, c->record);
    memcpy(to, &p, sizeof p);
    memcpy(to + sizeof p, record, c->record);
    ssize_t wrote = pwrite(c->fd, to, c->place, at + (off_t)(way * c->place));
    if (wrote != (ssize_t)c->place) atomic_fetch_add(&c->lost, 1);
  }
  ig_free(set);
}

int64_t ig_row_cache_lost(const ig_row_cache *c) { return atomic_load(&c->lost); }
