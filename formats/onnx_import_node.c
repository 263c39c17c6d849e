/* Nodes of an ONNX file: attributes, bodies, functions inlined, and the calls that make nodes of ours. */
#include <string.h>

#include "formats/onnx_import_parts.h"
#include "formats/onnx_tensor.h"

#define MOST_DEPTH 32 /* of functions in functions and bodies in bodies */
/* Functions that call others twice at each level make any number of nodes from a few bytes: real ones make
 * some tens of nodes of one. */
#define FREE_NODES (1 << 15)
#define NODES_FROM_ONE 64
#define OLDEST_OPSET 6 /* of ONNX's own operators */

static ig_status out_of_memory(const ig_onnx_importer *importer) {
  return ig_fail(IG_ERR_MEMORY, "%s: out of memory", importer->model->path);
}

/* "node 'name' (Op)", for messages. */
static ig_status fail_in(const ig_onnx_importer *importer, const ig_onnx_node *node, ig_status status) {
  return ig_fail_in(status, "%s: node '%s' (%s)", importer->model->path,
                    node->name && *node->name   ? node->name
                    : node->n_outputs && node->outputs[0] ? node->outputs[0]
                                                          : "",
                    node->op ? node->op : "");
}

const char *ig_onnx_op_name(ig_onnx_importer *importer, const ig_onnx_node *node) {
  const char *domain = node->domain ? node->domain : "", *op = node->op ? node->op : "";
  if (*domain == 0 || strcmp(domain, "ai.onnx") == 0) return op;
  return ig_arena_format(importer->model->arena, "%s.%s", domain, op);
}

/* --- attributes ------------------------------------------------------------------------------- */

static ig_status text_of(ig_onnx_importer *importer, const ig_onnx_text *from, const char **out) {
  IG_CHECK(!from->size || !memchr(from->bytes, 0, from->size), IG_ERR_INPUT,
           "a text attribute holds a NUL");
  char *copy = ig_arena_alloc(importer->model->arena, from->size + 1);
  if (!copy) return out_of_memory(importer);
  if (from->size) memcpy(copy, from->bytes, from->size);
  *out = copy;
  return IG_OK;
}

static ig_status strings_of(ig_onnx_importer *importer, const ig_onnx_attr *from, ig_attr *to) {
  const char **list = ig_arena_alloc(importer->model->arena, ((size_t)from->n_strings + 1) * sizeof *list);
  if (!list) return out_of_memory(importer);
  for (int64_t i = 0; i < from->n_strings; i++) {
    IG_TRY(text_of(importer, &from->strings[i], &list[i]));
  }
  to->type = IG_ATTR_STRINGS;
  to->strings = (ig_strings){(int)from->n_strings, list};
  return IG_OK;
}

static ig_status literal_of(ig_onnx_importer *importer, const ig_onnx_attr *from, ig_attr *to) {
  ig_literal *literal = ig_arena_alloc(importer->model->arena, sizeof *literal);
  if (!literal) return out_of_memory(importer);
  to->type = IG_ATTR_TENSOR;
  to->tensor = literal;
  if (from->type == IG_ONNX_SPARSE_TENSOR) {
    IG_CHECK(from->sparse, IG_ERR_INPUT, "attribute '%s' has no value", to->name);
    return ig_onnx_dense(importer->model, from->sparse, literal);
  }
  IG_CHECK(from->tensor, IG_ERR_INPUT, "attribute '%s' has no value", to->name);
  return ig_onnx_literal(importer->model, importer->root, from->tensor, true, literal);
}

/* Files of the first IR versions state no type. */
static int64_t type_of(const ig_onnx_attr *a) {
  if (a->type) return a->type;
  return a->tensor      ? IG_ONNX_TENSOR_ATTR
         : a->graph     ? IG_ONNX_GRAPH
         : a->s.bytes   ? IG_ONNX_STRING
         : a->n_floats  ? IG_ONNX_FLOATS
         : a->n_ints    ? IG_ONNX_INTS
         : a->n_strings ? IG_ONNX_STRINGS
         : a->f != 0    ? IG_ONNX_FLOAT
                        : IG_ONNX_INT;
}

static ig_status convert(ig_onnx_importer *importer, const ig_onnx_attr *from, ig_attr *to) {
  *to = (ig_attr){.name = from->name};
  IG_CHECK(from->n_ints <= INT32_MAX && from->n_floats <= INT32_MAX && from->n_strings <= INT32_MAX,
           IG_ERR_INPUT, "attribute '%s' is too long", from->name);
  switch (type_of(from)) {
  case IG_ONNX_FLOAT: to->type = IG_ATTR_FLOAT, to->f = from->f; return IG_OK;
  case IG_ONNX_INT: to->type = IG_ATTR_INT, to->i = from->i; return IG_OK;
  case IG_ONNX_STRING: to->type = IG_ATTR_STRING; return text_of(importer, &from->s, &to->s);
  case IG_ONNX_FLOATS:
    to->type = IG_ATTR_FLOATS;
    to->floats = (ig_floats){(int)from->n_floats, from->floats};
    return IG_OK;
  case IG_ONNX_INTS:
    to->type = IG_ATTR_INTS;
    to->ints = (ig_ints){(int)from->n_ints, from->ints};
    return IG_OK;
  case IG_ONNX_STRINGS: return strings_of(importer, from, to);
  case IG_ONNX_TENSOR_ATTR:
  case IG_ONNX_SPARSE_TENSOR: return literal_of(importer, from, to);
  default:
    return ig_fail(IG_ERR_UNSUPPORTED, "attribute '%s' is of a kind that Ingot lacks", from->name);
  }
}

/* What the surrounding call gave, or the function's default: put in place under this node's name. */
static const ig_attr *resolve(const ig_onnx_scope *scope, const ig_onnx_attr *from) {
  for (int i = 0; scope->env && i < scope->env->n; i++) {
    if (strcmp(scope->env->attrs[i].name, from->reference) == 0) return &scope->env->attrs[i];
  }
  return NULL;
}

/* All attributes but bodies, which need the inputs (import_bodies). Types as values ("tp" of Optional) say
 * nothing that the data do not. */
static ig_status convert_attrs(ig_onnx_importer *importer, const ig_onnx_scope *scope,
                               const ig_onnx_node *node, ig_onnx_call *call) {
  size_t room = (size_t)node->n_attrs + IG_ONNX_SPARE;
  call->attrs = ig_arena_alloc(importer->model->arena, room * sizeof *call->attrs);
  if (!call->attrs) return out_of_memory(importer);
  for (int64_t i = 0; i < node->n_attrs; i++) {
    const ig_onnx_attr *from = &node->attrs[i];
    ig_attr *to = &call->attrs[call->n_attrs];
    IG_CHECK(from->name && *from->name, IG_ERR_INPUT, "an attribute without a name");
    for (int k = 0; k < call->n_attrs; k++) {
      IG_CHECK(strcmp(call->attrs[k].name, from->name) != 0, IG_ERR_INPUT,
               "attribute '%s' is given twice", from->name);
    }
    if (from->graph || from->type == IG_ONNX_TYPE_PROTO) continue;
    if (from->reference && *from->reference) {
      const ig_attr *given = resolve(scope, from);
      if (!given) continue;
      *to = *given;
      to->name = from->name;
    } else {
      IG_TRY(convert(importer, from, to));
    }
    call->n_attrs++;
  }
  return IG_OK;
}

/* --- bodies ----------------------------------------------------------------------------------- */

static ig_status import_one_body(ig_onnx_importer *importer, ig_onnx_scope *scope,
                                 const ig_onnx_attr *from, const ig_onnx_scope *earlier,
                                 ig_onnx_scope *body) {
  *body = (ig_onnx_scope){.parent = scope,
                          .n_opsets = scope->n_opsets,
                          .opsets = scope->opsets,
                          .env = scope->env,
                          .depth = scope->depth + 1};
  IG_CHECK(body->depth <= MOST_DEPTH, IG_ERR_INPUT, "bodies and functions nest more than %d deep",
           MOST_DEPTH);
  IG_TRY(ig_graph_create(from->graph->name, &body->graph));
  body->graph->deferred = true;
  return ig_onnx_import_body(importer, from->graph, body, earlier ? earlier->n_captures : 0,
                             earlier ? earlier->captures : NULL,
                             earlier ? earlier->capture_names : NULL);
}

/* The bodies of one node capture the same values: each takes those of the one before first, and all get
 * what the last has. */
static ig_status join_captures(ig_onnx_importer *importer, int n, ig_onnx_scope *bodies) {
  const ig_onnx_scope *last = &bodies[n - 1];
  for (int b = 0; b < n - 1; b++) {
    for (int i = bodies[b].n_captures; i < last->n_captures; i++) {
      ig_value *made;
      IG_TRY(ig_onnx_capture(importer, &bodies[b], last->capture_names[i], last->captures[i], &made));
    }
  }
  return IG_OK;
}

static ig_status add_captures(ig_onnx_importer *importer, const ig_onnx_scope *last, ig_onnx_call *call) {
  if (last->n_captures == 0) return IG_OK;
  size_t n = (size_t)(call->n_in + last->n_captures + IG_ONNX_SPARE);
  ig_value **in = ig_arena_alloc(importer->model->arena, n * sizeof *in);
  if (!in) return out_of_memory(importer);
  memcpy(in, call->in, (size_t)call->n_in * sizeof *in);
  memcpy(in + call->n_in, last->captures, (size_t)last->n_captures * sizeof *in);
  call->in = in;
  call->n_in += last->n_captures;
  call->attrs[call->n_attrs++] = IG_INT("captured", last->n_captures);
  return IG_OK;
}

#define MOST_BODIES 4

static ig_status bodies_of(ig_onnx_importer *importer, ig_onnx_scope *scope, const ig_onnx_node *node,
                           ig_onnx_call *call, ig_onnx_scope *bodies, int *n) {
  for (int64_t i = 0; i < node->n_attrs; i++) {
    const ig_onnx_attr *from = &node->attrs[i];
    if (!from->graph) continue;
    IG_CHECK(*n < MOST_BODIES && call->n_attrs < node->n_attrs + IG_ONNX_SPARE - 1, IG_ERR_INPUT,
             "more than %d bodies", MOST_BODIES);
    ig_onnx_scope *body = &bodies[*n];
    ++*n;
    IG_TRY(import_one_body(importer, scope, from, *n > 1 ? &bodies[*n - 2] : NULL, body));
    call->attrs[call->n_attrs++] =
        (ig_attr){.name = from->name, .type = IG_ATTR_GRAPH, .graph = body->graph};
  }
  if (*n == 0) return IG_OK;
  IG_TRY(join_captures(importer, *n, bodies));
  return add_captures(importer, &bodies[*n - 1], call);
}

/* --- functions -------------------------------------------------------------------------------- */

static const char *plain(const char *text) {
  return !text || strcmp(text, "ai.onnx") == 0 ? "" : text;
}

static const ig_onnx_function *find_function(const ig_onnx_model *model, const ig_onnx_node *node) {
  for (int64_t i = 0; i < model->says.n_functions; i++) {
    const ig_onnx_function *f = &model->says.functions[i];
    if (strcmp(f->name ? f->name : "", node->op) == 0 &&
        strcmp(plain(f->domain), plain(node->domain)) == 0 &&
        strcmp(plain(f->overload), plain(node->overload)) == 0)
      return f;
  }
  return NULL;
}

/* The call's attributes, and the function's defaults for those that it does not give. */
static ig_status env_of(ig_onnx_importer *importer, const ig_onnx_function *f, const ig_onnx_call *call,
                        ig_onnx_env *out) {
  size_t room = (size_t)call->n_attrs + (size_t)f->n_defaults + 1;
  ig_attr *attrs = ig_arena_alloc(importer->model->arena, room * sizeof *attrs);
  if (!attrs) return out_of_memory(importer);
  int n = call->n_attrs;
  memcpy(attrs, call->attrs, (size_t)n * sizeof *attrs);
  for (int64_t i = 0; i < f->n_defaults; i++) {
    bool given = !f->defaults[i].name;
    for (int k = 0; k < call->n_attrs && !given; k++)
      given = strcmp(call->attrs[k].name, f->defaults[i].name) == 0;
    if (!given) IG_TRY(convert(importer, &f->defaults[i], &attrs[n++]));
  }
  *out = (ig_onnx_env){n, attrs};
  return IG_OK;
}

static ig_status run_body(ig_onnx_importer *importer, const ig_onnx_function *f, ig_onnx_call *call,
                          ig_onnx_scope *inner) {
  for (int64_t i = 0; i < f->n_inputs && i < call->n_in; i++) {
    if (call->in[i]) IG_TRY(ig_onnx_bind(importer, inner, f->inputs[i], call->in[i]));
  }
  IG_TRY(ig_onnx_import_nodes(importer, inner, f->n_nodes, f->nodes));
  for (int64_t i = 0; i < f->n_outputs && i < call->n_out; i++) {
    IG_TRY(ig_onnx_lookup(importer, inner, f->outputs[i], &call->out[i]));
    IG_CHECK(call->out[i] || importer->n_missing, IG_ERR_INPUT, "nothing in the function gives '%s'",
             f->outputs[i]);
  }
  call->done = true;
  return IG_OK;
}

static ig_status inline_function(ig_onnx_importer *importer, ig_onnx_scope *scope,
                                 const ig_onnx_function *f, ig_onnx_call *call) {
  ig_onnx_env env;
  IG_CHECK(call->n_in <= f->n_inputs && call->n_out <= f->n_outputs, IG_ERR_INPUT,
           "the function takes %lld inputs and gives %lld outputs, found %d and %d",
           (long long)f->n_inputs, (long long)f->n_outputs, call->n_in, call->n_out);
  IG_TRY(env_of(importer, f, call, &env));
  ig_onnx_scope inner = {.graph = scope->graph,
                         .n_opsets = f->n_opsets ? f->n_opsets : scope->n_opsets,
                         .opsets = f->n_opsets ? f->opsets : scope->opsets,
                         .env = &env,
                         .depth = scope->depth + 1};
  IG_CHECK(inner.depth <= MOST_DEPTH, IG_ERR_INPUT, "bodies and functions nest more than %d deep",
           MOST_DEPTH);
  ig_status status = run_body(importer, f, call, &inner);
  ig_onnx_scope_release(&inner);
  return status;
}

/* --- calls ------------------------------------------------------------------------------------ */

static ig_status note_missing(ig_onnx_importer *importer, const ig_onnx_node *node, const char *op) {
  for (int i = 0; i < importer->n_missing; i++) {
    if (strcmp(importer->missing[i].op, op) != 0) continue;
    importer->missing[i].times++;
    return IG_OK;
  }
  if (!ig_grow((void **)&importer->missing, &importer->missing_capacity, importer->n_missing + 1,
               sizeof *importer->missing))
    return out_of_memory(importer);
  const char *name = node->name && *node->name ? node->name : node->n_outputs ? node->outputs[0] : "";
  importer->missing[importer->n_missing++] = (struct ig_onnx_missing){op, name, 1};
  return IG_OK;
}

/* Inputs as values. While operators are missing, what they would give is too. */
static ig_status start_call(ig_onnx_importer *importer, ig_onnx_scope *scope, const ig_onnx_node *node,
                            ig_onnx_call *call) {
  ig_arena *arena = importer->model->arena;
  IG_CHECK(node->n_inputs <= IG_VARIADIC && node->n_outputs <= IG_VARIADIC, IG_ERR_INPUT,
           "%lld inputs and %lld outputs are too many", (long long)node->n_inputs,
           (long long)node->n_outputs);
  call->in = ig_arena_alloc(arena, ((size_t)node->n_inputs + IG_ONNX_SPARE) * sizeof *call->in);
  call->out = ig_arena_alloc(arena, ((size_t)node->n_outputs + 1) * sizeof *call->out);
  call->out_names = ig_arena_alloc(arena, ((size_t)node->n_outputs + 1) * sizeof *call->out_names);
  if (!call->in || !call->out || !call->out_names) return out_of_memory(importer);
  for (int64_t i = 0; i < node->n_inputs; i++, call->n_in++) {
    if (*node->inputs[i] == 0) continue;
    IG_TRY(ig_onnx_lookup(importer, scope, node->inputs[i], &call->in[i]));
    /* An input of a function that its caller leaves out is bound to nothing. */
    IG_CHECK(call->in[i] || importer->n_missing || scope->env, IG_ERR_INPUT,
             "it reads '%s', which nothing before it gives", node->inputs[i]);
  }
  for (int64_t i = 0; i < node->n_outputs; i++) {
    const char *name = node->outputs[i];
    call->out_names[i] = *name && !scope->env ? name : NULL;
    if (*name) call->n_out = (int)i + 1;
  }
  return convert_attrs(importer, scope, node, call);
}

/* ONNX's Constant is a constant here, of whatever kind. */
static ig_status constant(ig_onnx_importer *importer, ig_onnx_call *call) {
  IG_CHECK(call->n_attrs == 1 && call->n_in == 0 && call->n_out == 1, IG_ERR_INPUT,
           "one attribute, no input and one output are expected");
  const ig_attr *a = &call->attrs[0];
  ig_literal literal = {0};
  switch (a->type) {
  case IG_ATTR_TENSOR: literal = *a->tensor; break;
  case IG_ATTR_INT: literal = (ig_literal){IG_I64, IG_SCALAR, &a->i}; break;
  case IG_ATTR_FLOAT: literal = (ig_literal){IG_F32, IG_SCALAR, &a->f}; break;
  case IG_ATTR_INTS: literal = (ig_literal){IG_I64, IG_SHAPE(a->ints.n), a->ints.v}; break;
  case IG_ATTR_FLOATS: literal = (ig_literal){IG_F32, IG_SHAPE(a->floats.n), a->floats.v}; break;
  default: {
    int n = a->type == IG_ATTR_STRINGS ? a->strings.n : 1;
    ig_string *texts = ig_arena_alloc(importer->model->arena, ((size_t)n + 1) * sizeof *texts);
    if (!texts) return out_of_memory(importer);
    for (int i = 0; i < n; i++) {
      const char *text = a->type == IG_ATTR_STRINGS ? a->strings.v[i] : a->s;
      texts[i] = (ig_string){text, strlen(text)};
    }
    literal = (ig_literal){IG_STRING, a->type == IG_ATTR_STRINGS ? IG_SHAPE(n) : IG_SCALAR, texts};
  }
  }
  call->out[0] = ig_onnx_constant(call->graph, call->out_names[0], &literal);
  call->done = true;
  return ig_graph_status(call->graph);
}

static ig_status make_node(ig_onnx_importer *importer, const ig_onnx_node *node, ig_onnx_call *call) {
  bool own = strncmp(call->op, "ingot.", 6) == 0;
  if (own || !(ig_op_find(call->op) || ig_onnx_is_upgraded(call->op)))
    return note_missing(importer, node, call->op);
  if (importer->n_missing) return IG_OK; /* its inputs may be missing too */
  IG_TRY(ig_onnx_upgrade(call));
  if (call->done) return ig_graph_status(call->graph);
  const ig_op *op = ig_op_find(call->op);
  if (!op) return note_missing(importer, node, call->op);
  IG_CHECK(call->opset == 0 || call->opset >= OLDEST_OPSET || call->opset >= op->since ||
               strchr(call->op, '.'),
           IG_ERR_UNSUPPORTED, "ONNX's opset %d or newer is needed, found %lld", OLDEST_OPSET,
           (long long)call->opset);
  int n_out = IG_MAX(call->n_out, op->n_out[0]);
  const char **names = call->out_names;
  if (n_out > call->n_out) {
    names = ig_arena_alloc(importer->model->arena, (size_t)n_out * sizeof *names);
    if (!names) return out_of_memory(importer);
    memcpy(names, call->out_names, (size_t)call->n_out * sizeof *names);
  }
  ig_node *made = ig_graph_node_named(call->graph, op->name, call->name, call->n_in, call->in,
                                      call->n_attrs, call->attrs, n_out, names);
  IG_TRY(ig_graph_status(call->graph));
  for (int i = 0; i < call->n_out; i++) call->out[i] = made->outputs[i];
  return IG_OK;
}

static ig_status make_call(ig_onnx_importer *importer, ig_onnx_scope *scope, const ig_onnx_node *node,
                           ig_onnx_call *call) {
  ig_onnx_scope bodies[MOST_BODIES];
  int n = 0;
  IG_TRY(start_call(importer, scope, node, call));
  const ig_onnx_function *f = find_function(importer->model, node);
  if (f) return inline_function(importer, scope, f, call);
  if (strcmp(call->op, "Constant") == 0) return constant(importer, call);
  ig_status status = bodies_of(importer, scope, node, call, bodies, &n);
  if (status == IG_OK) status = make_node(importer, node, call);
  for (int b = 0; b < n; b++) {
    ig_onnx_scope_release(&bodies[b]);
    ig_graph_destroy(bodies[b].graph);
  }
  return status;
}

static ig_status import_node(ig_onnx_importer *importer, ig_onnx_scope *scope,
                             const ig_onnx_node *node) {
  IG_CHECK(node->op && *node->op, IG_ERR_INPUT, "%s: a node without an operator", importer->model->path);
  bool identity = strcmp(node->op, "Identity") == 0 && node->n_outputs == 1 && node->n_inputs == 1;
  const ig_value *there = identity ? ig_onnx_names_find(&scope->names, node->outputs[0]) : NULL;
  if (there && there->init.kind == IG_INIT_DATA && ig_onnx_names_find(&scope->names, node->inputs[0]))
    return IG_OK; /* a parameter of its own by now (onnx_import.c) */
  const ig_onnx_message *says = &importer->model->says;
  int64_t most = FREE_NODES + NODES_FROM_ONE * (says->graph->n_nodes + says->n_functions);
  if (scope->depth > 0) {
    IG_CHECK(++importer->n_nodes <= most, IG_ERR_INPUT, "%s: more than %lld nodes, functions inlined",
             importer->model->path, (long long)most);
  }
  ig_onnx_call call = {.graph = scope->graph,
                       .op = ig_onnx_op_name(importer, node),
                       .name = node->name && *node->name ? node->name : NULL,
                       .opset = ig_onnx_opset_of(scope->n_opsets, scope->opsets, node->domain)};
  if (!call.op) return out_of_memory(importer);
  ig_status status = make_call(importer, scope, node, &call);
  for (int64_t i = 0; status == IG_OK && i < call.n_out; i++) {
    if (*node->outputs[i] && call.out[i])
      status = ig_onnx_bind(importer, scope, node->outputs[i], call.out[i]);
  }
  if (status == IG_OK || importer->placed) return status;
  importer->placed = true; /* the innermost node is the one at fault */
  return fail_in(importer, node, status);
}

ig_status ig_onnx_import_nodes(ig_onnx_importer *importer, ig_onnx_scope *scope, int64_t n,
                               const ig_onnx_node *nodes) {
  for (int64_t i = 0; i < n; i++) IG_TRY(import_node(importer, scope, &nodes[i]));
  return IG_OK;
}
