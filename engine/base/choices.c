/* Choices in memory, in the order in which they were made, and the file that holds the same. The file
 * is written whole under another name and then renamed, so that a reader never sees a part of it. */
#include "engine/base/choices.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/memory.h"

#define MOST_CHOICES 65536
#define LINE_TEXT 1024

typedef struct choice {
  char *key, *value; /* one block, owned by key */
} choice;

struct ig_choices {
  char *path; /* NULL where there is no cache folder */
  choice *rows;
  int64_t count, capacity;
};

/* $XDG_CACHE_HOME/ingot or ~/.cache/ingot, made if need be; NULL where neither can be. */
static char *cache_folder(void) {
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  char *parent = cache && *cache == '/' ? ig_strdup(cache)
                 : home && *home == '/' ? ig_format("%s/.cache", home)
                                        : NULL;
  if (!parent) return NULL;
  char *folder = ig_format("%s/ingot", parent);
  bool made = folder && (mkdir(parent, 0700) == 0 || errno == EEXIST) &&
              (mkdir(folder, 0700) == 0 || errno == EEXIST);
  ig_free(parent);
  if (made) return folder;
  ig_free(folder);
  return NULL;
}

static bool is_plain(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.';
}

static char *path_of(const char *name) {
  char *folder = cache_folder();
  char *path = folder ? ig_format("%s/%s", folder, name) : NULL;
  for (char *c = path ? path + strlen(folder) + 1 : NULL; c && *c; c++) {
    if (!is_plain(*c)) *c = '-';
  }
  ig_free(folder);
  return path;
}

static void remember(ig_choices *c, const char *key, const char *value) {
  size_t length = strlen(key);
  if (c->count >= MOST_CHOICES || length + strlen(value) + 3 > LINE_TEXT ||
      !ig_grow((void **)&c->rows, &c->capacity, c->count + 1, sizeof *c->rows)) {
    return;
  }
  char *text = ig_format("%s %s", key, value);
  if (!text) return;
  text[length] = 0;
  c->rows[c->count++] = (choice){.key = text, .value = text + length + 1};
}

static void read_line(ig_choices *c, char *line) {
  char *end = strchr(line, '\n'), *value = strchr(line, ' ');
  if (!end || !value || value == line || end == value + 1) return;
  *end = 0;
  *value = 0;
  remember(c, line, value + 1);
}

ig_choices *ig_choices_open(const char *name) {
  char line[LINE_TEXT];
  ig_choices *c = ig_alloc_zero(1, sizeof *c);
  if (!c) return NULL;
  c->path = path_of(name);
  FILE *file = c->path ? fopen(c->path, "r") : NULL;
  while (file && fgets(line, sizeof line, file)) read_line(c, line);
  if (file) fclose(file);
  return c;
}

void ig_choices_close(ig_choices *c) {
  if (!c) return;
  for (int64_t i = 0; i < c->count; i++) ig_free(c->rows[i].key);
  ig_free(c->rows);
  ig_free(c->path);
  ig_free(c);
}

const char *ig_choices_find(const ig_choices *c, const char *key) {
  for (int64_t i = c->count - 1; i >= 0; i--) {
    if (strcmp(c->rows[i].key, key) == 0) return c->rows[i].value;
  }
  return NULL;
}

static void write_file(const ig_choices *c) {
  char *draft = c->path ? ig_format("%s.%ld", c->path, (long)getpid()) : NULL;
  FILE *file = draft ? fopen(draft, "w") : NULL;
  bool whole = file != NULL;
  for (int64_t i = 0; file && i < c->count; i++) {
    whole = fprintf(file, "%s %s\n", c->rows[i].key, c->rows[i].value) > 0 && whole;
  }
  if (file) whole = fclose(file) == 0 && whole;
  if (file && (!whole || rename(draft, c->path) != 0)) unlink(draft);
  ig_free(draft);
}

void ig_choices_keep(ig_choices *c, const char *key, const char *value) {
  remember(c, key, value);
  write_file(c);
}
