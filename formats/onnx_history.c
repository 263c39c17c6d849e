/* Which opset allowed what: one row for each version of an operator, from opset 14 on, that has more than
 * the version before: types of operands, attributes, inputs; or is the first. Written by
 * benchmarks/peers/onnx_history.py from the schemas of the onnx package, version 1.22.0. Changes of meaning
 * are in onnx_downgrade.c. */
#include <string.h>

#include "formats/onnx_export_parts.h"

#define B(type) (1u << IG_##type)
#define SMALL8 (B(F8E4M3) | B(F8E5M2) | B(F8E4M3FNUZ) | B(F8E5M2FNUZ))
#define INT4 (B(I4) | B(U4))
#define INT2 (B(I2) | B(U2))

/* By operator, then version. */
static const struct row {
  const char *op;
  int64_t version;
  bool first; /* before, there was no such operator */
  uint32_t types;
  const char *attrs; /* separated by spaces */
  int n_in;          /* the most, where it grew */
} rows[] = {
    {"Acos", 22, false, B(BF16), NULL, 0},
    {"Acosh", 22, false, B(BF16), NULL, 0},
    {"Add", 14, false, B(I8) | B(U8) | B(U16) | B(I16), NULL, 0},
    {"AffineGrid", 20, true, 0, NULL, 0},
    {"Asin", 22, false, B(BF16), NULL, 0},
    {"Asinh", 22, false, B(BF16), NULL, 0},
    {"Atan", 22, false, B(BF16), NULL, 0},
    {"Atanh", 22, false, B(BF16), NULL, 0},
    {"Attention", 23, true, 0, NULL, 0},
    {"Attention", 24, false, 0, NULL, 7},
    {"AveragePool", 19, false, 0, "dilations", 0},
    {"AveragePool", 22, false, B(BF16), NULL, 0},
    {"BatchNormalization", 14, false, B(BF16), "training_mode", 0},
    {"Bernoulli", 15, true, 0, NULL, 0},
    {"BitCast", 26, true, 0, NULL, 0},
    {"BitwiseAnd", 18, true, 0, NULL, 0},
    {"BitwiseNot", 18, true, 0, NULL, 0},
    {"BitwiseOr", 18, true, 0, NULL, 0},
    {"BitwiseXor", 18, true, 0, NULL, 0},
    {"BlackmanWindow", 17, true, 0, NULL, 0},
    {"Cast", 19, false, SMALL8, "saturate", 0},
    {"Cast", 21, false, INT4, NULL, 0},
    {"Cast", 23, false, B(F4E2M1), NULL, 0},
    {"Cast", 24, false, B(F8E8M0), "round_mode", 0},
    {"Cast", 25, false, INT2, NULL, 0},
    {"CastLike", 15, true, 0, NULL, 0},
    {"CastLike", 19, false, SMALL8, "saturate", 0},
    {"CastLike", 21, false, INT4, NULL, 0},
    {"CastLike", 23, false, B(F4E2M1), NULL, 0},
    {"CastLike", 24, false, B(F8E8M0), "round_mode", 0},
    {"CastLike", 25, false, INT2, NULL, 0},
    {"CausalConvWithState", 27, true, 0, NULL, 0},
    {"CenterCropPad", 18, true, 0, NULL, 0},
    {"Col2Im", 18, true, 0, NULL, 0},
    {"Constant", 19, false, SMALL8, NULL, 0},
    {"Constant", 21, false, INT4, NULL, 0},
    {"Constant", 23, false, B(F4E2M1), NULL, 0},
    {"Constant", 24, false, B(F8E8M0), NULL, 0},
    {"Constant", 25, false, INT2, NULL, 0},
    {"ConstantOfShape", 20, false, SMALL8 | B(BF16), NULL, 0},
    {"ConstantOfShape", 21, false, INT4, NULL, 0},
    {"ConstantOfShape", 23, false, B(F4E2M1), NULL, 0},
    {"ConstantOfShape", 24, false, B(F8E8M0), NULL, 0},
    {"ConstantOfShape", 25, false, INT2, NULL, 0},
    {"Conv", 22, false, B(BF16), NULL, 0},
    {"ConvTranspose", 22, false, B(BF16), NULL, 0},
    {"Cos", 22, false, B(BF16), NULL, 0},
    {"Cosh", 22, false, B(BF16), NULL, 0},
    {"CumProd", 26, true, 0, NULL, 0},
    {"CumSum", 14, false, B(F16) | B(BF16), NULL, 0},
    {"DFT", 17, true, 0, NULL, 0},
    {"DFT", 20, false, 0, NULL, 3},
    {"DeformConv", 19, true, 0, NULL, 0},
    {"DeformConv", 22, false, B(BF16), NULL, 0},
    {"DequantizeLinear", 19, false, SMALL8 | B(F16) | B(BF16), NULL, 0},
    {"DequantizeLinear", 21, false, INT4 | B(U16) | B(I16), "block_size", 0},
    {"DequantizeLinear", 23, false, B(F4E2M1), "output_dtype", 0},
    {"DequantizeLinear", 24, false, B(F8E8M0), NULL, 0},
    {"DequantizeLinear", 25, false, INT2, NULL, 0},
    {"Det", 22, false, B(BF16), NULL, 0},
    {"Div", 14, false, B(I8) | B(U8) | B(U16) | B(I16), NULL, 0},
    {"Dropout", 22, false, SMALL8, NULL, 0},
    {"Elu", 22, false, B(BF16), NULL, 0},
    {"Equal", 19, false, B(STRING), NULL, 0},
    {"EyeLike", 22, false, B(BF16), NULL, 0},
    {"Flatten", 21, false, SMALL8 | INT4, NULL, 0},
    {"Flatten", 23, false, B(F4E2M1), NULL, 0},
    {"Flatten", 24, false, B(F8E8M0), NULL, 0},
    {"Flatten", 25, false, INT2, NULL, 0},
    {"GRU", 14, false, 0, "layout", 0},
    {"GRU", 22, false, B(BF16), NULL, 0},
    {"Gelu", 20, true, 0, NULL, 0},
    {"GlobalAveragePool", 22, false, B(BF16), NULL, 0},
    {"GlobalLpPool", 22, false, B(BF16), NULL, 0},
    {"GlobalMaxPool", 22, false, B(BF16), NULL, 0},
    {"GreaterOrEqual", 16, false, B(BF16), NULL, 0},
    {"GridSample", 16, true, 0, NULL, 0},
    {"GridSample", 22, false, B(BF16), NULL, 0},
    {"GroupNormalization", 21, true, 0, NULL, 0},
    {"HammingWindow", 17, true, 0, NULL, 0},
    {"HannWindow", 17, true, 0, NULL, 0},
    {"HardSigmoid", 22, false, B(BF16), NULL, 0},
    {"HardSwish", 14, true, 0, NULL, 0},
    {"HardSwish", 22, false, B(BF16), NULL, 0},
    {"Identity", 19, false, SMALL8, NULL, 0},
    {"Identity", 21, false, INT4, NULL, 0},
    {"Identity", 23, false, B(F4E2M1), NULL, 0},
    {"Identity", 24, false, B(F8E8M0), NULL, 0},
    {"Identity", 25, false, INT2, NULL, 0},
    {"If", 16, false, B(BF16), NULL, 0},
    {"If", 19, false, SMALL8, NULL, 0},
    {"If", 21, false, INT4, NULL, 0},
    {"If", 23, false, B(F4E2M1), NULL, 0},
    {"If", 24, false, B(F8E8M0), NULL, 0},
    {"If", 25, false, INT2, NULL, 0},
    {"ImageDecoder", 20, true, 0, NULL, 0},
    {"InstanceNormalization", 22, false, B(BF16), NULL, 0},
    {"IsInf", 20, false, SMALL8 | B(F16) | B(BF16), NULL, 0},
    {"IsNaN", 20, false, SMALL8, NULL, 0},
    {"LSTM", 14, false, 0, "layout", 0},
    {"LSTM", 22, false, B(BF16), NULL, 0},
    {"LayerNormalization", 17, true, 0, NULL, 0},
    {"LeakyRelu", 16, false, B(BF16), NULL, 0},
    {"LessOrEqual", 16, false, B(BF16), NULL, 0},
    {"LinearAttention", 27, true, 0, NULL, 0},
    {"Loop", 16, false, B(BF16), NULL, 0},
    {"Loop", 19, false, SMALL8, NULL, 0},
    {"Loop", 21, false, INT4, NULL, 0},
    {"Loop", 23, false, B(F4E2M1), NULL, 0},
    {"Loop", 24, false, B(F8E8M0), NULL, 0},
    {"Loop", 25, false, INT2, NULL, 0},
    {"LpNormalization", 22, false, B(BF16), NULL, 0},
    {"LpPool", 18, false, 0, "ceil_mode dilations", 0},
    {"LpPool", 22, false, B(BF16), NULL, 0},
    {"MaxPool", 22, false, B(BF16), NULL, 0},
    {"MaxRoiPool", 22, false, B(BF16), NULL, 0},
    {"MaxUnpool", 22, false, B(BF16), NULL, 0},
    {"MelWeightMatrix", 17, true, 0, NULL, 0},
    {"Mish", 18, true, 0, NULL, 0},
    {"Mish", 22, false, B(BF16), NULL, 0},
    {"Mul", 14, false, B(I8) | B(U8) | B(U16) | B(I16), NULL, 0},
    {"Multinomial", 22, false, B(BF16), NULL, 0},
    {"NegativeLogLikelihoodLoss", 22, false, B(BF16), NULL, 0},
    {"Optional", 15, true, 0, NULL, 0},
    {"OptionalGetElement", 15, true, 0, NULL, 0},
    {"OptionalHasElement", 15, true, 0, NULL, 0},
    {"PRelu", 16, false, B(BF16), NULL, 0},
    {"Pad", 18, false, 0, NULL, 4},
    {"Pad", 21, false, SMALL8 | INT4, NULL, 0},
    {"Pad", 23, false, B(F4E2M1), NULL, 0},
    {"Pad", 24, false, B(F8E8M0), NULL, 0},
    {"Pad", 25, false, INT2, NULL, 0},
    {"QLinearMatMul", 21, false, SMALL8 | B(F16) | B(BF16), NULL, 0},
    {"QuantizeLinear", 19, false, SMALL8 | B(F16) | B(BF16), "saturate", 0},
    {"QuantizeLinear", 21, false, INT4 | B(U16) | B(I16), "block_size output_dtype", 0},
    {"QuantizeLinear", 23, false, B(F4E2M1), "precision", 0},
    {"QuantizeLinear", 24, false, B(F8E8M0), NULL, 0},
    {"QuantizeLinear", 25, false, INT2, NULL, 0},
    {"RMSNormalization", 23, true, 0, NULL, 0},
    {"RNN", 14, false, 0, "layout", 0},
    {"RNN", 22, false, B(BF16), NULL, 0},
    {"RandomNormal", 22, false, B(BF16), NULL, 0},
    {"RandomNormalLike", 22, false, B(BF16), NULL, 0},
    {"RandomUniform", 22, false, B(BF16), NULL, 0},
    {"RandomUniformLike", 22, false, B(BF16), NULL, 0},
    {"Range", 27, false, B(F16) | B(BF16), "stash_type", 0},
    {"ReduceL1", 18, false, 0, "noop_with_empty_axes", 2},
    {"ReduceL2", 18, false, 0, "noop_with_empty_axes", 2},
    {"ReduceLogSum", 18, false, 0, "noop_with_empty_axes", 2},
    {"ReduceLogSumExp", 18, false, 0, "noop_with_empty_axes", 2},
    {"ReduceMax", 18, false, 0, "noop_with_empty_axes", 2},
    {"ReduceMax", 20, false, B(BOOL), NULL, 0},
    {"ReduceMean", 18, false, 0, "noop_with_empty_axes", 2},
    {"ReduceMin", 18, false, 0, "noop_with_empty_axes", 2},
    {"ReduceMin", 20, false, B(BOOL), NULL, 0},
    {"ReduceProd", 18, false, 0, "noop_with_empty_axes", 2},
    {"ReduceSumSquare", 18, false, 0, "noop_with_empty_axes", 2},
    {"RegexFullMatch", 20, true, 0, NULL, 0},
    {"Relu", 14, false, B(I64) | B(I32) | B(I8) | B(I16), NULL, 0},
    {"Reshape", 14, false, 0, "allowzero", 0},
    {"Reshape", 19, false, SMALL8, NULL, 0},
    {"Reshape", 21, false, INT4, NULL, 0},
    {"Reshape", 23, false, B(F4E2M1), NULL, 0},
    {"Reshape", 24, false, B(F8E8M0), NULL, 0},
    {"Reshape", 25, false, INT2, NULL, 0},
    {"Resize", 18, false, 0, "antialias axes keep_aspect_ratio_policy", 0},
    {"RoiAlign", 16, false, 0, "coordinate_transformation_mode", 0},
    {"RoiAlign", 22, false, B(BF16), NULL, 0},
    {"RotaryEmbedding", 23, true, 0, NULL, 0},
    {"Round", 22, false, B(BF16), NULL, 0},
    {"STFT", 17, true, 0, NULL, 0},
    {"Scan", 16, false, B(BF16), NULL, 0},
    {"Scan", 19, false, SMALL8, NULL, 0},
    {"Scan", 21, false, INT4, NULL, 0},
    {"Scan", 23, false, B(F4E2M1), NULL, 0},
    {"Scan", 24, false, B(F8E8M0), NULL, 0},
    {"Scan", 25, false, INT2, NULL, 0},
    {"ScatterElements", 16, false, 0, "reduction", 0},
    {"ScatterND", 16, false, 0, "reduction", 0},
    {"Selu", 22, false, B(BF16), NULL, 0},
    {"SequenceMap", 17, true, 0, NULL, 0},
    {"Shape", 15, false, 0, "end start", 0},
    {"Shape", 19, false, SMALL8, NULL, 0},
    {"Shape", 21, false, INT4, NULL, 0},
    {"Shape", 23, false, B(F4E2M1), NULL, 0},
    {"Shape", 24, false, B(F8E8M0), NULL, 0},
    {"Shape", 25, false, INT2, NULL, 0},
    {"Sin", 22, false, B(BF16), NULL, 0},
    {"Sinh", 22, false, B(BF16), NULL, 0},
    {"Size", 19, false, SMALL8, NULL, 0},
    {"Size", 21, false, INT4, NULL, 0},
    {"Size", 23, false, B(F4E2M1), NULL, 0},
    {"Size", 24, false, B(F8E8M0), NULL, 0},
    {"Size", 25, false, INT2, NULL, 0},
    {"Softplus", 22, false, B(BF16), NULL, 0},
    {"Softsign", 22, false, B(BF16), NULL, 0},
    {"Split", 18, false, 0, "num_outputs", 0},
    {"SplitToSequence", 24, false, B(BF16), NULL, 0},
    {"Squeeze", 21, false, SMALL8 | INT4, NULL, 0},
    {"Squeeze", 23, false, B(F4E2M1), NULL, 0},
    {"Squeeze", 24, false, B(F8E8M0), NULL, 0},
    {"Squeeze", 25, false, INT2, NULL, 0},
    {"StringConcat", 20, true, 0, NULL, 0},
    {"StringSplit", 20, true, 0, NULL, 0},
    {"Sub", 14, false, B(I8) | B(U8) | B(U16) | B(I16), NULL, 0},
    {"Swish", 24, true, 0, NULL, 0},
    {"Tan", 22, false, B(BF16), NULL, 0},
    {"TensorScatter", 24, true, 0, NULL, 0},
    {"ThresholdedRelu", 22, false, B(BF16), NULL, 0},
    {"TopK", 24, false, B(BF16), NULL, 0},
    {"Transpose", 21, false, SMALL8 | INT4, NULL, 0},
    {"Transpose", 23, false, B(F4E2M1), NULL, 0},
    {"Transpose", 24, false, B(F8E8M0), NULL, 0},
    {"Transpose", 25, false, INT2, NULL, 0},
    {"Trilu", 14, true, 0, NULL, 0},
    {"Unsqueeze", 21, false, SMALL8 | INT4, NULL, 0},
    {"Unsqueeze", 23, false, B(F4E2M1), NULL, 0},
    {"Unsqueeze", 24, false, B(F8E8M0), NULL, 0},
    {"Unsqueeze", 25, false, INT2, NULL, 0},
    {"Where", 16, false, B(BF16), NULL, 0},
};

/* Whether a list of words has one. */
static bool has_word(const char *words, const char *word) {
  size_t n = strlen(word);
  for (const char *at = words; at && (at = strstr(at, word)); at += n) {
    bool begins = at == words || at[-1] == ' ', ends = at[n] == 0 || at[n] == ' ';
    if (begins && ends) return true;
  }
  return false;
}

static bool needs_row(const struct row *row, int n_attrs, const ig_attr *attrs, int n_in, uint32_t types) {
  if (row->first || types & row->types) return true;
  for (int i = 0; i < n_attrs; i++) {
    if (has_word(row->attrs, attrs[i].name)) return true;
  }
  return row->n_in && n_in >= row->n_in; /* each growth was by one */
}

int64_t ig_onnx_needs(const char *op, int n_attrs, const ig_attr *attrs, int n_in, uint32_t types) {
  int64_t needed = 0;
  for (int i = 0; i < IG_COUNT(rows); i++) {
    if (strcmp(rows[i].op, op) == 0 && needs_row(&rows[i], n_attrs, attrs, n_in, types))
      needed = rows[i].version;
  }
  return needed;
}

int64_t ig_onnx_ir_version(int64_t opset) {
  static const int64_t first[] = {13, 15, 19, 21, 23, 24, 25}; /* of IR versions 7 and on */
  int64_t version = 6;
  for (int i = 0; i < IG_COUNT(first) && first[i] <= opset; i++) version++;
  return version;
}

int64_t ig_onnx_type_since(ig_dtype dtype) {
  switch (dtype) {
  case IG_F8E4M3:
  case IG_F8E5M2:
  case IG_F8E4M3FNUZ:
  case IG_F8E5M2FNUZ: return 19;
  case IG_I4:
  case IG_U4: return 21;
  case IG_F4E2M1: return 23;
  case IG_F8E8M0: return 24;
  case IG_I2:
  case IG_U2: return 25;
  default: return 0;
  }
}
