/* Nodes on their way out: names, constants, attributes as ONNX has them, and the list of what an opset
 * cannot say. Failures are sticky, so that decompositions read as formulas. */
#include <string.h>

#include "formats/onnx_export_parts.h"

void ig_onnx_fail(ig_onnx_exporter *exporter, ig_status status) {
  if (exporter->status == IG_OK) exporter->status = status;
}

static void *arena_alloc(ig_onnx_exporter *exporter, size_t size) {
  void *memory = ig_arena_alloc(exporter->arena, size + 1);
  if (!memory) ig_onnx_fail(exporter, ig_fail(IG_ERR_MEMORY, "%s: out of memory", exporter->path));
  return memory;
}

const char *ig_onnx_claim(ig_onnx_exporter *exporter, const char *wanted) {
  const char *name = ig_arena_strdup(exporter->arena, wanted);
  while (name && exporter->status == IG_OK && ig_onnx_names_find(&exporter->names, name)) {
    name = ig_arena_format(exporter->arena, "%s_%lld", wanted, (long long)++exporter->made_up);
  }
  void *taken;
  if (!name) {
    ig_onnx_fail(exporter, ig_fail(IG_ERR_MEMORY, "%s: out of memory", exporter->path));
    return NULL;
  }
  ig_onnx_fail(exporter, ig_onnx_names_set(&exporter->names, name, exporter, &taken));
  return name;
}

const ig_attr *ig_onnx_find_attr(const ig_onnx_out *out, const char *name) {
  for (int i = 0; i < out->n_attrs; i++) {
    if (strcmp(out->attrs[i].name, name) == 0) return &out->attrs[i];
  }
  return NULL;
}

void ig_onnx_problem(const ig_onnx_out *out, const char *why) {
  ig_onnx_exporter *x = out->block->exporter;
  for (int i = 0; i < x->n_problems; i++) {
    if (strcmp(x->problems[i].op, out->op) != 0 || strcmp(x->problems[i].why, why) != 0) continue;
    x->problems[i].times++;
    return;
  }
  if (!ig_grow((void **)&x->problems, &x->problem_capacity, x->n_problems + 1, sizeof *x->problems)) {
    ig_onnx_fail(x, ig_fail(IG_ERR_MEMORY, "%s: out of memory", x->path));
    return;
  }
  x->problems[x->n_problems++] = (struct ig_onnx_problem){out->op, why, out->name, 1};
}

/* --- tensors ----------------------------------------------------------------------------------- */

ig_status ig_onnx_tensor_of(ig_arena *arena, const char *name, ig_dtype dtype, const ig_shape *shape,
                            const void *data, ig_onnx_tensor *out) {
  int64_t count = ig_shape_count(shape);
  *out = (ig_onnx_tensor){.name = name, .type = ig_dtype_to_onnx(dtype), .n_dims = shape->rank};
  out->dims = ig_arena_copy(arena, shape->dims, (size_t)shape->rank * sizeof *shape->dims);
  IG_CHECK(out->dims, IG_ERR_MEMORY, "tensor '%s': out of memory", name ? name : "");
  if (dtype == IG_STRING) {
    const ig_string *texts = data;
    ig_onnx_text *list = ig_arena_alloc(arena, ((size_t)count + 1) * sizeof *list);
    IG_CHECK(list, IG_ERR_MEMORY, "tensor '%s': out of memory", name ? name : "");
    for (int64_t i = 0; i < count; i++) list[i] = (ig_onnx_text){texts[i].bytes, texts[i].size};
    out->n_texts = count;
    out->texts = list;
  } else if (ig_dtype_is_packed(dtype)) {
    size_t size = ig_dtype_packed_size(dtype, count);
    uint8_t *packed = ig_arena_alloc(arena, size + 1);
    IG_CHECK(packed, IG_ERR_MEMORY, "tensor '%s': out of memory", name ? name : "");
    ig_dtype_pack(dtype, data, count, packed);
    out->raw = (ig_onnx_text){(const char *)packed, size};
  } else {
    out->raw = (ig_onnx_text){count ? data : "", (size_t)count * ig_dtype_size(dtype)};
  }
  return IG_OK;
}

void ig_onnx_initializer(ig_onnx_block *block, const char *name, ig_dtype dtype, const ig_shape *shape,
                         const void *data) {
  ig_onnx_exporter *x = block->exporter;
  if (x->status != IG_OK) return;
  if (!ig_grow((void **)&block->initializers, &block->initializer_capacity, block->n_initializers + 1,
               sizeof *block->initializers)) {
    ig_onnx_fail(x, ig_fail(IG_ERR_MEMORY, "%s: out of memory", x->path));
    return;
  }
  ig_onnx_tensor *made = &block->initializers[block->n_initializers++];
  ig_onnx_fail(x, ig_onnx_tensor_of(x->arena, name, dtype, shape, data, made));
  x->report.weights += made->raw.size;
  if (ig_onnx_type_since(dtype) > x->opset) {
    ig_onnx_out as = {.block = block, .op = ig_dtype_name(dtype), .name = name};
    ig_onnx_problem(&as, "a type that the opset lacks");
  }
}

/* A constant that a node may read; until one does, it is not written. */
typedef struct pending {
  ig_onnx_block *block;
  const char *name;
  ig_dtype dtype;
  ig_shape shape;
  const void *data;
} pending;

void ig_onnx_constant_later(ig_onnx_block *block, const char *name, ig_dtype dtype,
                            const ig_shape *shape, const void *data) {
  ig_onnx_exporter *x = block->exporter;
  const pending made = {block, name, dtype, *shape, data};
  void *kept = ig_arena_copy(x->arena, &made, sizeof made), *taken;
  if (!kept) ig_onnx_fail(x, ig_fail(IG_ERR_MEMORY, "%s: out of memory", x->path));
  else ig_onnx_fail(x, ig_onnx_names_set(&x->names, name, kept, &taken));
}

/* The name table has the exporter itself for what is written. */
static void note_read(ig_onnx_exporter *x, const char *name) {
  void *found = ig_onnx_names_find(&x->names, name), *taken;
  if (!found || found == x) return;
  const pending *p = found;
  ig_onnx_initializer(p->block, p->name, p->dtype, &p->shape, p->data);
  ig_onnx_fail(x, ig_onnx_names_set(&x->names, name, x, &taken));
}

ig_onnx_arg ig_onnx_const(ig_onnx_out *like, ig_dtype dtype, ig_shape shape, const void *data) {
  ig_onnx_exporter *x = like->block->exporter;
  size_t size = ig_shape_bytes(&shape, dtype);
  ig_onnx_arg arg = {.name = ig_onnx_claim(x, ig_arena_format(x->arena, "%s.const", like->name)),
                     .known = {.dtype = dtype, .rank = shape.rank},
                     .data = ig_arena_copy(x->arena, data, size)};
  if (!arg.name || !arg.data) {
    ig_onnx_fail(x, ig_fail(IG_ERR_MEMORY, "%s: out of memory", x->path));
    return arg;
  }
  memcpy(arg.known.dims, shape.dims, sizeof arg.known.dims);
  ig_onnx_constant_later(like->block, arg.name, dtype, &shape, arg.data);
  return arg;
}

ig_onnx_arg ig_onnx_i64s(ig_onnx_out *like, int n, const int64_t *values) {
  return ig_onnx_const(like, IG_I64, IG_SHAPE(n), values);
}

/* Of an operand whose type is not known, a CastLike tells it. */
ig_onnx_arg ig_onnx_scalar(ig_onnx_out *like, const ig_onnx_arg *as, double value) {
  ig_dtype dtype = as->known.dtype;
  if (dtype == IG_NONE) {
    float f = (float)value;
    if (like->block->exporter->opset < 15)
      ig_onnx_problem(like, "an operand's type is not known, which opsets before 15 need");
    ig_onnx_arg plain = ig_onnx_const(like, IG_F32, IG_SCALAR, &f);
    return ig_onnx_new(like, "CastLike", IG_ARGS(plain, *as), IG_NO_ATTRS);
  }
  uint64_t bytes[2] = {0};
  ig_store_f64(dtype, bytes, 0, value);
  return ig_onnx_const(like, dtype, IG_SCALAR, bytes);
}

/* --- nodes ------------------------------------------------------------------------------------- */

static void convert_attr(ig_onnx_exporter *x, const ig_attr *from, ig_onnx_attr *to) {
  *to = (ig_onnx_attr){.name = ig_arena_strdup(x->arena, from->name)};
  switch (from->type) {
  case IG_ATTR_INT: to->type = IG_ONNX_INT, to->i = from->i; break;
  case IG_ATTR_FLOAT: to->type = IG_ONNX_FLOAT, to->f = from->f; break;
  case IG_ATTR_STRING:
    to->type = IG_ONNX_STRING;
    to->s = (ig_onnx_text){ig_arena_strdup(x->arena, from->s), strlen(from->s)};
    break;
  case IG_ATTR_INTS:
    to->type = IG_ONNX_INTS, to->n_ints = from->ints.n;
    to->ints = ig_arena_copy(x->arena, from->ints.v, (size_t)from->ints.n * sizeof(int64_t));
    break;
  case IG_ATTR_FLOATS:
    to->type = IG_ONNX_FLOATS, to->n_floats = from->floats.n;
    to->floats = ig_arena_copy(x->arena, from->floats.v, (size_t)from->floats.n * sizeof(float));
    break;
  case IG_ATTR_STRINGS: {
    ig_onnx_text *list = arena_alloc(x, (size_t)from->strings.n * sizeof *list);
    for (int i = 0; i < from->strings.n && list; i++)
      list[i] = (ig_onnx_text){from->strings.v[i], strlen(from->strings.v[i])};
    to->type = IG_ONNX_STRINGS, to->n_strings = from->strings.n, to->strings = list;
    break;
  }
  case IG_ATTR_TENSOR: {
    ig_onnx_tensor *tensor = arena_alloc(x, sizeof *tensor);
    const ig_literal *l = from->tensor;
    to->type = IG_ONNX_TENSOR_ATTR, to->tensor = tensor;
    if (tensor)
      ig_onnx_fail(x, ig_onnx_tensor_of(x->arena, NULL, l->dtype, &l->shape, l->data, tensor));
    break;
  }
  case IG_ATTR_GRAPH: break; /* bodies are converted apart */
  }
}

/* "ai.onnx.ml.Scaler" is Scaler of ai.onnx.ml. Another domain's operator is of the newest version that
 * `since` tells. */
static const char *split_domain(ig_onnx_exporter *x, const char *op, const char **domain) {
  const char *dot = strrchr(op, '.');
  *domain = NULL;
  if (!dot) return op;
  *domain = ig_arena_format(x->arena, "%.*s", (int)(dot - op), op);
  const ig_op *found = ig_op_find(op);
  int64_t version = found ? IG_MAX(found->since, 1) : 1;
  for (int64_t i = 0; i < x->n_domains; i++) {
    if (*domain && strcmp(x->domains[i].domain, *domain) == 0) {
      x->domains[i].version = IG_MAX(x->domains[i].version, version);
      return dot + 1;
    }
  }
  if (!*domain ||
      !ig_grow((void **)&x->domains, &x->domain_capacity, x->n_domains + 1, sizeof *x->domains)) {
    ig_onnx_fail(x, ig_fail(IG_ERR_MEMORY, "%s: out of memory", x->path));
    return op;
  }
  x->domains[x->n_domains++] = (ig_onnx_opset){*domain, version};
  return dot + 1;
}

static void append(ig_onnx_out *out) {
  ig_onnx_block *block = out->block;
  ig_onnx_exporter *x = block->exporter;
  int n_attrs = out->n_attrs + out->n_bodies, n_in = out->n_in, n_out = out->n_out;
  while (n_in > 0 && *out->in[n_in - 1].name == 0) n_in--;
  while (n_out > 0 && *out->out[n_out - 1].name == 0) n_out--;
  const char **in = arena_alloc(x, (size_t)n_in * sizeof *in);
  const char **results = arena_alloc(x, (size_t)n_out * sizeof *results);
  ig_onnx_attr *attrs = arena_alloc(x, (size_t)n_attrs * sizeof *attrs);
  if (!in || !results || !attrs) return;
  for (int i = 0; i < n_in; i++) {
    in[i] = out->in[i].name;
    note_read(x, in[i]);
  }
  for (int i = 0; i < n_out; i++) results[i] = out->out[i].name;
  for (int i = 0; i < out->n_attrs; i++) convert_attr(x, &out->attrs[i], &attrs[i]);
  for (int i = 0; i < out->n_bodies; i++) attrs[out->n_attrs + i] = out->bodies[i];
  ig_onnx_node made = {.name = out->name,
                       .n_inputs = n_in,
                       .inputs = in,
                       .n_outputs = n_out,
                       .outputs = results,
                       .n_attrs = n_attrs,
                       .attrs = attrs};
  made.op = split_domain(x, out->op, &made.domain);
  if (!ig_grow((void **)&block->nodes, &block->node_capacity, block->n_nodes + 1, sizeof made)) {
    ig_onnx_fail(x, ig_fail(IG_ERR_MEMORY, "%s: out of memory", x->path));
    return;
  }
  block->nodes[block->n_nodes++] = made;
  x->report.n_nodes++;
}

static uint32_t types_of(const ig_onnx_out *out) {
  uint32_t types = 0;
  for (int i = 0; i < out->n_in; i++) types |= 1u << out->in[i].known.dtype;
  for (int i = 0; i < out->n_out; i++) types |= 1u << out->out[i].known.dtype;
  return types & ~1u;
}

void ig_onnx_emit(ig_onnx_out *out) {
  ig_onnx_exporter *x = out->block->exporter;
  if (x->status != IG_OK) return;
  if (strncmp(out->op, "ingot.", 6) == 0) {
    ig_onnx_problem(out, "an operator of Ingot's own");
    return;
  }
  ig_onnx_downgrade(out);
  if (out->done || x->status != IG_OK) return;
  int64_t needs = ig_onnx_needs(out->op, out->n_attrs, out->attrs, out->n_in, types_of(out));
  if (needs > x->opset) {
    const char *why = ig_arena_format(x->arena, "needs opset %lld", (long long)needs);
    if (why) ig_onnx_problem(out, why);
  }
  append(out);
}

static void emit_as(ig_onnx_out *like, const char *op, const ig_onnx_arg *result, int n_in,
                    const ig_onnx_arg *in, int n_attrs, const ig_attr *attrs) {
  ig_onnx_exporter *x = like->block->exporter;
  ig_onnx_arg *args = arena_alloc(x, ((size_t)n_in + IG_ONNX_SPARE) * sizeof *args);
  ig_attr *list = arena_alloc(x, ((size_t)n_attrs + IG_ONNX_SPARE) * sizeof *list);
  if (!args || !list || x->status != IG_OK) return;
  memcpy(args, in, (size_t)n_in * sizeof *args);
  if (n_attrs) memcpy(list, attrs, (size_t)n_attrs * sizeof *list);
  ig_onnx_out out = {.block = like->block,
                     .op = op,
                     .name = result->name,
                     .n_in = n_in,
                     .n_attrs = n_attrs,
                     .n_out = 1,
                     .in = args,
                     .attrs = list,
                     .out = result};
  ig_onnx_emit(&out);
}

ig_onnx_arg ig_onnx_new(ig_onnx_out *like, const char *op, int n_in, const ig_onnx_arg *in, int n_attrs,
                        const ig_attr *attrs) {
  ig_onnx_exporter *x = like->block->exporter;
  ig_onnx_arg result = {.known = {.rank = -1}};
  const char *wanted = ig_arena_format(x->arena, "%s.%s", like->name, op);
  result.name = wanted ? ig_onnx_claim(x, wanted) : NULL;
  if (!result.name) {
    result.name = "";
    return result;
  }
  emit_as(like, op, &result, n_in, in, n_attrs, attrs);
  return result;
}

void ig_onnx_give(ig_onnx_out *like, int index, const char *op, int n_in, const ig_onnx_arg *in,
                  int n_attrs, const ig_attr *attrs) {
  like->done = true;
  if (index < like->n_out && *like->out[index].name)
    emit_as(like, op, &like->out[index], n_in, in, n_attrs, attrs);
}
