/* Which field of a data set feeds which input of a model. */
#ifndef IG_TRAIN_MATCH_H
#define IG_TRAIN_MATCH_H

#include "engine/graph/graph.h"
#include "engine/train/dataset.h"

typedef struct ig_match {
  int n_inputs;
  int inputs[IG_MAX_FIELDS]; /* field of model input i */
  int target;                /* field of the target; -1 when the data has none */
} ig_match;

/* Input i takes the field of its name; failing that, field i. The target is the last field, where
 * the data has more fields than the model inputs. Fails with IG_ERR_SHAPE, naming input and field,
 * when dtype or a fixed dimension differ; `model` is a template. */
ig_status ig_match_fields(const ig_graph *model, const ig_dataset *dataset, ig_match *out);
/* Tells the fields of a data set what the model takes: integers and flags that feed an input of such
 * numbers become INTEGERS of its dtype, unless they are tokens or classes already delivered so. To be
 * called before the data set is split, measured or fed. */
void ig_match_types(const ig_graph *model, ig_dataset *dataset);
/* Shape of input i for a batch of `count` samples. */
ig_shape ig_match_shape(const ig_match *match, const ig_dataset *dataset, int i, int64_t count);

#endif
