/* `ingot infer` of a graph with any inputs and outputs: arrays in and out by their names. */
#ifndef IG_CLI_INFER_ARRAYS_H
#define IG_CLI_INFER_ARRAYS_H

#include "api/model_source.h"
#include "cli/verb.h"
#include "engine/passes/pass.h"
#include "formats/datum_arrays.h"

/* Reads `data` (.npz, or .npy for one input), runs the model once over the whole of it, and writes `out` (.npz,
 * or .npy for one output). An input that the file lacks is an optional without a value where the model
 * allows that, and an error otherwise. */
ig_status ig_infer_arrays(const ig_cli *cli, ig_model_source *model, ig_backend *backend,
                          const char *data, const char *out, ig_precision precision);

/* Reads the arrays that the graph's inputs are named after into in[i] and given[i], one for each input; the
 * caller releases in[i].datum, also on failure. */
ig_status ig_input_arrays(const ig_graph *graph, const char *path, ig_named_datum *in, ig_datum **given);

#endif
