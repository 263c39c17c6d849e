/* Runs test cases in the ONNX project's form: folders with model.onnx and test_data_set_<i>/{input,output}_<k>.pb.
 *   onnx_conformance DIR [--expected FILE] [--markdown FILE] [NAME...]
 * Each case runs in a child of its own, under a limit of time and memory, so that one that crashes or hangs
 * is a failure of its own. A line of --expected is `name: reason` for a case that is known to fail; it is an
 * error when such a case passes, and when another one fails. Prints passed, failed and unsupported by operator.
 * Tolerances are the project's: rtol 1e-3, atol 1e-7. */
#include <dirent.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "datum_file.h"
#include "engine/backend/backend.h"
#include "engine/plan/session.h"
#include "formats/onnx_import.h"

#define RTOL 1e-3
#define ATOL 1e-7
#define SECONDS 60
#define MOST_TENSORS 64
#define MOST_CASES 4096
#define MOST_OPERATORS 512
#define TEXT 512
#define PATH 4096

typedef enum verdict { PASSED, WRONG, UNSUPPORTED, CRASHED } verdict;

/* What a child tells about its case. */
typedef struct outcome {
  verdict verdict;
  char op[64]; /* of the first node */
  char why[TEXT];
} outcome;

/* A path that is cut names no file, which the caller notices. */
static void set_path(char path[PATH], const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(path, PATH, format, args);
  va_end(args);
}

/* --- comparing -------------------------------------------------------------------------------- */

static ig_status differ(const char *what, const ig_datum *got, const ig_datum *want) {
  return ig_fail(IG_ERR_NUMERIC, "%s: got %s %s, want %s %s", what, ig_dtype_name(got->dtype),
                 IG_SHAPE_STR(&got->shape), ig_dtype_name(want->dtype), IG_SHAPE_STR(&want->shape));
}

static bool close_enough(double got, double want) {
  if (isnan(want) || isnan(got)) return isnan(want) && isnan(got);
  if (isinf(want) || isinf(got)) return got == want;
  return fabs(got - want) <= ATOL + RTOL * fabs(want);
}

static bool element_equal(const ig_datum *got, const ig_datum *want, int64_t i) {
  size_t size = ig_dtype_size(want->dtype);
  if (want->dtype == IG_STRING) {
    const ig_string *a = (const ig_string *)got->data + i, *b = (const ig_string *)want->data + i;
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
  }
  if (memcmp((char *)got->data + (size_t)i * size, (char *)want->data + (size_t)i * size, size) == 0)
    return true;
  bool exact = ig_dtype_is_int(want->dtype) || want->dtype == IG_BOOL ||
               (ig_dtype_is_packed(want->dtype) && want->dtype != IG_F4E2M1);
  return !exact && close_enough(ig_load_f64(got->dtype, got->data, i),
                                ig_load_f64(want->dtype, want->data, i));
}

static ig_status compare(const char *what, const ig_datum *got, const ig_datum *want) {
  IG_CHECK(got->kind == want->kind, IG_ERR_NUMERIC, "%s: got kind %d, want %d", what, (int)got->kind,
           (int)want->kind);
  if (want->kind == IG_DATUM_NONE) return IG_OK;
  if (want->kind == IG_DATUM_SEQUENCE) {
    IG_CHECK(got->n == want->n, IG_ERR_NUMERIC, "%s: got %lld elements, want %lld", what,
             (long long)got->n, (long long)want->n);
    for (int64_t i = 0; i < want->n; i++) IG_TRY(compare(what, got->items[i], want->items[i]));
    return IG_OK;
  }
  if (got->dtype != want->dtype || !ig_shape_equal(&got->shape, &want->shape))
    return differ(what, got, want);
  for (int64_t i = 0; i < ig_shape_count(&want->shape); i++) {
    if (element_equal(got, want, i)) continue;
    if (want->dtype == IG_STRING) return ig_fail(IG_ERR_NUMERIC, "%s[%lld]: another text", what, (long long)i);
    return ig_fail(IG_ERR_NUMERIC, "%s[%lld]: got %.9g, want %.9g (%s %s)", what, (long long)i,
                   ig_load_f64(got->dtype, got->data, i), ig_load_f64(want->dtype, want->data, i),
                   ig_dtype_name(want->dtype), IG_SHAPE_STR(&want->shape));
  }
  return IG_OK;
}

/* --- one case (in the child) ------------------------------------------------------------------ */

static bool exists(const char *path) {
  struct stat info;
  return stat(path, &info) == 0;
}

/* The graph's inputs in the file's words, initializers left out. */
static const ig_onnx_type *input_type(const ig_onnx_graph *g, const char *name) {
  for (int64_t i = 0; i < g->n_inputs; i++) {
    if (g->inputs[i].name && strcmp(g->inputs[i].name, name) == 0) return g->inputs[i].type;
  }
  return NULL;
}

static ig_status run_set(const char *folder, const ig_onnx_graph *source, const ig_graph *graph,
                         ig_session *session) {
  ig_datum *in[MOST_TENSORS] = {0}, *out[MOST_TENSORS] = {0};
  char path[PATH], what[256];
  IG_CHECK(graph->n_inputs <= MOST_TENSORS && graph->n_outputs <= MOST_TENSORS, IG_ERR_UNSUPPORTED,
           "more than %d inputs or outputs", MOST_TENSORS);
  for (int32_t i = 0; i < graph->n_inputs; i++) {
    set_path(path, "%s/input_%d.pb", folder, i);
    if (exists(path)) IG_TRY(datum_file_read(path, input_type(source, graph->inputs[i]->name), &in[i]));
    else IG_TRY(ig_datum_none(&in[i]));
  }
  IG_TRY(ig_session_run(session, in, out));
  for (int32_t i = 0; i < graph->n_outputs; i++) {
    ig_datum *want = NULL;
    set_path(path, "%s/output_%d.pb", folder, i);
    IG_TRY(datum_file_read(path, source->outputs[i].type, &want));
    snprintf(what, sizeof what, "output '%s'", graph->output_names[i]);
    IG_TRY(compare(what, out[i], want));
    ig_datum_release(want);
  }
  for (int32_t i = 0; i < graph->n_inputs; i++) ig_datum_release(in[i]);
  for (int32_t i = 0; i < graph->n_outputs; i++) ig_datum_release(out[i]);
  return IG_OK;
}

static ig_status run_model(const char *folder, ig_onnx_model *model) {
  ig_graph *graph = NULL;
  ig_backend *backend = NULL;
  ig_store *store = NULL;
  ig_session *session = NULL;
  char path[PATH];
  const ig_session_options options = {.plan = {.frozen_params = true}, .compute = IG_F32};
  int sets = 0;
  IG_TRY(ig_onnx_import(model, NULL, &graph));
  IG_TRY(ig_backend_cpu_create(1, &backend));
  IG_TRY(ig_store_create(backend, &store));
  IG_TRY(ig_store_add_graph(store, graph, 0));
  IG_TRY(ig_session_create(graph, backend, store, &options, &session));
  for (;; sets++) {
    set_path(path, "%s/test_data_set_%d", folder, sets);
    if (!exists(path)) break;
    IG_TRY(run_set(path, model->says.graph, graph, session));
  }
  ig_session_destroy(session);
  ig_store_destroy(store);
  ig_backend_destroy(backend);
  ig_graph_destroy(graph);
  IG_CHECK(sets > 0, IG_ERR_INPUT, "%s has no test_data_set_0", folder);
  return IG_OK;
}

static void run_case(const char *folder, outcome *o) {
  ig_onnx_model *model = NULL;
  char path[PATH];
  set_path(path, "%s/model.onnx", folder);
  ig_status status = ig_onnx_model_open(path, &model);
  if (status == IG_OK) {
    const ig_onnx_graph *g = model->says.graph;
    snprintf(o->op, sizeof o->op, "%s", g->n_nodes && g->nodes[0].op ? g->nodes[0].op : "(none)");
    status = run_model(folder, model);
  }
  o->verdict = status == IG_OK ? PASSED : status == IG_ERR_UNSUPPORTED ? UNSUPPORTED : WRONG;
  snprintf(o->why, sizeof o->why, "%s", status == IG_OK ? "" : ig_last_error());
  ig_onnx_model_close(model);
}

/* --- all cases -------------------------------------------------------------------------------- */

static void in_child(const char *folder, int pipe) {
  outcome o = {.verdict = CRASHED};
#if !defined(__SANITIZE_ADDRESS__)
  const struct rlimit memory = {(rlim_t)4 << 30, (rlim_t)4 << 30};
  setrlimit(RLIMIT_AS, &memory);
#endif
  alarm(SECONDS);
  run_case(folder, &o);
  _exit(write(pipe, &o, sizeof o) == sizeof o ? 0 : 1);
}

static outcome run_apart(const char *folder) {
  outcome o = {.verdict = CRASHED, .op = "(none)"};
  int ends[2], status = 0;
  fflush(NULL);
  if (pipe(ends) != 0) return o;
  pid_t child = fork();
  if (child == 0) in_child(folder, ends[1]);
  close(ends[1]);
  ssize_t got = child > 0 ? read(ends[0], &o, sizeof o) : -1;
  close(ends[0]);
  if (child > 0) waitpid(child, &status, 0);
  if (got == sizeof o) return o;
  o = (outcome){.verdict = CRASHED, .op = "(none)"};
  if (WIFSIGNALED(status)) snprintf(o.why, TEXT, "ended by signal %d", WTERMSIG(status));
  else snprintf(o.why, TEXT, "ended with %d", WEXITSTATUS(status));
  return o;
}

static struct { char *name, *reason; bool met; } expected[MOST_CASES];
static int n_expected;
static struct { char op[64]; int counts[4]; } operators[MOST_OPERATORS];
static int n_operators;

static bool read_expected(const char *path) {
  FILE *file = fopen(path, "r");
  char line[1024];
  if (!file) return false;
  while (fgets(line, sizeof line, file) && n_expected < MOST_CASES) {
    line[strcspn(line, "\n")] = 0;
    char *colon = strchr(line, ':');
    if (line[0] == '#' || line[0] == 0) continue;
    if (!colon || colon[1 + strspn(colon + 1, " ")] == 0) {
      fprintf(stderr, "%s: '%s': expected NAME: REASON\n", path, line);
      fclose(file);
      return false;
    }
    *colon = 0;
    expected[n_expected].name = strdup(line);
    expected[n_expected++].reason = strdup(colon + 1 + strspn(colon + 1, " "));
  }
  fclose(file);
  return true;
}

static const char *reason_for(const char *name) {
  for (int i = 0; i < n_expected; i++) {
    if (strcmp(expected[i].name, name) != 0) continue;
    expected[i].met = true;
    return expected[i].reason;
  }
  return NULL;
}

/* The case of a function's body counts for the operator of the case that it expands. */
static void count(const char *root, const char *name, const outcome *o) {
  static char op[64];
  const char *expanded = strstr(name, "_expanded");
  snprintf(op, sizeof op, "%s", o->op);
  if (expanded) {
    char path[PATH];
    ig_onnx_model *model = NULL;
    set_path(path, "%s/%.*s/model.onnx", root, (int)(expanded - name), name);
    if (exists(path) && ig_onnx_model_open(path, &model) == IG_OK && model->says.graph->n_nodes)
      snprintf(op, sizeof op, "%s", model->says.graph->nodes[0].op);
    ig_onnx_model_close(model);
  }
  int i = 0;
  while (i < n_operators && strcmp(operators[i].op, op) != 0) i++;
  if (i == MOST_OPERATORS) return;
  if (i == n_operators) snprintf(operators[n_operators++].op, 64, "%s", op);
  operators[i].counts[o->verdict]++;
}

static int by_name(const void *a, const void *b) {
  return strcmp(a, b);
}

static void report(FILE *to, bool markdown, const int *counts) {
  qsort(operators, (size_t)n_operators, sizeof operators[0], by_name);
  fprintf(to, markdown ? "| operator | passed | failed | unsupported |\n| --- | --- | --- | --- |\n"
                       : "%-28s %7s %7s %12s\n", "operator", "passed", "failed", "unsupported");
  for (int i = 0; i < n_operators; i++) {
    const int *c = operators[i].counts;
    fprintf(to, markdown ? "| %s | %d | %d | %d |\n" : "%-28s %7d %7d %12d\n", operators[i].op,
            c[PASSED], c[WRONG] + c[CRASHED], c[UNSUPPORTED]);
  }
  fprintf(to, markdown ? "| all | %d | %d | %d |\n" : "%d passed, %d failed, %d unsupported\n",
          counts[PASSED], counts[WRONG] + counts[CRASHED], counts[UNSUPPORTED]);
}

static bool wanted(const char *name, int n, char **names) {
  bool any = n == 0;
  for (int i = 0; i < n && !any; i++) any = strstr(name, names[i]) != NULL;
  return any;
}

static bool is_case(const char *root, const char *name) {
  char path[PATH];
  set_path(path, "%s/%s/model.onnx", root, name);
  return name[0] != '.' && exists(path);
}

int main(int argc, char **argv) {
  const char *root = argc > 1 ? argv[1] : NULL, *markdown = NULL;
  int first = 2, counts[4] = {0}, surprises = 0, n = 0;
  struct dirent **entries;
  for (; first + 1 < argc && strncmp(argv[first], "--", 2) == 0; first += 2) {
    if (strcmp(argv[first], "--markdown") == 0) markdown = argv[first + 1];
    else if (strcmp(argv[first], "--expected") != 0 || !read_expected(argv[first + 1])) return 2;
  }
  if (root) n = scandir(root, &entries, NULL, alphasort);
  if (!root || n < 0) {
    fprintf(stderr, "usage: onnx_conformance DIR [--expected FILE] [--markdown FILE] [NAME...]\n");
    return 2;
  }
  for (int i = 0; i < n; i++) {
    const char *name = entries[i]->d_name;
    if (!is_case(root, name) || !wanted(name, argc - first, argv + first)) continue;
    char folder[PATH];
    set_path(folder, "%s/%s", root, name);
    outcome o = run_apart(folder);
    const char *reason = reason_for(name);
    counts[o.verdict]++;
    count(root, name, &o);
    bool surprise = (o.verdict == PASSED) == (reason != NULL);
    surprises += surprise;
    if (o.verdict == PASSED && reason) printf("PASSES, but is expected to fail: %s (%s)\n", name, reason);
    else if (o.verdict != PASSED && !reason) printf("FAIL %s: %s\n", name, o.why);
  }
  for (int i = 0; i < n; i++) free(entries[i]);
  free(entries);
  for (int i = 0; i < n_expected; i++) {
    if (expected[i].met || first < argc) continue;
    printf("no such case: %s, of the expected failures\n", expected[i].name);
    surprises++;
  }
  report(stdout, false, counts);
  FILE *file = markdown ? fopen(markdown, "w") : NULL;
  if (file) {
    report(file, true, counts);
    fclose(file);
  }
  return counts[PASSED] + counts[WRONG] + counts[CRASHED] + counts[UNSUPPORTED] == 0 || surprises != 0;
}
