/* `ingot export --out FILE.onnx`. */
#ifndef IG_CLI_EXPORT_ONNX_H
#define IG_CLI_EXPORT_ONNX_H

#include "cli/verb.h"

typedef struct ig_export_onnx_values {
  int64_t opset;        /* 0: the least from 18 on that serves */
  const char *external; /* NULL: weights in the model's file */
  bool preprocessing, probabilities;
  /* What a preset is fitted to. */
  const char *shape;
  int64_t outputs;
} ig_export_onnx_values;

/* Of a checkpoint, a run's folder, a preset with its first values, or another ONNX file. */
ig_status ig_export_onnx(ig_cli *cli, const char *model, const char *path,
                         const ig_export_onnx_values *values);

#endif
