/* Tars of pictures: headers, names and places. */
#include "fuzz_dataset.h"

#include <archive.h>
#include <archive_entry.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_dataset(data, size, NULL);
  return 0;
}

static void seed_tar(int format, const char *first, const char *second) {
  static const unsigned char picture[] = {
      0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48,
      0x44, 0x52, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00,
      0x00, 0x90, 0x77, 0x53, 0xde, 0x00, 0x00, 0x00, 0x0c, 0x49, 0x44, 0x41, 0x54, 0x78,
      0x9c, 0x63, 0x60, 0x60, 0x60, 0x00, 0x00, 0x00, 0x04, 0x00, 0x01, 0xf6, 0x17, 0x38,
      0x55, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
  static unsigned char tar[1 << 16];
  size_t used = 0;
  struct archive *archive = archive_write_new();
  archive_write_set_format(archive, format);
  archive_write_set_bytes_in_last_block(archive, 1);
  if (archive_write_open_memory(archive, tar, sizeof tar, &used) != ARCHIVE_OK) abort();
  for (int i = 0; i < 2; i++) {
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, i ? second : first);
    archive_entry_set_size(entry, sizeof picture);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_write_header(archive, entry);
    archive_write_data(archive, picture, sizeof picture);
    archive_entry_free(entry);
  }
  archive_write_free(archive);
  seed(tar, used);
}

void make_seeds(void) {
  static const char deep[] =
      "a/very/long/path/of/more/than/one/hundred/characters/which/an/old/tar/"
      "cannot/keep/in/its/header/so/that/it/needs/another/class/1.png";
  seed_tar(ARCHIVE_FORMAT_TAR_USTAR, "train/a/1.png", "train/b/1.png");
  seed_tar(ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, deep, "1.jpeg");
  seed_tar(ARCHIVE_FORMAT_TAR_GNUTAR, deep, "train/a/2.png");
}
