/* Capture and graphs. A captured call becomes a node that follows its stream's frontier, the
 * nodes that the stream's next work must come after; events carry frontiers between streams. A
 * replay runs the nodes as recorded or, with a seed, in a random order that keeps the
 * dependencies, so that one which was left out shows. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct CUgraphNode_st {
  op *work;
  node_set after, before; /* the nodes that this one follows, and that follow it */
};
struct CUgraph_st {
  uint64_t id;
  int references; /* of the handle, and of what was instantiated from it */
  struct CUgraphNode_st **nodes;
  int count, room;
  cudaStream_t origin; /* while capturing */
  enum cudaStreamCaptureMode mode;
  bool invalid;
  cudaGraph_t next; /* of those being captured */
};
struct CUgraphExec_st {
  int references;
  cudaGraph_t graph;
};

static cudaGraph_t capturing;
static uint64_t last_id;

/* --- sets of nodes ---------------------------------------------------------------------------- */

static bool add_to_set(node_set *set, int node) {
  for (int i = 0; i < set->count; i++) {
    if (set->node[i] == node) return true;
  }
  if (set->count == set->room) {
    int room = set->room ? 2 * set->room : 4;
    int *more = realloc(set->node, (size_t)room * sizeof *more);
    if (!more) return false;
    set->node = more;
    set->room = room;
  }
  set->node[set->count++] = node;
  return true;
}

static bool add_all(node_set *set, const node_set *from) {
  for (int i = 0; i < from->count; i++) {
    if (!add_to_set(set, from->node[i])) return false;
  }
  return true;
}

/* --- capture ---------------------------------------------------------------------------------- */

cudaError_t ig_emu_forbid_in_capture(bool always) {
  cudaError_t error = cudaSuccess;
  for (cudaGraph_t g = capturing; g; g = g->next) {
    if (g->mode == cudaStreamCaptureModeRelaxed && !always) continue;
    g->invalid = true;
    error = cudaErrorStreamCaptureUnsupported;
  }
  return error;
}

cudaError_t ig_emu_capture_op(cudaStream_t stream, op *o) {
  cudaGraph_t g = stream->capture;
  if (g->invalid) return cudaErrorStreamCaptureInvalidated;
  if (o->kind == OP_GRAPH || o->kind == OP_FREE) { /* child graphs and memory nodes: not emulated */
    g->invalid = true;
    return cudaErrorStreamCaptureUnsupported;
  }
  if (g->count == g->room) {
    int room = g->room ? 2 * g->room : 64;
    struct CUgraphNode_st **more = realloc(g->nodes, (size_t)room * sizeof *more);
    if (!more) return cudaErrorUnknown;
    g->nodes = more;
    g->room = room;
  }
  struct CUgraphNode_st *node = calloc(1, sizeof *node);
  if (!node) return cudaErrorUnknown;
  node->after = stream->frontier;
  node->work = o;
  o->references++;
  stream->frontier = (node_set){0};
  int number = g->count++;
  g->nodes[number] = node;
  bool added = add_to_set(&stream->frontier, number);
  for (int i = 0; i < node->after.count; i++) {
    added &= add_to_set(&g->nodes[node->after.node[i]]->before, number);
  }
  return added ? cudaSuccess : cudaErrorUnknown;
}

cudaError_t ig_emu_capture_record(cudaStream_t stream, cudaEvent_t event) {
  if (stream->capture->invalid) return cudaErrorStreamCaptureInvalidated;
  event->capture = stream->capture->id;
  event->frontier.count = 0;
  return add_all(&event->frontier, &stream->frontier) ? cudaSuccess : cudaErrorUnknown;
}

cudaError_t ig_emu_capture_wait(cudaStream_t stream, cudaEvent_t event) {
  cudaGraph_t g = capturing;
  while (g && g->id != event->capture) g = g->next;
  if (!g) { /* recorded in no capture, or in one that has ended */
    if (!stream->capture) return cudaErrorInvalidValue;
    stream->capture->invalid = true;
    return cudaErrorStreamCaptureIsolation;
  }
  if (stream->capture && stream->capture != g) {
    stream->capture->invalid = g->invalid = true;
    return cudaErrorStreamCaptureMerge;
  }
  if (g->invalid) return cudaErrorStreamCaptureInvalidated;
  if (!stream->capture) {
    stream->capture = g;
    stream->frontier.count = 0;
  }
  return add_all(&stream->frontier, &event->frontier) ? cudaSuccess : cudaErrorUnknown;
}

static cudaError_t begin_capture(cudaStream_t stream, enum cudaStreamCaptureMode mode) {
  if (ig_emu_is_legacy(stream)) return cudaErrorStreamCaptureUnsupported;
  if (!ig_emu_is_stream(stream)) return cudaErrorInvalidResourceHandle;
  if ((unsigned)mode > cudaStreamCaptureModeRelaxed) return cudaErrorInvalidValue;
  if (stream->capture) return cudaErrorIllegalState;
  cudaGraph_t g = calloc(1, sizeof *g);
  if (!g) return cudaErrorUnknown;
  g->id = ++last_id;
  g->references = 1;
  g->origin = stream;
  g->mode = mode;
  g->next = capturing;
  capturing = g;
  stream->capture = g;
  stream->frontier.count = 0;
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : begin_capture(stream, mode));
}

static void release_graph(cudaGraph_t g) {
  if (--g->references) return;
  for (int i = 0; i < g->count; i++) {
    ig_emu_release_op(g->nodes[i]->work);
    free(g->nodes[i]->after.node);
    free(g->nodes[i]->before.node);
    free(g->nodes[i]);
  }
  free(g->nodes);
  free(g);
}

/* Whether the origin's frontier comes after all that other streams did in this capture. */
static bool is_joined(const struct CUgraph_st *g, bool *reached) {
  const node_set *end = &g->origin->frontier;
  for (int i = 0; i < end->count; i++) reached[end->node[i]] = true;
  for (int i = g->count - 1; i >= 0; i--) { /* nodes follow what they come after */
    const node_set *after = &g->nodes[i]->after;
    for (int k = 0; reached[i] && k < after->count; k++) reached[after->node[k]] = true;
  }
  for (int i = 0; i < g->count; i++) {
    if (!reached[i]) return false;
  }
  return true;
}

static cudaError_t end_capture(cudaStream_t stream, cudaGraph_t *graph) {
  if (graph) *graph = NULL;
  if (!ig_emu_is_stream(stream)) return cudaErrorInvalidResourceHandle;
  cudaGraph_t g = stream->capture;
  if (!g) return cudaErrorIllegalState;
  if (g->origin != stream) return cudaErrorStreamCaptureUnmatched;
  cudaError_t error = g->invalid ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
  bool *reached = calloc((size_t)g->count + 1, sizeof *reached);
  if (!reached) error = cudaErrorUnknown;
  if (!error && !is_joined(g, reached)) error = cudaErrorStreamCaptureUnjoined;
  free(reached);
  for (cudaStream_t s = ig_emu_streams; s; s = s->next) {
    if (s->capture == g) s->capture = NULL;
  }
  cudaGraph_t *link = &capturing;
  while (*link != g) link = &(*link)->next;
  *link = g->next;
  g->origin = NULL;
  if (error || !graph)
    release_graph(g);
  else
    *graph = g;
  return error;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : end_capture(stream, graph));
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *status) {
  cudaError_t error = ig_emu_enter();
  bool legacy = ig_emu_is_legacy(stream);
  if (!error && !legacy && !ig_emu_is_stream(stream)) error = cudaErrorInvalidResourceHandle;
  if (!error) {
    cudaGraph_t g = legacy ? NULL : stream->capture;
    *status = !g           ? cudaStreamCaptureStatusNone
              : g->invalid ? cudaStreamCaptureStatusInvalidated
                           : cudaStreamCaptureStatusActive;
  }
  return ig_emu_leave(error);
}

/* --- graphs ----------------------------------------------------------------------------------- */

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count) {
  cudaError_t error = ig_emu_enter();
  if (!error && (!graph || !count)) error = cudaErrorInvalidValue;
  if (!error) {
    for (size_t i = 0; nodes && i < *count; i++) {
      nodes[i] = i < (size_t)graph->count ? graph->nodes[i] : NULL;
    }
    if (!nodes || *count > (size_t)graph->count) *count = (size_t)graph->count;
  }
  return ig_emu_leave(error);
}

cudaError_t cudaGraphNodeGetType(cudaGraphNode_t node, enum cudaGraphNodeType *type) {
  cudaError_t error = ig_emu_enter();
  if (!error && (!node || !type)) error = cudaErrorInvalidValue;
  if (!error) {
    switch (node->work->kind) {
    case OP_KERNEL: *type = cudaGraphNodeTypeKernel; break;
    case OP_COPY: *type = cudaGraphNodeTypeMemcpy; break;
    case OP_FILL: *type = cudaGraphNodeTypeMemset; break;
    default: *type = cudaGraphNodeTypeHost; break;
    }
  }
  return ig_emu_leave(error);
}

static cudaError_t instantiate(cudaGraphExec_t *executable, cudaGraph_t graph) {
  if (!executable || !graph) return cudaErrorInvalidValue;
  cudaGraphExec_t e = calloc(1, sizeof *e);
  if (!e) return cudaErrorUnknown;
  e->references = 1;
  e->graph = graph;
  graph->references++;
  *executable = e;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph,
                                 unsigned long long flags) {
  (void)flags;
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : instantiate(executable, graph));
}

void ig_emu_release_exec(cudaGraphExec_t e) {
  if (--e->references) return;
  release_graph(e->graph);
  free(e);
}

/* Of the nodes whose predecessors are done, takes any one, until all are done. */
static cudaError_t run_shuffled(cudaGraph_t g, int *missing, int *open) {
  int open_count = 0;
  for (int i = 0; i < g->count; i++) {
    missing[i] = g->nodes[i]->after.count;
    if (!missing[i]) open[open_count++] = i;
  }
  while (open_count) {
    int at = (int)ig_emu_below((uint32_t)open_count), node = open[at];
    open[at] = open[--open_count];
    cudaError_t error = ig_emu_run_op(g->nodes[node]->work);
    if (error) return error;
    const node_set *before = &g->nodes[node]->before;
    for (int i = 0; i < before->count; i++) {
      if (--missing[before->node[i]] == 0) open[open_count++] = before->node[i];
    }
  }
  return cudaSuccess;
}

cudaError_t ig_emu_run_graph(cudaGraphExec_t e) {
  cudaGraph_t g = e->graph;
  if (ig_emu_settings.seed && g->count) {
    int *scratch = malloc(2 * (size_t)g->count * sizeof *scratch);
    if (!scratch) return cudaErrorUnknown;
    cudaError_t error = run_shuffled(g, scratch, scratch + g->count);
    free(scratch);
    return error;
  }
  for (int i = 0; i < g->count; i++) {
    cudaError_t error = ig_emu_run_op(g->nodes[i]->work);
    if (error) return error;
  }
  return cudaSuccess;
}

static cudaError_t launch_graph(cudaGraphExec_t executable, cudaStream_t stream) {
  if (!executable) return cudaErrorInvalidValue;
  op *o = ig_emu_new_op(OP_GRAPH, 0);
  if (!o) return cudaErrorUnknown;
  o->graph = executable;
  executable->references++;
  return ig_emu_submit(o, stream);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  cudaError_t error = ig_emu_enter();
  return ig_emu_leave(error ? error : launch_graph(executable, stream));
}

cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t stream) {
  cudaError_t error = ig_emu_enter();
  if (!error && !executable) error = cudaErrorInvalidValue;
  if (!error && !ig_emu_is_legacy(stream) && !ig_emu_is_stream(stream)) {
    error = cudaErrorInvalidResourceHandle;
  }
  return ig_emu_leave(error);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  cudaError_t error = ig_emu_enter();
  if (executable)
    ig_emu_release_exec(executable); /* also in a context that has ended */
  else if (!error)
    error = cudaErrorInvalidValue;
  return ig_emu_leave(error);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  cudaError_t error = ig_emu_enter();
  if (graph)
    release_graph(graph);
  else if (!error)
    error = cudaErrorInvalidValue;
  return ig_emu_leave(error);
}
