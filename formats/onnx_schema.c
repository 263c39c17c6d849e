/* onnx.proto, field by field (IR version 13). What is not listed is skipped when read: documentation, device
 * configurations, quantisation annotations. */
#include "formats/onnx_schema.h"

#define ONE(number_, kind_, type, member)                                                          \
  {.number = (number_), .kind = IG_ONNX_F_##kind_, .at = offsetof(type, member)}
#define VALUE(number_, kind_, type, member, by, value_)                                            \
  {.number = (number_),                                                                            \
   .kind = IG_ONNX_F_##kind_,                                                                      \
   .at = offsetof(type, member),                                                                   \
   .kind_at = offsetof(type, by),                                                                  \
   .kind_value = (value_)}
#define PART(number_, type, member, schema_)                                                       \
  {.number = (number_), .kind = IG_ONNX_F_MESSAGE, .at = offsetof(type, member), .schema = &(schema_)}
#define LIST(number_, kind_, type, member)                                                         \
  {.number = (number_),                                                                            \
   .kind = IG_ONNX_F_##kind_,                                                                      \
   .at = offsetof(type, member),                                                                   \
   .count = offsetof(type, n_##member)}
#define PARTS(number_, type, member, schema_)                                                      \
  {.number = (number_),                                                                            \
   .kind = IG_ONNX_F_MESSAGES,                                                                     \
   .at = offsetof(type, member),                                                                   \
   .count = offsetof(type, n_##member),                                                            \
   .schema = &(schema_)}
#define END {.number = 0}

static const ig_onnx_field entry_fields[] = {ONE(1, TEXT, ig_onnx_entry, key),
                                             ONE(2, TEXT, ig_onnx_entry, value), END};
static const ig_onnx_schema entry = {"StringStringEntryProto", sizeof(ig_onnx_entry), entry_fields, 0};

static const ig_onnx_field opset_fields[] = {ONE(1, TEXT, ig_onnx_opset, domain),
                                             ONE(2, INT, ig_onnx_opset, version), END};
static const ig_onnx_schema opset = {"OperatorSetIdProto", sizeof(ig_onnx_opset), opset_fields, 0};

#define T ig_onnx_tensor
static const ig_onnx_field tensor_fields[] = {
    LIST(1, INTS, T, dims),          ONE(2, INT, T, type),           LIST(4, FLOATS, T, floats),
    LIST(5, INTS, T, int32s),        LIST(6, BYTES_LIST, T, texts),  LIST(7, INTS, T, int64s),
    ONE(8, TEXT, T, name),           ONE(9, BYTES, T, raw),          LIST(10, DOUBLES, T, doubles),
    LIST(11, INTS, T, uint64s),      PARTS(13, T, places, entry),    ONE(14, INT, T, location),
    END};
#undef T
const ig_onnx_schema ig_onnx_schema_tensor = {"TensorProto", sizeof(ig_onnx_tensor), tensor_fields, 0};

static const ig_onnx_field sparse_fields[] = {
    PART(1, ig_onnx_sparse, values, ig_onnx_schema_tensor),
    PART(2, ig_onnx_sparse, indices, ig_onnx_schema_tensor), LIST(3, INTS, ig_onnx_sparse, dims), END};
static const ig_onnx_schema sparse = {"SparseTensorProto", sizeof(ig_onnx_sparse), sparse_fields, 0};

static const ig_onnx_field dim_fields[] = {ONE(1, INT, ig_onnx_dim, value),
                                           ONE(2, TEXT, ig_onnx_dim, symbol), END};
static const ig_onnx_schema dim = {"Dimension", sizeof(ig_onnx_dim), dim_fields, -1, true};

static const ig_onnx_field shape_fields[] = {PARTS(1, ig_onnx_shape, dims, dim), END};
static const ig_onnx_schema shape = {"TensorShapeProto", sizeof(ig_onnx_shape), shape_fields, 0};

static const ig_onnx_field tensor_type_fields[] = {ONE(1, INT, ig_onnx_tensor_type, elem),
                                                   PART(2, ig_onnx_tensor_type, shape, shape), END};
static const ig_onnx_schema tensor_type = {"TypeProto.Tensor", sizeof(ig_onnx_tensor_type),
                                           tensor_type_fields, 0};

static const ig_onnx_schema type;
static const ig_onnx_field elem_type_fields[] = {PART(1, ig_onnx_elem_type, elem, type), END};
static const ig_onnx_schema elem_type = {"TypeProto.Sequence", sizeof(ig_onnx_elem_type),
                                         elem_type_fields, 0};

static const ig_onnx_field type_fields[] = {
    PART(1, ig_onnx_type, tensor, tensor_type), PART(4, ig_onnx_type, sequence, elem_type),
    ONE(5, BYTES, ig_onnx_type, map),           ONE(8, BYTES, ig_onnx_type, sparse),
    PART(9, ig_onnx_type, optional, elem_type), END};
static const ig_onnx_schema type = {"TypeProto", sizeof(ig_onnx_type), type_fields, 0, true};

static const ig_onnx_field value_fields[] = {ONE(1, TEXT, ig_onnx_value, name),
                                             PART(2, ig_onnx_value, type, type), END};
static const ig_onnx_schema value = {"ValueInfoProto", sizeof(ig_onnx_value), value_fields, 0};

#define A ig_onnx_attr
static const ig_onnx_field attr_fields[] = {
    ONE(1, TEXT, A, name),
    VALUE(2, FLOAT, A, f, type, IG_ONNX_FLOAT),
    VALUE(3, INT, A, i, type, IG_ONNX_INT),
    ONE(4, BYTES, A, s),
    PART(5, A, tensor, ig_onnx_schema_tensor),
    PART(6, A, graph, ig_onnx_schema_graph),
    LIST(7, FLOATS, A, floats),
    LIST(8, INTS, A, ints),
    LIST(9, BYTES_LIST, A, strings),
    ONE(10, BYTES, A, others),
    ONE(11, BYTES, A, others),
    PART(14, A, value_type, type),
    ONE(15, BYTES, A, others),
    ONE(20, INT, A, type),
    ONE(21, TEXT, A, reference),
    PART(22, A, sparse, sparse),
    ONE(23, BYTES, A, others),
    END};
#undef A
static const ig_onnx_schema attr = {"AttributeProto", sizeof(ig_onnx_attr), attr_fields, 0};

#define N ig_onnx_node
static const ig_onnx_field node_fields[] = {
    LIST(1, TEXTS, N, inputs), LIST(2, TEXTS, N, outputs), ONE(3, TEXT, N, name),
    ONE(4, TEXT, N, op),       PARTS(5, N, attrs, attr),   ONE(7, TEXT, N, domain),
    ONE(8, TEXT, N, overload), PARTS(9, N, metadata, entry), END};
#undef N
static const ig_onnx_schema node = {"NodeProto", sizeof(ig_onnx_node), node_fields, 0};

#define G ig_onnx_graph
static const ig_onnx_field graph_fields[] = {
    PARTS(1, G, nodes, node),     ONE(2, TEXT, G, name),
    PARTS(5, G, initializers, ig_onnx_schema_tensor),
    PARTS(11, G, inputs, value),  PARTS(12, G, outputs, value),
    PARTS(13, G, values, value),  PARTS(15, G, sparse, sparse), END};
#undef G
const ig_onnx_schema ig_onnx_schema_graph = {"GraphProto", sizeof(ig_onnx_graph), graph_fields, 0};

#define F ig_onnx_function
static const ig_onnx_field function_fields[] = {
    ONE(1, TEXT, F, name),        LIST(4, TEXTS, F, inputs),    LIST(5, TEXTS, F, outputs),
    LIST(6, TEXTS, F, attrs),     PARTS(7, F, nodes, node),     PARTS(9, F, opsets, opset),
    ONE(10, TEXT, F, domain),     PARTS(11, F, defaults, attr), ONE(13, TEXT, F, overload), END};
#undef F
static const ig_onnx_schema function = {"FunctionProto", sizeof(ig_onnx_function), function_fields, 0};

#define M ig_onnx_message
static const ig_onnx_field model_fields[] = {
    ONE(1, INT, M, ir_version),        ONE(2, TEXT, M, producer),
    ONE(3, TEXT, M, producer_version), ONE(4, TEXT, M, domain),
    ONE(5, INT, M, model_version),     ONE(6, TEXT, M, doc),
    PART(7, M, graph, ig_onnx_schema_graph), PARTS(8, M, opsets, opset),
    PARTS(14, M, metadata, entry),     PARTS(25, M, functions, function), END};
#undef M
const ig_onnx_schema ig_onnx_schema_model = {"ModelProto", sizeof(ig_onnx_message), model_fields, 0};
