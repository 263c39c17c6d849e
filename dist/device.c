/* Which communicator stands before a device. All ranks must choose the same, so they tell each other first
 * which device each has, and whether it can speak to others by itself. */
#include "dist/device.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/memory.h"

typedef struct device_note {
  int node;
  bool groups;
  char identity[32];
} device_note;

/* --- what both kinds share -------------------------------------------------------------------- */

void ig_device_comm_init(ig_device_comm *comm, const ig_comm_vtable *vtable, ig_comm *host,
                         ig_backend *backend) {
  comm->base = *host;
  comm->base.vtable = vtable;
  comm->host = host;
  comm->backend = backend;
}

/* The step is set in the outer communicator, and told by the inner one. */
static ig_comm *host_of(ig_comm *comm) {
  ig_device_comm *device = (ig_device_comm *)comm;
  device->host->step = comm->step;
  return device->host;
}

ig_status ig_device_exchange(ig_comm *comm, const void *mine, size_t bytes, void *all) {
  return ig_comm_exchange(host_of(comm), mine, bytes, all);
}

ig_status ig_device_broadcast(ig_comm *comm, void *data, size_t bytes, int root) {
  return ig_comm_broadcast(host_of(comm), data, bytes, root);
}

void ig_device_abandon(ig_comm *comm, const char *reason) {
  ig_comm_abandon(host_of(comm), reason);
}

/* --- choosing --------------------------------------------------------------------------------- */

/* Why the devices cannot speak to each other: empty when they can. */
static ig_status find_obstacle(ig_comm *host, ig_backend *backend, char *reason, size_t size) {
  const ig_queue_vtable *queue = backend->vtable->queue;
  device_note mine = {.node = host->node, .groups = queue->groups(backend) != NULL};
  char own[256] = "";
  if (!mine.groups) snprintf(own, sizeof own, "%s", ig_last_error());
  memcpy(mine.identity, backend->identity, sizeof mine.identity);
  device_note *all = ig_alloc_zero((size_t)host->size, sizeof *all);
  IG_CHECK_ALLOC(all);
  ig_status status = ig_comm_exchange(host, &mine, sizeof mine, all);
  *reason = '\0';
  for (int r = 0; r < host->size && status == IG_OK && !*reason; r++) {
    if (!all[r].groups) {
      snprintf(reason, size, "rank %d on %s has no NCCL%s%s", r, host->hosts[r],
               r == host->rank ? ": " : "", r == host->rank ? own : "");
    }
    for (int q = 0; q < r && !*reason; q++) {
      if (all[q].node != all[r].node || memcmp(all[q].identity, all[r].identity, 32) != 0) continue;
      snprintf(reason, size, "ranks %d and %d share a GPU of %s", q, r, host->hosts[r]);
    }
  }
  ig_free(all);
  return status;
}

ig_status ig_dist_on_device(ig_comm *host, const char *transport, ig_backend *backend,
                            ig_comm **out) {
  char reason[512] = "asked for";
  bool nccl = transport && strcmp(transport, "nccl") == 0;
  bool staged = transport && strcmp(transport, "staged") == 0;
  if (!host || (backend->vtable->host_memory && !nccl && !staged)) {
    *out = host;
    return IG_OK;
  }
  if (backend->vtable->host_memory) {
    ig_comm_abandon(host, "a transport for GPUs was asked for on the CPU");
    ig_comm_destroy(host);
    return ig_fail(IG_ERR_USAGE, "transport %s: it is for GPUs, the device is %s", transport,
                   backend->vtable->name);
  }
  if (staged) return ig_staged_create(host, backend, reason, out);
  ig_status status = find_obstacle(host, backend, reason, sizeof reason);
  if (status == IG_OK && *reason && nccl) {
    status = ig_fail(IG_ERR_UNSUPPORTED, "transport nccl: %s", reason);
  }
  if (status != IG_OK) {
    ig_comm_abandon(host, ig_last_error());
    ig_comm_destroy(host);
    return status;
  }
  return *reason ? ig_staged_create(host, backend, reason, out)
                 : ig_group_create(host, backend, out);
}
