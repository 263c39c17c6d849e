/* Graphs as JSON: what is read must be a sound graph, and writing it again must give the same text. */
#include <stdlib.h>
#include <string.h>

#include "formats/graph_json.h"
#include "seeds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1), *first = NULL, *second = NULL;
  if (!text) abort();
  memcpy(text, data, size);
  text[size] = '\0';
  ig_graph *graph, *again;
  ig_clear_error();
  if (ig_graph_from_json(text, &graph) != IG_OK) {
    if (!*ig_last_error()) abort();
  } else {
    if (ig_graph_verify(graph) != IG_OK) abort();
    if (ig_graph_to_json(graph, &first) != IG_OK) abort();
    if (ig_graph_from_json(first, &again) != IG_OK) abort();
    if (ig_graph_to_json(again, &second) != IG_OK || strcmp(first, second) != 0) abort();
    ig_graph_destroy(again);
    ig_graph_destroy(graph);
  }
  ig_free(first);
  ig_free(second);
  free(text);
  return 0;
}

#define HEAD "{\"format\":\"ingot graph\",\"version\":1,\"name\":\"g\",\"inputs\":["
#define X "{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[2,3],\"symbols\":[\"N\",null]}"
#define W                                                                                          \
  "{\"name\":\"w\",\"dtype\":\"f32\",\"shape\":[3,3],\"init\":{\"kind\":\"normal\",\"value\":0.1}" \
  "}"

void make_seeds(void) {
  seed_text(HEAD X
            "],\"parameters\":[" W "],\"states\":[],\"constants\":[],\"nodes\":["
            "{\"op\":\"MatMul\",\"name\":\"m\",\"inputs\":[\"x\",\"w\"],\"outputs\":[\"h\"]},"
            "{\"op\":\"LeakyRelu\",\"name\":\"r\",\"inputs\":[\"h\"],\"outputs\":[\"y\"],"
            "\"attributes\":{\"alpha\":0.1}}],"
            "\"outputs\":[{\"name\":\"y\",\"value\":\"y\"}],\"assignments\":[]}");
  seed_text(HEAD X
            "],\"parameters\":[],\"states\":[{\"name\":\"s\",\"dtype\":\"f32\",\"shape\":[2,3],"
            "\"init\":{\"kind\":\"zero\"}}],\"constants\":[{\"name\":\"c\",\"dtype\":\"i64\","
            "\"shape\":[2],\"values\":[3,2]},{\"name\":\"d\",\"dtype\":\"f32\",\"shape\":[],"
            "\"values\":[\"inf\"]},{\"name\":\"e\",\"dtype\":\"u8\",\"shape\":[3],"
            "\"base64\":\"AAEC\"}],\"nodes\":[{\"op\":\"Reshape\",\"name\":\"r\",\"inputs\":["
            "\"x\",\"c\"],\"outputs\":[\"y\"]},{\"op\":\"Clip\",\"name\":\"k\",\"inputs\":["
            "\"y\",null,\"d\"],\"outputs\":[\"z\"]}],\"outputs\":[{\"name\":\"y\",\"value\":"
            "\"z\"}],\"assignments\":[{\"target\":\"s\",\"source\":\"x\"}]}");
}
