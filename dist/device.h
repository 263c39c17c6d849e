/* Communicators before a device's memory, over one on the host. */
#ifndef IG_DIST_DEVICE_H
#define IG_DIST_DEVICE_H

#include "dist/dist.h"

/* Operands travel to the host, and results back, on the device's lane for ranks. Takes over `host`, also on
 * failure. */
ig_status ig_staged_create(ig_comm *host, ig_backend *backend, const char *reason, ig_comm **out);
/* Devices speak to each other (NCCL); the host's communicator carries what the host has to say, and
 * knows who died. Collective. Takes over `host`, also on failure. */
ig_status ig_group_create(ig_comm *host, ig_backend *backend, ig_comm **out);

/* What both do by their host communicator; `base` is copied from it but for vtable and description. */
typedef struct ig_device_comm {
  ig_comm base;
  ig_comm *host;
  ig_backend *backend;
} ig_device_comm;

void ig_device_comm_init(ig_device_comm *comm, const ig_comm_vtable *vtable, ig_comm *host,
                         ig_backend *backend);
ig_status ig_device_exchange(ig_comm *comm, const void *mine, size_t bytes, void *all);
ig_status ig_device_broadcast(ig_comm *comm, void *data, size_t bytes, int root);
void ig_device_abandon(ig_comm *comm, const char *reason);

#endif
