/* Presets against the published networks: parameter counts, names and shapes, and the logits that
 * torchvision's and transformers' versions give for parameters made up from the names
 * (tests/golden/models.py wrote them down). Then shapes at several batch sizes, and bad arguments. */
#include "graph_run.h"

#include <math.h>

#include "engine/models/model.h"
#include "engine/passes/pass.h"

static ig_graph *build(const char *text, ig_shape input, int64_t outputs) {
  ig_graph *g;
  ig_model_spec spec = {.input = input, .n_outputs = outputs};
  GOOD(ig_model_build(text, &spec, &g));
  return g;
}

static ig_graph *at_batch(const ig_graph *template, int64_t n) {
  ig_graph *g;
  ig_shape shape = template->inputs[0]->shape;
  shape.dims[0] = n;
  GOOD(ig_graph_specialize(template, &shape, &g));
  GOOD(ig_graph_verify(g));
  return g;
}

static int64_t parameters(const ig_graph *g) {
  int64_t count = 0;
  for (int32_t i = 0; i < g->n_values; i++) {
    if (g->values[i]->kind == IG_VALUE_PARAM) count += ig_value_count(g->values[i]);
  }
  return count;
}

/* --- counts and shapes ----------------------------------------------------------------------- */

static const ig_shape mnist = {3, {1, 28, 28}}, cifar = {3, {3, 32, 32}};
static const ig_shape imagenet = {3, {3, 224, 224}};

static const struct {
  const char *text;
  ig_shape input;
  int64_t outputs, parameters;
} published[] = {
    {"mlp:256,128", {1, {784}}, 10, 784 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10},
    {"mlp", {3, {1, 8, 8}}, 10, 64 * 128 + 128 + 128 * 10 + 10},
    {"lenet", mnist, 10, 320 + 18496 + 12544 * 128 + 128 + 1290},
    {"lenet:channels=8,width=32,dropout=0.25", mnist, 10, 80 + 1168 + 3136 * 32 + 32 + 330},
    {"resnet18", imagenet, 1000, 11689512},
    {"resnet50", imagenet, 1000, 25557032},
    {"mobilenetv2", imagenet, 1000, 3504872},
    {"resnet18:cifar", cifar, 10, 11173962},
    {"mobilenetv2:cifar", cifar, 10, 2236682},
    /* airbench94's 1.97 million, with 1,152 frozen ones of batch norm, without a bias of 24 */
    {"airbench", cifar, 10, 24 * 12 + 64 * 9 * (24 + 64) + 256 * 9 * (64 + 3 * 256) + 4 * 576 + 2560},
    {"airbench:8,16,32", cifar, 10,
     24 * 12 + 8 * 9 * 32 + 16 * 9 * 24 + 32 * 9 * 48 + 4 * 56 + 320},
    {"vit:tiny", imagenet, 1000, 5717416}, /* timm's vit_tiny_patch16_224 */
    {"vit:small", imagenet, 1000, 22050664},
    {"vit:base", imagenet, 1000, 86567656}, /* torchvision's vit_b_16 */
    {"vit:large", imagenet, 1000, 304326632},
    {"vit:tiny,pool=mean,patch=8", cifar, 10,
     5717416 - 1000 * 193 + 10 * 193 - 192 * (1 + 3 * 192 + 197 - 16)},
    {"gpt", {1, {64}}, 65, 809856},
    {"gpt2:124m", {1, {64}}, 0, 124439808},
    {"gpt2:350m", {1, {64}}, 0, 354823168},
    {"gpt2:774m", {1, {64}}, 0, 774030080},
    {"gpt2:1558m", {1, {64}}, 0, 1557611200},
};

static void counts(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
    ig_graph *g = build(published[i].text, published[i].input, published[i].outputs);
    if (parameters(g) != published[i].parameters) {
      fail_msg("%s: %lld parameters, expected %lld", published[i].text, (long long)parameters(g),
               (long long)published[i].parameters);
    }
    ig_graph_destroy(g);
  }
}

static void any_batch(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
    ig_graph *template = build(published[i].text, published[i].input, published[i].outputs);
    assert_string_equal(template->inputs[0]->name, "x");
    assert_string_equal(template->inputs[0]->symbols[0], "N");
    assert_string_equal(template->output_names[0], "y");
    for (int64_t n = 1; n <= 5; n += 4) {
      ig_graph *g = at_batch(template, n);
      ig_shape want = {.rank = 2, .dims = {n, published[i].outputs}};
      if (g->inputs[0]->dtype == IG_I64) {
        int64_t words = published[i].outputs ? published[i].outputs : 50257;
        want = IG_SHAPE(n, published[i].input.dims[0], words);
      }
      if (!ig_shape_equal(&g->outputs[0]->shape, &want)) {
        fail_msg("%s at batch %d: output %s, expected %s", published[i].text, (int)n,
                 IG_SHAPE_STR(&g->outputs[0]->shape), IG_SHAPE_STR(&want));
      }
      ig_graph_destroy(g);
    }
    ig_graph_destroy(template);
  }
}

/* Weight decay is for matrices, filters and embeddings. */
static void decay(void **state) {
  (void)state;
  ig_graph *g = build("gpt:layers=1,heads=2,embd=16", IG_SHAPE(8), 11);
  for (int32_t i = 0; i < g->n_values; i++) {
    const ig_value *v = g->values[i];
    if (v->kind == IG_VALUE_PARAM) assert_int_equal(v->decay, v->shape.rank > 1);
  }
  ig_graph_destroy(g);
}

/* --- against other implementations ----------------------------------------------------------- */

static void noise(const char *name, int64_t count, double *out) {
  uint32_t base = (uint32_t)ig_hash_name(name);
  for (int64_t i = 0; i < count; i++) {
    uint32_t h = base + (uint32_t)((uint64_t)i * 2654435761u);
    h = (h ^ (h >> 15)) * 2246822519u;
    h = (h ^ (h >> 13)) * 3266489917u;
    h ^= h >> 16;
    out[i] = (double)(h >> 8) / (1 << 23) - 1;
  }
}

static bool ends_in(const char *name, const char *end) {
  size_t a = strlen(name), b = strlen(end);
  return a >= b && strcmp(name + a - b, end) == 0;
}

static void make_up(ig_store_entry *entry) {
  int64_t count = ig_shape_count(&entry->shape);
  double *u = malloc((size_t)count * sizeof *u);
  assert_non_null(u);
  noise(entry->name, count, u);
  double scale = 0.1, shift = 0;
  if (entry->shape.rank > 1) {
    scale = 1.7 / sqrt((double)ig_shape_span(&entry->shape, 1, entry->shape.rank));
  } else if (ends_in(entry->name, "running_var") || ends_in(entry->name, "weight")) {
    scale = 0.5;
    shift = 1;
  }
  for (int64_t i = 0; i < count; i++) ((float *)entry->data)[i] = (float)(shift + scale * u[i]);
  free(u);
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* FNV-1a of the sorted lines "name [shape]" of PARAMs and STATEs. */
static uint64_t names_digest(const ig_store *store) {
  char *lines[1024];
  int64_t n = ig_store_count(store);
  assert_true(n > 0 && n <= 1024);
  for (int64_t i = 0; i < n; i++) {
    const ig_store_entry *entry = ig_store_entry_at(store, i);
    lines[i] = ig_format("%s %s", entry->name, IG_SHAPE_STR(&entry->shape));
    assert_non_null(lines[i]);
  }
  qsort(lines, (size_t)n, sizeof *lines, by_text);
  uint64_t hash = 0xcbf29ce484222325u;
  for (int64_t i = 0; i < n; i++) {
    for (const char *c = lines[i]; *c; c++) hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    if (i + 1 < n) hash = (hash ^ '\n') * 0x100000001b3u;
    ig_free(lines[i]);
  }
  return hash;
}

static const struct {
  const char *text;
  ig_shape input;
  int64_t outputs;
  uint64_t names;
  double magnitude; /* mean of |y| at batch 2 */
  double logits[6]; /* the first four and the last two */
} references[] = {
    {"resnet18",
     {3, {3, 64, 64}},
     1000,
     0x7d6de2ea9df6f7c8u,
     0.7099429,
     {-0.1212667, 1.666458, -0.5391747, 0.6579244, -0.5182498, 0.3492477}},
    {"resnet50",
     {3, {3, 64, 64}},
     1000,
     0x8dd63c80eecf8debu,
     1.260489,
     {0.4783112, -1.459058, -1.329841, -1.891927, 0.3212033, -1.379947}},
    {"mobilenetv2",
     {3, {3, 64, 64}},
     1000,
     0x1f0e1b044fea5d99u,
     0.1079488,
     {0.236773, 0.1193581, -0.1095043, -0.1789843, -0.1447334, -0.1838573}},
    {"vit:patch=8,width=48,depth=3,heads=4",
     {3, {3, 32, 32}},
     10,
     0x796a0a830526837au,
     0.8589395,
     {-0.1080607, 1.279871, 0.2280065, -0.783858, 1.363007, 1.561296}},
    {"gpt:layers=2,heads=4,embd=32,ctx=16",
     {1, {12}},
     65,
     0xa37ce784d1036218u,
     0.7470185,
     {-1.484926, 1.490491, 0.1501318, 0.08597402, -0.732038, 0.692306}},
    {"gpt2:124m",
     {1, {12}},
     0,
     0x6a6f0bfed6f97488u,
     0.7980093,
     {-1.843487, 0.3990229, -0.5873168, -1.107648, -1.014813, 0.6938518}},
    {"llama:layers=2,heads=4,kv_heads=2,embd=32,head_dim=12,inner=48,ctx=16,eps=1e-6",
     {1, {12}},
     65,
     0xad7fe135bfe4b26fu,
     0.8647832,
     {1.943065, 1.132747, -0.1209432, -0.6259453, 1.356787, -0.3234833}},
    {"llama:layers=2,heads=4,embd=32,ctx=16,bias=all,theta=1000,rope=llama3,factor=4,original=8",
     {1, {12}},
     65,
     0x62609fd590fca73bu,
     0.8518592,
     {-1.851189, -1.426104, 1.436308, 1.201274, -0.4217167, 0.947067}},
    {"llama:layers=2,heads=4,kv_heads=1,embd=32,ctx=16,bias=qkv,tie=1",
     {1, {12}},
     65,
     0x7a33493a67734d86u,
     0.9183764,
     {-0.07536203, -0.3310849, 1.089838, -0.6104367, -1.679945, -1.36385}},
    {"bert:layers=2,heads=4,embd=32,inner=80,ctx=16,vocab=65",
     {1, {12}},
     3,
     0x363b082bce62338u,
     0.6604195,
     {-0.3658672, 1.439237, -0.3740972, -0.09025311, 1.205057, -0.4880056}},
    {"bert:layers=2,heads=4,embd=32,inner=80,ctx=16,vocab=65,head=mlm,gelu=tanh",
     {1, {12}},
     65,
     0xe43ac271688081f1u,
     0.7376168,
     {-0.1893224, -1.287179, -0.6973183, -0.2076987, -0.2632069, -0.9665003}},
};

static void *reference_input(const ig_value *x) {
  int64_t count = ig_value_count(x);
  void *data = malloc(ig_value_bytes(x));
  double *u = malloc((size_t)count * sizeof *u);
  assert_non_null(data);
  assert_non_null(u);
  noise("x", count, u);
  for (int64_t i = 0; i < count; i++) {
    ig_store_f64(x->dtype, data, i, x->dtype == IG_I64 ? (double)(i * 7 % 65) : u[i]);
  }
  free(u);
  return data;
}

static void check_logits(size_t r, ig_graph *g, run_env *env, bool frozen) {
  ig_plan *plan;
  ig_plan_options options = {.frozen_params = frozen};
  GOOD(ig_plan_create(g, env->backend, env->store, &options, &plan));
  void *x = reference_input(g->inputs[0]);
  GOOD(ig_plan_bind_input(plan, 0, x));
  GOOD(ig_plan_run(plan, &(ig_rng_state){0}));
  const float *y = ig_plan_output(plan, 0);
  int64_t n = ig_value_count(g->outputs[0]);
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += fabs((double)y[i]);
  for (int i = 0; i < 6; i++) {
    double got = (double)y[i < 4 ? i : n - 6 + i], want = references[r].logits[i];
    if (!(fabs(got - want) <= 2e-5 * fmax(1, fabs(want)))) {
      fail_msg("%s: logit %d is %.7g, expected %.7g", references[r].text, i, got, want);
    }
  }
  assert_true(fabs(sum / (double)n - references[r].magnitude) <= 1e-5 * references[r].magnitude);
  free(x);
  ig_plan_destroy(plan);
}

static void logits(void **state) {
  (void)state;
  const ig_pass_options passes = {.device = IG_CPU, .compute = IG_F32};
  for (size_t r = 0; r < sizeof references / sizeof references[0]; r++) {
    ig_graph *template = build(references[r].text, references[r].input, references[r].outputs);
    run_env env = run_env_open();
    GOOD(ig_store_add_graph(env.store, template, 1));
    if (names_digest(env.store) != references[r].names) {
      fail_msg("%s: names or shapes of parameters differ", references[r].text);
    }
    for (int64_t i = 0; i < ig_store_count(env.store); i++) {
      make_up(ig_store_entry_at(env.store, i));
    }
    ig_graph *g = at_batch(template, 2);
    check_logits(r, g, &env, false);
    GOOD(ig_passes_run(g, ig_pipeline_inference, &passes));
    check_logits(r, g, &env, true);
    ig_graph_destroy(g);
    ig_graph_destroy(template);
    run_env_close(&env);
  }
}

/* --- initial values -------------------------------------------------------------------------- */

static double deviation(const ig_store *store, const char *name) {
  const ig_store_entry *entry = ig_store_find(store, name);
  assert_non_null(entry);
  double sum = 0;
  int64_t count = ig_shape_count(&entry->shape);
  for (int64_t i = 0; i < count; i++) {
    double v = (double)((const float *)entry->data)[i];
    sum += v * v;
  }
  return sqrt(sum / (double)count);
}

static void near(double got, double want) {
  if (!(fabs(got - want) <= 0.03 * want)) fail_msg("deviation %g, expected %g", got, want);
}

/* Deviations by the formulas of layers.h and GPT-2, over samples of 10^4 and more. */
/* Filters as many as channels hand them on; the rest are uniform. */
static void dirac_filters(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = build("airbench", cifar, 10);
  GOOD(ig_store_add_graph(env.store, g, 1));
  const float *w = ig_store_find(env.store, "block1.conv1.weight")->data; /* [64, 24, 3, 3] */
  double most = 0;
  for (int i = 0; i < 64 * 216; i++) {
    int filter = i / 216, channel = i % 216 / 9, tap = i % 9;
    if (filter < 24) assert_true(w[i] == (channel == filter && tap == 4 ? 1.0f : 0.0f));
    if (filter >= 24) most = fmax(most, fabs((double)w[i]));
  }
  assert_true(most <= sqrt(1.0 / 216) && most > 0.99 * sqrt(1.0 / 216));
  ig_graph_destroy(g);
  run_env_close(&env);
}

static void initial_values(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = build("mlp:256", IG_SHAPE(400), 100);
  GOOD(ig_store_add_graph(env.store, g, 1));
  near(deviation(env.store, "fc1.weight"), sqrt(2.0 / 400));
  near(deviation(env.store, "out.weight"), sqrt(1.0 / 256 / 3));
  assert_true(deviation(env.store, "fc1.bias") == 0);
  ig_graph_destroy(g);
  g = build("resnet18", imagenet, 1000);
  GOOD(ig_store_add_graph(env.store, g, 1));
  near(deviation(env.store, "layer2.0.conv1.weight"), sqrt(2.0 / (128 * 9)));
  assert_true(deviation(env.store, "layer2.0.bn1.weight") == 1);
  assert_true(deviation(env.store, "layer2.0.bn1.running_var") == 1);
  ig_graph_destroy(g);
  run_env_close(&env);
  env = run_env_open();
  g = build("gpt:layers=8,heads=4,embd=128", IG_SHAPE(64), 200);
  GOOD(ig_store_add_graph(env.store, g, 1));
  near(deviation(env.store, "wte.weight"), 0.02);
  near(deviation(env.store, "h.3.attn.c_attn.weight"), 0.02);
  near(deviation(env.store, "h.3.attn.c_proj.weight"), 0.02 / 4);
  near(deviation(env.store, "h.7.mlp.c_proj.weight"), 0.02 / 4);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* --- bad arguments --------------------------------------------------------------------------- */

static void bad_arguments(void **state) {
  (void)state;
  static const struct {
    const char *text;
    ig_shape input;
    int64_t outputs;
    ig_status status;
    const char *message;
  } cases[] = {
      {"resnt18", imagenet, 10, IG_ERR_USAGE, "did you mean \"resnet18\""},
      {"", imagenet, 10, IG_ERR_USAGE, "unknown model \"\""},
      {"zzzzzzzz", imagenet, 10, IG_ERR_USAGE, "mlp"},
      {"gpt:layer=3", {1, {8}}, 10, IG_ERR_USAGE, "did you mean \"layers\""},
      {"gpt:layers=3,layers=4", {1, {8}}, 10, IG_ERR_USAGE, "twice"},
      {"gpt:layers=0",
       {1, {8}},
       10,
       IG_ERR_USAGE,
       "layers is \"0\", expected a whole number from 1"},
      {"gpt:layers=x", {1, {8}}, 10, IG_ERR_USAGE, "layers is \"x\""},
      {"gpt:layers=99999999999999999999", {1, {8}}, 10, IG_ERR_USAGE, "layers is"},
      {"gpt:heads=3", {1, {8}}, 10, IG_ERR_USAGE, "not divisible"},
      {"gpt:kv_heads=3", {1, {8}}, 10, IG_ERR_USAGE, "share"},
      {"gpt:dropout=1", {1, {8}}, 10, IG_ERR_USAGE, "dropout is \"1\""},
      {"gpt:dropout=nan", {1, {8}}, 10, IG_ERR_USAGE, "dropout is \"nan\""},
      {"gpt:ctx=8", {1, {9}}, 10, IG_ERR_SHAPE, "exceed the context of 8"},
      {"gpt", {1, {8}}, 0, IG_ERR_USAGE, "vocabulary"},
      {"gpt", {2, {8, 2}}, 10, IG_ERR_SHAPE, "[8, 2]"},
      {"gpt2:125m", {1, {8}}, 10, IG_ERR_USAGE, "did you mean \"124m\""},
      {"resnet18:cifra", cifar, 10, IG_ERR_USAGE, "did you mean \"cifar\""},
      {"resnet18:5", cifar, 10, IG_ERR_USAGE, "unexpected number"},
      {"resnet18", {1, {64}}, 10, IG_ERR_SHAPE, "expected images"},
      {"resnet18", {3, {3, 16, 16}}, 10, IG_ERR_SHAPE, "at least 32 x 32"},
      {"lenet", {2, {8, 8}}, 10, IG_ERR_SHAPE, "found samples of shape [8, 8]"},
      {"mlp:0", {1, {8}}, 10, IG_ERR_USAGE, "a size is \"0\""},
      {"mlp:-3", {1, {8}}, 10, IG_ERR_USAGE, "-3"},
      {"mlp:8,,8", {1, {8}}, 10, IG_ERR_USAGE, "unknown word \"\""},
      {"mlp:", {1, {8}}, 10, IG_ERR_USAGE, "unknown word \"\""},
      {"mlp:1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", {1, {8}}, 10, IG_ERR_USAGE, "unexpected number"},
      {"mlp", {1, {8}}, 0, IG_ERR_SHAPE, "0 outputs"},
      {"mlp", {1, {0}}, 10, IG_ERR_SHAPE, "empty"},
      {"mlp", {8, {1, 1, 1, 1, 1, 1, 1, 1}}, 10, IG_ERR_SHAPE, "rank 8"},
      {"vit:patch=5", cifar, 10, IG_ERR_SHAPE, "patches of 5"},
      {"vit:heads=5", cifar, 10, IG_ERR_USAGE, "not divisible"},
      {"vit:pool=maen", cifar, 10, IG_ERR_USAGE, "did you mean \"mean\""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    ig_graph *g = NULL;
    ig_model_spec spec = {.input = cases[i].input, .n_outputs = cases[i].outputs};
    ig_clear_error();
    ig_status status = ig_model_build(cases[i].text, &spec, &g);
    if (status != cases[i].status || !strstr(ig_last_error(), cases[i].message)) {
      fail_msg("\"%s\": %s: %s; expected %s", cases[i].text, ig_status_name(status),
               ig_last_error(), cases[i].message);
    }
    assert_null(g);
  }
}

static void contexts(void **state) {
  (void)state;
  int64_t tokens;
  GOOD(ig_model_context("gpt:ctx=96", &tokens));
  assert_int_equal(tokens, 96);
  GOOD(ig_model_context("gpt2", &tokens));
  assert_int_equal(tokens, 1024);
  assert_int_equal(ig_model_context("mlp", &tokens), IG_ERR_USAGE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(counts),   cmocka_unit_test(any_batch),      cmocka_unit_test(decay),
      cmocka_unit_test(logits),   cmocka_unit_test(initial_values), cmocka_unit_test(bad_arguments),
      cmocka_unit_test(contexts), cmocka_unit_test(dirac_filters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
