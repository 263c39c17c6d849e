/* safetensors files: the reader on whatever comes, and every byte that it then promises. */
#include "formats/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "seeds.h"

static unsigned touch(const ig_safetensors *set) {
  unsigned sum = 0;
  for (int64_t i = 0; i < ig_safetensors_count(set); i++) {
    const ig_safetensor *t = ig_safetensors_at(set, i);
    size_t bytes = ig_shape_bytes(&t->shape, t->dtype);
    for (size_t b = 0; b < bytes; b++) sum += ((const unsigned char *)t->data)[b];
    if (ig_safetensors_find(set, t->name) != t) abort();
  }
  return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  int fd = memfd_create("safetensors", 0);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
  ig_safetensors *set;
  ig_clear_error();
  if (ig_safetensors_open(path, &set) == IG_OK) {
    volatile unsigned sum = touch(set);
    (void)sum;
    ig_safetensors_close(set);
  } else if (!*ig_last_error()) {
    abort();
  }
  close(fd);
  return 0;
}

static void seed_header(const char *header, size_t data) {
  unsigned char bytes[1024] = {0};
  size_t length = strlen(header);
  bytes[0] = (unsigned char)length;
  bytes[1] = (unsigned char)(length >> 8);
  memcpy(bytes + 8, header, length);
  seed(bytes, 8 + length + data);
}

void make_seeds(void) {
  seed_header("{}", 0);
  seed_header("{\"__metadata__\":{\"format\":\"pt\"},"
              "\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
              "\"b\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[24,26]},"
              "\"c\":{\"dtype\":\"I64\",\"shape\":[0],\"data_offsets\":[26,26]}}   ",
              26);
  seed_header("{\"a\":{\"dtype\":\"BOOL\",\"shape\":[4],\"data_offsets\":[0,4]},"
              "\"b\":{\"dtype\":\"F8_E4M3\",\"shape\":[1,1,1],\"data_offsets\":[4,5]}}",
              5);
  seed_file("tests/formats/golden/set.safetensors");
}
