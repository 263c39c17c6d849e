/* Tasks: names, what a data set suggests, and the loss nodes. */
#include "engine/train/task.h"

#include <string.h>

#include "engine/ops/op.h"

static const char *const names[] = {"auto", "classification", "regression", "multilabel",
                                    "language"};

const char *ig_task_name(ig_task task) {
  return (unsigned)task < IG_COUNT(names) ? names[task] : "unknown";
}

ig_status ig_task_parse(const char *text, ig_task *out) {
  for (int i = 0; i < IG_COUNT(names); i++) {
    if (strcmp(text, names[i]) != 0) continue;
    *out = (ig_task)i;
    return IG_OK;
  }
  return ig_fail(IG_ERR_USAGE,
                 "task: expected auto, classification, regression, multilabel or language, "
                 "found '%s'",
                 text);
}

static ig_status target_of(const ig_dataset *dataset, const ig_field **out) {
  IG_CHECK(dataset->n_fields >= 2, IG_ERR_INPUT, "%s: has no target field (found only '%s')",
           dataset->path, dataset->n_fields ? dataset->fields[0].name : "nothing");
  *out = &dataset->fields[dataset->n_fields - 1];
  return IG_OK;
}

ig_status ig_task_of_dataset(const ig_dataset *dataset, ig_task *out) {
  const ig_field *target = NULL;
  IG_TRY(target_of(dataset, &target));
  switch (target->kind) {
  case IG_FIELD_CLASS: *out = IG_TASK_CLASSIFICATION; return IG_OK;
  case IG_FIELD_TOKENS: *out = IG_TASK_LANGUAGE; return IG_OK;
  case IG_FIELD_TARGETS:
  case IG_FIELD_FEATURES:
    *out = ig_dtype_is_float(target->dtype) ? IG_TASK_REGRESSION : IG_TASK_MULTILABEL;
    return IG_OK;
  default:
    return ig_fail(IG_ERR_INPUT, "%s: target '%s' is an image, which no task predicts",
                   dataset->path, target->name);
  }
}

ig_status ig_task_outputs(ig_task task, const ig_dataset *dataset, int64_t *out) {
  const ig_field *target = NULL;
  IG_TRY(target_of(dataset, &target));
  if (task == IG_TASK_CLASSIFICATION || task == IG_TASK_LANGUAGE) {
    IG_CHECK(target->n_classes > 0, IG_ERR_INPUT,
             "%s: target '%s' has no classes, as %s needs", dataset->path, target->name,
             ig_task_name(task));
    *out = target->n_classes;
  } else {
    *out = ig_shape_count(&target->shape);
  }
  return IG_OK;
}

/* Rows and columns of the logits: everything before the last dimension is a row. */
static ig_value *as_rows(ig_graph *graph, ig_value *value) {
  if (!value || value->shape.rank == 2) return value;
  int64_t columns = value->shape.rank ? value->shape.dims[value->shape.rank - 1] : 1;
  int64_t shape[2] = {-1, columns};
  ig_value *to = ig_graph_const_i64s(graph, 2, shape);
  return ig_op1(graph, "Reshape", NULL, IG_INS(value, to), IG_NO_ATTRS);
}

static ig_value *add_class_loss(ig_graph *graph, ig_value *logits, double smoothing) {
  ig_value *rows = as_rows(graph, logits);
  if (!rows) return NULL;
  ig_shape shape = logits->shape;
  shape.rank--; /* one class an item: [N], or [N, T] for text */
  ig_value *target = ig_graph_input(graph, "target", IG_I64, shape);
  if (shape.rank != 1) {
    int64_t flat[1] = {-1};
    ig_value *to = ig_graph_const_i64s(graph, 1, flat);
    target = ig_op1(graph, "Reshape", NULL, IG_INS(target, to), IG_NO_ATTRS);
  }
  /* The second output spares the gradient a pass over the logits. */
  ig_node *loss = ig_graph_node(graph, "ingot.SoftmaxCrossEntropy", "loss", IG_INS(rows, target),
                                IG_ATTRS(IG_FLOAT("label_smoothing", (float)smoothing)), 2);
  return loss ? loss->outputs[0] : NULL;
}

ig_status ig_task_add_loss(ig_graph *graph, ig_task task, double smoothing, ig_value **loss) {
  IG_TRY(ig_graph_status(graph));
  IG_CHECK(graph->n_outputs >= 1, IG_ERR_INPUT, "model '%s' has no output", graph->name);
  ig_value *logits = graph->outputs[0];
  bool by_class = task == IG_TASK_CLASSIFICATION || task == IG_TASK_LANGUAGE;
  IG_CHECK(logits->shape.rank >= (by_class ? 2 : 1) && ig_dtype_is_float(logits->dtype),
           IG_ERR_SHAPE, "model '%s': output '%s' is %s%s, expected [batch, outputs] of floats",
           graph->name, graph->output_names[0], ig_dtype_name(logits->dtype),
           IG_SHAPE_STR(&logits->shape));
  if (by_class) {
    *loss = add_class_loss(graph, logits, smoothing);
  } else {
    const char *op =
        task == IG_TASK_MULTILABEL ? "ingot.SigmoidCrossEntropy" : "ingot.MeanSquaredError";
    ig_value *target = ig_graph_input(graph, "target", logits->dtype, logits->shape);
    *loss = ig_op1(graph, op, "loss", IG_INS(logits, target), IG_NO_ATTRS);
  }
  ig_graph_output(graph, "loss", *loss);
  return ig_graph_status(graph);
}
