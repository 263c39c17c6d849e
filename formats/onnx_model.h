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

/* A tensor as written. Its elements are in raw, in one of the lists (the format's rule says in which for
 * a type), or outside. */
typedef struct ig_onnx_tensor {
  const char *name; /* NULL when it has none */
  int64_t type;     /* TensorProto.DataType */
  int64_t n_dims, n_floats, n_int32s, n_int64s, n_doubles, n_uint64s, n_texts, n_places;
  const int64_t *dims;
  ig_onnx_text raw; /* little-endian, packed below a byte; bytes NULL when there is none */
  const float *floats;
  const int64_t *int32s, *int64s, *uint64s; /* widened; the last as bits */
  const double *doubles;
  const ig_onnx_text *texts;
  int64_t location; /* 1: outside, where `places` says */
  const struct ig_onnx_entry *places;
} ig_onnx_tensor;

typedef struct ig_onnx_sparse {
  const ig_onnx_tensor *values, *indices;
  int64_t n_dims;
  const int64_t *dims;
} ig_onnx_sparse;

typedef struct ig_onnx_dim {
  int64_t value;      /* -1 when it is not a number */
  const char *symbol; /* or NULL */
} ig_onnx_dim;

typedef struct ig_onnx_shape {
  int64_t n_dims;
  const ig_onnx_dim *dims;
} ig_onnx_shape;

typedef struct ig_onnx_tensor_type {
  int64_t elem;               /* DataType */
  const ig_onnx_shape *shape; /* NULL when it is not known */
} ig_onnx_tensor_type;

typedef struct ig_onnx_type ig_onnx_type;

typedef struct ig_onnx_elem_type {
  const ig_onnx_type *elem;
} ig_onnx_elem_type;

/* One of them; none when no type is given. */
struct ig_onnx_type {
  const ig_onnx_tensor_type *tensor;
  const ig_onnx_elem_type *sequence, *optional;
  ig_onnx_text map, sparse; /* which Ingot has not */
};

typedef struct ig_onnx_value {
  const char *name;
  const ig_onnx_type *type;
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

typedef struct ig_onnx_graph ig_onnx_graph;

typedef struct ig_onnx_attr {
  const char *name;
  const char *reference; /* ref_attr_name: of a function's body; NULL otherwise */
  int64_t type;
  float f;
  int64_t i;
  ig_onnx_text s;
  int64_t n_floats, n_ints, n_strings;
  const float *floats;
  const int64_t *ints;
  const ig_onnx_text *strings;
  const ig_onnx_tensor *tensor;
  const ig_onnx_sparse *sparse;
  const ig_onnx_graph *graph;
  const ig_onnx_type *value_type;
  ig_onnx_text others; /* lists of tensors, graphs or types, which no operator of ONNX has */
} ig_onnx_attr;

typedef struct ig_onnx_entry {
  const char *key, *value;
} ig_onnx_entry;

typedef struct ig_onnx_node {
  const char *name, *op, *domain, *overload; /* NULL when absent */
  int64_t n_inputs, n_outputs, n_attrs, n_metadata;
  const char *const *inputs; /* "" is absent */
  const char *const *outputs;
  const ig_onnx_attr *attrs;
  const ig_onnx_entry *metadata;
} ig_onnx_node;

struct ig_onnx_graph {
  const char *name;
  int64_t n_nodes, n_initializers, n_inputs, n_outputs, n_values, n_sparse;
  const ig_onnx_node *nodes;
  const ig_onnx_tensor *initializers;
  const ig_onnx_value *inputs, *outputs, *values; /* values: value_info */
  const ig_onnx_sparse *sparse;
};

typedef struct ig_onnx_opset {
  const char *domain; /* "" or NULL is ONNX's own */
  int64_t version;
} ig_onnx_opset;

typedef struct ig_onnx_function {
  const char *name, *domain, *overload;
  int64_t n_inputs, n_outputs, n_attrs, n_defaults, n_opsets, n_nodes;
  const char *const *inputs, *const *outputs;
  const char *const *attrs;     /* without default */
  const ig_onnx_attr *defaults; /* with */
  const ig_onnx_opset *opsets;
  const ig_onnx_node *nodes;
} ig_onnx_function;

/* ModelProto. */
typedef struct ig_onnx_message {
  int64_t ir_version, model_version;
  const char *producer, *producer_version, *domain, *doc;
  int64_t n_opsets, n_functions, n_metadata;
  const ig_onnx_opset *opsets;
  const ig_onnx_function *functions;
  const ig_onnx_entry *metadata;
  const ig_onnx_graph *graph;
} ig_onnx_message;

typedef struct ig_onnx_model {
  ig_arena *arena;
  const char *path;     /* for messages, and for what lies outside the file */
  ig_onnx_message says; /* what the file says */
  struct ig_onnx_mapping *mappings; /* the file, and those with external data */
} ig_onnx_model;

/* Maps and reads the file. IG_ERR_INPUT names what is malformed and at which byte; IG_ERR_MEMORY when the
 * structs would need more than the limit that the file's size sets. */
ig_status ig_onnx_model_open(const char *path, ig_onnx_model **out);
/* The same from memory, which outlives it; `path` is for messages. */
ig_status ig_onnx_model_parse(const char *path, const void *bytes, size_t size, ig_onnx_model **out);
void ig_onnx_model_close(ig_onnx_model *model); /* NULL is allowed */

/* Copies `size` bytes at `from`, which are the model's; pages of its files go as they are copied, so that file
 * and copy are not in memory both. */
void ig_onnx_model_copy(const ig_onnx_model *model, void *to, const void *from, size_t size);
/* Bytes of the model's files that were read and are not wanted soon: their pages need not stay in memory. */
void ig_onnx_model_forget(const ig_onnx_model *model, const void *bytes, size_t size);

/* The opset of a domain (NULL or "" is ONNX's own), or 0 when the list has none. */
int64_t ig_onnx_opset_of(int64_t n, const ig_onnx_opset *opsets, const char *domain);

#endif
