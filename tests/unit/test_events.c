/* TensorBoard event files, read back by a decoder written from the format's description (TFRecord
 * framing; protocol buffers' wire format), with a checksum of its own by table.
 *
 * tensorboard 2.21.0 itself read the file that this program leaves when it is called with a folder
 * (2026-11-24):
 *   a = EventAccumulator(FOLDER); a.Reload(); a.Scalars(tag); a.Tensors(tag)
 *   train/loss   [(1, 2.5), (300, 0.10000000149011612)]
 *   val/accuracy [(1099511627776, nan)]
 *   config       [(0, '| a | b |\n|---|---|\n| lr | 0.1 |')]
 */
#include "scratch.h"

#include <math.h>
#include <time.h>

#include "lifecycle/events.h"

/* --- the decoder ----------------------------------------------------------------------------- */

static uint32_t crc_table[256];

static void make_table(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = c & 1 ? 0x82f63b78u ^ (c >> 1) : c >> 1;
    crc_table[i] = c;
  }
}

static uint32_t masked(const unsigned char *bytes, size_t size) {
  uint32_t c = 0xffffffffu;
  for (size_t i = 0; i < size; i++) c = crc_table[(c ^ bytes[i]) & 0xff] ^ (c >> 8);
  c ^= 0xffffffffu;
  return (c >> 15 | c << 17) + 0xa282ead8u;
}

/* A field of a message: its number, and its bytes or its number. */
typedef struct field {
  unsigned number, wire;
  uint64_t value;
  const unsigned char *bytes;
  size_t size;
} field;

typedef struct span {
  const unsigned char *at, *end;
} span;

static uint64_t varint(span *s) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    assert_true(s->at < s->end);
    unsigned char byte = *s->at++;
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  fail_msg("a varint of more than ten bytes");
  return 0;
}

static bool next(span *s, field *f) {
  if (s->at == s->end) return false;
  uint64_t key = varint(s);
  *f = (field){.number = (unsigned)(key >> 3), .wire = key & 7};
  switch (f->wire) {
  case 0: f->value = varint(s); return true;
  case 1: f->size = 8; break;
  case 2: f->size = varint(s); break;
  case 5: f->size = 4; break;
  default: fail_msg("wire type %u", f->wire);
  }
  assert_true(f->size <= (size_t)(s->end - s->at));
  f->bytes = s->at;
  s->at += f->size;
  if (f->wire != 2) memcpy(&f->value, f->bytes, f->size);
  return true;
}

/* The only field of that number in a message; fails when there is none. */
static field get(span message, unsigned number) {
  field f, found = {0};
  while (next(&message, &f)) {
    if (f.number != number) continue;
    assert_int_equal(found.number, 0);
    found = f;
  }
  assert_int_equal(found.number, number);
  return found;
}

static bool has(span message, unsigned number) {
  field f;
  while (next(&message, &f)) {
    if (f.number == number) return true;
  }
  return false;
}

static span inner(field f) {
  assert_int_equal(f.wire, 2);
  return (span){f.bytes, f.bytes + f.size};
}

static void is_text(field f, const char *want) {
  assert_int_equal(f.wire, 2);
  assert_int_equal(f.size, strlen(want));
  assert_memory_equal(f.bytes, want, f.size);
}

/* The next record's payload. */
static span record(span *file) {
  uint64_t length;
  uint32_t crc;
  assert_true(file->end - file->at >= 12);
  memcpy(&length, file->at, 8);
  memcpy(&crc, file->at + 8, 4);
  assert_int_equal(crc, masked(file->at, 8));
  file->at += 12;
  assert_true((uint64_t)(file->end - file->at) >= length + 4);
  span payload = {file->at, file->at + length};
  memcpy(&crc, payload.end, 4);
  assert_int_equal(crc, masked(payload.at, length));
  file->at = payload.end + 4;
  return payload;
}

static double time_of(span event) {
  field f = get(event, 1);
  assert_int_equal(f.wire, 1);
  double seconds;
  memcpy(&seconds, f.bytes, 8);
  return seconds;
}

/* --- tests ----------------------------------------------------------------------------------- */

static unsigned char *only_file(const char *folder, size_t *size) {
  char path[2 * SCRATCH_PATH] = "";
  DIR *dir = opendir(folder);
  assert_non_null(dir);
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    if (strncmp(entry->d_name, "events.out.tfevents.", 20) != 0) continue;
    assert_string_equal(path, "");
    assert_true(snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path);
  }
  closedir(dir);
  return scratch_read(path, size);
}

static void write_sample(const char *folder, int64_t first_step) {
  ig_events *events;
  assert_int_equal(ig_events_create(folder, first_step, &events), IG_OK);
  assert_int_equal(ig_events_scalar(events, "train/loss", first_step + 1, 2.5), IG_OK);
  assert_int_equal(ig_events_scalar(events, "train/loss", first_step + 300, 0.1), IG_OK);
  assert_int_equal(ig_events_scalar(events, "val/accuracy", (int64_t)1 << 40, NAN), IG_OK);
  assert_int_equal(ig_events_text(events, "config", 0, "| a | b |\n|---|---|\n| lr | 0.1 |"),
                   IG_OK);
  assert_int_equal(ig_events_close(events), IG_OK);
}

static void is_scalar(span event, const char *tag, uint64_t step, float want) {
  assert_int_equal(get(event, 2).value, step);
  span value = inner(get(inner(get(event, 5)), 1));
  is_text(get(value, 1), tag);
  field number = get(value, 2);
  assert_int_equal(number.wire, 5);
  float found;
  memcpy(&found, number.bytes, 4);
  if (isnan(want)) {
    assert_true(isnan(found));
  } else {
    assert_true(found == want);
  }
}

static void every_record_decodes(void **state) {
  (void)state;
  scratch dir = scratch_make();
  double before = (double)time(NULL) - 1;
  write_sample(dir.folder, 0);
  size_t size;
  unsigned char *bytes = only_file(dir.folder, &size);
  span file = {bytes, bytes + size};
  span event = record(&file);
  is_text(get(event, 3), "brain.Event:2");
  assert_true(time_of(event) > before && time_of(event) < before + 60);
  is_scalar(record(&file), "train/loss", 1, 2.5f);
  is_scalar(record(&file), "train/loss", 300, 0.1f);
  is_scalar(record(&file), "val/accuracy", (uint64_t)1 << 40, NAN);
  event = record(&file);
  assert_false(has(event, 2)); /* step 0 is the default */
  span value = inner(get(inner(get(event, 5)), 1));
  is_text(get(value, 1), "config");
  span metadata = inner(get(value, 9));
  is_text(get(inner(get(metadata, 1)), 1), "text");
  assert_int_equal(get(metadata, 4).value, 2);
  span tensor = inner(get(value, 8));
  assert_int_equal(get(tensor, 1).value, 7);
  assert_int_equal(get(tensor, 2).size, 0);
  is_text(get(tensor, 8), "| a | b |\n|---|---|\n| lr | 0.1 |");
  assert_ptr_equal(file.at, file.end);
  free(bytes);
  scratch_remove(&dir);
}

static void a_resumed_run_says_so(void **state) {
  (void)state;
  scratch dir = scratch_make();
  write_sample(dir.folder, 500);
  size_t size;
  unsigned char *bytes = only_file(dir.folder, &size);
  span file = {bytes, bytes + size};
  record(&file);
  span event = record(&file);
  assert_int_equal(get(event, 2).value, 500);
  assert_int_equal(get(inner(get(event, 7)), 1).value, 1);
  is_scalar(record(&file), "train/loss", 501, 2.5f);
  free(bytes);
  scratch_remove(&dir);
}

static void many_and_large(void **state) {
  (void)state;
  scratch dir = scratch_make();
  ig_events *events;
  assert_int_equal(ig_events_create(dir.folder, 0, &events), IG_OK);
  size_t length = 200000; /* beyond the buffer, with a length of three varint bytes */
  char *text = malloc(length + 1);
  memset(text, 'x', length);
  text[length] = '\0';
  for (int64_t step = 1; step <= 5000; step++) {
    assert_int_equal(ig_events_scalar(events, "a", step, (double)step), IG_OK);
    if (step == 2500) assert_int_equal(ig_events_text(events, "t", step, text), IG_OK);
  }
  assert_int_equal(ig_events_flush(events), IG_OK);
  size_t size;
  unsigned char *bytes = only_file(dir.folder, &size);
  span file = {bytes, bytes + size};
  record(&file);
  for (uint64_t step = 1; step <= 5000; step++) {
    is_scalar(record(&file), "a", step, (float)step);
    if (step == 2500) {
      span value = inner(get(inner(get(record(&file), 5)), 1));
      assert_int_equal(get(inner(get(value, 8)), 8).size, length);
    }
  }
  assert_ptr_equal(file.at, file.end);
  assert_int_equal(ig_events_close(events), IG_OK);
  free(text);
  free(bytes);
  scratch_remove(&dir);
}

/* RFC 3720, appendix B.4, and the customary check value. */
static void crc_vectors(void **state) {
  (void)state;
  unsigned char bytes[32] = {0};
  assert_int_equal(ig_crc32c("123456789", 9), 0xe3069283u);
  assert_int_equal(ig_crc32c(bytes, 32), 0x8a9136aau);
  memset(bytes, 0xff, 32);
  assert_int_equal(ig_crc32c(bytes, 32), 0x62a8ab43u);
  for (int i = 0; i < 32; i++) bytes[i] = (unsigned char)i;
  assert_int_equal(ig_crc32c(bytes, 32), 0x46dd794eu);
}

static void a_folder_that_is_not_there(void **state) {
  (void)state;
  ig_events *events;
  assert_int_equal(ig_events_create("/nonexistent/run", 0, &events), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "/nonexistent/run"));
}

int main(int argc, char **argv) {
  make_table();
  if (argc == 2) {
    write_sample(argv[1], 0);
    return 0;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_record_decodes),
      cmocka_unit_test(a_resumed_run_says_so),
      cmocka_unit_test(many_and_large),
      cmocka_unit_test(crc_vectors),
      cmocka_unit_test(a_folder_that_is_not_there),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
