/* A first convolution that whitens. */
#ifndef IG_TRAIN_WHITEN_H
#define IG_TRAIN_WHITEN_H

#include "engine/plan/store.h"
#include "engine/train/dataset.h"
#include "engine/train/snapshot.h"

/* The filters [out, channels, height, width] of the convolution that reads the model's images; it must
 * have no groups. IG_ERR_USAGE where there is none. */
ig_status ig_whiten_find(const ig_graph *model, ig_value **filters);
/* Writes to the store's entry of `filters` the eigenvectors of the covariance of image patches, each
 * divided by the root of its eigenvalue, the largest first, and after them the same negated; filters
 * beyond the twice patch size stay as they are. Patches are those of at most 5,000 images, evenly
 * spaced, normalised (Page 2019, "How to train your ResNet", part 8; Jordan 2024, section 3.2). */
ig_status ig_whiten_write(const ig_value *filters, ig_store *store, ig_dataset *dataset,
                          int n_normalizations, const ig_normalization *normalizations);

#endif
