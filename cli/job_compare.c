/* Whether all ranks were started alike. Ranks exchange a hash of what must be equal, and only where the
 * hashes differ the texts, so that a good start costs one small message. */
#include <stdlib.h>
#include <string.h>

#include "cli/job.h"
#include "engine/base/rng.h"
#include "formats/graph_json.h"

typedef struct card {
  uint64_t hash;
  uint64_t bytes; /* of the text */
} card;

static void name_value(const json_t *value, char text[256]) {
  char *dumped = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
  snprintf(text, 256, "%s", dumped ? dumped : "none given");
  free(dumped);
}

/* The first key, in order, in which `theirs` is not as `first`. */
static ig_status report_key(const ig_cli *cli, int rank, const json_t *first,
                            const json_t *theirs) {
  json_t *keys = json_object();
  if (keys) json_object_update(keys, (json_t *)(uintptr_t)first);
  if (keys) json_object_update(keys, (json_t *)(uintptr_t)theirs);
  ig_status status = IG_OK;
  const char *key;
  json_t *unused;
  json_object_foreach(keys, key, unused) {
    const json_t *a = json_object_get(first, key), *b = json_object_get(theirs, key);
    if (json_equal(a, b)) continue;
    char expected[256], found[256];
    name_value(a, expected);
    name_value(b, found);
    status = ig_fail(IG_ERR_USAGE, "rank %d on %s: %s: expected %s, as on rank 0, found %s", rank,
                     cli->comm->hosts[rank], key, expected, found);
    break;
  }
  json_decref(keys);
  return status;
}

static ig_status compare_texts(const ig_cli *cli, const char *texts, size_t each) {
  json_t *first = json_loads(texts, 0, NULL);
  ig_status status = first ? IG_OK : ig_fail(IG_ERR_MEMORY, "no memory to compare ranks");
  for (int r = 1; r < cli->ranks && status == IG_OK; r++) {
    json_t *theirs = json_loads(texts + (size_t)r * each, 0, NULL);
    status = theirs ? report_key(cli, r, first, theirs)
                    : ig_fail(IG_ERR_MEMORY, "no memory to compare ranks");
    json_decref(theirs);
  }
  json_decref(first);
  return status;
}

static ig_status exchange_texts(const ig_cli *cli, const char *text, size_t each) {
  char *mine = ig_alloc_zero(1, each), *all = ig_alloc((size_t)cli->ranks * each);
  ig_status status = mine && all ? IG_OK : ig_fail(IG_ERR_MEMORY, "no memory to compare ranks");
  status = ig_comm_settle(cli->comm, status);
  if (status == IG_OK) {
    memcpy(mine, text, strlen(text));
    status = ig_comm_exchange(cli->comm, mine, each, all);
  }
  if (status == IG_OK) status = compare_texts(cli, all, each);
  ig_free(mine);
  ig_free(all);
  return status;
}

static ig_status exchange_cards(const ig_cli *cli, const char *text, card *all) {
  card mine = {ig_hash_name(text), strlen(text)};
  bool equal = true;
  size_t longest = 0;
  IG_TRY(ig_comm_exchange(cli->comm, &mine, sizeof mine, all));
  for (int r = 0; r < cli->ranks; r++) {
    equal = equal && all[r].hash == mine.hash && all[r].bytes == mine.bytes;
    longest = IG_MAX(longest, (size_t)all[r].bytes);
  }
  return equal ? IG_OK : exchange_texts(cli, text, longest + 1);
}

ig_status ig_job_compare(ig_cli *cli, json_t *facts) {
  char *text = facts ? json_dumps(facts, JSON_SORT_KEYS | JSON_REAL_PRECISION(17)) : NULL;
  card *all = ig_alloc((size_t)IG_MAX(cli->ranks, 1) * sizeof *all);
  ig_status status = text && all ? IG_OK : ig_fail(IG_ERR_MEMORY, "no memory to compare ranks");
  json_decref(facts);
  if (cli->comm) {
    status = ig_comm_settle(cli->comm, status);
    if (status == IG_OK) status = exchange_cards(cli, text, all);
  }
  free(text);
  ig_free(all);
  return status;
}

static void add_hash(json_t *facts, const char *key, uint64_t hash) {
  char text[32];
  snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
  json_object_set_new(facts, key, json_string(text));
}

static void add_data(json_t *facts, const char *name, const ig_dataset *data) {
  char key[96];
  if (!data) return;
  snprintf(key, sizeof key, "samples of the %s", name);
  json_object_set_new(facts, key, json_integer(data->n_samples));
  /* Copies of a large file have to have its time too ("cp -p", "rsync -t"). */
  snprintf(key, sizeof key, "digest (of content, or of path, size and time) of the %s", name);
  add_hash(facts, key, data->digest);
}

json_t *ig_job_facts(const ig_graph *graph, const ig_dataset *data, const ig_dataset *validation,
                     const ig_snapshot *snapshot) {
  json_t *facts = json_object();
  char *text = NULL;
  if (!facts || ig_graph_to_json(graph, &text) != IG_OK) {
    json_decref(facts);
    return NULL;
  }
  add_hash(facts, "hash of the graph", ig_hash_name(text));
  ig_free(text);
  add_data(facts, "data", data);
  add_data(facts, "validation data", validation);
  int64_t step = snapshot ? snapshot->progress.step : 0;
  json_object_set_new(facts, "steps of the checkpoint", json_integer(step));
  return facts;
}
