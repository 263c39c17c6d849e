/* An ONNX file as it lies in the mapped file: messages as structs, names and weights as pointers into the
 * file. The reader checks the wire format and its limits; what the graph means is the importer's matter
 * (onnx_import.h). */
#ifndef IG_FORMATS_ONNX_MODEL_H
#define IG_FORMATS_ONNX_MODEL_H

#include "engine/base/dtype.h"
#include "engine/base/memory.h"
#include "engine/base/shape.h"

/* Bytes of the file; not ended by NUL. */
typedef struct ig_onnx_text {
  const char *bytes;
  size_t size;
} ig_onnx_text;

/* A tensor as written: exactly one of raw, numbers and texts, or a place outside. */
typedef struct ig_onnx_tensor {
  const char *name; /* "" when it has none */
  int64_t type;     /* TensorProto.DataType */
  int n_dims;
  const int64_t *dims;
  bool has_raw;
  ig_onnx_text raw; /* little-endian, packed below a byte */
  /* float_data, int32_data, int64_data, double_data or uint64_data, widened to 8 bytes each: doubles for
   * the first and fourth, 64-bit integers for the others. */
  bool has_numbers, numbers_are_floats;
  int64_t n_numbers;
  const void *numbers;
  int64_t n_texts;
  const ig_onnx_text *texts;
  /* data_location EXTERNAL; location NULL when it is not. */
  const char *location;
  int64_t offset, length; /* -1 when the file does not say */
} ig_onnx_tensor;

typedef struct ig_onnx_dim {
  int64_t value;      /* -1 when it is not a number */
  const char *symbol; /* or NULL */
} ig_onnx_dim;

typedef enum ig_onnx_kind {
  IG_ONNX_UNKNOWN, /* no type given */
  IG_ONNX_TENSOR,
  IG_ONNX_SEQUENCE,
  IG_ONNX_OPTIONAL,
  IG_ONNX_OTHER /* map, sparse tensor */
} ig_onnx_kind;

typedef struct ig_onnx_type {
  ig_onnx_kind kind;
  int64_t elem; /* of a tensor: DataType */
  bool has_shape;
  int n_dims;
  const ig_onnx_dim *dims;
  const struct ig_onnx_type *of; /* of a sequence or an optional */
} ig_onnx_type;

typedef struct ig_onnx_value {
  const char *name;
  ig_onnx_type type;
} ig_onnx_value;

typedef enum ig_onnx_attr_type { /* AttributeProto.AttributeType */
  IG_ONNX_FLOAT = 1,
  IG_ONNX_INT = 2,
  IG_ONNX_STRING = 3,
  IG_ONNX_TENSOR_ATTR = 4,
  IG_ONNX_GRAPH = 5,
  IG_ONNX_FLOATS = 6,
  IG_ONNX_INTS = 7,
  IG_ONNX_STRINGS = 8,
  IG_ONNX_TENSORS = 9,
  IG_ONNX_GRAPHS = 10,
  IG_ONNX_SPARSE_TENSOR = 11,
  IG_ONNX_SPARSE_TENSORS = 12,
  IG_ONNX_TYPE_PROTO = 13,
  IG_ONNX_TYPE_PROTOS = 14
} ig_onnx_attr_type;

typedef struct ig_onnx_attr {
  const char *name;
  const char *reference; /* ref_attr_name: of a function's body; NULL otherwise */
  int64_t type;
  float f;
  int64_t i;
  ig_onnx_text s;
  int64_t n; /* of the list */
  const float *floats;
  const int64_t *ints;
  const ig_onnx_text *strings;
  const ig_onnx_tensor *tensor; /* or the dense values of a sparse one */
  const ig_onnx_tensor *indices; /* of a sparse one */
  const struct ig_onnx_graph *graph;
  const ig_onnx_type *value_type;
} ig_onnx_attr;

typedef struct ig_onnx_node {
  const char *name, *op, *domain, *overload;
  int n_inputs, n_outputs, n_attrs;
  const char *const *inputs; /* "" is absent */
  const char *const *outputs;
  const ig_onnx_attr *attrs;
} ig_onnx_node;

typedef struct ig_onnx_graph {
  const char *name;
  int64_t n_nodes, n_initializers, n_inputs, n_outputs, n_values, n_sparse;
  const ig_onnx_node *nodes;
  const ig_onnx_tensor *initializers;
  const ig_onnx_value *inputs, *outputs, *values; /* values: value_info */
} ig_onnx_graph;

typedef struct ig_onnx_opset {
  const char *domain; /* "" is ONNX's own */
  int64_t version;
} ig_onnx_opset;

typedef struct ig_onnx_function {
  const char *name, *domain, *overload;
  int n_inputs, n_outputs, n_attrs, n_defaults, n_opsets;
  int64_t n_nodes;
  const char *const *inputs, *const *outputs;
  const char *const *attrs;      /* without default */
  const ig_onnx_attr *defaults;  /* with */
  const ig_onnx_opset *opsets;
  const ig_onnx_node *nodes;
} ig_onnx_function;

typedef struct ig_onnx_entry {
  const char *key, *value;
} ig_onnx_entry;

typedef struct ig_onnx_model {
  ig_arena *arena;
  const char *path; /* for messages, and for what lies outside the file */
  const unsigned char *file;
  size_t size;
  void *mapped;
  int64_t ir_version, model_version;
  const char *producer, *producer_version, *domain;
  int n_opsets, n_functions, n_metadata;
  const ig_onnx_opset *opsets;
  const ig_onnx_function *functions;
  const ig_onnx_entry *metadata;
  const ig_onnx_graph *graph;
} ig_onnx_model;

/* Maps and reads the file. IG_ERR_INPUT names what is malformed and at which byte; IG_ERR_MEMORY when the
 * structs would need more than the limit that the file's size sets. */
ig_status ig_onnx_model_open(const char *path, ig_onnx_model **out);
/* The same from memory, which outlives it; `path` is for messages. */
ig_status ig_onnx_model_parse(const char *path, const void *bytes, size_t size, ig_onnx_model **out);
void ig_onnx_model_close(ig_onnx_model *model); /* NULL is allowed */
/* One TensorProto, SequenceProto's or OptionalProto's file as the ONNX project's tests have them: the kind
 * comes from `type`. */
struct ig_datum;
ig_status ig_onnx_read_datum(const char *path, const ig_onnx_type *type, struct ig_datum **out);

/* The opset of a domain, or 0 when the model does not import it. */
int64_t ig_onnx_opset_of(int n, const ig_onnx_opset *opsets, const char *domain);

#endif
