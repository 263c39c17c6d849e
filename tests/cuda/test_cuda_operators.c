/* What the operator driver cannot see on a GPU: that Dropout draws the CPU's numbers, what comes of
 * indices that only the host would have refused, and operands at addresses that no plan gives. */
#include <math.h>

#include "graph_run.h"
#include "kernels/layer_norm.h"

static ig_backend *cpu, *cuda;

/* One call of the first implementation that takes the node; operands are host memory. */
static void call_on(ig_backend *backend, const ig_node *node, const ig_rng_state *rng,
                    const void **in, void **out) {
  const ig_backend_vtable *vtable = backend->vtable;
  const ig_impl *impl;
  void *memory[20], *device_in[10] = {NULL}, *device_out[8] = {NULL}, *state;
  int n = 0;
  GOOD(ig_op_choose(node, vtable->device, &impl));
  GOOD(vtable->alloc(backend, sizeof *rng, &state));
  GOOD(vtable->upload(backend, state, rng, sizeof *rng));
  memory[n++] = state;
  for (int i = 0; i < node->n_inputs; i++) {
    if (!node->inputs[i]) continue;
    GOOD(vtable->alloc(backend, ig_value_bytes(node->inputs[i]), &device_in[i]));
    GOOD(vtable->upload(backend, device_in[i], in[i], ig_value_bytes(node->inputs[i])));
    memory[n++] = device_in[i];
  }
  for (int i = 0; i < node->n_outputs; i++) {
    GOOD(vtable->alloc(backend, ig_value_bytes(node->outputs[i]), &device_out[i]));
    memory[n++] = device_out[i];
  }
  ig_call call = {.node = node,
                  .in = (const void **)device_in,
                  .out = device_out,
                  .rng = state,
                  .stream = backend->stream};
  call.workspace_size = impl->workspace ? impl->workspace(node) : 0;
  if (call.workspace_size) {
    GOOD(vtable->alloc(backend, call.workspace_size, &call.workspace));
    memory[n++] = call.workspace;
  }
  GOOD(impl->run(&call));
  GOOD(vtable->synchronize(backend));
  for (int i = 0; i < node->n_outputs; i++) {
    GOOD(vtable->download(backend, out[i], device_out[i], ig_value_bytes(node->outputs[i])));
  }
  while (n > 0) vtable->free(backend, memory[--n]);
}

static ig_graph *fresh(void) {
  ig_graph *g;
  GOOD(ig_graph_create("test", &g));
  return g;
}

/* --- Dropout ------------------------------------------------------------------------------------ */

/* A sample longer than a block of threads handles, and one that no four elements divide. */
static void same_masks(int64_t samples, int64_t elements) {
  ig_graph *g = fresh();
  const uint8_t yes = 1;
  const float ratio = 0.3f;
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(samples, elements));
  ig_value *on = ig_graph_const(g, NULL, IG_BOOL, IG_SCALAR, &yes);
  ig_node *node = ig_graph_node(g, "Dropout", "drop", IG_INS(x, ig_graph_const_f32(g, ratio), on),
                                IG_ATTRS(IG_INT("seed", 77)), 2);
  GOOD(ig_graph_status(g));
  size_t count = (size_t)(samples * elements);
  float *data = run_input(x, 0), *want = malloc(count * 4), *got = malloc(count * 4);
  uint8_t *want_mask = malloc(count), *got_mask = malloc(count);
  for (uint64_t step = 0; step < 3; step++) {
    ig_rng_state rng = {.seed = 0x123456789abcdefu, .step = step << 33, .first_sample = 5 + step};
    const void *in[] = {data, &ratio, &yes};
    call_on(cpu, node, &rng, in, (void *[]){want, want_mask});
    call_on(cuda, node, &rng, in, (void *[]){got, got_mask});
    assert_memory_equal(got_mask, want_mask, count);
    assert_memory_equal(got, want, count * sizeof *want);
  }
  free(data);
  free(want);
  free(got);
  free(want_mask);
  free(got_mask);
  ig_graph_destroy(g);
}

static void dropout_draws_the_same(void **state) {
  IG_UNUSED(state);
  same_masks(3, 4500);
  same_masks(2, 1023);
}

/* --- averages ----------------------------------------------------------------------------------- */

#define LENGTH 9003

/* AdamW with its copy, and an average, by a node each and by one of both: the same bits. */
static void averaged_as_apart(float lr_value, float step_value, float scale_value) {
  ig_graph *g = fresh();
  ig_shape shape = IG_SHAPE(LENGTH);
  ig_value *lr = ig_graph_const_f32(g, lr_value), *step = ig_graph_const_f32(g, step_value);
  ig_value *in[] = {lr, step, ig_graph_const_f32(g, scale_value),
                    ig_graph_input(g, "p", IG_F32, shape), ig_graph_input(g, "g", IG_F32, shape),
                    ig_graph_input(g, "m", IG_F32, shape), ig_graph_input(g, "v", IG_F32, shape),
                    ig_graph_input(g, "c", IG_BF16, shape), ig_graph_input(g, "a", IG_F32, shape)};
  const ig_attr decay = IG_FLOAT("weight_decay", 0.01f);
  ig_node *update = ig_graph_node(g, "ingot.AdamW", NULL, 8, in, 1, &decay, 4);
  GOOD(ig_graph_status(g));
  ig_node *average = ig_graph_node(g, "ingot.Ema", NULL, IG_INS(step, update->outputs[0], in[8]),
                                   IG_ATTRS(IG_FLOAT("decay", 0.997f)), 1);
  ig_node *both = ig_graph_node(g, "ingot.MultiUpdate", NULL, 9, in,
                                IG_ATTRS(IG_STRING("optimizer", "ingot.AdamW"),
                                         IG_INT("moments", 2), IG_INT("copies", 1), decay,
                                         IG_INT("averages", 1), IG_FLOAT("average_decay", 0.997f)),
                                5);
  GOOD(ig_graph_status(g));
  const void *given[9] = {&lr_value, &step_value, &scale_value};
  void *want[5], *got[5];
  for (int i = 3; i < 9; i++) given[i] = run_input(in[i], 0);
  for (int i = 0; i < LENGTH; i++) ((float *)given[6])[i] = fabsf(((float *)given[6])[i]);
  for (int i = 0; i < 5; i++) {
    want[i] = malloc(ig_value_bytes(both->outputs[i]));
    got[i] = malloc(ig_value_bytes(both->outputs[i]));
  }
  const ig_rng_state rng = {0};
  call_on(cuda, update, &rng, given, want);
  call_on(cuda, average, &rng, (const void *[]){&step_value, want[0], given[8]}, &want[4]);
  call_on(cuda, both, &rng, given, got);
  for (int i = 0; i < 5; i++) {
    assert_memory_equal(got[i], want[i], ig_value_bytes(both->outputs[i]));
    free(want[i]);
    free(got[i]);
  }
  for (int i = 3; i < 9; i++) free((void *)given[i]);
  ig_graph_destroy(g);
}

static void averages_in_one_sweep(void **state) {
  IG_UNUSED(state);
  averaged_as_apart(0.01f, 1, 1);
  averaged_as_apart(0.01f, 7, 0.5f);
  averaged_as_apart(0.01f, 7, NAN); /* parameters stay, and are averaged again */
}

/* --- stochastic rounding ------------------------------------------------------------------------ */

/* Parameters of several pieces, one of which no four elements divide, as a node each and as one of both.
 * With a rate of 0 nothing moves, and the copies are of the same numbers on both devices. */
static void rounds_alike(ig_dtype dtype, bool aligned, uint64_t turn) {
  ig_graph *g = fresh();
  const float zero = 0, one = 1;
  const int64_t lengths[] = {aligned ? 9004 : 9003, 37};
  ig_value *lr = ig_graph_const_f32(g, 0), *step = ig_graph_const_f32(g, 1);
  ig_value *in[10] = {lr, step}; /* scale, parameter, gradient, copy of each */
  const void *given[10] = {&zero, &one};
  void *want[4], *got[4];
  const ig_rng_state rng = {.seed = 0x123456789abcdefu, .step = turn << 33};
  for (int i = 0; i < 2; i++) {
    ig_shape shape = IG_SHAPE(lengths[i]);
    in[2 + 4 * i] = NULL;
    in[3 + 4 * i] = ig_graph_param(g, i ? "second" : "first", IG_F32, shape,
                                   (ig_init){.kind = IG_INIT_ZERO}, true);
    in[4 + 4 * i] = ig_graph_input(g, i ? "g1" : "g0", IG_F32, shape);
    in[5 + 4 * i] = ig_graph_input(g, i ? "c1" : "c0", dtype, shape);
    for (int k = 3; k < 6; k++) given[4 * i + k] = run_input(in[4 * i + k], 0);
  }
  ig_node *both = ig_graph_node(g, "ingot.MultiUpdate", NULL, 10, in,
                                IG_ATTRS(IG_STRING("optimizer", "ingot.SGD"), IG_INT("copies", 1),
                                         IG_INT("stochastic", 1)), 4);
  GOOD(ig_graph_status(g));
  for (int i = 0; i < 4; i++) {
    want[i] = malloc(ig_value_bytes(both->outputs[i]));
    got[i] = malloc(ig_value_bytes(both->outputs[i]));
  }
  call_on(cpu, both, &rng, given, want);
  call_on(cuda, both, &rng, given, got);
  for (int i = 0; i < 2; i++) {
    size_t bytes = (size_t)lengths[i] * 2;
    uint16_t *cast = malloc(bytes);
    assert_memory_equal(got[2 * i], given[3 + 4 * i], 2 * bytes);
    assert_memory_equal(got[2 * i + 1], want[2 * i + 1], bytes);
    ig_convert(IG_F32, got[2 * i], dtype, cast, lengths[i]);
    assert_memory_not_equal(got[2 * i + 1], cast, bytes);
    ig_value *of_one[] = {lr, step, NULL, in[3 + 4 * i], in[4 + 4 * i], in[5 + 4 * i]};
    ig_node *node = ig_graph_node(g, "ingot.SGD", NULL, 6, of_one,
                                  IG_ATTRS(IG_INT("stochastic", 1)), 2);
    GOOD(ig_graph_status(g));
    call_on(cuda, node, &rng,
            (const void *[]){&zero, &one, NULL, given[3 + 4 * i], given[4 + 4 * i], given[5 + 4 * i]},
            (void *[]){got[2 * i], cast});
    assert_memory_equal(cast, want[2 * i + 1], bytes);
    free(cast);
  }
  for (int i = 0; i < 4; i++) {
    free(want[i]);
    free(got[i]);
    free((void *)given[i + (i < 2 ? 3 : 5)]);
  }
  free((void *)given[5]);
  free((void *)given[9]);
  ig_graph_destroy(g);
}

static void rounding_draws_the_same(void **state) {
  IG_UNUSED(state);
  for (uint64_t turn = 0; turn < 4; turn++) {
    rounds_alike(IG_BF16, true, turn);
    rounds_alike(IG_BF16, false, turn);
    rounds_alike(IG_F16, false, turn);
  }
}

/* --- indices out of range ----------------------------------------------------------------------- */

#define ROWS 4
#define WIDTH 3
static const int64_t indices[] = {1, -1, 4, -5, INT64_MAX, INT64_MIN, 0};
static const bool inside[] = {true, true, false, false, false, false, true};
#define COUNT IG_COUNT(indices)

static void gather_outside(void **state) {
  IG_UNUSED(state);
  ig_graph *g = fresh();
  ig_value *i = ig_graph_input(g, "i", IG_I64, IG_SHAPE(COUNT));
  float table[ROWS * WIDTH], rows[COUNT * WIDTH];
  int32_t numbers[ROWS * WIDTH], taken[COUNT * WIDTH];
  for (int k = 0; k < ROWS * WIDTH; k++) table[k] = (float)(numbers[k] = 10 + k);
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(ROWS, WIDTH));
  ig_value *n = ig_graph_input(g, "n", IG_I32, IG_SHAPE(ROWS, WIDTH));
  const ig_rng_state rng = {0};
  ig_node *node = ig_graph_node(g, "Gather", NULL, IG_INS(x, i), IG_NO_ATTRS, 1);
  call_on(cuda, node, &rng, (const void *[]){table, indices}, (void *[]){rows});
  node = ig_graph_node(g, "Gather", NULL, IG_INS(n, i), IG_NO_ATTRS, 1);
  call_on(cuda, node, &rng, (const void *[]){numbers, indices}, (void *[]){taken});
  for (int k = 0; k < COUNT * WIDTH; k++) {
    int64_t row = indices[k / WIDTH];
    if (inside[k / WIDTH]) {
      int from = (int)(row < 0 ? row + ROWS : row) * WIDTH + k % WIDTH;
      assert_int_equal(taken[k], numbers[from]);
      assert_true(rows[k] == table[from]);
    } else {
      assert_int_equal(taken[k], 0);
      assert_true(rows[k] != rows[k]);
    }
  }
  ig_graph_destroy(g);
}

static void gather_grad_outside(void **state) {
  IG_UNUSED(state);
  ig_graph *g = fresh();
  ig_value *dy = ig_graph_input(g, "dy", IG_F32, IG_SHAPE(COUNT, WIDTH));
  ig_value *i = ig_graph_input(g, "i", IG_I64, IG_SHAPE(COUNT));
  ig_node *node = ig_graph_node(g, "ingot.GatherGrad", NULL, IG_INS(dy, i),
                                IG_ATTRS(IG_INT("axis", 0), IG_INT("rows", ROWS)), 1);
  GOOD(ig_graph_status(g));
  float *given = run_input(dy, 0), sums[ROWS * WIDTH], want[ROWS * WIDTH] = {0};
  const ig_rng_state rng = {0};
  for (int k = 0; k < COUNT * WIDTH; k++) {
    int64_t row = indices[k / WIDTH];
    if (inside[k / WIDTH]) want[(row < 0 ? row + ROWS : row) * WIDTH + k % WIDTH] += given[k];
  }
  call_on(cuda, node, &rng, (const void *[]){given, indices}, (void *[]){sums});
  assert_memory_equal(sums, want, sizeof want); /* one term each */
  free(given);
  ig_graph_destroy(g);
}

/* Rows that would lie outside the cache are left out; the others are written. */
static void cache_outside(void **state) {
  IG_UNUSED(state);
  ig_graph *g = fresh();
  ig_value *cache = ig_graph_input(g, "cache", IG_F32, IG_SHAPE(3, 4, 2));
  ig_value *update = ig_graph_input(g, "update", IG_F32, IG_SHAPE(3, 2, 2));
  ig_value *where = ig_graph_input(g, "where", IG_I64, IG_SHAPE(3));
  ig_node *node =
      ig_graph_node(g, "TensorScatter", NULL, IG_INS(cache, update, where), IG_NO_ATTRS, 1);
  GOOD(ig_graph_status(g));
  float old[24] = {0}, fresh_rows[12], got[24];
  const int64_t first[] = {3, -1, INT64_MAX};
  const ig_rng_state rng = {0};
  for (int k = 0; k < 12; k++) fresh_rows[k] = (float)(k + 1);
  call_on(cuda, node, &rng, (const void *[]){old, fresh_rows, first}, (void *[]){got});
  for (int k = 0; k < 24; k++) {
    assert_true(got[k] == (k == 6 ? 1.0f : k == 7 ? 2.0f : 0.0f));
  }
  ig_graph_destroy(g);
}

/* --- addresses ----------------------------------------------------------------------------------- */

#define NORM_ROWS 3
#define NORM_COLUMNS 70
#define NORM_COUNT (NORM_ROWS * NORM_COLUMNS)
/* Where the operands lie in one block of floats, of which packs would take four at a time. */
enum {
  X = 1,
  RESIDUAL = X + 256,
  SCALE = RESIDUAL + 257,
  BIAS = SCALE + 256,
  SUM = 1280,
  Y = 1539
};

static void check_normalized(const float *given, const float *sum, const float *y) {
  for (int r = 0; r < NORM_ROWS; r++) {
    double s[NORM_COLUMNS], mean = 0, spread = 0;
    for (int i = 0; i < NORM_COLUMNS; i++) {
      int at = r * NORM_COLUMNS + i;
      s[i] = (double)given[X + at] + (double)given[RESIDUAL + at];
      mean += s[i] / NORM_COLUMNS;
      if (sum) assert_true(fabs((double)sum[at] - s[i]) < 1e-6);
    }
    for (int i = 0; i < NORM_COLUMNS; i++) spread += (s[i] - mean) * (s[i] - mean) / NORM_COLUMNS;
    for (int i = 0; i < NORM_COLUMNS; i++) {
      double want = (s[i] - mean) / sqrt(spread + 1e-5) * (double)given[SCALE + i];
      want += (double)given[BIAS + i];
      assert_true(fabs((double)y[r * NORM_COLUMNS + i] - want) < 1e-5);
    }
  }
}

/* The threads that add a row's elements are not those that read the sums in packs. */
static void rows_that_lie_differently(void **state) {
  IG_UNUSED(state);
  float given[SUM], got[Y + NORM_COUNT];
  void *block;
  for (int i = 0; i < SUM; i++) given[i] = sinf((float)i);
  for (int with_sum = 0; with_sum < 2; with_sum++) {
    GOOD(cuda->vtable->alloc(cuda, sizeof got, &block));
    GOOD(cuda->vtable->upload(cuda, block, given, sizeof given));
    float *at = block;
    ig_row_norm shape = {NORM_ROWS, NORM_COLUMNS, true, 1e-5};
    ig_row_norm_forward t = {.x = at + X,
                             .residual = at + RESIDUAL,
                             .scale = at + SCALE,
                             .bias = at + BIAS,
                             .sum = with_sum ? at + SUM : NULL,
                             .y = at + Y};
    GOOD(ig_cuda_row_norm(IG_F32, &shape, &t, cuda->stream));
    GOOD(cuda->vtable->synchronize(cuda));
    GOOD(cuda->vtable->download(cuda, got, block, sizeof got));
    check_normalized(given, with_sum ? got + SUM : NULL, got + Y);
    cuda->vtable->free(cuda, block);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(dropout_draws_the_same),
      cmocka_unit_test(averages_in_one_sweep),
      cmocka_unit_test(rounding_draws_the_same),
      cmocka_unit_test(gather_outside),
      cmocka_unit_test(gather_grad_outside),
      cmocka_unit_test(cache_outside),
      cmocka_unit_test(rows_that_lie_differently),
  };
  GOOD(ig_backend_cpu_create(1, &cpu));
  GOOD(ig_backend_cuda_create(0, &cuda));
  int failures = cmocka_run_group_tests(tests, NULL, NULL);
  ig_backend_destroy(cuda);
  ig_backend_destroy(cpu);
  return failures;
}
