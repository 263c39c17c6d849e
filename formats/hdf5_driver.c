/* The file driver of hdf5.h, and opening and ending files with it. A driver of our own because the
 * library's leaves its caches dirty when the disk fills up, locks files, and retries nothing: here
 * the first failed call is remembered, later writes are dropped, and the caller gets one error. */
#include "formats/hdf5.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

#include "engine/base/checked.h"
#include "engine/base/memory.h"

#define HEAP_HEADER 16
#define HEAP_BLOCK 16
#define MAX_HEAP ((uint64_t)64 << 20)

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static int lock_depth;
static bool quiet_at_exit;
static H5E_auto2_t saved_print;
static void *saved_print_data;
static hid_t driver_id = -1;

void ig_h5_enter(void) {
  pthread_mutex_lock(&lock);
  if (!quiet_at_exit) {
    /* The library's exit handler prints when a malformed file left objects behind in it. We close
     * what we open, so nothing waits for that handler. Without effect where the program had used
     * HDF5 before us. */
    H5dont_atexit();
    quiet_at_exit = true;
  }
  if (lock_depth++ == 0) {
    H5Eget_auto2(H5E_DEFAULT, &saved_print, &saved_print_data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  }
}

void ig_h5_leave(void) {
  if (--lock_depth == 0) H5Eset_auto2(H5E_DEFAULT, saved_print, saved_print_data);
  pthread_mutex_unlock(&lock);
}

/* --- rehearsal -------------------------------------------------------------------------------- */

#define REHEARSAL_SECONDS 60       /* of processor time */
#define REHEARSAL_PATIENCE 180.0   /* seconds of waiting */

/* The fork happens while no thread is within the library, so that the child finds it whole. The
 * lock belongs to a thread that the child does not have: the child gets a fresh one. */
static pid_t fork_outside(void) {
  pthread_mutex_lock(&lock);
  pid_t pid = lock_depth > 0 ? -1 : fork();
  if (pid == 0) {
    static const pthread_mutex_t fresh = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    lock = fresh;
  } else {
    pthread_mutex_unlock(&lock);
  }
  return pid;
}

static void be_expendable(void) {
  static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGXCPU};
  for (int i = 0; i < IG_COUNT(fatal); i++) signal(fatal[i], SIG_DFL);
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  setrlimit(RLIMIT_CPU, &(struct rlimit){REHEARSAL_SECONDS, REHEARSAL_SECONDS + 1});
}

/* How the child ended; false when that cannot be known: somebody else reaps this program's
 * children, or the child stands still (fork() copies other libraries' locks as they are). */
static bool await(pid_t pid, int *state) {
  struct timespec nap = {.tv_nsec = 50000};
  for (double waited = 0; waited < REHEARSAL_PATIENCE; waited += (double)nap.tv_nsec * 1e-9) {
    pid_t ended = waitpid(pid, state, WNOHANG);
    if (ended == pid) return true;
    if (ended < 0 && errno != EINTR) return false;
    nanosleep(&nap, NULL);
    if (nap.tv_nsec < 20000000) nap.tv_nsec += nap.tv_nsec / 4;
  }
  kill(pid, SIGKILL);
  waitpid(pid, state, 0);
  return false;
}

ig_status ig_h5_rehearse(const char *path, void (*body)(void *context), void *context) {
  pid_t pid = fork_outside();
  if (pid < 0) return IG_OK;
  if (pid == 0) {
    be_expendable();
    body(context);
    _exit(0);
  }
  int state;
  if (!await(pid, &state)) return IG_OK;
  int number = WIFSIGNALED(state) ? WTERMSIG(state) : 0;
  /* A sanitizer that finds the library at fault ends the child by an exit of its own. */
  bool stopped = WIFEXITED(state) && WEXITSTATUS(state) != 0;
  bool crashed = stopped || number == SIGSEGV || number == SIGBUS || number == SIGABRT ||
                 number == SIGILL || number == SIGFPE || number == SIGXCPU;
  if (crashed) IG_TRY(ig_h5_headroom(path)); /* the library crashes of that, too */
  IG_CHECK(!crashed, IG_ERR_INPUT, "%s: damaged: the HDF5 library fails on it (%s)", path,
           stopped ? "a sanitizer stopped it" : strsignal(number));
  return IG_OK;
}

/* --- errors ---------------------------------------------------------------------------------- */

typedef struct reason {
  bool found, memory;
  char text[160];
} reason;

static herr_t first_reason(unsigned n, const H5E_error2_t *entry, void *context) {
  reason *r = context;
  if (n == 0 && entry->desc) {
    snprintf(r->text, sizeof r->text, "%s", entry->desc);
    r->found = true;
  }
  if (entry->maj_num == H5E_RESOURCE &&
      (entry->min_num == H5E_NOSPACE || entry->min_num == H5E_CANTALLOC)) {
    r->memory = true;
  }
  return 0;
}

ig_status ig_h5_fail(const ig_h5_file *file, ig_status code, const char *format, ...) {
  char words[512];
  va_list args;
  va_start(args, format);
  vsnprintf(words, sizeof words, format, args);
  va_end(args);
  reason r = {0};
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first_reason, &r);
  H5Eclear2(H5E_DEFAULT);
  if (file->error) {
    errno = file->error;
    return ig_fail_errno(file->verb, file->path);
  }
  if (r.memory) code = IG_ERR_MEMORY;
  if (!r.found) return ig_fail(code, "%s: %s", file->path, words);
  return ig_fail(code, "%s: %s: %s", file->path, words, r.text);
}

/* --- driver ---------------------------------------------------------------------------------- */

typedef struct disk {
  H5FD_t base; /* the library's part comes first */
  ig_h5_file *file;
  haddr_t end_allocated;
} disk;

/* What travels in the file access property list. */
typedef struct disk_info {
  ig_h5_file *file;
} disk_info;

static void remember(ig_h5_file *file, const char *verb, int code) {
  if (file->error) return;
  file->error = code;
  file->verb = verb;
}

static H5FD_t *disk_open(const char *name, unsigned flags, hid_t access, haddr_t most) {
  IG_UNUSED(name);
  IG_UNUSED(flags);
  IG_UNUSED(most);
  const disk_info *info = H5Pget_driver_info(access);
  if (!info) return NULL;
  disk *d = ig_alloc_zero(1, sizeof *d);
  if (!d) return NULL;
  d->file = info->file;
  d->file->users++;
  return &d->base;
}

/* The library may open and close the driver twice while it creates a file: `fd` is not its own. */
static herr_t disk_close(H5FD_t *base) {
  ((disk *)base)->file->users--;
  ig_free(base);
  return 0;
}

static herr_t disk_query(const H5FD_t *base, unsigned long *flags) {
  IG_UNUSED(base);
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
           H5FD_FEAT_AGGREGATE_SMALLDATA;
  return 0;
}

static haddr_t disk_get_eoa(const H5FD_t *base, H5FD_mem_t type) {
  IG_UNUSED(type);
  return ((const disk *)base)->end_allocated;
}

static herr_t disk_set_eoa(H5FD_t *base, H5FD_mem_t type, haddr_t address) {
  IG_UNUSED(type);
  ((disk *)base)->end_allocated = address;
  return 0;
}

static haddr_t disk_get_eof(const H5FD_t *base, H5FD_mem_t type) {
  IG_UNUSED(type);
  return ((const disk *)base)->file->size;
}

static bool read_fully(ig_h5_file *file, uint64_t address, size_t size, void *buffer) {
  for (size_t done = 0; done < size;) {
    ssize_t got = pread(file->fd, (char *)buffer + done, size - done, (off_t)(address + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      remember(file, "read", got < 0 ? errno : EIO); /* 0: the file shrank under us */
      return false;
    }
    done += (size_t)got;
  }
  return true;
}

/* Walks the blocks of a heap as the library will: index and count (2 bytes each), 4 reserved,
 * size (8), then the data, padded to 8. Block 0 is free space, and its size counts the 16 bytes
 * before. */
static bool heap_blocks_fit(const unsigned char *heap, uint64_t size) {
  uint64_t at = HEAP_HEADER;
  while (size - at >= HEAP_BLOCK) {
    uint16_t index;
    uint64_t length, padded;
    memcpy(&index, heap + at, sizeof index);
    memcpy(&length, heap + at + 8, sizeof length);
    if (index == 0) {
      if (length < HEAP_BLOCK || length > size - at) return false;
      at += length;
    } else {
      if (length > size - at - HEAP_BLOCK) return false;
      padded = (length + 7) & ~(uint64_t)7;
      if (padded > size - at - HEAP_BLOCK) return false;
      at += HEAP_BLOCK + padded;
    }
  }
  return true;
}

/* False when a read at `address` begins a global heap (4 bytes "GCOL", version, 3 reserved, size)
 * that the library must not see. */
static bool heap_is_sound(ig_h5_file *file, uint64_t address) {
  unsigned char head[HEAP_HEADER];
  uint64_t size;
  if (!ig_range_within(address, sizeof head, file->size)) return true;
  if (!read_fully(file, address, sizeof head, head)) return false;
  if (memcmp(head, "GCOL", 4) != 0) return true;
  memcpy(&size, head + 8, sizeof size);
  if (size < HEAP_HEADER || size > MAX_HEAP || !ig_range_within(address, size, file->size)) {
    return false;
  }
  unsigned char *heap = ig_alloc((size_t)size);
  if (!heap) return false;
  bool sound = read_fully(file, address, (size_t)size, heap) && heap_blocks_fit(heap, size);
  ig_free(heap);
  return sound;
}

static herr_t disk_read(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size,
                        void *buffer) {
  IG_UNUSED(type);
  IG_UNUSED(transfer);
  ig_h5_file *file = ((disk *)base)->file;
  size_t within = size;
  if (!ig_range_within(address, size, file->size)) {
    if (!file->writing) return -1;
    /* What was allocated but never written reads as zero. */
    within = address >= file->size ? 0 : (size_t)(file->size - address);
    memset((char *)buffer + within, 0, size - within);
  }
  if (file->heap_guard && !heap_is_sound(file, address)) return -1;
  return read_fully(file, address, within, buffer) ? 0 : -1;
}

static herr_t disk_write(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t address,
                         size_t size, const void *buffer) {
  IG_UNUSED(type);
  IG_UNUSED(transfer);
  ig_h5_file *file = ((disk *)base)->file;
  if (!file->writing) return -1;
  for (size_t done = 0; done < size && !file->error;) {
    ssize_t put =
        pwrite(file->fd, (const char *)buffer + done, size - done, (off_t)(address + done));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      remember(file, "write", put < 0 ? errno : EIO);
      break;
    }
    done += (size_t)put;
  }
  if (address + size > file->size) file->size = address + size;
  return 0;
}

static herr_t disk_truncate(H5FD_t *base, hid_t transfer, hbool_t closing) {
  IG_UNUSED(transfer);
  IG_UNUSED(closing);
  disk *d = (disk *)base;
  if (!d->file->writing || d->file->error || d->file->size == d->end_allocated) return 0;
  while (ftruncate(d->file->fd, (off_t)d->end_allocated) != 0) {
    if (errno == EINTR) continue;
    remember(d->file, "write", errno);
    return 0;
  }
  d->file->size = d->end_allocated;
  return 0;
}

static const H5FD_class_t disk_class = {
#if H5_VERSION_GE(1, 13, 0)
    .version = H5FD_CLASS_VERSION,
    .value = H5_VFD_RESERVED + 73,
#endif
    .name = "ingot",
    .maxaddr = (haddr_t)INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG, /* an error path may leave objects open: they go with the file */
    .fapl_size = sizeof(disk_info),
    .open = disk_open,
    .close = disk_close,
    .query = disk_query,
    .get_eoa = disk_get_eoa,
    .set_eoa = disk_set_eoa,
    .get_eof = disk_get_eof,
    .read = disk_read,
    .write = disk_write,
    .truncate = disk_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

/* --- files ----------------------------------------------------------------------------------- */

void ig_h5_guard_heap(ig_h5_file *file, bool on) {
  file->heap_guard = on;
}

/* Files of other offset and length sizes than 8 bytes exist in the standard, but not in the world;
 * the heap's guard counts on 8. */
static bool has_plain_sizes(hid_t id) {
  size_t offset = 0, length = 0;
  hid_t plist = H5Fget_create_plist(id);
  bool plain =
      plist >= 0 && H5Pget_sizes(plist, &offset, &length) >= 0 && offset == 8 && length == 8;
  if (plist >= 0) H5Pclose(plist);
  return plain;
}

static hid_t access_list(ig_h5_file *file) {
  if (driver_id < 0 || H5Iget_type(driver_id) != H5I_VFL) driver_id = H5FDregister(&disk_class);
  hid_t list = H5Pcreate(H5P_FILE_ACCESS);
  disk_info info = {file};
  if (driver_id < 0 || list < 0 || H5Pset_driver(list, driver_id, &info) < 0 ||
      (file->writing && H5Pset_libver_bounds(list, H5F_LIBVER_V110, H5F_LIBVER_V110) < 0)) {
    if (list >= 0) H5Pclose(list);
    return -1;
  }
  return list;
}

/* On some malformed files the library fails to close, and would come back to the driver later: then
 * the struct stays, marked as failed, so that it finds neither freed memory nor another's file. */
static void release(ig_h5_file *file) {
  if (file->fd >= 0) close(file->fd);
  file->fd = -1;
  remember(file, "read", EBADF);
  if (file->users > 0) return;
  ig_free(file->path);
  ig_free(file);
}

static ig_status make(const char *path, int fd, ig_h5_file **out) {
  ig_status enough = ig_h5_headroom(path);
  if (enough != IG_OK) {
    close(fd);
    return enough;
  }
  ig_h5_file *file = ig_alloc_zero(1, sizeof *file);
  char *copy = ig_strdup(path);
  if (!file || !copy) {
    ig_free(file);
    ig_free(copy);
    if (fd >= 0) close(fd);
    return ig_fail(IG_ERR_MEMORY, "%s: out of memory", path);
  }
  file->path = copy;
  file->fd = fd;
  file->id = -1;
  *out = file;
  return IG_OK;
}

ig_status ig_h5_open(const char *path, ig_h5_file **out) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
  if (fd < 0) return ig_fail_errno("open", path);
  ig_h5_file *file = NULL;
  IG_TRY(make(path, fd, &file));
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    release(file);
    return ig_fail(IG_ERR_INPUT, "%s: not a regular file", path);
  }
  file->size = (uint64_t)info.st_size;
  ig_h5_enter();
  hid_t list = access_list(file);
  if (list >= 0) {
    file->id = H5Fopen(path, H5F_ACC_RDONLY, list);
    H5Pclose(list);
  }
  ig_status status = IG_OK;
  if (file->id < 0 || !has_plain_sizes(file->id)) {
    status = ig_h5_fail(file, IG_ERR_INPUT, "not a readable HDF5 file");
    if (file->id >= 0) H5Fclose(file->id);
    release(file);
  } else {
    *out = file;
  }
  ig_h5_leave();
  return status;
}

ig_status ig_h5_create(const char *path, int fd, ig_h5_file **out) {
  ig_h5_file *file = NULL;
  IG_TRY(make(path, fd, &file));
  file->writing = true;
  ig_h5_enter();
  hid_t list = access_list(file);
  hid_t creation = H5Pcreate(H5P_FILE_CREATE);
  if (list >= 0 && creation >= 0 && H5Pset_obj_track_times(creation, false) >= 0) {
    file->id = H5Fcreate(path, H5F_ACC_TRUNC, creation, list);
  }
  if (creation >= 0) H5Pclose(creation);
  if (list >= 0) H5Pclose(list);
  ig_status status = IG_OK;
  if (file->id < 0) {
    status = ig_h5_fail(file, IG_ERR_INTERNAL, "cannot make an HDF5 file");
    release(file);
  } else {
    *out = file;
  }
  ig_h5_leave();
  return status;
}

ig_status ig_h5_finish(ig_h5_file *file) {
  ig_h5_enter();
  bool closed = H5Fclose(file->id) >= 0;
  ig_status status = IG_OK;
  if (!closed && !file->error) {
    status = ig_h5_fail(file, IG_ERR_INTERNAL, "cannot finish the HDF5 file");
  }
  H5Eclear2(H5E_DEFAULT);
  ig_h5_leave();
  /* Outside the lock: this waits for the disk. */
  while (!file->error && fsync(file->fd) != 0) {
    if (errno != EINTR) remember(file, "write to disk", errno);
  }
  int fd = file->fd;
  file->fd = -1;
  if (close(fd) != 0 && errno != EINTR) remember(file, "close", errno);
  if (file->error) {
    errno = file->error;
    status = ig_fail_errno(file->verb, file->path);
  }
  release(file);
  return status;
}

void ig_h5_close(ig_h5_file *file) {
  if (!file) return;
  ig_h5_enter();
  remember(file, "write", ECANCELED); /* nothing more goes to the disk */
  H5Fclose(file->id);
  H5Eclear2(H5E_DEFAULT);
  ig_h5_leave();
  release(file);
}
