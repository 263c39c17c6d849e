/* Base64 (RFC 4648, section 4) for bytes inside JSON and HTML. */
#ifndef IG_BASE_BASE64_H
#define IG_BASE_BASE64_H

#include "engine/base/status.h"

/* Characters of `size` encoded bytes, without the terminating zero; false on overflow. */
bool ig_base64_length(size_t size, size_t *out);
/* Writes the characters and a terminating zero into `text`. */
void ig_base64_encode(const void *bytes, size_t size, char *text);
/* Decodes exactly `size` bytes from `length` characters; false when they are not that. */
bool ig_base64_decode(const char *text, size_t length, void *bytes, size_t size);

#endif
