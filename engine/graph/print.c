/* Graphs as text and as Graphviz, from the operator tables alone. */
#include "engine/graph/print.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "engine/graph/attrs.h"
#include "engine/ops/op.h"

/* A text of fixed size that is cut, never overrun. */
typedef struct text {
  char *at;
  size_t size, used;
} text;

static void put(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(text *t, const char *format, ...) {
  if (t->used >= t->size) return;
  va_list args;
  va_start(args, format);
  int n = vsnprintf(t->at + t->used, t->size - t->used, format, args);
  va_end(args);
  if (n > 0) t->used = IG_MIN(t->used + (size_t)n, t->size);
}

static void put_attr(text *t, const ig_attr *attr) {
  put(t, "%s%s=", t->used ? " " : "", attr->name);
  switch (attr->type) {
  case IG_ATTR_INT: put(t, "%" PRId64, attr->i); break;
  case IG_ATTR_FLOAT: put(t, "%g", (double)attr->f); break;
  case IG_ATTR_STRING: put(t, "\"%s\"", attr->s ? attr->s : ""); break;
  case IG_ATTR_INTS:
    for (int i = 0; i < attr->ints.n; i++) put(t, "%s%" PRId64, i ? "," : "", attr->ints.v[i]);
    break;
  case IG_ATTR_FLOATS:
    for (int i = 0; i < attr->floats.n; i++) {
      put(t, "%s%g", i ? "," : "", (double)attr->floats.v[i]);
    }
    break;
  case IG_ATTR_TENSOR:
    put(t, "%s%s", attr->tensor ? ig_dtype_name(attr->tensor->dtype) : "none",
        attr->tensor ? IG_SHAPE_STR(&attr->tensor->shape) : "");
    break;
  case IG_ATTR_STRINGS:
    put(t, "[");
    for (int i = 0; i < attr->strings.n; i++) put(t, "%s\"%s\"", i ? ", " : "", attr->strings.v[i]);
    put(t, "]");
    break;
  case IG_ATTR_GRAPH: put(t, "{%s}", attr->graph ? attr->graph->name : ""); break;
  }
}

void ig_node_attrs_text(const ig_node *node, char *out, size_t size) {
  text t = {out, size, 0};
  out[0] = '\0';
  for (const ig_attr_field *f = node->op->attrs; f && f->name; f++) {
    if (ig_attrs_is_default(f, node->attrs)) continue;
    ig_attr attr = ig_attrs_get(f, node->attrs);
    put_attr(&t, &attr);
  }
}

static const char *const layout_names[] = {"", " nhwc", " nchw16c"};
static const char *const kind_names[] = {"input", "param", "state", "const", "result"};

static void print_value(const ig_value *v, FILE *out) {
  fprintf(out, "%%%s: %s%s%s", v->name, ig_dtype_name(v->dtype), IG_SHAPE_STR(&v->shape),
          layout_names[v->layout]);
}

ig_status ig_graph_print(const ig_graph *graph, FILE *out) {
  fprintf(out, "graph %s\n", graph->name);
  for (int32_t i = 0; i < graph->n_values; i++) {
    const ig_value *v = graph->values[i];
    if (v->kind == IG_VALUE_RESULT) continue;
    fprintf(out, "  %-5s ", kind_names[v->kind]);
    print_value(v, out);
    if (v->kind == IG_VALUE_CONST && ig_value_count(v) <= 8) {
      for (int64_t k = 0; k < ig_value_count(v); k++) {
        fprintf(out, "%s%g", k ? ", " : " = ", ig_load_f64(v->dtype, v->data, k));
      }
    }
    fputc('\n', out);
  }
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    const ig_node *node = graph->nodes[i];
    if (!ig_node_is_live(node)) continue;
    fputs("  ", out);
    for (int k = 0; k < node->n_outputs; k++) {
      if (k) fputs(", ", out);
      print_value(node->outputs[k], out);
    }
    fprintf(out, " = %s(", node->op->name);
    for (int k = 0; k < node->n_inputs; k++) {
      fprintf(out, "%s%s%s", k ? ", " : "", node->inputs[k] ? "%" : "-",
              node->inputs[k] ? node->inputs[k]->name : "");
    }
    char attrs[512];
    ig_node_attrs_text(node, attrs, sizeof attrs);
    fprintf(out, ")%s%s%s\n", attrs[0] ? " {" : "", attrs, attrs[0] ? "}" : "");
  }
  for (int32_t i = 0; i < graph->n_assigns; i++) {
    fprintf(out, "  %%%s <- %%%s\n", graph->assigns[i].target->name,
            graph->assigns[i].source->name);
  }
  for (int32_t i = 0; i < graph->n_outputs; i++) {
    fprintf(out, "  output %s = %%%s\n", graph->output_names[i], graph->outputs[i]->name);
  }
  IG_CHECK(!ferror(out), IG_ERR_IO, "graph '%s': cannot be written", graph->name);
  return IG_OK;
}

/* A name inside a quoted Graphviz string. */
static void print_quoted(const char *name, FILE *out) {
  for (const char *c = name; *c; c++) {
    if (*c == '"' || *c == '\\') fputc('\\', out);
    fputc(*c, out);
  }
}

ig_status ig_graph_print_dot(const ig_graph *graph, FILE *out) {
  fputs("digraph \"", out);
  print_quoted(graph->name, out);
  fputs("\" {\n  node [shape=box, fontname=sans];\n", out);
  for (int32_t i = 0; i < graph->n_values; i++) {
    const ig_value *v = graph->values[i];
    if (v->kind == IG_VALUE_RESULT || v->kind == IG_VALUE_CONST) continue;
    fprintf(out, "  v%d [shape=ellipse, label=\"", v->id);
    print_quoted(v->name, out);
    fprintf(out, "\\n%s%s\"];\n", ig_dtype_name(v->dtype), IG_SHAPE_STR(&v->shape));
  }
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    const ig_node *node = graph->nodes[i];
    if (!ig_node_is_live(node)) continue;
    fprintf(out, "  n%d [label=\"%s\\n", node->id, node->op->name);
    print_quoted(node->name, out);
    fputs("\"];\n", out);
    for (int k = 0; k < node->n_inputs; k++) {
      const ig_value *v = node->inputs[k];
      if (!v || v->kind == IG_VALUE_CONST) continue;
      if (v->producer) fprintf(out, "  n%d -> n%d", v->producer->id, node->id);
      else fprintf(out, "  v%d -> n%d", v->id, node->id);
      fprintf(out, " [label=\"%s\"];\n", IG_SHAPE_STR(&v->shape));
    }
  }
  fputs("}\n", out);
  IG_CHECK(!ferror(out), IG_ERR_IO, "graph '%s': cannot be written", graph->name);
  return IG_OK;
}
