/* A pass rewrites the graph and says how many changes it made. One const descriptor per file of
 * engine/passes/, found by file name; pipelines name passes, so the order stands in one place. */
#ifndef IG_PASSES_PASS_H
#define IG_PASSES_PASS_H

#include "engine/ops/op.h"

/* Which activations are made again for the gradient rather than kept. */
typedef enum ig_recompute {
  IG_RECOMPUTE_NONE,
  IG_RECOMPUTE_LIGHT, /* those that cost only memory traffic */
  IG_RECOMPUTE_FULL   /* all between the borders of blocks: about a third more arithmetic */
} ig_recompute;

/* Of "light" and "full"; none for any other word. */
ig_recompute ig_recompute_parse(const char *name);

/* What matrix products and convolutions of f32 compute in. All have parameters in f32. */
typedef enum ig_precision {
  IG_PRECISION_F32,
  IG_PRECISION_TF32, /* tensors of f32, operands rounded to 10 bits of fraction; on the CPU as f32 */
  IG_PRECISION_BF16, /* 16-bit tensors, see the mixed-precision pass */
  IG_PRECISION_F16,  /* so too; training scales the loss */
  IG_PRECISION_FP8   /* of training: as bf16, and the products of linear layers in 8 bits */
} ig_precision;

/* Of "f32", "tf32", "bf16", "f16" and "fp8"; f32 for any other word. */
ig_precision ig_precision_parse(const char *name);
/* The type of the tensors that products read: ig_pass_options.compute. */
ig_dtype ig_precision_dtype(ig_precision precision);

/* What of the optimizer's work is divided among the ranks (Rajbhandari et al. 2020, ZeRO). */
typedef enum ig_shard {
  IG_SHARD_NONE,
  IG_SHARD_OPTIMIZER, /* stage 1: each rank updates its part of the parameters */
  IG_SHARD_GRADIENTS  /* stage 2: and has summed gradients of that part alone */
} ig_shard;

/* Training on several ranks; see the data_parallel pass. */
typedef struct ig_parallel {
  int rank, size;
  ig_shard shard;
  size_t bucket_bytes; /* gradients that travel together, of about that many bytes */
  ig_dtype grad_dtype; /* that gradients travel in: IG_F32 or IG_BF16 */
  bool sync_batch_norm; /* batch statistics over all ranks' samples */
  bool weighted; /* new running statistics are this rank's part of the weighted sum already; filled in */
} ig_parallel;

typedef struct ig_pass_options {
  ig_device device;
  bool training;    /* the graph holds or will hold gradients: BatchNormalization is not folded */
  ig_recompute recompute; /* of training graphs */
  ig_dtype compute; /* IG_F32, or the 16-bit type that the mixed-precision pass introduces */
  bool fp8; /* of training graphs: products of linear layers in 8-bit floats */
  const ig_parallel *parallel; /* NULL for one process */
  int64_t round_rows; /* of inference: rows before weights that are quantized alone are rounded to i8 in
                         stretches of so many numbers (ingot.WeightOnlyMatMul); 0: they stay real */
} ig_pass_options;

typedef struct ig_pass {
  const char *name; /* "fold"; also the value of IG_DUMP and the word in reports */
  const char *what; /* one line for --help and docs */
  ig_status (*run)(ig_graph *graph, const ig_pass_options *options, int *changes);
} ig_pass;

extern const ig_pass *const ig_pass_registry[]; /* NULL-ended; generated */
const ig_pass *ig_pass_find(const char *name);

/* Runs the named passes in order (NULL-ended list), verifying the graph after each in debug builds,
 * and printing it to stderr after the pass that the environment variable IG_DUMP names. */
ig_status ig_passes_run(ig_graph *graph, const char *const *names, const ig_pass_options *options);

/* Whether the device multiplies matrices of this type at all fast; otherwise the mixed-precision pass
 * leaves most products in f32. */
bool ig_mixed_precision_pays(ig_device device, ig_dtype compute);

/* The pipelines: before autodiff (or for inference), and after it. */
extern const char *const ig_pipeline_inference[];
extern const char *const ig_pipeline_forward[];
extern const char *const ig_pipeline_training[];

#endif
