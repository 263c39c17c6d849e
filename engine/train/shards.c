/* Buckets are laid out by ingot.BucketPart, whose nodes in the graph say which parameters are in which;
 * moments of a bucket lie in it as its parameters do. */
#include "engine/train/shards.h"

#include <stdlib.h>
#include <string.h>

#include "engine/ops/buckets.h"
#include "engine/train/moments.h"

static const char shard_prefix[] = "optimizer.shard.";

/* A parameter in a bucket. */
typedef struct member {
  const char *name;
  ig_shape shape;
  int64_t at, count; /* elements of the bucket */
} member;

typedef struct bucket {
  int64_t index, part; /* elements that a rank has */
  int ranks, n;
  member *members;
} bucket;

typedef struct shard {
  const char *name;   /* of the STATE */
  const char *moment; /* "optimizer.m" */
  const bucket *of;
} shard;

struct ig_shards {
  ig_arena *arena;
  int n_buckets, n;
  bucket *buckets;
  shard *shards;
};

/* --- the layout --------------------------------------------------------------------------------- */

static ig_status add_bucket(ig_shards *s, const ig_node *node) {
  bucket *b = &s->buckets[s->n_buckets++];
  const ig_bucket_attrs *attrs = IG_BUCKET_ATTRS(node);
  *b = (bucket){.index = attrs->index,
                .part = ig_value_count(node->outputs[0]),
                .ranks = (int)attrs->ranks,
                .n = node->n_inputs,
                .members = ig_arena_alloc(s->arena, (size_t)node->n_inputs * sizeof(member))};
  IG_CHECK(b->members, IG_ERR_MEMORY, "shards: out of memory");
  int64_t at = 0, stride;
  for (int i = 0; i < node->n_inputs; i++) {
    const ig_value *v = node->inputs[i];
    IG_CHECK(ig_bucket_stride(IG_F32, ig_value_count(v), &stride), IG_ERR_INTERNAL, "bucket layout");
    b->members[i] = (member){.name = ig_arena_strdup(s->arena, v->name),
                             .shape = v->shape,
                             .at = at,
                             .count = ig_value_count(v)};
    IG_CHECK(b->members[i].name, IG_ERR_MEMORY, "shards: out of memory");
    at += stride;
  }
  return IG_OK;
}

static ig_status add_shard(ig_shards *s, const char *name) {
  const char *moment = name + sizeof shard_prefix - 1, *dot = strrchr(moment, '.');
  IG_CHECK(dot, IG_ERR_INTERNAL, "state '%s' names no bucket", name);
  long long index = strtoll(dot + 1, NULL, 10);
  shard *part = &s->shards[s->n++];
  *part = (shard){.name = ig_arena_strdup(s->arena, name),
                  .moment = ig_arena_format(s->arena, "optimizer.%.*s", (int)(dot - moment), moment)};
  IG_CHECK(part->name && part->moment, IG_ERR_MEMORY, "shards: out of memory");
  for (int b = 0; b < s->n_buckets; b++) {
    if (s->buckets[b].index == index) part->of = &s->buckets[b];
  }
  IG_CHECK(part->of, IG_ERR_INTERNAL, "state '%s': no such bucket", name);
  return IG_OK;
}

static bool is_shard(const ig_value *v) {
  return v->kind == IG_VALUE_STATE && strncmp(v->name, shard_prefix, sizeof shard_prefix - 1) == 0;
}

static ig_status find_all(ig_shards *s, const ig_graph *step) {
  s->buckets = ig_arena_alloc(s->arena, (size_t)(step->n_nodes + 1) * sizeof *s->buckets);
  s->shards = ig_arena_alloc(s->arena, (size_t)(step->n_values + 1) * sizeof *s->shards);
  IG_CHECK(s->buckets && s->shards, IG_ERR_MEMORY, "shards: out of memory");
  for (int32_t i = 0; i < step->n_nodes; i++) {
    const ig_node *node = step->nodes[i];
    if (strcmp(node->op->name, "ingot.BucketPart") == 0) IG_TRY(add_bucket(s, node));
  }
  for (int32_t i = 0; i < step->n_values; i++) {
    if (is_shard(step->values[i])) IG_TRY(add_shard(s, step->values[i]->name));
  }
  return IG_OK;
}

ig_status ig_shards_create(const ig_graph *step, ig_shards **out) {
  bool any = false;
  *out = NULL;
  for (int32_t i = 0; i < step->n_values; i++) any = any || is_shard(step->values[i]);
  if (!any) return IG_OK;
  ig_arena *arena = ig_arena_create();
  IG_CHECK_ALLOC(arena);
  ig_shards *s = ig_arena_alloc(arena, sizeof *s);
  ig_status status = s ? IG_OK : ig_fail(IG_ERR_MEMORY, "shards: out of memory");
  if (status == IG_OK) {
    *s = (ig_shards){.arena = arena};
    status = find_all(s, step);
  }
  if (status != IG_OK) {
    ig_arena_destroy(arena);
    return status;
  }
  *out = s;
  return IG_OK;
}

void ig_shards_destroy(ig_shards *shards) {
  if (shards) ig_arena_destroy(shards->arena);
}

/* --- between store and snapshot ------------------------------------------------------------------ */

static ig_status entry_of(const ig_store *store, const shard *part, ig_store_entry **out) {
  *out = ig_store_find(store, part->name);
  IG_CHECK(*out && ig_shape_count(&(*out)->shape) == part->of->part, IG_ERR_INTERNAL,
           "state '%s' is not in the store as it should be", part->name);
  return IG_OK;
}

/* The name that `m` has in snapshots; freed with ig_free. */
static ig_status name_of(const shard *part, const member *m, char **out) {
  *out = ig_format("%s.%s", part->moment, m->name);
  IG_CHECK_ALLOC(*out);
  return IG_OK;
}

static ig_status add_members(const shard *part, const float *whole, ig_snapshot *snapshot) {
  for (int i = 0; i < part->of->n; i++) {
    const member *m = &part->of->members[i];
    char *name;
    void *data;
    IG_TRY(name_of(part, m, &name));
    ig_status status = ig_snapshot_add(snapshot, IG_ROLE_OPTIMIZER, name, IG_F32, &m->shape, &data);
    ig_free(name);
    IG_TRY(status);
    if (m->count) memcpy(data, whole + m->at, (size_t)m->count * sizeof *whole);
  }
  return IG_OK;
}

static ig_status gather_one(const shard *part, const ig_store *store, ig_comm *comm, float *own,
                            float *whole, ig_snapshot *snapshot) {
  ig_store_entry *entry;
  IG_TRY(entry_of(store, part, &entry));
  IG_TRY(ig_store_read(store, entry, own));
  IG_TRY(ig_comm_exchange(comm, own, (size_t)part->of->part * sizeof *own, whole));
  return snapshot ? add_members(part, whole, snapshot) : IG_OK;
}

/* Host memory for the part of the largest bucket, and for all of it. */
static ig_status allocate(const ig_shards *s, float **own, float **whole) {
  int64_t most = 0, all = 0;
  for (int b = 0; b < s->n_buckets; b++) {
    most = IG_MAX(most, s->buckets[b].part);
    all = IG_MAX(all, s->buckets[b].part * s->buckets[b].ranks);
  }
  *own = ig_alloc((size_t)most * sizeof **own);
  *whole = ig_alloc((size_t)all * sizeof **whole);
  if (*own && *whole) return IG_OK;
  ig_free(*own);
  ig_free(*whole);
  return ig_fail(IG_ERR_MEMORY, "shards: out of memory");
}

ig_status ig_shards_gather(const ig_shards *shards, const ig_store *store, ig_comm *comm,
                           ig_snapshot *snapshot) {
  float *own, *whole;
  IG_TRY(allocate(shards, &own, &whole));
  ig_status status = IG_OK;
  for (int i = 0; i < shards->n && status == IG_OK; i++)
    status = gather_one(&shards->shards[i], store, comm, own, whole, snapshot);
  ig_free(own);
  ig_free(whole);
  return status;
}

static ig_status read_member(const shard *part, const member *m, const ig_snapshot *snapshot,
                             float *whole) {
  char *name;
  IG_TRY(name_of(part, m, &name));
  const ig_tensor *tensor;
  ig_status status =
      ig_moments_find(snapshot, IG_ROLE_OPTIMIZER, name, IG_F32, &m->shape, &tensor);
  if (status != IG_OK) {
    ig_free(name);
    return status;
  }
  if (tensor->dtype != IG_F32 || !ig_shape_equal(&tensor->shape, &m->shape)) {
    status = ig_fail(IG_ERR_SHAPE, "checkpoint: tensor '%s': expected f32%s, found %s%s", name,
                     IG_SHAPE_STR(&m->shape), ig_dtype_name(tensor->dtype),
                     IG_SHAPE_STR(&tensor->shape));
  } else if (m->count) {
    memcpy(whole + m->at, tensor->data, (size_t)m->count * sizeof *whole);
  }
  ig_free(name);
  return status;
}

static ig_status scatter_one(const shard *part, ig_store *store, int rank,
                             const ig_snapshot *snapshot, float *whole) {
  ig_store_entry *entry;
  const bucket *b = part->of;
  IG_TRY(entry_of(store, part, &entry));
  memset(whole, 0, (size_t)(b->part * b->ranks) * sizeof *whole);
  for (int i = 0; i < b->n; i++) IG_TRY(read_member(part, &b->members[i], snapshot, whole));
  return ig_store_write(store, entry, whole + rank * b->part);
}

ig_status ig_shards_scatter(const ig_shards *shards, ig_store *store, int rank,
                            const ig_snapshot *snapshot) {
  float *own, *whole;
  IG_TRY(allocate(shards, &own, &whole));
  ig_status status = IG_OK;
  for (int i = 0; i < shards->n && status == IG_OK; i++)
    status = scatter_one(&shards->shards[i], store, rank, snapshot, whole);
  ig_free(own);
  ig_free(whole);
  return status;
}
