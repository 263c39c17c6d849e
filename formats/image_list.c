/* The pictures of a folder or tar, sorted by name so that both give the same samples in the same
 * order. A tar is listed once, noting where each member's bytes lie; they are read later straight
 * from the file, so it can be larger than memory. */
#include "formats/image.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "engine/base/checked.h"

#define MAX_DEPTH 8
#define MAX_PICTURE_BYTES ((int64_t)256 << 20)

/* By its ending: other files (READMEs, thumbnails' databases) may lie beside the pictures. Hidden
 * files are not pictures: macOS leaves "._x.jpg" beside x.jpg. */
static bool is_picture(const char *path) {
  const char *name = strrchr(path, '/');
  name = name ? name + 1 : path;
  const char *dot = strrchr(name, '.');
  return name[0] != '.' && dot &&
         (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0 ||
          strcasecmp(dot, ".png") == 0);
}

/* `part` is one of the folders in `path`. */
static bool lies_in_part(const char *path, const char *part) {
  size_t length = strlen(part);
  for (const char *at = path; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL) {
    if (strncmp(at, part, length) == 0 && at[length] == '/') return true;
  }
  return false;
}

static ig_status add(const ig_source *source, ig_image_list *list, const char *name,
                     int64_t offset, int64_t size) {
  if (source->part && !lies_in_part(name, source->part)) return IG_OK;
  IG_CHECK(size >= 1 && size <= MAX_PICTURE_BYTES, IG_ERR_INPUT,
           "%s: %s has %lld bytes; expected a picture of 1 to %lld", source->spec, name,
           (long long)size, (long long)MAX_PICTURE_BYTES);
  char *copy = ig_arena_strdup(list->arena, name);
  IG_CHECK(copy && ig_grow((void **)&list->entries, &list->capacity, list->count + 1,
                           sizeof *list->entries),
           IG_ERR_MEMORY, "%s: no memory for the list of pictures", source->spec);
  list->entries[list->count++] = (ig_image_entry){.name = copy, .offset = offset, .size = size};
  return IG_OK;
}

static int compare_entries(const void *a, const void *b) {
  return strcmp(((const ig_image_entry *)a)->name, ((const ig_image_entry *)b)->name);
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The length of "a/b" in "a/b/class/x.jpg", and of "class". */
static void cut_name(const char *name, size_t *prefix, size_t *class) {
  const char *file = strrchr(name, '/');
  const char *folder = file;
  while (folder && folder > name && folder[-1] != '/') folder--;
  *prefix = folder ? (size_t)(folder - name) : 0;
  *class = file ? (size_t)(file - folder) : 0;
}

/* Pictures are all in class folders side by side, or all in none. */
static ig_status check_folders(const ig_source *source, const ig_image_list *list) {
  size_t prefix, class, first_prefix, first_class;
  const char *first = list->entries[0].name;
  cut_name(first, &first_prefix, &first_class);
  for (int64_t i = 1; i < list->count; i++) {
    const char *name = list->entries[i].name;
    cut_name(name, &prefix, &class);
    IG_CHECK((class > 0) == (first_class > 0), IG_ERR_INPUT,
             "%s: '%s' is in a class's folder and '%s' is not", source->spec,
             class > 0 ? name : first, class > 0 ? first : name);
    IG_CHECK(prefix == first_prefix && strncmp(name, first, prefix) == 0, IG_ERR_INPUT,
             "%s: the folders of '%s' and '%s' are not side by side; name a part, such as %s:train",
             source->spec, first, name, source->spec);
  }
  return IG_OK;
}

static ig_status set_classes(const ig_source *source, ig_image_list *list) {
  const char **names = ig_alloc_zero((size_t)list->count, sizeof *names);
  IG_CHECK_ALLOC(names);
  ig_status status = IG_OK;
  int64_t n = 0;
  size_t prefix, length;
  for (int64_t i = 0; i < list->count; i++) { /* sorted: a class's pictures follow one another */
    cut_name(list->entries[i].name, &prefix, &length);
    const char *class = list->entries[i].name + prefix;
    bool again = n && strncmp(names[n - 1], class, length) == 0 && names[n - 1][length] == '\0';
    if (!again) {
      names[n] = ig_arena_format(list->arena, "%.*s", (int)length, class);
      IG_CHECK_DONE(names[n], IG_ERR_MEMORY, "%s: no memory for classes", source->spec);
      n++;
    }
    list->entries[i].class = (int32_t)(n - 1);
  }
  /* "a-b/" sorts before "a/" as part of a path and after it as a name: order by name. */
  list->classes = ig_arena_copy(list->arena, names, (size_t)n * sizeof *names);
  IG_CHECK_DONE(list->classes, IG_ERR_MEMORY, "%s: no memory for classes", source->spec);
  list->n_classes = n;
  qsort(list->classes, (size_t)n, sizeof *names, compare_names);
  for (int64_t i = 0; i < list->count; i++) {
    const char **at = bsearch(&names[list->entries[i].class], list->classes, (size_t)n,
                              sizeof *names, compare_names);
    list->entries[i].class = (int32_t)(at - list->classes);
  }
done:
  ig_free(names);
  return status;
}

static ig_status finish(const ig_source *source, ig_image_list *list) {
  IG_CHECK(list->count > 0, IG_ERR_INPUT, "%s: holds no pictures (*.jpg *.jpeg *.png)%s%s",
           source->spec, source->part ? " in a folder " : "", source->part ? source->part : "");
  qsort(list->entries, (size_t)list->count, sizeof *list->entries, compare_entries);
  IG_TRY(check_folders(source, list));
  size_t prefix, class;
  cut_name(list->entries[0].name, &prefix, &class);
  return class ? set_classes(source, list) : IG_OK;
}

/* ---- folders ---- */

/* Walks down; `name` is the path below the source, "" at its top. */
static ig_status walk(const ig_source *source, ig_image_list *list, const char *name, int depth) {
  char path[4096];
  int n = snprintf(path, sizeof path, "%s%s%s", source->path, *name ? "/" : "", name);
  IG_CHECK(n < (int)sizeof path && depth < MAX_DEPTH, IG_ERR_INPUT,
           "%s: folders are nested deeper than %d, or names are too long", source->spec, MAX_DEPTH);
  DIR *dir = opendir(path);
  if (!dir) return ig_fail_errno("list", path);
  ig_status status = IG_OK;
  for (struct dirent *entry; status == IG_OK && (entry = readdir(dir));) {
    if (entry->d_name[0] == '.') continue;
    char *below = ig_format("%s%s%s", name, *name ? "/" : "", entry->d_name);
    char *full = ig_format("%s/%s", path, entry->d_name);
    struct stat info;
    if (!below || !full) {
      status = ig_fail(IG_ERR_MEMORY, "%s: out of memory", source->spec);
    } else if (stat(full, &info) != 0) {
      status = is_picture(full) ? ig_fail_errno("look up", full) : IG_OK;
    } else if (S_ISDIR(info.st_mode)) {
      status = walk(source, list, below, depth + 1);
    } else if (S_ISREG(info.st_mode) && is_picture(below)) {
      uint64_t facts[3] = {XXH3_64bits(below, strlen(below)), (uint64_t)info.st_size,
                           (uint64_t)info.st_mtim.tv_sec};
      list->digest += XXH3_64bits(facts, sizeof facts); /* a sum: the folder's order is chance */
      status = add(source, list, below, 0, info.st_size);
    }
    ig_free(below);
    ig_free(full);
  }
  closedir(dir);
  return status;
}

ig_status ig_image_list_folder(const ig_source *source, ig_image_list *list) {
  *list = (ig_image_list){.arena = ig_arena_create()};
  IG_CHECK_ALLOC(list->arena);
  ig_status status = walk(source, list, "", 0);
  if (status == IG_OK) status = finish(source, list);
  if (status != IG_OK) ig_image_list_release(list);
  return status;
}

void ig_image_list_release(ig_image_list *list) {
  ig_free(list->entries);
  ig_arena_destroy(list->arena);
  *list = (ig_image_list){0};
}

static int has_picture(const char *path, int depth) {
  DIR *dir = opendir(path);
  int found = 0;
  if (!dir) return errno == ENOMEM ? -1 : 0;
  for (struct dirent *entry; !found && (entry = readdir(dir));) {
    if (entry->d_name[0] == '.') continue;
    found = is_picture(entry->d_name);
    if (found || depth == 0 || entry->d_type == DT_REG) continue;
    char *full = ig_format("%s/%s", path, entry->d_name);
    found = full ? has_picture(full, depth - 1) : -1;
    ig_free(full);
  }
  closedir(dir);
  return found;
}

int ig_image_folder_looks_so(const char *path) { return has_picture(path, 2); }

/* ---- tars ---- */

static bool is_zero(const unsigned char *bytes, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (bytes[i]) return false;
  }
  return true;
}

/* Where the current member's bytes lie. libarchive hands out pointers into the memory it reads
 * from, so the first block says it, without a second reader of tar headers. */
static ig_status locate(const ig_source *source, struct archive *archive, const char *name,
                        int64_t size, const ig_bytes *tar, int64_t *offset) {
  const void *block;
  size_t length;
  la_int64_t at;
  int code = archive_read_data_block(archive, &block, &length, &at);
  const unsigned char *data = block;
  IG_CHECK(code == ARCHIVE_OK && at == 0 && length == (size_t)size && data >= tar->data &&
               ig_range_within((uint64_t)(data - tar->data), length, tar->size),
           IG_ERR_INPUT, "%s: %s: expected %lld bytes in one piece; the tar is damaged or sparse",
           source->spec, name, (long long)size);
  *offset = data - tar->data;
  return IG_OK;
}

static ig_status list_members(const ig_source *source, struct archive *archive,
                              const ig_bytes *tar, ig_image_list *list) {
  for (;;) {
    struct archive_entry *entry;
    int code = archive_read_next_header(archive, &entry);
    if (code == ARCHIVE_EOF) return IG_OK;
    if (code != ARCHIVE_OK) {
      const char *why = archive_error_string(archive);
      return ig_fail(IG_ERR_INPUT, "%s: after %lld pictures: damaged tar: %s", source->spec,
                     (long long)list->count, why ? why : "unreadable header");
    }
    const char *name = archive_entry_pathname(entry);
    if (!name || archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry)) {
      continue;
    }
    while (strncmp(name, "./", 2) == 0) name += 2;
    if (!is_picture(name)) continue;
    int64_t size = archive_entry_size(entry), offset = 0;
    if (size > 0) IG_TRY(locate(source, archive, name, size, tar, &offset));
    IG_TRY(add(source, list, name, offset, size));
  }
}

static ig_status open_tar(const ig_source *source, const ig_bytes *tar, ig_image_list *list) {
  IG_CHECK(tar->size % 512 == 0 && tar->size >= 512 &&
               is_zero(tar->data + tar->size - 512, 512),
           IG_ERR_INPUT,
           "%s: the tar is cut short: expected blocks of 512 bytes and zeros at the end, found %zu "
           "bytes",
           source->spec, tar->size);
  IG_CHECK(ig_memory_headroom(IG_ARCHIVE_HEADROOM), IG_ERR_MEMORY, "%s: out of memory",
           source->spec);
  struct archive *archive = archive_read_new();
  IG_CHECK_ALLOC(archive);
  ig_status status = IG_OK;
  if (archive_read_support_format_tar(archive) != ARCHIVE_OK ||
      archive_read_open_memory(archive, tar->data, tar->size) != ARCHIVE_OK) {
    const char *why = archive_error_string(archive);
    status = ig_fail(IG_ERR_INPUT, "%s: cannot read the tar: %s", source->spec, why ? why : "");
  }
  if (status == IG_OK) status = list_members(source, archive, tar, list);
  archive_read_free(archive);
  return status;
}

ig_status ig_image_list_tar(const ig_source *source, ig_image_list *list) {
  ig_bytes tar;
  IG_TRY(ig_bytes_map(source->path, &tar));
  *list = (ig_image_list){.arena = ig_arena_create(), .digest = ig_source_digest(source)};
  ig_status status = list->arena ? IG_OK : ig_fail(IG_ERR_MEMORY, "%s: out of memory", __func__);
  if (status == IG_OK) status = open_tar(source, &tar, list);
  ig_bytes_release(&tar);
  if (status == IG_OK) status = finish(source, list);
  if (status != IG_OK) ig_image_list_release(list);
  return status;
}
