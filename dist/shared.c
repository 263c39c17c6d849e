/* Shared memory among the ranks of a machine (shared.h): who they are, segments, slots, and waiting
 * by futex on one word that counts events. */
#include "dist/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"

#define PAGE ((size_t)4096)
#define SPINS 200     /* looks before sleeping: about what waking up costs */
#define NAP 50000000L /* nanoseconds slept at most between two looks at the failure */

typedef struct segment {
  void *base;
  size_t bytes;
  int file; /* own: descriptor; of a peer: its descriptor there */
  uint32_t generation;
} segment;

typedef struct segments {
  segment *list;
  int64_t count, capacity;
} segments;

/* Begins the first rank's file; `retired` and the slots follow. */
typedef struct head {
  unsigned char nonce[IG_TOKEN_BYTES];
  _Alignas(64) atomic_uint event;
  atomic_uint sleepers;
} head;

struct ig_node {
  ig_control *control;
  int count, self;
  int *ranks, *pids; /* of this machine's ranks */
  int *leaders;
  head *head;
  size_t head_bytes;
  int file; /* this rank's own, the machine's if it is the first */
  atomic_uint_least64_t *retired;
  ig_slot *slots;
  ig_post *posts;
  segments own, *peers;
  uint32_t generation;
};

/* What a rank shows the others. */
typedef struct card {
  int32_t pid, file;
  unsigned char nonce[IG_TOKEN_BYTES];
} card;

static size_t block_bytes(int count) {
  size_t n = (size_t)count;
  return sizeof(head) + n * 64 + IG_SLOTS * (sizeof(ig_slot) + n * sizeof(ig_post));
}

static int open_peer(int pid, int file) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, file);
  return open(path, O_RDWR | O_CLOEXEC);
}

static ig_status make_card(ig_node *node, card *mine) {
  node->file = memfd_create("ingot", MFD_CLOEXEC);
  IG_CHECK(node->file >= 0, IG_ERR_IO, "shared memory: memfd_create: %s", strerror(errno));
  mine->pid = getpid();
  mine->file = node->file;
  IG_CHECK(getrandom(mine->nonce, IG_TOKEN_BYTES, 0) == IG_TOKEN_BYTES &&
               pwrite(node->file, mine->nonce, IG_TOKEN_BYTES, 0) == IG_TOKEN_BYTES,
           IG_ERR_IO, "shared memory: cannot write: %s", strerror(errno));
  return IG_OK;
}

/* The same number may be another file in another container or machine: the nonce tells. */
static bool is_reachable(const card *c) {
  unsigned char nonce[IG_TOKEN_BYTES];
  int fd = open_peer(c->pid, c->file);
  if (fd < 0) return false;
  bool same = pread(fd, nonce, sizeof nonce, 0) == (ssize_t)sizeof nonce &&
              memcmp(nonce, c->nonce, sizeof nonce) == 0;
  close(fd);
  return same;
}

static ig_status map_block(ig_node *node, const card *leader) {
  int fd = node->self == 0 ? node->file : open_peer(leader->pid, leader->file);
  IG_CHECK(fd >= 0, IG_ERR_PEER, "shared memory of rank %d: %s", node->ranks[0], strerror(errno));
  node->head_bytes = block_bytes(node->count);
  void *base = mmap(NULL, node->head_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (node->self != 0) close(fd);
  IG_CHECK(base != MAP_FAILED, IG_ERR_MEMORY, "shared memory of rank %d: %s", node->ranks[0],
           strerror(errno));
  node->head = base;
  char *at = (char *)base + sizeof(head);
  node->retired = (atomic_uint_least64_t *)at;
  node->slots = (ig_slot *)(at + (size_t)node->count * 64);
  node->posts = (ig_post *)(node->slots + IG_SLOTS);
  return IG_OK;
}

/* Groups: everyone takes the first rank of its name that it can open; where that rank itself
 * belongs to another (which takes odd rights), it stays alone. */
static ig_status find_machine(ig_node *node, int rank, int size, char (*names)[IG_NAME_BYTES],
                              card *cards) {
  int32_t lead = rank;
  for (int r = 0; r < rank && lead == rank; r++) {
    if (strncmp(names[r], names[rank], IG_NAME_BYTES) == 0 && is_reachable(&cards[r])) lead = r;
  }
  int32_t *leads = ig_alloc((size_t)size * sizeof *leads);
  IG_CHECK_ALLOC(leads);
  ig_status status = ig_control_exchange(node->control, &lead, sizeof lead, leads);
  for (int r = 0; r < size; r++) {
    int of = status == IG_OK && leads[r] >= 0 && leads[r] < size ? leads[r] : r;
    node->leaders[r] = leads[of] == of ? of : r;
  }
  for (int r = 0; r < size; r++) {
    if (node->leaders[r] != node->leaders[rank]) continue;
    IG_CHECK_DONE(node->count < IG_MOST_LOCAL, IG_ERR_UNSUPPORTED,
                  "%s: expected up to %d ranks on one machine", names[rank], IG_MOST_LOCAL);
    if (r == rank) node->self = node->count;
    node->pids[node->count] = cards[r].pid;
    node->ranks[node->count++] = r;
  }
done:
  ig_free(leads);
  return status;
}

ig_status ig_node_join(ig_control *control, int rank, int size, char (*names)[IG_NAME_BYTES],
                       ig_node **out) {
  size_t n = (size_t)size;
  ig_node *node = ig_alloc_zero(1, sizeof *node);
  IG_CHECK_ALLOC(node);
  node->control = control;
  node->file = -1;
  node->ranks = ig_alloc_zero(n, sizeof *node->ranks);
  node->pids = ig_alloc_zero(n, sizeof *node->pids);
  node->leaders = ig_alloc_zero(n, sizeof *node->leaders);
  node->peers = ig_alloc_zero(n, sizeof *node->peers);
  card mine = {0}, *cards = ig_alloc_zero(n, sizeof *cards);
  char ready = 1, *all = ig_alloc_zero(n, 1);
  ig_status status = IG_OK;
  IG_CHECK_DONE(node->ranks && node->pids && node->leaders && node->peers && cards && all,
                IG_ERR_MEMORY, "shared memory: out of memory");
  IG_TRY_DONE(make_card(node, &mine));
  IG_TRY_DONE(ig_control_exchange(control, &mine, sizeof mine, cards));
  IG_TRY_DONE(find_machine(node, rank, size, names, cards));
  IG_CHECK_DONE(node->self != 0 ||
                    posix_fallocate(node->file, 0, (off_t)block_bytes(node->count)) == 0,
                IG_ERR_MEMORY, "shared memory: out of memory");
  IG_TRY_DONE(
      ig_control_exchange(control, &ready, 1, all)); /* the first has made its file long enough */
  IG_TRY_DONE(map_block(node, &cards[node->ranks[0]]));
  IG_TRY_DONE(ig_control_exchange(control, &ready, 1, all)); /* and all have it open */
done:
  ig_free(cards);
  ig_free(all);
  if (status == IG_OK) {
    *out = node;
  } else {
    ig_node_destroy(node);
  }
  return status;
}

static void drop(segment *s) {
  munmap(s->base, s->bytes);
  *s = (segment){.file = -1};
}

void ig_node_destroy(ig_node *node) {
  if (!node) return;
  for (int64_t i = 0; i < node->own.count; i++) {
    if (!node->own.list[i].base) continue;
    close(node->own.list[i].file);
    drop(&node->own.list[i]);
  }
  for (int l = 0; node->peers && l < node->count; l++) {
    for (int64_t i = 0; i < node->peers[l].count; i++)
      if (node->peers[l].list[i].base) drop(&node->peers[l].list[i]);
    ig_free(node->peers[l].list);
  }
  ig_free(node->own.list);
  if (node->head) munmap(node->head, node->head_bytes);
  if (node->file >= 0) close(node->file);
  ig_free(node->ranks);
  ig_free(node->pids);
  ig_free(node->leaders);
  ig_free(node->peers);
  ig_free(node);
}

int ig_node_count(const ig_node *node) {
  return node->count;
}
int ig_node_self(const ig_node *node) {
  return node->self;
}
int ig_node_rank(const ig_node *node, int local) {
  return node->ranks[local];
}
const int *ig_node_leaders(const ig_node *node) {
  return node->leaders;
}

/* A row of the list that is free, made if need be; NULL when memory is short. */
static segment *free_row(segments *s) {
  for (int64_t i = 0; i < s->count; i++)
    if (!s->list[i].base) return &s->list[i];
  void *list = s->list;
  if (!ig_grow(&list, &s->capacity, s->count + 1, sizeof *s->list)) return NULL;
  s->list = list;
  s->list[s->count] = (segment){.file = -1};
  return &s->list[s->count++];
}

ig_status ig_node_alloc(ig_node *node, size_t bytes, void **out) {
  size_t size;
  segment *row = free_row(&node->own);
  IG_CHECK(row && ig_align_size(IG_MAX(bytes, 1), PAGE, &size) && size <= PTRDIFF_MAX,
           IG_ERR_MEMORY, "shared memory: out of memory");
  int fd = memfd_create("ingot", MFD_CLOEXEC);
  IG_CHECK(fd >= 0, IG_ERR_IO, "shared memory: memfd_create: %s", strerror(errno));
  /* Pages are had here, so that want of memory is an error and not a signal at the first write. */
  int code = posix_fallocate(fd, 0, (off_t)size);
  void *base = code == 0
                   ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0)
                   : MAP_FAILED;
  if (base == MAP_FAILED) {
    close(fd);
    return ig_fail(IG_ERR_MEMORY, "shared memory: %zu bytes were asked for: %s", size,
                   strerror(code ? code : errno));
  }
  *row = (segment){base, size, fd, ++node->generation};
  *out = base;
  return IG_OK;
}

void ig_node_release(ig_node *node, void *memory) {
  for (int64_t i = 0; i < node->own.count; i++) {
    if (node->own.list[i].base != memory) continue;
    close(node->own.list[i].file);
    drop(&node->own.list[i]);
    return;
  }
}

bool ig_node_find(const ig_node *node, const void *memory, size_t bytes, ig_place *place) {
  for (int64_t i = 0; i < node->own.count; i++) {
    const segment *s = &node->own.list[i];
    uintptr_t at = (uintptr_t)memory, base = (uintptr_t)s->base;
    if (!s->base || at < base || !ig_range_within(at - base, bytes, s->bytes)) continue;
    *place = (ig_place){s->file, s->generation, s->bytes, at - base};
    return true;
  }
  return false;
}

ig_status ig_node_map(ig_node *node, int local, const ig_place *place, void **out) {
  segments *known = &node->peers[local];
  segment *row = NULL;
  for (int64_t i = 0; i < known->count && !row; i++) {
    segment *s = &known->list[i];
    if (s->base && s->file == place->file) row = s;
  }
  if (row && row->generation != place->generation) drop(row); /* its owner has let that go */
  if (!row || !row->base) {
    struct stat info;
    row = free_row(known);
    IG_CHECK(row, IG_ERR_MEMORY, "shared memory: out of memory");
    int fd = open_peer(node->pids[local], place->file);
    IG_CHECK(fd >= 0 || (errno != EMFILE && errno != ENFILE), IG_ERR_IO,
             "shared memory: too many open files");
    IG_CHECK(fd >= 0 && fstat(fd, &info) == 0 && place->bytes > 0 &&
                 (uint64_t)info.st_size >= place->bytes,
             IG_ERR_PEER, "shared memory of rank %d cannot be opened: %s", node->ranks[local],
             fd < 0 ? strerror(errno) : "it is too short");
    void *base = mmap(NULL, place->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    close(fd);
    IG_CHECK(base != MAP_FAILED, IG_ERR_MEMORY, "shared memory of rank %d: %s", node->ranks[local],
             strerror(errno));
    *row = (segment){base, place->bytes, place->file, place->generation};
  }
  IG_CHECK(place->offset < row->bytes, IG_ERR_PEER, "shared memory of rank %d: wrong offset",
           node->ranks[local]);
  *out = (char *)row->base + place->offset;
  return IG_OK;
}

ig_slot *ig_node_slot(ig_node *node, uint64_t number) {
  return &node->slots[number % IG_SLOTS];
}

ig_post *ig_node_post(ig_node *node, uint64_t number, int local) {
  return &node->posts[(number % IG_SLOTS) * (uint64_t)node->count + (uint64_t)local];
}

bool ig_node_all_posted(ig_node *node, uint64_t number) {
  for (int l = 0; l < node->count; l++)
    if (atomic_load(&ig_node_post(node, number, l)->ticket) != number + 1) return false;
  return true;
}

/* Each count on a line of its own. */
static atomic_uint_least64_t *retired(ig_node *node, int local) {
  return (atomic_uint_least64_t *)((char *)node->retired + (size_t)local * 64);
}

void ig_node_retire(ig_node *node, uint64_t number) {
  atomic_store(retired(node, node->self), number);
}

bool ig_node_is_free(ig_node *node, uint64_t number) {
  for (int l = 0; l < node->count; l++)
    if (atomic_load(retired(node, l)) + IG_SLOTS <= number) return false;
  return true;
}

uint32_t ig_count_add(atomic_uint_least64_t *count, uint64_t number, uint32_t n) {
  uint64_t tag = (uint64_t)(uint32_t)(number + 1) << 32, seen = atomic_load(count), next;
  do {
    next = (seen >> 32 << 32) == tag ? seen + n : tag + n;
  } while (!atomic_compare_exchange_weak(count, &seen, next));
  return (uint32_t)next - n;
}

uint32_t ig_count_get(atomic_uint_least64_t *count, uint64_t number) {
  uint64_t seen = atomic_load(count);
  return seen >> 32 == (uint32_t)(number + 1) ? (uint32_t)seen : 0;
}

static long futex(atomic_uint *word, int operation, unsigned value, const struct timespec *limit) {
  return syscall(SYS_futex, word, operation, value, limit, NULL, 0);
}

void ig_node_signal(ig_node *node) {
  atomic_fetch_add(&node->head->event, 1);
  if (atomic_load(&node->head->sleepers) > 0) futex(&node->head->event, FUTEX_WAKE, INT_MAX, NULL);
}

ig_status ig_node_wait(ig_node *node, bool (*ready)(void *), void *context, const char *what) {
  for (int i = 0; i < SPINS; i++) {
    if (ready(context)) return IG_OK;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  double deadline = ig_seconds() + ig_control_timeout(node->control);
  for (;;) {
    unsigned event = atomic_load(&node->head->event);
    if (ready(context)) return IG_OK;
    if (ig_control_has_failed(node->control)) return ig_control_check(node->control);
    if (ig_seconds() >= deadline) return ig_control_stuck(node->control, what);
    atomic_fetch_add(&node->head->sleepers, 1);
    futex(&node->head->event, FUTEX_WAIT, event, &(struct timespec){0, NAP});
    atomic_fetch_sub(&node->head->sleepers, 1);
  }
}
