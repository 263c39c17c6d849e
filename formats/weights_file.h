/* Parameters alone as a file: .safetensors or .npz. */
#ifndef IG_FORMATS_WEIGHTS_FILE_H
#define IG_FORMATS_WEIGHTS_FILE_H

#include "engine/train/snapshot.h"

/* Writes parameters and state under their names, by the extension. The file appears whole or not at
 * all. */
ig_status ig_weights_save(const char *path, const ig_snapshot *snapshot);

#endif
