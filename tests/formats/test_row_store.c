/* The spool and the cache of results: what was written is there and nothing else is, whatever is damaged. */
#include <fcntl.h>

#include "engine/base/memory.h"
#include "formats/row_cache.h"
#include "formats/row_spool.h"
#include "scratch.h"

enum { ROWS = 23, BATCH = 5, BATCHES = 5, RECORD = 7 };

static scratch folder;
static char out[2 * SCRATCH_PATH];
static const ig_row_spool_info info = {
    .identity = "model: 1\nbatch: 5\n", .rows = ROWS, .batch = BATCH, .record = RECORD};

static int make_folder(void **state) {
  (void)state;
  folder = scratch_make();
  snprintf(out, sizeof out, "%s", scratch_path(&folder, "out.csv"));
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  scratch_remove(&folder);
  return 0;
}

static void records_of(int64_t batch, char records[BATCH * RECORD]) {
  for (int i = 0; i < BATCH * RECORD; i++) records[i] = (char)(batch * 31 + i * 7 + 1);
}

static void flip(const char *path, long at) {
  FILE *file = fopen(path, "r+b");
  assert_non_null(file);
  fseek(file, at, SEEK_SET);
  int byte = fgetc(file);
  assert_true(byte != EOF);
  fseek(file, at, SEEK_SET);
  fputc(byte ^ 16, file);
  fclose(file);
}

static void spool_keeps_batches(void **state) {
  (void)state;
  ig_row_spool *spool;
  char records[BATCH * RECORD], back[BATCH * RECORD];
  uint8_t done[BATCHES];
  int64_t count;
  assert_int_equal(ig_row_spool_create(out, &info, &spool), IG_OK);
  assert_int_equal(ig_row_spool_find(spool, done, &count), IG_OK);
  assert_int_equal(count, 0);
  ig_row_spool *other; /* another run */
  assert_int_equal(ig_row_spool_open(out, &info, true, &other), IG_ERR_USAGE);
  assert_non_null(strstr(ig_last_error(), "another process"));
  assert_int_equal(ig_row_spool_open(out, &info, false, &other), IG_OK); /* another rank */
  for (int64_t b = BATCHES - 1; b >= 0; b -= 2) { /* 4, 2, 0: the last is short */
    records_of(b, records);
    assert_int_equal(ig_row_spool_write(b == 2 ? other : spool, b, records), IG_OK);
  }
  ig_row_spool_close(other, false);
  ig_row_spool_close(spool, false);
  char *identity;
  assert_int_equal(ig_row_spool_identity(out, &identity), IG_OK);
  assert_string_equal(identity, info.identity);
  ig_free(identity);
  assert_int_equal(ig_row_spool_open(out, &info, true, &spool), IG_OK);
  assert_int_equal(ig_row_spool_find(spool, done, &count), IG_OK);
  assert_int_equal(count, 3);
  assert_memory_equal(done, ((uint8_t[]){1, 0, 1, 0, 1}), BATCHES);
  records_of(2, records);
  assert_int_equal(ig_row_spool_read(spool, 2 * BATCH, BATCH, back), IG_OK);
  assert_memory_equal(back, records, sizeof back);
  ig_row_spool_close(spool, false);
}

static void spool_passes_over_what_is_damaged(void **state) {
  (void)state;
  ig_row_spool *spool;
  uint8_t done[BATCHES];
  int64_t count;
  char path[3 * SCRATCH_PATH];
  snprintf(path, sizeof path, "%s.resume", out);
  flip(path, 65536 + BATCHES * 8 + 2 * BATCH * RECORD + 3); /* a byte of batch 2 */
  assert_int_equal(ig_row_spool_open(out, &info, true, &spool), IG_OK);
  assert_int_equal(ig_row_spool_find(spool, done, &count), IG_OK);
  assert_memory_equal(done, ((uint8_t[]){1, 0, 0, 0, 1}), BATCHES);
  ig_row_spool_close(spool, false);
  assert_int_equal(truncate(path, 65536 + BATCHES * 8 + BATCH * RECORD - 1), 0);
  assert_int_equal(ig_row_spool_open(out, &info, true, &spool), IG_OK);
  assert_int_equal(ig_row_spool_find(spool, done, &count), IG_OK);
  assert_int_equal(count, 0);
  ig_row_spool_close(spool, false);
}

static void spool_of_another_run_is_refused(void **state) {
  (void)state;
  ig_row_spool *spool;
  ig_row_spool_info other = info;
  char *identity, path[3 * SCRATCH_PATH];
  other.identity = "model: 1\nbatch: 6\n";
  assert_int_equal(ig_row_spool_open(out, &other, true, &spool), IG_ERR_USAGE);
  assert_non_null(strstr(ig_last_error(), "begun with batch: 5, this run has batch: 6"));
  snprintf(path, sizeof path, "%s.resume", out);
  flip(path, 40);
  assert_int_equal(ig_row_spool_identity(out, &identity), IG_ERR_INPUT);
  scratch_write(path, "", 0); /* killed as it was made */
  assert_int_equal(ig_row_spool_identity(out, &identity), IG_OK);
  assert_null(identity);
  unlink(path);
  assert_int_equal(ig_row_spool_identity(out, &identity), IG_OK);
  assert_null(identity);
}

/* --- the cache --------------------------------------------------------------------------------- */

static bool known(const ig_row_cache *cache, int row, char record[RECORD]) {
  const char input[9] = {(char)row, (char)(row >> 8), 3};
  return ig_row_cache_find(cache, 2, (const void *[]){input, "fixed"}, (size_t[]){9, 5}, record);
}

static void keep(ig_row_cache *cache, int row) {
  const char input[9] = {(char)row, (char)(row >> 8), 3};
  char record[RECORD];
  memset(record, row * 5 + 1, RECORD);
  ig_row_cache_keep(cache, 2, (const void *[]){input, "fixed"}, (size_t[]){9, 5}, record);
}

static void cache_answers_rows(void **state) {
  (void)state;
  const char *path = scratch_path(&folder, "cache");
  char record[RECORD];
  ig_row_cache *cache, *other;
  assert_int_equal(ig_row_cache_open(path, "model a", RECORD, 1 << 16, &cache), IG_OK);
  assert_false(known(cache, 1, record));
  for (int row = 0; row < 200; row++) keep(cache, row);
  ig_row_cache_close(cache);
  assert_int_equal(ig_row_cache_open(path, "model a", RECORD, 1 << 16, &cache), IG_OK);
  for (int row = 0; row < 200; row++) {
    assert_true(known(cache, row, record));
    for (int i = 0; i < RECORD; i++) assert_int_equal((unsigned char)record[i], (row * 5 + 1) & 255);
  }
  assert_false(known(cache, 200, record));
  /* Another model's results are not this one's. */
  assert_int_equal(ig_row_cache_open(path, "model b", RECORD, 1 << 16, &other), IG_OK);
  for (int row = 0; row < 200; row++) assert_false(known(other, row, record));
  keep(other, 3);
  assert_true(known(other, 3, record) && known(cache, 3, record));
  ig_row_cache_close(other);
  assert_int_equal(ig_row_cache_open(path, "model c", RECORD + 1, 1 << 16, &other), IG_ERR_INPUT);
  assert_int_equal(ig_row_cache_lost(cache), 0);
  ig_row_cache_close(cache);
}

static void cache_is_bounded(void **state) {
  (void)state;
  char path[2 * SCRATCH_PATH], record[RECORD];
  struct stat file;
  ig_row_cache *cache;
  snprintf(path, sizeof path, "%s", scratch_path(&folder, "small"));
  assert_int_equal(ig_row_cache_open(path, "m", RECORD, 8192, &cache), IG_OK);
  int found = 0;
  for (int row = 0; row < 5000; row++) keep(cache, row);
  for (int row = 0; row < 5000; row++) found += known(cache, row, record);
  assert_in_range(found, 50, 8192 / 32);
  assert_int_equal(stat(path, &file), 0);
  assert_true(file.st_size <= 8192);
  ig_row_cache_close(cache);
  assert_int_equal(ig_row_cache_open(scratch_path(&folder, "tiny"), "m", RECORD, 4096, &cache),
                   IG_ERR_USAGE);
}

/* Each byte of a place in turn: its row is not known any more, and no row gets another answer. */
static void damaged_places_are_empty(void **state) {
  (void)state;
  char path[2 * SCRATCH_PATH], record[RECORD];
  snprintf(path, sizeof path, "%s", scratch_path(&folder, "one"));
  ig_row_cache *cache;
  size_t size;
  assert_int_equal(ig_row_cache_open(path, "m", RECORD, 4096 + 4 * 32, &cache), IG_OK);
  keep(cache, 9);
  free(scratch_read(path, &size));
  assert_int_equal(size, 4096 + 32);
  for (long at = 4096; at < 4096 + 24 + RECORD; at++) {
    flip(path, at);
    assert_false(known(cache, 9, record));
    flip(path, at);
    assert_true(known(cache, 9, record));
  }
  ig_row_cache_close(cache);
  for (long at = 0; at < 40; at++) {
    flip(path, at);
    assert_int_equal(ig_row_cache_open(path, "m", RECORD, 8192, &cache), IG_ERR_INPUT);
    flip(path, at);
  }
  scratch_write(path, "short", 5);
  assert_int_equal(ig_row_cache_open(path, "m", RECORD, 8192, &cache), IG_ERR_INPUT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(spool_keeps_batches),
      cmocka_unit_test(spool_passes_over_what_is_damaged),
      cmocka_unit_test(spool_of_another_run_is_refused),
      cmocka_unit_test(cache_answers_rows),
      cmocka_unit_test(cache_is_bounded),
      cmocka_unit_test(damaged_places_are_empty),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
