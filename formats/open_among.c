/* One data set for all ranks of a job. What can be read by offset every rank opens for itself, and reads
 * no more than its samples. The rest (CSV, gzip, zip, text that a tokenizer cuts) has to be read and
 * understood as a whole: on each machine the first rank does that and leaves what it made in memory
 * that the others map, so that it is read once a machine and held once a machine. The samples are the
 * same either way, and the same as one process has.
 *
 * The memory is an anonymous file (memfd), which peers open through /proc/PID/fd. It holds the fields as
 * JSON, then a field's samples after another; of text, the run of tokens. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/checked.h"
#include "formats/schema_json.h"
#include "formats/token_windows.h"

#define LINE ((size_t)64)
#define SAMPLES 1024 /* read at once */

/* What the first rank of a machine tells the others. */
typedef struct card {
  int32_t leads, node, pid, file;
  int64_t bytes, n_samples, overlap;
  int64_t tokens; /* of text; 0 for arrays */
  uint64_t digest;
  int32_t width, n_fields, sequential;
  char format[20];
  int64_t at[IG_MAX_FIELDS]; /* bytes from the beginning */
} card;

/* ---- the first rank's side ---- */

typedef struct layout {
  const ig_dataset *data;
  card *card;
  const char *json;
  int64_t context, stride;
  int file;
  char *base;
} layout;

static ig_status place(layout *l, size_t *end, size_t bytes, int64_t *at) {
  IG_CHECK(ig_align_size(*end, LINE, end), IG_ERR_MEMORY, "%s: too large to share", l->data->path);
  *at = (int64_t)*end;
  IG_CHECK(ig_add_size(*end, bytes, end) && *end <= PTRDIFF_MAX, IG_ERR_MEMORY,
           "%s: too large to share", l->data->path);
  return IG_OK;
}

static ig_status lay_out(layout *l) {
  const ig_dataset *d = l->data;
  card *c = l->card;
  size_t end = strlen(l->json) + 1, bytes;
  c->n_samples = d->n_samples;
  c->overlap = d->overlap;
  c->digest = d->digest;
  c->sequential = d->sequential;
  c->n_fields = d->n_fields;
  snprintf(c->format, sizeof c->format, "%s", d->format);
  if (d->sequential) {
    c->width = d->fields[0].n_classes <= 65536 ? 2 : 4;
    c->tokens = (d->n_samples - 1) * l->stride + l->context + 1;
    IG_TRY(place(l, &end, (size_t)c->tokens * (size_t)c->width, &c->at[0]));
  }
  for (int f = 0; f < d->n_fields && !d->sequential; f++) {
    size_t sample = ig_shape_bytes(&d->fields[f].shape, d->fields[f].dtype);
    IG_CHECK(ig_mul_size(sample, (size_t)d->n_samples, &bytes), IG_ERR_MEMORY,
             "%s: too large to share", d->path);
    IG_TRY(place(l, &end, bytes, &c->at[f]));
  }
  c->bytes = (int64_t)end;
  return IG_OK;
}

static ig_status make_file(layout *l) {
  size_t bytes = (size_t)l->card->bytes;
  l->file = memfd_create("ingot-data", MFD_CLOEXEC);
  IG_CHECK(l->file >= 0, IG_ERR_IO, "%s: memfd_create: %s", l->data->path, strerror(errno));
  int code = posix_fallocate(l->file, 0, (off_t)bytes);
  IG_CHECK(code == 0, IG_ERR_MEMORY, "%s: %zu bytes to share with other ranks: %s", l->data->path,
           bytes, strerror(code));
  void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, l->file, 0);
  IG_CHECK(base != MAP_FAILED, IG_ERR_MEMORY, "%s: %zu bytes to share with other ranks: %s",
           l->data->path, bytes, strerror(errno));
  l->base = base;
  l->card->pid = getpid();
  l->card->file = l->file;
  return IG_OK;
}

static ig_status copy_samples(const layout *l, ig_dataset *data) {
  int64_t indices[SAMPLES];
  for (int64_t start = 0; start < data->n_samples; start += SAMPLES) {
    int64_t n = IG_MIN(SAMPLES, data->n_samples - start);
    void *buffers[IG_MAX_FIELDS];
    for (int64_t i = 0; i < n; i++) indices[i] = start + i;
    for (int f = 0; f < data->n_fields; f++) {
      size_t sample = ig_shape_bytes(&data->fields[f].shape, data->fields[f].dtype);
      buffers[f] = l->base + l->card->at[f] + (size_t)start * sample;
    }
    IG_TRY(ig_dataset_read(data, indices, n, buffers));
  }
  return IG_OK;
}

static void put_token(const layout *l, int64_t at, int64_t id) {
  char *ids = l->base + l->card->at[0];
  if (l->card->width == 2) ((uint16_t *)ids)[at] = (uint16_t)id;
  else ((uint32_t *)ids)[at] = (uint32_t)id;
}

/* From windows that follow one another, and the last one; of each the token behind it too. */
static ig_status copy_tokens(const layout *l, ig_dataset *data) {
  int64_t n = l->context, step = IG_MAX(1, n / l->stride), last = data->n_samples - 1;
  int64_t *x = ig_alloc_zero((size_t)(2 * n), sizeof *x);
  IG_CHECK_ALLOC(x);
  ig_status status = IG_OK;
  for (int64_t i = 0;; i = IG_MIN(i + step, last)) {
    void *buffers[2] = {x, x + n};
    IG_TRY_DONE(ig_dataset_read(data, &i, 1, buffers));
    for (int64_t k = 0; k < n; k++) put_token(l, i * l->stride + k, x[k]);
    put_token(l, i * l->stride + n, x[2 * n - 1]);
    if (i == last) break;
  }
done:
  ig_free(x);
  return status;
}

/* Opens the data and leaves a copy of it in a file; the caller closes l->file and unmaps l->base. */
static ig_status publish(const char *spec, const ig_dataset_open_options *options, layout *l) {
  ig_dataset *data;
  IG_TRY(ig_dataset_open(spec, options, &data));
  ig_arena *arena = ig_arena_create();
  ig_status status = arena ? IG_OK : ig_fail(IG_ERR_MEMORY, "%s: out of memory", spec);
  l->data = data;
  l->context = data->sequential ? data->fields[0].shape.dims[0] : 0;
  l->stride = options->stride ? options->stride : 1;
  if (status == IG_OK) status = ig_schema_to_json(data, arena, &l->json);
  if (status == IG_OK) status = lay_out(l);
  if (status == IG_OK) status = make_file(l);
  if (status == IG_OK) {
    memcpy(l->base, l->json, strlen(l->json) + 1);
    status = data->sequential ? copy_tokens(l, data) : copy_samples(l, data);
  }
  ig_arena_destroy(arena);
  ig_dataset_destroy(data);
  l->data = NULL;
  return status;
}

/* ---- everyone's side ---- */

static ig_status map(const char *spec, const card *c, ig_bytes *out) {
  char path[64];
  struct stat info;
  snprintf(path, sizeof path, "/proc/%d/fd/%d", c->pid, c->file);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  IG_CHECK(fd >= 0, IG_ERR_IO, "%s: cannot open what process %d read of it: %s", spec, c->pid,
           strerror(errno));
  bool whole = fstat(fd, &info) == 0 && info.st_size >= c->bytes && c->bytes > 0;
  void *base = whole ? mmap(NULL, (size_t)c->bytes, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
  close(fd);
  IG_CHECK(base != MAP_FAILED, IG_ERR_IO, "%s: cannot map what process %d read of it", spec,
           c->pid);
  *out = (ig_bytes){.data = base, .size = (size_t)c->bytes, .mapped = base};
  return IG_OK;
}

static ig_status describe(const char *spec, const card *c, ig_holder *holder, ig_dataset *d) {
  ig_field *fields;
  *d = (ig_dataset){.path = ig_arena_strdup(holder->arena, spec),
                    .format = ig_arena_strdup(holder->arena, c->format),
                    .n_samples = c->n_samples,
                    .sequential = c->sequential != 0,
                    .overlap = c->overlap,
                    .digest = c->digest};
  IG_CHECK_ALLOC(d->path && d->format ? d->path : NULL);
  IG_TRY(ig_schema_from_json((const char *)holder->bytes.data, spec, holder->arena, &d->n_fields,
                             &fields));
  IG_CHECK(d->n_fields == c->n_fields, IG_ERR_INTERNAL, "%s: %d fields and %d", spec, d->n_fields,
           c->n_fields);
  memcpy(d->fields, fields, (size_t)d->n_fields * sizeof *fields);
  return IG_OK;
}

static ig_status make_set(const char *spec, const ig_dataset_open_options *options, const card *c,
                          ig_holder *holder, ig_dataset **out) {
  ig_dataset description;
  const void *data[IG_MAX_FIELDS];
  IG_TRY(map(spec, c, &holder->bytes));
  IG_TRY(describe(spec, c, holder, &description));
  if (c->tokens > 0) {
    ig_token_run run = {.ids = holder->bytes.data + c->at[0],
                        .width = c->width,
                        .count = c->tokens,
                        .vocabulary = description.fields[0].n_classes,
                        .names = description.fields[0].classes};
    return ig_token_windows_create(&(ig_source){.spec = spec}, description.format, &run, c->digest,
                                   options, holder, out);
  }
  for (int f = 0; f < c->n_fields; f++) data[f] = holder->bytes.data + c->at[f];
  return ig_dataset_own_arrays(&description, data, ig_holder_destroy, holder, out);
}

static ig_status take(const char *spec, const ig_dataset_open_options *options, const card *cards,
                      const ig_comm *comm, ig_dataset **out) {
  const card *of = NULL;
  for (int r = 0; r < comm->size && !of; r++) {
    if (cards[r].leads && cards[r].node == comm->node) of = &cards[r];
  }
  IG_CHECK(of, IG_ERR_INTERNAL, "%s: machine %d has no first rank", spec, comm->node);
  ig_holder *holder;
  IG_TRY(ig_holder_create(&holder));
  ig_status status = make_set(spec, options, of, holder, out);
  if (status != IG_OK) ig_holder_destroy(holder);
  return status;
}

/* Whether every rank can read its samples alone. */
static ig_status ask(const char *spec, const ig_dataset_open_options *options, ig_comm *comm,
                     bool *by_offset) {
  char mine, *all = ig_alloc_zero((size_t)comm->size, 1);
  ig_status status = all ? ig_dataset_is_by_offset(spec, options, by_offset)
                         : ig_fail(IG_ERR_MEMORY, "%s: out of memory", spec);
  status = ig_comm_settle(comm, status);
  mine = (char)*by_offset;
  if (status == IG_OK) status = ig_comm_exchange(comm, &mine, 1, all);
  for (int r = 0; r < comm->size && status == IG_OK; r++) *by_offset = *by_offset && all[r];
  ig_free(all);
  return status;
}

static ig_status open_shared(const char *spec, const ig_dataset_open_options *options,
                             ig_comm *comm, ig_dataset **out) {
  card mine = {.leads = comm->local_rank == 0, .node = comm->node};
  layout l = {.card = &mine, .file = -1};
  card *cards = ig_alloc_zero((size_t)comm->size, sizeof *cards);
  ig_status status = cards ? IG_OK : ig_fail(IG_ERR_MEMORY, "%s: out of memory", spec);
  ig_dataset *data = NULL;
  if (status == IG_OK && mine.leads) status = publish(spec, options, &l);
  status = ig_comm_settle(comm, status);
  if (status == IG_OK) status = ig_comm_exchange(comm, &mine, sizeof mine, cards);
  if (status == IG_OK) {
    /* The first rank's file may go when all have it mapped. */
    status = ig_comm_settle(comm, take(spec, options, cards, comm, &data));
  }
  if (l.base) munmap(l.base, (size_t)mine.bytes);
  if (l.file >= 0) close(l.file);
  ig_free(cards);
  if (status == IG_OK) *out = data;
  else ig_dataset_destroy(data);
  return status;
}

ig_status ig_dataset_open_among(const char *spec, const ig_dataset_open_options *options,
                                ig_comm *comm, ig_dataset **out) {
  ig_dataset_open_options own = options ? *options : (ig_dataset_open_options){0};
  if (ig_comm_size(comm) == 1) {
    /* Read once and in order, by as many ranks as it happens to be: as ranks have it. */
    if (own.inputs_only) IG_TRY(ig_dataset_is_by_offset(spec, &own, &own.by_offset));
    return ig_dataset_open(spec, &own, out);
  }
  IG_TRY(ask(spec, &own, comm, &own.by_offset));
  if (!own.by_offset) return open_shared(spec, &own, comm, out);
  ig_dataset *data = NULL;
  ig_status status = ig_comm_settle(comm, ig_dataset_open(spec, &own, &data));
  if (status == IG_OK) *out = data;
  else ig_dataset_destroy(data);
  return status;
}
