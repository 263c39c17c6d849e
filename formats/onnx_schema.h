/* The messages of onnx.proto as tables: number, kind and place of every field that Ingot reads or writes.
 * The reader and the writer are driven by them. */
#ifndef IG_FORMATS_ONNX_SCHEMA_H
#define IG_FORMATS_ONNX_SCHEMA_H

#include "formats/onnx_model.h"

typedef enum ig_onnx_field_kind {
  IG_ONNX_F_TEXT,    /* const char *, without NUL inside */
  IG_ONNX_F_BYTES,   /* ig_onnx_text */
  IG_ONNX_F_INT,     /* int64_t */
  IG_ONNX_F_FLOAT,   /* float */
  IG_ONNX_F_MESSAGE, /* const struct * */
  /* Lists: an int64_t count and a pointer. */
  IG_ONNX_F_TEXTS,
  IG_ONNX_F_BYTES_LIST,
  IG_ONNX_F_INTS,
  IG_ONNX_F_FLOATS,
  IG_ONNX_F_DOUBLES,
  IG_ONNX_F_MESSAGES
} ig_onnx_field_kind;

typedef struct ig_onnx_schema ig_onnx_schema;

typedef struct ig_onnx_field {
  uint32_t number; /* 0 ends the table */
  ig_onnx_field_kind kind;
  size_t at, count;             /* offsets in the struct; count of lists */
  const ig_onnx_schema *schema; /* of messages */
  size_t kind_at;     /* of INT and FLOAT: written, zero too, where the INT at kind_at is this; */
  int64_t kind_value; /* 0: written where it is no zero */
} ig_onnx_field;

struct ig_onnx_schema {
  const char *name; /* "NodeProto" */
  size_t size;      /* of the struct */
  const ig_onnx_field *fields;
  int64_t fallback; /* of the INT field that has no zero: Dimension.dim_value */
  bool choice;      /* at most one of the fields is there (`oneof`) */
};

extern const ig_onnx_schema ig_onnx_schema_model, ig_onnx_schema_graph, ig_onnx_schema_tensor;

#endif
