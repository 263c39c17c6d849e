/* NumPy's .npz: a zip of .npy members. */
#ifndef IG_FORMATS_NPZ_H
#define IG_FORMATS_NPZ_H

#include "formats/npy.h"

/* Gets the member "NAME.npy" unpacked, as `size` bytes that it owns from then on (ig_free). */
typedef ig_status (*ig_npz_member)(void *context, const char *name, void *bytes, size_t size);

/* Unpacks member by member, in the file's order. `spec` is for messages. Fails for what is no .npy, for a
 * name that comes twice, and with IG_ERR_MEMORY for more than `limit` bytes in all. */
ig_status ig_npz_each(const char *spec, const char *path, uint64_t file_size, size_t limit,
                      ig_npz_member member, void *context);

#endif
