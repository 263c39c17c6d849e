/* A trained model from a checkpoint or a run's folder, with what it remembers of its data, from a folder of
 * Hugging Face's, with what its settings say of data, or from an ONNX file, which remembers nothing. */
#ifndef IG_API_MODEL_SOURCE_H
#define IG_API_MODEL_SOURCE_H

#include "engine/backend/backend.h"
#include "engine/models/model.h"
#include "engine/plan/store.h"
#include "engine/train/task.h"
#include "formats/dataset_open.h"
#include "formats/onnx_model.h"

typedef struct ig_model_source {
  char *path; /* of the checkpoint, the ONNX file, or the folder of Hugging Face's */
  ig_onnx_model *onnx; /* holds the parameters of `graph`; NULL for a checkpoint */
  ig_snapshot *snapshot; /* of an ONNX file: `model` is its path, and nothing else is there */
  ig_graph *graph; /* a template */
  ig_task task;  /* IG_TASK_AUTO for an ONNX file */
  ig_model_spec spec;
  int n_fields; /* of the training data, in the snapshot's arena; 0 for an ONNX file */
  ig_field *fields;
} ig_model_source;

/* Whether `name` is a file that is to be read as ONNX: by its extension. */
bool ig_model_is_onnx(const char *name);
/* `name` is a checkpoint (.h5), a run's folder, of which best.h5, or else latest.h5, is taken, a folder with
 * a config.json and safetensors (formats/hf_folder.h), or an ONNX file. A preset, which has no parameters,
 * is refused. `parts` is of formats/checkpoint_h5.h; model,
 * parameters, averages and data are always read. */
ig_status ig_model_source_open(const char *name, unsigned parts, ig_model_source *out);
void ig_model_source_close(ig_model_source *source);
/* The average (--ema) of a parameter or state; NULL when there is none. */
const ig_tensor *ig_model_source_average(const ig_snapshot *snapshot, const ig_tensor *tensor);
/* Puts averages in the place of what they are averages of, and the other way round. */
void ig_model_source_use_averages(ig_model_source *source);
/* The model's parameters into a store that has entries for them; averaged ones (--ema) where the
 * checkpoint has them. Fails when one is missing or of another dtype or shape, naming it. */
ig_status ig_model_source_load(const ig_model_source *source, ig_store *store);
/* A store with the model's parameters, as ig_model_source_load gives them. They are moved: the source's
 * snapshot has no tensors' data any more, also when this fails. */
ig_status ig_model_source_store(ig_model_source *source, ig_backend *backend, ig_store **out);
/* XXH3 of the graph, the parameters in `store`, and how inputs are normalised: what results depend on. */
ig_status ig_model_source_digest(const ig_model_source *source, const ig_store *store,
                                 uint64_t *digest);
/* Opens data as the model's training data was read, or of an ONNX file with images of the size that its
 * input has; `text` encodes for language models and may be NULL. All ranks of `comm` (NULL for one process)
 * call it together, and get the same result. */
ig_status ig_model_source_data(const ig_model_source *source, const char *spec, const char *target,
                               bool no_target, const ig_text_encoder *text, ig_comm *comm,
                               ig_dataset **out);
/* As above for a model's inputs alone: targets that the data have are read only where a format needs them to
 * tell what it holds. */
ig_status ig_model_source_inputs(const ig_model_source *source, const char *spec,
                                 const char *target, const ig_text_encoder *text, ig_comm *comm,
                                 ig_dataset **out);
/* Where the data has sequences of tokens of another length than the training data had, the preset's graph
 * for that length takes the place of the source's; its parameters are the same. */
ig_status ig_model_source_fit(ig_model_source *source, const ig_dataset *data);
/* Asks for images of the size that the graph's first input has, as far as that is fixed. */
void ig_model_images_like(const ig_graph *graph, ig_dataset_open_options *options);
/* What a template gives for one sample of the data, without the batch dimension; *count is at most
 * `capacity`. Names are the graph's. An output that does not begin with the batch is refused. */
ig_status ig_model_outputs(const ig_graph *graph, const ig_dataset *data, int capacity,
                           ig_tensor_info *out, int *count);
/* What a preset is fitted to, from the fields of the data. */
ig_status ig_model_spec_of(const ig_field *fields, ig_task task, const ig_dataset *dataset,
                           ig_model_spec *out);

#endif
