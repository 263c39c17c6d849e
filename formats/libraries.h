/* Which libraries read and write the files. */
#ifndef IG_FORMATS_LIBRARIES_H
#define IG_FORMATS_LIBRARIES_H

#include <stddef.h>

/* "hdf5 1.10.8, zlib 1.2.13, libarchive 3.6.2, xxhash 0.8.1" of the libraries loaded now. */
void ig_format_libraries(char *text, size_t size);

#endif
