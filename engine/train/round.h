/* Training in rounds, for federated averaging: a trainer that starts again and again from parameters
 * that someone else writes, and all parameters as one vector. */
#ifndef IG_TRAIN_ROUND_H
#define IG_TRAIN_ROUND_H

#include "engine/train/trainer.h"

/* The parameters in the trainer's store are a new start: moments are as at the beginning, the optimizer
 * counts its steps from 1, and the proximal term pulls to here. Where data and schedule stand stays. */
ig_status ig_trainer_begin_round(ig_trainer *trainer);
/* Trains for `steps` more steps, whatever the options' total; as ig_trainer_run otherwise. */
ig_status ig_trainer_run_steps(ig_trainer *trainer, int64_t steps);

/* For who averages and does not train: the parameters in the store are those after so many rounds and
 * seconds, which snapshots say then. */
void ig_trainer_set_round(ig_trainer *trainer, int64_t round, double seconds);
/* Goes on from such a snapshot; *round and *seconds are its. Entries that the store has are loaded. */
ig_status ig_trainer_resume_round(ig_trainer *trainer, const ig_snapshot *snapshot, int64_t *round,
                                  double *seconds);
/* Measures them on the validation data, which the trainer must have. *best: no measurement before was
 * better. */
ig_status ig_trainer_validate(ig_trainer *trainer, ig_metrics *metrics, bool *best);

/* The parameters and running statistics of a store, one after another in its order. All must be f32. */
ig_status ig_flat_count(const ig_store *store, int64_t *count);
/* A digest of their names and shapes: vectors of equal layouts may be added. */
uint64_t ig_flat_layout(const ig_store *store);
/* Whether there are running statistics among them. */
bool ig_flat_has_states(const ig_store *store);
ig_status ig_flat_read(const ig_store *store, float *vector);
ig_status ig_flat_write(ig_store *store, const float *vector);

#endif
