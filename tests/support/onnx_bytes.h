/* ONNX files made field by field, for tests of the reader: independent of the tables that it is driven by. A
 * message is a growing array of bytes; nested ones are put into the outer one when they are whole. */
#ifndef IG_TESTS_ONNX_BYTES_H
#define IG_TESTS_ONNX_BYTES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct message {
  unsigned char *at;
  size_t size, room;
} message;

static inline void put_bytes(message *b, const void *from, size_t size) {
  if (b->size + size > b->room) {
    b->room = (b->size + size) * 2 + 64;
    b->at = realloc(b->at, b->room);
    if (!b->at) abort();
  }
  if (size) memcpy(b->at + b->size, from, size);
  b->size += size;
}

static inline void put_varint(message *b, uint64_t value) {
  do {
    unsigned char byte = (unsigned char)(value & 0x7f) | (value > 0x7f ? 0x80 : 0);
    put_bytes(b, &byte, 1);
    value >>= 7;
  } while (value);
}

static inline void put_int(message *b, int field, int64_t value) {
  put_varint(b, (uint64_t)field << 3);
  put_varint(b, (uint64_t)value);
}

static inline void put_block(message *b, int field, const void *from, size_t size) {
  put_varint(b, (uint64_t)field << 3 | 2);
  put_varint(b, size);
  put_bytes(b, from, size);
}

static inline void put_text(message *b, int field, const char *text) {
  put_block(b, field, text, strlen(text));
}

/* Releases the inner one. */
static inline void put_message(message *b, int field, message inner) {
  put_block(b, field, inner.at, inner.size);
  free(inner.at);
}

static inline message tensor_bytes(const char *name, int type, int n_dims, const int64_t *dims,
                                 const void *raw, size_t size) {
  message t = {0};
  for (int i = 0; i < n_dims; i++) put_int(&t, 1, dims[i]);
  put_int(&t, 2, type);
  put_text(&t, 8, name);
  put_block(&t, 9, raw, size);
  return t;
}

/* A ValueInfoProto; a dimension below 0 is free under the symbol "N". */
static inline message value_bytes(const char *name, int type, int n_dims, const int64_t *dims) {
  message v = {0}, shape = {0}, tensor = {0}, of = {0};
  for (int i = 0; i < n_dims; i++) {
    message dim = {0};
    if (dims[i] < 0) put_text(&dim, 2, "N");
    else put_int(&dim, 1, dims[i]);
    put_message(&shape, 1, dim);
  }
  put_int(&tensor, 1, type);
  put_message(&tensor, 2, shape);
  put_message(&of, 1, tensor);
  put_text(&v, 1, name);
  put_message(&v, 2, of);
  return v;
}

/* A NodeProto; inputs and outputs separated by spaces, "-" for an absent one. */
static inline void put_names(message *b, int field, const char *names) {
  while (*names) {
    size_t n = strcspn(names, " ");
    put_block(b, field, names, n == 1 && *names == '-' ? 0 : n);
    names += n;
    while (*names == ' ') names++;
  }
}

static inline message node_bytes(const char *op, const char *inputs, const char *outputs) {
  message n = {0};
  put_names(&n, 1, inputs);
  put_names(&n, 2, outputs);
  put_text(&n, 3, "the_node");
  put_text(&n, 4, op);
  return n;
}

static inline void put_int_attr(message *node, const char *name, int64_t value) {
  message a = {0};
  put_text(&a, 1, name);
  put_int(&a, 3, value);
  put_int(&a, 20, 2);
  put_message(node, 5, a);
}

static inline void put_ints_attr(message *node, const char *name, int n, const int64_t *values) {
  message a = {0};
  put_text(&a, 1, name);
  for (int i = 0; i < n; i++) put_int(&a, 8, values[i]);
  put_int(&a, 20, 7);
  put_message(node, 5, a);
}

static inline void put_floats_attr(message *node, const char *name, int n, const float *values) {
  message a = {0};
  put_text(&a, 1, name);
  put_block(&a, 7, values, (size_t)n * sizeof *values);
  put_int(&a, 20, 6);
  put_message(node, 5, a);
}

/* Separated by spaces. */
static inline void put_texts_attr(message *node, const char *name, const char *values) {
  message a = {0};
  put_text(&a, 1, name);
  put_names(&a, 9, values);
  put_int(&a, 20, 8);
  put_message(node, 5, a);
}

static inline void put_text_attr(message *node, const char *name, const char *value) {
  message a = {0};
  put_text(&a, 1, name);
  put_text(&a, 4, value);
  put_int(&a, 20, 3);
  put_message(node, 5, a);
}

/* A ModelProto around a graph, of that opset. */
static inline message model_bytes(message graph, int opset) {
  message m = {0}, set = {0};
  put_int(&m, 1, 8);
  put_message(&m, 7, graph);
  put_int(&set, 2, opset);
  put_message(&m, 8, set);
  return m;
}

#endif
