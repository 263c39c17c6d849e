/* What a malformed or malicious ONNX file meets: one line that names the place, no crash, and little memory.
 * The tricks are those published against readers of this format (CVE-2022-25882, CVE-2024-27318,
 * CVE-2025-51480 and reports against importers). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/graph/graph.h"
#include "engine/passes/pass.h"
#include "formats/onnx_external.h"
#include "formats/onnx_import.h"
#include "onnx_bytes.h"
#include "scratch.h"

enum { FLOAT = 1, INT64 = 7 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* Reads, imports, specialises at the graph's own shapes, and runs the passes; releases the bytes. */
static ig_status run(message file) {
  ig_onnx_model *model = NULL;
  ig_graph *graph = NULL, *concrete = NULL;
  const ig_pass_options options = {.compute = IG_F32};
  ig_clear_error();
  ig_status status = ig_onnx_model_parse("evil.onnx", file.at, file.size, &model);
  if (status == IG_OK) status = ig_onnx_import(model, NULL, &graph);
  if (status == IG_OK) status = ig_graph_specialize(graph, NULL, &concrete);
  if (status == IG_OK) status = ig_passes_run(concrete, ig_pipeline_inference, &options);
  ig_graph_destroy(concrete);
  ig_graph_destroy(graph);
  ig_onnx_model_close(model);
  free(file.at);
  return status;
}

/* It is refused, and the message has all the words, which are separated by '|'. */
static void refused(message file, const char *words) {
  struct rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  assert_int_not_equal(run(file), IG_OK);
  getrusage(RUSAGE_SELF, &after);
  /* Sanitizers multiply what is allocated, and keep it. */
  if (!SANITIZED && after.ru_maxrss - before.ru_maxrss > 64 * 1024)
    fail_msg("took %ld KiB: %s", after.ru_maxrss - before.ru_maxrss, ig_last_error());
  const char *line = ig_last_error();
  char copy[512], *rest = copy;
  assert_null(strchr(line, '\n'));
  snprintf(copy, sizeof copy, "%s", words);
  for (char *word; (word = strsep(&rest, "|"));) {
    if (!strstr(line, word)) fail_msg("'%s' lacks '%s'", line, word);
  }
}

/* A graph of one node over inputs x [1, 2, 4, 4] and y of that name. */
static message one_node(message node) {
  message g = {0};
  const int64_t dims[] = {1, 2, 4, 4};
  put_message(&g, 1, node);
  put_text(&g, 2, "g");
  put_message(&g, 11, value_bytes("x", FLOAT, 4, dims));
  put_message(&g, 12, value_bytes("y", FLOAT, 4, dims));
  return g;
}

static void put_weights(message *graph, const char *name, int n_dims, const int64_t *dims) {
  static const float zeros[4096];
  size_t count = 1;
  for (int i = 0; i < n_dims; i++) count *= (size_t)dims[i];
  put_message(graph, 5, tensor_bytes(name, FLOAT, n_dims, dims, zeros, count * 4));
}

/* --- the wire format -------------------------------------------------------------------------- */

static void wire(void **state) {
  IG_UNUSED(state);
  const struct {
    const char *bytes;
    size_t size;
    const char *words;
  } cases[] = {
      {"", 0, "evil.onnx|empty"},
      {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, "byte 1|64 bits"},
      {"\x08\xff", 2, "byte 1|does not end"},
      {"\x3a\x7f\x01", 3, "byte 0|longer than its message"},
      {"\x3b", 1, "wire type"},
      {"\x38\x01", 2, "ModelProto has no field 7 of wire type 0"},
      {"\x00\x00", 2, "field number"},
      {"\x88\x80\x80\x80\x80\x00\x08", 7, "byte 0|key or length of more than 5 bytes"},
      {"\x3a\x82\x80\x80\x80\x80\x00\x10\x01", 9, "byte 1|key or length of more than 5 bytes"},
      /* an input x whose dimension is both 2 and N */
      {"\x3a\x14\x5a\x12\x0a\x01x\x12\x0d\x0a\x0b\x08\x01\x12\x07\x0a\x05\x08\x02\x12\x01N", 22,
       "one is chosen"},
      {"\x08\x08", 2, "no graph"},
      {"not an onnx file at all", 23, "evil.onnx"},
  };
  for (int i = 0; i < IG_COUNT(cases); i++) {
    message b = {0};
    put_bytes(&b, cases[i].bytes, cases[i].size);
    refused(b, cases[i].words);
  }
}

static void deep_messages(void **state) {
  IG_UNUSED(state);
  message graph = {0};
  for (int i = 0; i < 5000; i++) { /* If in If in If ... */
    message node = node_bytes("If", "c", "y"), attr = {0}, outer = {0};
    put_text(&attr, 1, "then_branch");
    put_message(&attr, 6, graph);
    put_int(&attr, 20, 5);
    put_message(&node, 5, attr);
    put_message(&outer, 1, node);
    graph = outer;
  }
  refused(model_bytes(graph, 18), "nested more than 100 deep");
}

/* Many empty messages want structs far larger than themselves. */
static void many_small_messages(void **state) {
  IG_UNUSED(state);
  message graph = {0};
  for (int i = 0; i < 3000000; i++) put_block(&graph, 1, NULL, 0);
  ig_onnx_model *model = NULL;
  message file = model_bytes(graph, 18);
  assert_int_equal(ig_onnx_model_parse("evil.onnx", file.at, file.size, &model), IG_ERR_MEMORY);
  free(file.at);
}

static void name_with_nul(void **state) {
  IG_UNUSED(state);
  message node = node_bytes("Relu", "x", "y"), graph;
  put_block(&node, 3, "a\0b", 3);
  graph = one_node(node);
  refused(model_bytes(graph, 18), "NUL");
}

/* --- graphs ----------------------------------------------------------------------------------- */

static void cycles_and_names(void **state) {
  IG_UNUSED(state);
  message g = one_node(node_bytes("Add", "x z", "y"));
  put_message(&g, 1, node_bytes("Relu", "y", "z"));
  refused(model_bytes(g, 18), "the_node|Add|'z'|nothing before it gives");
  g = one_node(node_bytes("Relu", "x", "y"));
  put_message(&g, 1, node_bytes("Abs", "x", "y"));
  refused(model_bytes(g, 18), "'y' is given twice");
  g = one_node(node_bytes("Relu", "x", "x"));
  refused(model_bytes(g, 18), "'x' is given twice");
  g = one_node(node_bytes("Relu", "x", "w"));
  refused(model_bytes(g, 18), "nothing gives its output 'y'");
}

static void unknown_operators_in_one_list(void **state) {
  IG_UNUSED(state);
  message g = one_node(node_bytes("NoSuchThing", "x", "a"));
  put_message(&g, 1, node_bytes("NorThis", "a", "b"));
  put_message(&g, 1, node_bytes("NoSuchThing", "b", "y"));
  refused(model_bytes(g, 18), "NoSuchThing (2 x|NorThis (1 x");
  g = one_node(node_bytes("ingot.Bucket", "x", "y"));
  refused(model_bytes(g, 18), "ingot.Bucket");
}

static message function_bytes(const char *name, message node) {
  message f = {0}, set = {0};
  put_text(&f, 1, name);
  put_text(&f, 4, "a");
  put_text(&f, 5, "b");
  put_message(&f, 7, node);
  put_int(&set, 2, 18);
  put_message(&f, 9, set);
  put_text(&f, 10, "f");
  return f;
}

static message call_bytes(const char *name, const char *in, const char *out) {
  message n = node_bytes(name, in, out);
  put_text(&n, 7, "f");
  return n;
}

/* A function that calls itself, and functions that double at each level. */
static void recursion(void **state) {
  IG_UNUSED(state);
  message m = model_bytes(one_node(call_bytes("F", "x", "y")), 18);
  put_message(&m, 25, function_bytes("F", call_bytes("F", "a", "b")));
  refused(m, "nest more than 32 deep");
  m = model_bytes(one_node(call_bytes("F0", "x", "y")), 18);
  for (int i = 0; i < 31; i++) {
    char name[16], next[16];
    snprintf(name, sizeof name, "F%d", i);
    snprintf(next, sizeof next, "F%d", i + 1);
    message f = function_bytes(name, call_bytes(next, "a", "c"));
    put_message(&f, 7, call_bytes(next, "c", "b"));
    put_message(&m, 25, f);
  }
  put_message(&m, 25, function_bytes("F31", node_bytes("Relu", "a", "b")));
  refused(m, "nodes, functions inlined");
}

/* --- tensors ---------------------------------------------------------------------------------- */

static void tensors(void **state) {
  IG_UNUSED(state);
  const int64_t huge[] = {INT64_MAX / 2, 4}, negative[] = {-1}, two[] = {2};
  const int64_t many[] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  message g = one_node(node_bytes("Add", "x w", "y"));
  put_message(&g, 5, tensor_bytes("w", FLOAT, 2, huge, "abcd", 4));
  refused(model_bytes(g, 18), "tensor 'w'");
  g = one_node(node_bytes("Add", "x w", "y"));
  put_message(&g, 5, tensor_bytes("w", FLOAT, 1, negative, "", 0));
  refused(model_bytes(g, 18), "tensor 'w'|negative");
  g = one_node(node_bytes("Add", "x w", "y"));
  put_message(&g, 5, tensor_bytes("w", FLOAT, 9, many, "abcd", 4));
  refused(model_bytes(g, 18), "tensor 'w'|rank 9");
  g = one_node(node_bytes("Add", "x w", "y"));
  put_message(&g, 5, tensor_bytes("w", FLOAT, 1, two, "abcd", 4));
  refused(model_bytes(g, 18), "tensor 'w'|needs 8 bytes, found 4");
  g = one_node(node_bytes("Add", "x w", "y"));
  put_message(&g, 5, tensor_bytes("w", 77, 1, two, "abcdefgh", 8));
  refused(model_bytes(g, 18), "tensor 'w'|type 77");
  g = one_node(node_bytes("Add", "x w", "y"));
  put_message(&g, 5, tensor_bytes("w", 14, 1, two, "abcdefghabcdefgh", 16));
  refused(model_bytes(g, 18), "tensor 'w'|type 14");
}

/* --- attributes ------------------------------------------------------------------------------- */

static message conv(const char *attribute, int n, const int64_t *values) {
  message node = node_bytes("Conv", "x w", "y"), g;
  const int64_t dims[] = {2, 2, 3, 3};
  put_ints_attr(&node, attribute, n, values);
  g = one_node(node);
  put_weights(&g, "w", 4, dims);
  return model_bytes(g, 18);
}

static void convolutions(void **state) {
  IG_UNUSED(state);
  const int64_t zero[] = {0, 0}, negative[] = {-1, -1}, three[] = {1, 1, 1};
  const int64_t huge[] = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX}, wide[] = {5, 5};
  refused(conv("strides", 2, zero), "the_node|Conv|strides");
  refused(conv("strides", 2, negative), "the_node|Conv|strides");
  refused(conv("dilations", 3, three), "the_node|Conv|dilations");
  refused(conv("dilations", 2, zero), "the_node|Conv|dilations");
  refused(conv("kernel_shape", 2, wide), "the_node|Conv|kernel_shape");
  refused(conv("pads", 4, huge), "the_node|Conv|pads");
  message node = node_bytes("MaxPool", "x", "y");
  put_ints_attr(&node, "kernel_shape", 2, zero);
  refused(model_bytes(one_node(node), 18), "the_node|MaxPool|kernel");
  node = node_bytes("AveragePool", "x", "y");
  put_ints_attr(&node, "kernel_shape", 2, wide);
  put_ints_attr(&node, "strides", 2, zero);
  refused(model_bytes(one_node(node), 18), "the_node|AveragePool|strides");
}

static void bombs(void **state) {
  IG_UNUSED(state);
  message node = node_bytes("DepthToSpace", "x", "y"), g;
  put_int_attr(&node, "blocksize", INT64_MAX);
  refused(model_bytes(one_node(node), 18), "the_node|DepthToSpace|blocksize");
  const int64_t repeats[] = {1 << 20, 1 << 20, 1, 1}, four[] = {4};
  g = one_node(node_bytes("Tile", "x r", "y"));
  put_message(&g, 5, tensor_bytes("r", INT64, 1, four, repeats, sizeof repeats));
  put_weights(&g, "unused", 1, four);
  ig_status status = run(model_bytes(g, 18)); /* a tensor of 128 TiB may be planned; nothing makes it */
  if (status != IG_OK) assert_non_null(strstr(ig_last_error(), "Tile"));
  /* The same over constants, which would be folded. */
  g = one_node(node_bytes("Tile", "c r", "y"));
  const int64_t dims[] = {1, 1, 1, 1};
  put_weights(&g, "c", 4, dims);
  put_message(&g, 5, tensor_bytes("r", INT64, 1, four, repeats, sizeof repeats));
  status = run(model_bytes(g, 18));
  if (status != IG_OK) assert_non_null(strstr(ig_last_error(), "Tile"));
  const int64_t one[] = {1}, count[] = {INT64_MAX};
  g = one_node(node_bytes("ConstantOfShape", "s", "y"));
  put_message(&g, 5, tensor_bytes("s", INT64, 1, one, count, sizeof count));
  refused(model_bytes(g, 18), "the_node|ConstantOfShape");
}

static void indexes(void **state) {
  IG_UNUSED(state);
  const int64_t one[] = {1}, far[] = {-100};
  message node = node_bytes("Gather", "x i", "y"), g;
  put_int_attr(&node, "axis", -9);
  g = one_node(node);
  put_message(&g, 5, tensor_bytes("i", INT64, 1, one, far, sizeof far));
  refused(model_bytes(g, 18), "the_node|Gather|axis");
  node = node_bytes("Concat", "x x", "y");
  put_int_attr(&node, "axis", INT64_MIN);
  refused(model_bytes(one_node(node), 18), "the_node|Concat|axis");
  node = node_bytes("Relu", "x", "y");
  put_int_attr(&node, "no_such_attribute", 1);
  refused(model_bytes(one_node(node), 18), "the_node|Relu|no_such_attribute");
  node = node_bytes("Softmax", "x", "y");
  put_text_attr(&node, "axis", "one");
  refused(model_bytes(one_node(node), 18), "the_node|Softmax|axis");
}

/* An honest one: the scales of Resize are floats, but no parameter, and must be known to plan it. */
static void settings_are_constants(void **state) {
  IG_UNUSED(state);
  const float scales[] = {1, 1, 2, 2};
  const int64_t four[] = {4};
  message g = one_node(node_bytes("Resize", "x - s", "y"));
  put_message(&g, 5, tensor_bytes("s", FLOAT, 1, four, scales, sizeof scales));
  if (run(model_bytes(g, 18)) != IG_OK) fail_msg("%s", ig_last_error());
}

static void versions(void **state) {
  IG_UNUSED(state);
  refused(model_bytes(one_node(node_bytes("Relu", "x", "y")), 99), "opset|99");
  refused(model_bytes(one_node(node_bytes("Add", "x x", "y")), 1), "opset|1");
}

/* --- what lies outside ------------------------------------------------------------------------ */

static message external(const char *location, const char *offset, const char *length) {
  message t = {0}, g = one_node(node_bytes("Add", "x w", "y"));
  const char *keys[] = {"location", "offset", "length"}, *values[] = {location, offset, length};
  put_int(&t, 1, 4);
  put_int(&t, 2, FLOAT);
  put_text(&t, 8, "w");
  put_int(&t, 14, 1);
  for (int i = 0; i < 3; i++) {
    message entry = {0};
    if (!values[i]) continue;
    put_text(&entry, 1, keys[i]);
    put_text(&entry, 2, values[i]);
    put_message(&t, 13, entry);
  }
  put_message(&g, 5, t);
  return model_bytes(g, 18);
}

/* The status of opening it as model/m.onnx in the scratch folder. */
static ig_status open_external(const scratch *at, const char *location, const char *offset,
                               const char *length) {
  const char *path = scratch_path(at, "model/m.onnx");
  message b = external(location, offset, length);
  ig_onnx_model *model = NULL;
  ig_graph *graph = NULL;
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(b.at, 1, b.size, file), b.size);
  fclose(file);
  free(b.at);
  ig_status status = ig_onnx_model_open(path, &model);
  if (status == IG_OK) status = ig_onnx_import(model, NULL, &graph);
  if (status == IG_OK) assert_non_null(ig_graph_find_value(graph, "w"));
  ig_graph_destroy(graph);
  ig_onnx_model_close(model);
  return status;
}

static void write_floats(const char *path) {
  const float data[] = {1, 2, 3, 4, 5, 6, 7, 8};
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(data, sizeof data, 1, file), 1);
  fclose(file);
}

static void refused_place(const scratch *at, const char *location, const char *words) {
  assert_int_not_equal(open_external(at, location, "0", NULL), IG_OK);
  if (!strstr(ig_last_error(), words)) fail_msg("'%s' lacks '%s'", ig_last_error(), words);
  assert_non_null(strstr(ig_last_error(), "'w'"));
}

static void outside(void **state) {
  IG_UNUSED(state);
  scratch s = scratch_make();
  assert_int_equal(mkdir(scratch_path(&s, "model"), 0700), 0);
  write_floats(scratch_path(&s, "secret.bin"));
  write_floats(scratch_path(&s, "model/w.bin"));
  assert_int_equal(open_external(&s, "w.bin", "16", "16"), IG_OK);
  assert_int_equal(open_external(&s, "w.bin", "0", NULL), IG_OK);
  refused_place(&s, "../secret.bin", "leaves the model's folder");
  refused_place(&s, "sub/../../secret.bin", "");
  refused_place(&s, scratch_path(&s, "secret.bin"), "leaves the model's folder");
  assert_int_equal(symlink("w.bin", scratch_path(&s, "model/link.bin")), 0);
  refused_place(&s, "link.bin", "symbolic link");
  assert_int_equal(symlink("..", scratch_path(&s, "model/up")), 0);
  refused_place(&s, "up/secret.bin", "symbolic link");
  assert_int_equal(link(scratch_path(&s, "secret.bin"), scratch_path(&s, "model/hard.bin")), 0);
  refused_place(&s, "hard.bin", "hard link");
  assert_int_equal(mkfifo(scratch_path(&s, "model/pipe"), 0600), 0);
  refused_place(&s, "pipe", "no plain file");
  refused_place(&s, "absent.bin", "No such file");
  assert_int_not_equal(open_external(&s, "w.bin", "20", "16"), IG_OK);
  assert_int_not_equal(open_external(&s, "w.bin", "18446744073709551600", "16"), IG_OK);
  assert_int_not_equal(open_external(&s, "w.bin", "-1", "16"), IG_OK);
  assert_int_not_equal(open_external(&s, "w.bin", "0", "12"), IG_OK);
  assert_int_not_equal(open_external(&s, NULL, "0", "16"), IG_OK);
  scratch_remove(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wire),
      cmocka_unit_test(deep_messages),
      cmocka_unit_test(many_small_messages),
      cmocka_unit_test(name_with_nul),
      cmocka_unit_test(cycles_and_names),
      cmocka_unit_test(unknown_operators_in_one_list),
      cmocka_unit_test(recursion),
      cmocka_unit_test(tensors),
      cmocka_unit_test(convolutions),
      cmocka_unit_test(bombs),
      cmocka_unit_test(indexes),
      cmocka_unit_test(settings_are_constants),
      cmocka_unit_test(versions),
      cmocka_unit_test(outside),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
