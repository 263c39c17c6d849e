/* Layers of Keras onto parameters. What a layer is follows from its weights: a kernel of four dimensions is a
 * convolution's, one of two a dense layer's, four vectors are a batch normalisation's. The network's side
 * is read off its graph. */
#include <stdio.h>
#include <string.h>

#include "engine/ops/op.h"
#include "formats/keras.h"

typedef enum kind { CONVOLUTION, DENSE, EMBEDDING, BATCH_NORM, LAYER_NORM, N_KINDS } kind;

static const char *const kind_names[] = {"convolutions", "dense layers", "embeddings",
                                         "batch normalisations", "layer normalisations"};

/* One layer of the network: its values by role. */
typedef struct target {
  const char *name; /* borrowed, `length` bytes */
  int length;
  kind kind;
  const ig_value *weight, *bias, *mean, *variance;
  bool swapped; /* DENSE: the operator wants [out, in] */
  ig_shape
      flattened; /* DENSE: rank 3, [C, H, W] of the image whose elements the rows are; rank 0: none */
} target;

typedef struct mapping {
  const char *path;
  int64_t n_layers;
  ig_keras_layer *layers;
  kind *kinds; /* of the layers */
  int64_t n_targets;
  target *targets;
  ig_snapshot *snapshot;
} mapping;

/* --- the network ---------------------------------------------------------------------------------- */

static const ig_node *user_of(const ig_value *value) {
  return value->n_uses > 0 ? value->uses[0].node : NULL;
}

static bool is_op(const ig_node *node, const char *op) {
  return node && strcmp(node->op->name, op) == 0;
}

/* Gemm's attribute transB, by the table that all tools read. */
static bool is_swapped(const ig_node *gemm) {
  ig_attr attr;
  for (const ig_attr_field *f = gemm->op->attrs; f && f->name; f++) {
    if (strcmp(f->name, "transB") != 0) continue;
    attr.i = *(const int64_t *)((const char *)gemm->attrs + f->offset);
    return attr.i != 0;
  }
  return false;
}

/* The image that a Gemm's input was made flat from. */
static ig_shape flattened_from(const ig_value *x) {
  static const char *const same[] = {"Dropout", "Relu", "Identity"};
  const ig_node *node = x->producer;
  for (int i = 0; node && i < IG_COUNT(same); i++) {
    if (!is_op(node, same[i])) continue;
    node = node->inputs[0]->producer;
    i = -1;
  }
  bool flat = is_op(node, "Flatten") || is_op(node, "Reshape");
  const ig_shape *s = flat ? &node->inputs[0]->shape : NULL;
  bool image = s && s->rank == 4 && x->shape.rank == 2 &&
               s->dims[1] * s->dims[2] * s->dims[3] == x->shape.dims[1];
  return image ? IG_SHAPE(s->dims[1], s->dims[2], s->dims[3]) : IG_SCALAR;
}

static ig_status find_kind(const mapping *m, target *t) {
  const ig_node *node = t->weight ? user_of(t->weight) : NULL;
  int rank = t->weight ? t->weight->shape.rank : 0;
  if (rank == 4 && is_op(node, "Conv")) {
    t->kind = CONVOLUTION;
  } else if (rank == 2 && is_op(node, "Gemm")) {
    t->kind = DENSE;
    t->swapped = is_swapped(node);
    t->flattened = flattened_from(node->inputs[0]);
  } else if (rank == 2 && is_op(node, "Gather")) {
    t->kind = EMBEDDING;
  } else if (rank == 1 && t->bias && t->mean && t->variance) {
    t->kind = BATCH_NORM;
  } else if (rank == 1 && t->bias) {
    t->kind = LAYER_NORM;
  } else {
    return ig_fail(IG_ERR_UNSUPPORTED, "%s: the model's '%.*s' is no layer that Keras has", m->path,
                   t->length, t->name);
  }
  return IG_OK;
}

/* The layer of a value's name up to its last '.', which is the last one while its values come. */
static target *target_of(mapping *m, const ig_value *v, const char **role) {
  const char *dot = strrchr(v->name, '.');
  int length = dot ? (int)(dot - v->name) : (int)strlen(v->name);
  *role = dot ? dot + 1 : "weight";
  for (int64_t i = 0; i < m->n_targets; i++) {
    target *t = &m->targets[i];
    if (t->length == length && strncmp(t->name, v->name, (size_t)length) == 0) return t;
  }
  m->targets[m->n_targets] = (target){.name = v->name, .length = length};
  return &m->targets[m->n_targets++];
}

static ig_status read_targets(mapping *m, const ig_graph *graph, ig_arena *arena) {
  m->targets = ig_arena_alloc(arena, ((size_t)graph->n_values + 1) * sizeof *m->targets);
  IG_CHECK_ALLOC(m->targets);
  for (int32_t i = 0; i < graph->n_values; i++) {
    const ig_value *v = graph->values[i];
    if (v->kind != IG_VALUE_PARAM && v->kind != IG_VALUE_STATE) continue;
    const char *role;
    target *t = target_of(m, v, &role);
    bool known = v->dtype == IG_F32;
    if (known && strcmp(role, "weight") == 0)
      t->weight = v;
    else if (known && strcmp(role, "bias") == 0)
      t->bias = v;
    else if (known && strcmp(role, "running_mean") == 0)
      t->mean = v;
    else if (known && strcmp(role, "running_var") == 0)
      t->variance = v;
    else
      return ig_fail(IG_ERR_UNSUPPORTED, "%s: the model's '%s' has no counterpart in Keras",
                     m->path, v->name);
  }
  for (int64_t i = 0; i < m->n_targets; i++) IG_TRY(find_kind(m, &m->targets[i]));
  return IG_OK;
}

/* --- Keras' side ---------------------------------------------------------------------------------- */

static ig_status find_layer_kind(const mapping *m, const ig_keras_layer *layer, kind *out) {
  int rank = layer->weights[0].shape.rank;
  bool vectors = true;
  for (int i = 0; i < layer->n; i++) vectors = vectors && layer->weights[i].shape.rank == 1;
  bool embedding = layer->n == 1 && rank == 2 &&
                   (strcmp(layer->weights[0].name, "embeddings") == 0 ||
                    strncmp(layer->name, "embedding", 9) == 0);
  if (embedding)
    *out = EMBEDDING;
  else if (rank == 4 && layer->n <= 2)
    *out = CONVOLUTION;
  else if (rank == 2 && layer->n <= 2)
    *out = DENSE;
  else if (vectors && layer->n == 4)
    *out = BATCH_NORM;
  else if (vectors && layer->n == 2)
    *out = LAYER_NORM;
  else
    return ig_fail(
        IG_ERR_UNSUPPORTED,
        "%s: layer '%s' has %d weights, the first of shape %s, which is no layer that is "
        "known here",
        m->path, layer->name, layer->n, IG_SHAPE_STR(&layer->weights[0].shape));
  return IG_OK;
}

static ig_status read_kinds(mapping *m, ig_arena *arena) {
  int64_t kept = 0;
  for (int64_t i = 0; i < m->n_layers; i++) {
    if (m->layers[i].n > 0) m->layers[kept++] = m->layers[i];
  }
  m->n_layers = kept;
  m->kinds = ig_arena_alloc(arena, ((size_t)kept + 1) * sizeof *m->kinds);
  IG_CHECK_ALLOC(m->kinds);
  for (int64_t i = 0; i < kept; i++) IG_TRY(find_layer_kind(m, &m->layers[i], &m->kinds[i]));
  return IG_OK;
}

/* --- pairs ---------------------------------------------------------------------------------------- */

static bool names_fit(const mapping *m, const target *t, const ig_keras_layer *layer) {
  return (int)strlen(layer->name) == t->length &&
         strncmp(layer->name, t->name, (size_t)t->length) == 0 &&
         m->kinds[layer - m->layers] == t->kind;
}

/* The layer of the same name; failing that (`by_name` false), the one of the same kind and place. */
static const ig_keras_layer *layer_of(const mapping *m, int64_t index, bool by_name) {
  const target *t = &m->targets[index];
  int64_t place = 0;
  for (int64_t i = 0; i < index; i++) place += m->targets[i].kind == t->kind;
  for (int64_t i = 0; i < m->n_layers; i++) {
    if (by_name && names_fit(m, t, &m->layers[i])) return &m->layers[i];
    if (!by_name && m->kinds[i] == t->kind && place-- == 0) return &m->layers[i];
  }
  return NULL;
}

static ig_status check_counts(const mapping *m) {
  for (kind k = 0; k < N_KINDS; k++) {
    int64_t theirs = 0, ours = 0;
    for (int64_t i = 0; i < m->n_layers; i++) theirs += m->kinds[i] == k;
    for (int64_t i = 0; i < m->n_targets; i++) ours += m->targets[i].kind == k;
    IG_CHECK(theirs == ours, IG_ERR_INPUT, "%s: has %lld %s, the model has %lld", m->path,
             (long long)theirs, kind_names[k], (long long)ours);
  }
  return IG_OK;
}

/* --- values --------------------------------------------------------------------------------------- */

static ig_status mismatch(const mapping *m, const target *t, const ig_keras_layer *layer,
                          const ig_keras_weight *w, const ig_value *v) {
  return ig_fail(IG_ERR_INPUT, "%s: '%s' of layer '%s' has shape %s, which does not fit '%.*s' %s",
                 m->path, w->name, layer->name, IG_SHAPE_STR(&w->shape), t->length, t->name,
                 IG_SHAPE_STR(&v->shape));
}

static ig_status room_for(const mapping *m, const ig_value *v, float **out) {
  void *data;
  ig_tensor_role role = v->kind == IG_VALUE_PARAM ? IG_ROLE_PARAMETER : IG_ROLE_STATE;
  IG_TRY(ig_snapshot_add(m->snapshot, role, v->name, IG_F32, &v->shape, &data));
  *out = data;
  return IG_OK;
}

static ig_status take_vector(const mapping *m, const target *t, const ig_keras_layer *layer,
                             const ig_keras_weight *w, const ig_value *v) {
  float *out;
  if (!ig_shape_equal(&w->shape, &v->shape)) return mismatch(m, t, layer, w, v);
  IG_TRY(room_for(m, v, &out));
  memcpy(out, w->data, ig_shape_bytes(&v->shape, IG_F32));
  return IG_OK;
}

/* [H, W, in, out] to [out, in, H, W]; of a depthwise one, [H, W, channels, multiplier], the filters of a
 * channel follow one another in [channels * multiplier, 1, H, W]. */
static ig_status take_filters(const mapping *m, const target *t, const ig_keras_layer *layer) {
  const ig_keras_weight *w = &layer->weights[0];
  const int64_t *k = w->shape.dims, *o = t->weight->shape.dims;
  bool plain = o[0] == k[3] && o[1] == k[2];
  bool depthwise = !plain && o[1] == 1 && o[0] == k[2] * k[3];
  if (o[2] != k[0] || o[3] != k[1] || !(plain || depthwise)) {
    return mismatch(m, t, layer, w, t->weight);
  }
  float *out;
  IG_TRY(room_for(m, t->weight, &out));
  int64_t taps = k[0] * k[1];
  for (int64_t tap = 0; tap < taps; tap++) {
    for (int64_t c = 0; c < k[2]; c++) {
      for (int64_t f = 0; f < k[3]; f++) {
        int64_t row = depthwise ? c * k[3] + f : f * k[2] + c;
        out[row * taps + tap] = w->data[(tap * k[2] + c) * k[3] + f];
      }
    }
  }
  return IG_OK;
}

/* Row of Keras' matrix for input `i` of ours: Keras flattens images [H, W, C]. */
static int64_t source_row(const target *t, int64_t i) {
  if (t->flattened.rank == 0) return i;
  int64_t channels = t->flattened.dims[0], pixels = t->flattened.dims[1] * t->flattened.dims[2];
  return i % pixels * channels + i / pixels;
}

static ig_status take_matrix(const mapping *m, const target *t, const ig_keras_layer *layer) {
  const ig_keras_weight *w = &layer->weights[0];
  int64_t in = w->shape.dims[0], out_size = w->shape.dims[1];
  ig_shape wanted = t->swapped ? IG_SHAPE(out_size, in) : IG_SHAPE(in, out_size);
  if (!ig_shape_equal(&wanted, &t->weight->shape)) return mismatch(m, t, layer, w, t->weight);
  float *out;
  IG_TRY(room_for(m, t->weight, &out));
  for (int64_t i = 0; i < in; i++) {
    const float *row = w->data + source_row(t, i) * out_size;
    for (int64_t o = 0; o < out_size; o++) out[t->swapped ? o * in + i : i * out_size + o] = row[o];
  }
  return IG_OK;
}

/* A bias that one side lacks is 0 in ours, and no place in theirs. */
static ig_status take_bias(const mapping *m, const target *t, const ig_keras_layer *layer) {
  float *out;
  if (layer->n == 2 && t->bias) return take_vector(m, t, layer, &layer->weights[1], t->bias);
  IG_CHECK(layer->n < 2, IG_ERR_INPUT, "%s: layer '%s' has a bias, '%.*s' has none", m->path,
           layer->name, t->length, t->name);
  if (!t->bias) return IG_OK;
  IG_TRY(room_for(m, t->bias, &out));
  memset(out, 0, ig_shape_bytes(&t->bias->shape, IG_F32));
  return IG_OK;
}

static ig_status take_layer(const mapping *m, const target *t, const ig_keras_layer *layer) {
  const ig_keras_weight *w = layer->weights;
  switch (t->kind) {
  case CONVOLUTION: IG_TRY(take_filters(m, t, layer)); return take_bias(m, t, layer);
  case DENSE: IG_TRY(take_matrix(m, t, layer)); return take_bias(m, t, layer);
  case EMBEDDING: return take_vector(m, t, layer, w, t->weight);
  case BATCH_NORM: /* gamma, beta, moving mean and variance */
    IG_TRY(take_vector(m, t, layer, &w[2], t->mean));
    IG_TRY(take_vector(m, t, layer, &w[3], t->variance));
    IG_TRY(take_vector(m, t, layer, &w[0], t->weight));
    return take_vector(m, t, layer, &w[1], t->bias);
  default:
    IG_TRY(take_vector(m, t, layer, &w[0], t->weight));
    return take_vector(m, t, layer, &w[1], t->bias);
  }
}

static ig_status load(mapping *m, const ig_graph *graph, ig_arena *arena) {
  IG_TRY(ig_keras_read(m->path, arena, &m->n_layers, &m->layers));
  IG_TRY(read_targets(m, graph, arena));
  IG_TRY(read_kinds(m, arena));
  IG_TRY(check_counts(m));
  bool by_name = true;
  for (int64_t i = 0; i < m->n_targets; i++) by_name = by_name && layer_of(m, i, true);
  for (int64_t i = 0; i < m->n_targets; i++) {
    IG_TRY(take_layer(m, &m->targets[i], layer_of(m, i, by_name)));
  }
  return IG_OK;
}

ig_status ig_keras_load(const char *path, const ig_graph *graph, ig_snapshot *snapshot) {
  mapping m = {.path = path, .snapshot = snapshot};
  ig_arena *arena = ig_arena_create();
  IG_CHECK_ALLOC(arena);
  ig_status status = load(&m, graph, arena);
  ig_arena_destroy(arena);
  return status;
}
