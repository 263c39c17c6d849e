/* Names that the two halves of the checkpoint format share; see checkpoint_h5.h for the layout. */
#ifndef IG_FORMATS_CHECKPOINT_LAYOUT_H
#define IG_FORMATS_CHECKPOINT_LAYOUT_H

#include "engine/train/snapshot.h"
#include "formats/hdf5.h"

#define IG_CHECKPOINT_FORMAT "ingot checkpoint"
/* 1, of early builds, repeated the role in names: /optimizer/optimizer.m.fc1.weight. */
#define IG_CHECKPOINT_VERSION 2
/* Longest tensor name, and longest path made from one: escaping triples at most. */
#define IG_CHECKPOINT_NAME 1024
#define IG_CHECKPOINT_PATH (3 * IG_CHECKPOINT_NAME + 1)

/* The group of a role: "/parameters", "/optimizer", "/ema". */
const char *ig_checkpoint_group(ig_tensor_role role);

/* A tensor's name as a path below its group, without the "optimizer." or "ema." that names of these
 * roles begin with. The rest itself wherever HDF5 can hold it; otherwise escaped: '%' as %25, a component "." as %2E, an empty one as %_ and, when another tensor's name is
 * a folder of this one or it nests too deeply, '/' as %2F. Fails when the name is too long or does not
 * begin as its role asks. */
ig_status ig_checkpoint_encode(const ig_snapshot *snapshot, const ig_tensor *tensor,
                               char path[IG_CHECKPOINT_PATH]);
/* The same for a name that stands alone, as one component. */
ig_status ig_checkpoint_encode_flat(const char *name, char path[IG_CHECKPOINT_PATH]);
/* Back to the name of a tensor of that role. Fails on a malformed escape. */
ig_status ig_checkpoint_decode(ig_tensor_role role, const char *path,
                               char name[IG_CHECKPOINT_NAME + 1]);

/* One number of ig_progress as an attribute of /progress. */
typedef struct ig_progress_field {
  const char *name;
  size_t offset;
  char kind; /* 'i' int64_t, 'u' uint64_t, 'f' double */
} ig_progress_field;

extern const ig_progress_field ig_progress_fields[]; /* ended by a NULL name */

/* Library types for a progress field's kind; predefined, not to be closed. */
hid_t ig_progress_type(char kind);

#endif
