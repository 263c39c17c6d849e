/* Partial files, aliases and the rolling set of step-*.h5: see checkpoint_files.h. */
#include "formats/checkpoint_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/memory.h"
#include "formats/checkpoint_h5.h"

/* A rename is durable once its folder is. */
static ig_status sync_folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = slash ? ig_format("%.*s", (int)(slash - path + 1), path) : ig_strdup(".");
  IG_CHECK_ALLOC(folder);
  ig_status status = IG_OK;
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  /* Some network file systems cannot sync a folder and say EINVAL: nothing more can be done. */
  if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL)) {
    status = ig_fail_errno("write to disk", folder);
  }
  if (fd >= 0) close(fd);
  ig_free(folder);
  return status;
}

ig_status ig_sync_file(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ig_fail_errno("open", path);
  ig_status status = fsync(fd) == 0 ? IG_OK : ig_fail_errno("write to disk", path);
  close(fd);
  return status;
}

/* True when `fd` is what `path` names now: between opening and locking, another writer may have
 * renamed the file over its target, and writing to it then would destroy that target. */
static bool still_named(int fd, const char *path) {
  struct stat mine, named;
  return fstat(fd, &mine) == 0 && stat(path, &named) == 0 && mine.st_ino == named.st_ino &&
         mine.st_dev == named.st_dev;
}

ig_status ig_open_locked(const char *path, bool keep, int *out) {
  for (;;) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) return ig_fail_errno("create", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      close(fd);
      return ig_fail(IG_ERR_USAGE, "%s: another process is writing this file", path);
    }
    /* Any other failure: a file system without locks, where we go on without. */
    if (!still_named(fd, path)) {
      close(fd);
      continue;
    }
    if (!keep && ftruncate(fd, 0) != 0) {
      ig_status status = ig_fail_errno("write", path);
      unlink(path);
      close(fd);
      return status;
    }
    *out = fd;
    return IG_OK;
  }
}

ig_status ig_partial_open(const char *target, ig_partial *out) {
  ig_partial partial = {.path = ig_format("%s.partial", target), .target = ig_strdup(target)};
  ig_status status = IG_OK;
  IG_CHECK_DONE(partial.path && partial.target, IG_ERR_MEMORY, "%s: out of memory", __func__);
  IG_TRY_DONE(ig_open_locked(partial.path, false, &partial.fd));
  *out = partial;
  return IG_OK;
done:
  ig_free(partial.path);
  ig_free(partial.target);
  return status;
}

ig_status ig_partial_close(ig_partial *partial, ig_status status) {
  if (status == IG_OK && rename(partial->path, partial->target) != 0) {
    status = ig_fail_errno("replace", partial->target);
  }
  if (status == IG_OK) {
    status = sync_folder_of(partial->target);
  } else {
    unlink(partial->path);
  }
  close(partial->fd);
  ig_free(partial->path);
  ig_free(partial->target);
  return status;
}

ig_status ig_checkpoint_alias(const char *path, const char *alias, const ig_snapshot *snapshot) {
  char *partial = ig_format("%s.partial", alias);
  IG_CHECK_ALLOC(partial);
  ig_status status = IG_OK;
  unlink(partial); /* what a killed run left */
  if (link(path, partial) != 0) {
    status = ig_checkpoint_save(alias, snapshot);
  } else if (rename(partial, alias) != 0) {
    status = ig_fail_errno("replace", alias);
    unlink(partial);
  } else {
    unlink(partial); /* rename does nothing when both are already the same file */
    status = sync_folder_of(alias);
  }
  ig_free(partial);
  return status;
}

/* --- the rolling set ------------------------------------------------------------------------- */

char *ig_checkpoint_step_path(const char *folder, int64_t step) {
  return ig_format("%s/step-%010" PRId64 ".h5", folder, step);
}

/* The step of "step-<digits>.h5", or -1. */
static int64_t step_of(const char *name) {
  if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9') return -1;
  char *end;
  errno = 0;
  long long step = strtoll(name + 5, &end, 10);
  return errno == 0 && strcmp(end, ".h5") == 0 ? step : -1;
}

typedef struct step_file {
  int64_t step;
  char *name;
} step_file;

static int latest_first(const void *a, const void *b) {
  int64_t x = ((const step_file *)a)->step, y = ((const step_file *)b)->step;
  return (x < y) - (x > y);
}

static ig_status list_steps(const char *folder, step_file **files, int64_t *count) {
  DIR *dir = opendir(folder);
  if (!dir) return ig_fail_errno("open", folder);
  ig_status status = IG_OK;
  int64_t capacity = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    int64_t step = step_of(entry->d_name);
    if (step < 0) continue;
    void *grown = *files;
    char *name = ig_strdup(entry->d_name);
    if (!name || !ig_grow(&grown, &capacity, *count + 1, sizeof **files)) {
      ig_free(name);
      status = ig_fail(IG_ERR_MEMORY, "%s: out of memory", __func__);
      break;
    }
    *files = grown;
    (*files)[(*count)++] = (step_file){step, name};
  }
  closedir(dir);
  return status;
}

ig_status ig_checkpoint_prune(const char *folder, int keep) {
  step_file *files = NULL;
  int64_t count = 0;
  ig_status status = list_steps(folder, &files, &count);
  if (status == IG_OK && count > 0) {
    qsort(files, (size_t)count, sizeof *files, latest_first);
  }
  for (int64_t i = IG_MAX(keep, 0); i < count && status == IG_OK; i++) {
    char *path = ig_format("%s/%s", folder, files[i].name);
    if (!path) {
      status = ig_fail(IG_ERR_MEMORY, "%s: out of memory", __func__);
    } else if (unlink(path) != 0 && errno != ENOENT) {
      status = ig_fail_errno("remove", path);
    }
    ig_free(path);
  }
  for (int64_t i = 0; i < count; i++) ig_free(files[i].name);
  ig_free(files);
  return status;
}
