/* Checkpoints: a snapshot as one HDF5 file that opens well in h5py and HDFView, and that a kill at
 * any instant leaves either old or new, never half (docs/architecture.md, section 8).
 *
 *   /                    attributes format = "ingot checkpoint", format_version, ingot_version
 *   /model               preset (text), graph (JSON text)
 *   /parameters/<name>   attribute role = "state" on running statistics; '/' in a name nests groups
 *   /optimizer, /ema     as /parameters, without the "optimizer." and "ema." of the names; absent when
 *                        empty
 *   /progress            attributes epoch, step, epoch_samples, seed, best_metric, best_step,
 *                        stale_evals, seconds
 *   /data                task, schema (JSON), tokenizer, normalization/<field>/{mean,std} with scale,
 *                        profiles/{name,samples,missing,min,max,mean,std,bins,numeric,edges,counts}
 *   /provenance          config, run, metrics (JSON)
 *
 * Tensors are little-endian; bf16 is uint16 with dtype = "bfloat16", bool is h5py's enum. Every
 * dataset has `xxh3` (XXH3-64 of its bytes, checked on load) and, unless it is a scalar or empty
 * (HDF5 filters need chunks), Fletcher-32. Texts are scalar UTF-8 strings. Two saves of one snapshot
 * give the same bytes. */
#ifndef IG_FORMATS_CHECKPOINT_H5_H
#define IG_FORMATS_CHECKPOINT_H5_H

#include "engine/train/snapshot.h"

/* What to load. */
enum {
  IG_CHECKPOINT_MODEL = 1 << 0,
  IG_CHECKPOINT_PARAMETERS = 1 << 1, /* roles PARAMETER and STATE */
  IG_CHECKPOINT_OPTIMIZER = 1 << 2,
  IG_CHECKPOINT_EMA = 1 << 3,
  IG_CHECKPOINT_PROGRESS = 1 << 4,
  IG_CHECKPOINT_DATA = 1 << 5,
  IG_CHECKPOINT_PROVENANCE = 1 << 6,
  IG_CHECKPOINT_ALL = (1 << 7) - 1
};

/* Writes `path` by way of "<path>.partial" in the same folder: written, synced, renamed, folder
 * synced. On failure (IG_ERR_IO, IG_ERR_MEMORY, IG_ERR_INPUT for a folder that does not exist) the
 * partial file is gone and an earlier `path` untouched. Fails when another process is writing the
 * same path. */
ig_status ig_checkpoint_save(const char *path, const ig_snapshot *snapshot);

/* Reads the wanted parts; what the file does not hold stays NULL or zero. Fails with IG_ERR_INPUT,
 * naming the file and the object, for anything malformed, of a wrong digest, or larger than the
 * file; IG_ERR_UNSUPPORTED for a later format. The caller destroys *out. */
ig_status ig_checkpoint_load(const char *path, unsigned parts, ig_snapshot **out);

/* Whether the file is an Ingot checkpoint; false for other HDF5 files and for other content. Fails
 * only when the file cannot be read. */
ig_status ig_checkpoint_probe(const char *path, bool *is_checkpoint);

/* Makes `path` also known as `alias` in the same file system, replacing it in one step, and syncs the
 * alias's folder. A hard link where the file system has them, so it costs no space; a copy of the
 * snapshot is written otherwise. */
ig_status ig_checkpoint_alias(const char *path, const char *alias, const ig_snapshot *snapshot);

/* "FOLDER/step-0000001000.h5"; NULL when memory is short. Release with ig_free. */
char *ig_checkpoint_step_path(const char *folder, int64_t step);
/* Removes all but the `keep` latest step-*.h5 of a folder. */
ig_status ig_checkpoint_prune(const char *folder, int keep);

#endif
