/* What an optimizer must find in a checkpoint to go on as if it had never stopped. */
#ifndef IG_TRAIN_MOMENTS_H
#define IG_TRAIN_MOMENTS_H

#include "engine/plan/store.h"

/* The tensor `name` of the role, or IG_ERR_INPUT: a moment that is not there would begin at zero, in the
 * middle of a run. */
ig_status ig_moments_find(const ig_snapshot *snapshot, ig_tensor_role role, const char *name,
                          ig_dtype dtype, const ig_shape *shape, const ig_tensor **out);
/* Whether the snapshot has every moment and average of the store. What belongs to a precision (loss
 * scale, maxima of 8-bit floats) may be missing as a whole: another precision begins its own anew. */
ig_status ig_moments_check(const ig_store *store, const ig_snapshot *snapshot);

#endif
