/* Hugging Face's folders: config.json, model.safetensors (or shards) and the tokenizer's files, as a
 * snapshot; and a snapshot as such a folder. */
#ifndef IG_FORMATS_HF_FOLDER_H
#define IG_FORMATS_HF_FOLDER_H

#include "engine/train/snapshot.h"

/* Whether the folder has a config.json. */
bool ig_hf_folder_probe(const char *folder);
/* The model as a checkpoint of it would be before its first step: graph, parameters in f32, fields of
 * the data, and the tokenizer of tokenizer.json, of vocab.json and merges.txt, or of vocab.txt where
 * there is one. Every tensor of the files must have its place and every parameter its tensor
 * (IG_ERR_INPUT, naming it), but for those that transformers too leaves aside. The caller destroys
 * *out. */
ig_status ig_hf_folder_load(const char *folder, ig_snapshot **out);
/* Writes config.json, model.safetensors and, for byte pairs and word pieces, tokenizer.json into the
 * folder, which is made when it does not exist. IG_ERR_UNSUPPORTED for a model that transformers lacks;
 * nothing is written then. */
ig_status ig_hf_folder_save(const char *folder, const ig_snapshot *snapshot);

#endif
