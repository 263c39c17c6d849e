/* `ingot inspect`: what is in a checkpoint or a preset. The graph shown is the one that runs, after all
 * passes, for inference or (--training) a whole training step, with the cost and the implementation
 * of every step and the memory that the plan needs. */
#include <string.h>
#include <sys/stat.h>

#include "cli/inspect.h"
#include "cli/inspect_operators.h"
#include "cli/precision.h"
#include "api/model_source.h"
#include "cli/shape_text.h"
#include "engine/graph/print.h"
#include "engine/passes/pass.h"
#include "engine/train/step.h"
#include "formats/checkpoint_h5.h"

typedef struct values {
  const char *file, *show, *shape, *optimizer, *precision, *recompute;
  int64_t outputs, batch;
  bool training, operators;
} values;

static const ig_option options[] = {
    {.name = "file",
     .type = IG_OPTION_STRING,
     .offset = offsetof(values, file),
     .values = "FILE",
     .flags = IG_OPTION_POSITIONAL,
     .what = "checkpoint, run's folder, ONNX file or preset; without one, --comm shows who the ranks are"},
    IG_ENUM_OPTION(values, show, "show", "summary", "summary|graph|dot|parameters|steps|all",
                   "which part, as text"),
    {.name = "training",
     .type = IG_OPTION_FLAG,
     .offset = offsetof(values, training),
     .what = "the graph and plan of a training step, not of inference"},
    IG_FLAG_OPTION(values, operators, "operators",
                   "a table of all operators of ONNX that this build has, and no file"),
    IG_INT_OPTION(values, batch, "batch", "1", 1, 1 << 20, "samples of a batch"),
    IG_STRING_OPTION(values, shape, "shape", "N,N,...", 0, "one sample's shape, for a preset"),
    IG_INT_OPTION(values, outputs, "outputs", "10", 1, 1 << 24, "outputs, for a preset"),
    IG_ENUM_OPTION(values, optimizer, "optimizer", "adamw", "sgd|adam|adamw|lamb|lion",
                   "of --training"),
    IG_ENUM_OPTION(values, precision, "precision", "f32", "f32|tf32|bf16|f16|fp8",
                   "of products; fp8 of training alone"),
    IG_ENUM_OPTION(values, recompute, "recompute", "none", "none|light|full", "of --training"),
    {.name = NULL}};

/* --- from a name to a plan --------------------------------------------------------------------- */

static ig_status train_options(const values *v, ig_task task, ig_train_options *out) {
  ig_optimizer_kind kind;
  IG_TRY(ig_optimizer_parse(v->optimizer, &kind));
  *out = (ig_train_options){.task = task,
                            .optimizer = ig_optimizer_default(kind),
                            .batch = v->batch,
                            .accumulate = 1,
                            .precision = ig_precision_parse(v->precision),
                            .recompute = ig_recompute_parse(v->recompute)};
  return IG_OK;
}

/* The length of a free dimension: another input's of that symbol, or the batch where it comes first. */
static ig_status free_dim(const values *v, const ig_graph *graph, const ig_shape *shapes, int input,
                          int dim, int64_t *out) {
  const ig_value *x = graph->inputs[input];
  for (int k = 0; k < input; k++) {
    for (int d = 0; d < graph->inputs[k]->shape.rank; d++) {
      const char *symbol = graph->inputs[k]->symbols[d];
      if (!symbol || strcmp(symbol, x->symbols[dim]) != 0) continue;
      *out = shapes[k].dims[d];
      return IG_OK;
    }
  }
  IG_CHECK(dim == 0, IG_ERR_USAGE,
           "--shape is missing: dimension %d of input '%s' is free ('%s')", dim, x->name,
           x->symbols[dim]);
  *out = v->batch;
  return IG_OK;
}

/* Of all inputs; `first` is one sample's of the first one, or NULL. */
static ig_status input_shapes(const values *v, const ig_graph *graph, const ig_shape *first,
                              ig_shape *shapes) {
  for (int i = 0; i < graph->n_inputs; i++) {
    const ig_value *x = graph->inputs[i];
    bool given = i == 0 && first;
    IG_CHECK(!x->any_shape, IG_ERR_UNSUPPORTED, "input '%s' may have any shape", x->name);
    shapes[i] = x->shape;
    if (given) {
      shapes[i] = (ig_shape){.rank = first->rank + 1, .dims = {v->batch}};
      memcpy(shapes[i].dims + 1, first->dims, (size_t)first->rank * sizeof *first->dims);
      if (x->shape.rank && !x->symbols[0]) shapes[i].dims[0] = x->shape.dims[0];
    }
    for (int d = 0; d < x->shape.rank && !given; d++) {
      if (x->symbols[d]) IG_TRY(free_dim(v, graph, shapes, i, d, &shapes[i].dims[d]));
    }
  }
  return IG_OK;
}

/* The template at the asked batch, with the loss and update of a training step, or as inference
 * runs it. */
static ig_status make_graph(const values *v, const ig_graph *template_graph, ig_task task,
                            const ig_shape *input, ig_backend *backend, ig_graph **out) {
  ig_shape *shapes = ig_alloc_zero((size_t)template_graph->n_inputs + 1, sizeof *shapes);
  IG_CHECK_ALLOC(shapes);
  ig_status status = input_shapes(v, template_graph, input, shapes);
  if (status == IG_OK) status = ig_graph_specialize(template_graph, shapes, out);
  ig_free(shapes);
  if (status != IG_OK) return status;
  if (v->training) {
    ig_train_options train;
    status = train_options(v, task, &train);
    if (status == IG_OK) {
      status = ig_step_build(*out, &train, backend->vtable->device, IG_STEP_UPDATE);
    }
  } else {
    ig_pass_options passes = {.device = backend->vtable->device,
                              .compute = ig_precision_dtype(ig_precision_parse(v->precision))};
    status = ig_passes_run(*out, ig_pipeline_inference, &passes);
  }
  if (status != IG_OK) {
    ig_graph_destroy(*out);
    *out = NULL;
  }
  return status;
}

static ig_status show(ig_cli *cli, const values *v, const ig_inspected *what) {
  bool all = strcmp(v->show, "all") == 0;
  if (cli->common->json) return ig_emit_json(cli, ig_inspect_json(what));
  if (cli->common->quiet) return IG_OK;
  if (strcmp(v->show, "dot") == 0) return ig_graph_print_dot(what->graph, stdout);
  if (all || strcmp(v->show, "summary") == 0) ig_inspect_summary(what, stdout);
  if (all || strcmp(v->show, "parameters") == 0) ig_inspect_parameters(what, stdout);
  if (all || strcmp(v->show, "graph") == 0) IG_TRY(ig_graph_print(what->graph, stdout));
  if (all || strcmp(v->show, "steps") == 0) ig_inspect_steps(what, stdout);
  return IG_OK;
}

static ig_status inspect(ig_cli *cli, const values *v, const ig_graph *template_graph,
                         const ig_model_source *source, ig_task task, const ig_shape *input) {
  ig_backend *backend = NULL;
  ig_store *store = NULL;
  ig_inspected what = {.name = v->file,
                       .model = source ? source->snapshot->model : v->file,
                       .training = v->training,
                       .batch = v->batch,
                       .template_graph = template_graph,
                       .snapshot = source ? source->snapshot : NULL};
  ig_status status;
  IG_TRY_DONE(ig_backend_open(cli->common->device, (int)cli->common->threads, &backend));
  IG_TRY_DONE(ig_check_precision(v->precision, v->training, backend));
  IG_TRY_DONE(ig_store_create(backend, &store));
  IG_TRY_DONE(make_graph(v, template_graph, task, input, backend, &what.graph));
  IG_TRY_DONE(ig_store_add_graph(store, what.graph, 0));
  ig_plan_options plan = {.tf32 = ig_precision_parse(v->precision) == IG_PRECISION_TF32,
                          .frozen_params = !v->training};
  IG_TRY_DONE(ig_plan_create(what.graph, backend, store, &plan, &what.plan));
  IG_TRY_DONE(show(cli, v, &what));
done:
  ig_plan_destroy(what.plan);
  ig_graph_destroy(what.graph);
  ig_store_destroy(store);
  if (backend) ig_backend_destroy(backend);
  return status;
}

static ig_status inspect_file(ig_cli *cli, const values *v) {
  ig_model_source source;
  IG_TRY(ig_model_source_open(v->file, IG_CHECKPOINT_PROGRESS | IG_CHECKPOINT_PROVENANCE, &source));
  ig_shape given;
  const ig_shape *input = source.onnx ? NULL : &source.spec.input;
  ig_status status = IG_OK;
  if (source.onnx && v->shape) {
    status = ig_shape_parse(v->shape, &given);
    input = &given;
  }
  ig_task task = source.task ? source.task : IG_TASK_CLASSIFICATION;
  if (status == IG_OK) status = inspect(cli, v, source.graph, &source, task, input);
  ig_model_source_close(&source);
  return status;
}

/* A preset has no data to be fitted to, so the options say for what. */
static ig_status inspect_preset(ig_cli *cli, const values *v, const ig_model_preset *preset) {
  ig_model_spec spec = {.n_outputs = v->outputs};
  if (v->shape) {
    IG_TRY(ig_shape_parse(v->shape, &spec.input));
  } else if (preset->tokens) {
    int64_t context;
    IG_TRY(ig_model_context(v->file, &context));
    spec.input = IG_SHAPE(context);
  } else {
    return ig_fail(IG_ERR_USAGE,
                   "--shape is missing: one sample's shape, such as 1,28,28, to fit "
                   "the preset '%s' to",
                   v->file);
  }
  ig_graph *graph;
  IG_TRY(ig_model_build(v->file, &spec, &graph));
  ig_task task = preset->tokens ? IG_TASK_LANGUAGE : IG_TASK_CLASSIFICATION;
  ig_status status = inspect(cli, v, graph, NULL, task, &spec.input);
  ig_graph_destroy(graph);
  return status;
}

static ig_status inspect_run(ig_cli *cli, const void *values_) {
  const values *v = values_;
  struct stat info;
  const ig_model_preset *preset;
  if (!v->file && ig_options_origin(cli->options, "comm") != IG_FROM_DEFAULT) {
    return ig_inspect_comm(cli);
  }
  if (v->operators) {
    if (cli->rank == 0) ig_inspect_operators(stdout);
    return IG_OK;
  }
  IG_CHECK(v->file, IG_ERR_USAGE, "file is missing: a checkpoint, a run's folder or a preset; or "
           "--comm auto, for the ranks of this job");
  if (cli->rank > 0) return IG_OK; /* all ranks would show the same */
  if (stat(v->file, &info) != 0 && ig_model_find(v->file, &preset) == IG_OK) {
    return inspect_preset(cli, v, preset);
  }
  return inspect_file(cli, v);
}

const ig_verb ig_verb_inspect = {
    .name = "inspect",
    .what = "shows graph, parameters, costs, memory plan and provenance",
    .usage = "FILE [options]",
    .options = options,
    .size = sizeof(values),
    .ranks = true,
    .run = inspect_run,
};
