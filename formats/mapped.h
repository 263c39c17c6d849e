/* Bytes of files that are mapped, private and never written to: their pages can be let go at any time, and come
 * from the file again when they are read again. */
#ifndef IG_FORMATS_MAPPED_H
#define IG_FORMATS_MAPPED_H

#include <stddef.h>

/* Copies mapped bytes with all threads, and lets pages go piece by piece: no more than a few pieces of the file
 * are in memory beside the copy. */
void ig_mapped_copy(void *to, const void *from, size_t size);
/* Lets the pages go that lie within these bytes. */
void ig_mapped_forget(const void *bytes, size_t size);

#endif
