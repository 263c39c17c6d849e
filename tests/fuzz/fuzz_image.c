/* JPEG and PNG pictures, one at a time. */
#include "formats/image.h"

#include <stdio.h>
#include <stdlib.h>

#include "seeds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ig_image_decoder decoder = {0};
  ig_image_size head, image;
  const unsigned char *pixels;
  ig_status status = ig_image_header(&decoder, "fuzz", data, size, &head);
  /* Large pictures are allowed, but take the fuzzer's time. */
  if (status == IG_OK && head.height * head.width <= 1 << 20) {
    status = ig_image_decode(&decoder, "fuzz", data, size, size % 2 ? 3 : 1, &image, &pixels);
    if (status == IG_OK) ig_image_resize(&decoder, pixels, &image, 5, 7, &pixels);
  }
  if (status != IG_OK && !*ig_last_error()) abort();
  ig_image_decoder_release(&decoder);
  return 0;
}

void make_seeds(void) {
  static const char *const names[] = {"rgb.png",     "grey.png", "rgba.png", "palette.png",
                                      "deep.png",    "rgb.jpg",  "grey.jpg"};
  char path[128];
  for (int i = 0; i < IG_COUNT(names); i++) {
    snprintf(path, sizeof path, "tests/formats/golden/%s", names[i]);
    seed_file(path);
  }
}
