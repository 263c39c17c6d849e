/* Which libraries read and write the files: asked of the libraries themselves, since those that were
 * compiled against may be others. */
#include "formats/libraries.h"

#include <archive.h>
#include <hdf5.h>
#include <stdio.h>
#include <xxhash.h>
#include <zlib.h>

void ig_format_libraries(char *text, size_t size) {
  unsigned major = 0, minor = 0, patch = 0, hash = XXH_versionNumber();
  H5get_libversion(&major, &minor, &patch);
  snprintf(text, size, "hdf5 %u.%u.%u, zlib %s, %s, xxhash %u.%u.%u", major, minor, patch,
           zlibVersion(), archive_version_string(), hash / 10000, hash / 100 % 100, hash % 100);
}
