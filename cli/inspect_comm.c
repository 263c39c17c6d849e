/* `ingot inspect --comm`: who the ranks of this job are, and how they would speak while training. */
#include <string.h>

#include "cli/inspect.h"
#include "cli/job.h"
#include "engine/base/memory.h"

typedef struct seat {
  int node;
  char device[160];
} seat;

static json_t *job_json(const ig_cli *cli, const seat *seats, const char *transport) {
  json_t *ranks = json_array();
  for (int r = 0; r < cli->ranks; r++) {
    json_t *rank = json_object();
    json_object_set_new(rank, "rank", json_integer(r));
    if (cli->comm) json_object_set_new(rank, "host", json_string(cli->comm->hosts[r]));
    json_object_set_new(rank, "machine", json_integer(seats[r].node));
    json_object_set_new(rank, "device", json_string(seats[r].device));
    json_array_append_new(ranks, rank);
  }
  json_t *result = json_object();
  json_object_set_new(result, "transport", json_string(transport));
  json_object_set_new(result, "ranks", ranks);
  return result;
}

static ig_status tell(ig_cli *cli, const seat *seats) {
  const char *transport = cli->comm ? cli->comm->description
                                    : "one process: no launcher, no --rendezvous, or --comm none";
  if (cli->common->json) return ig_emit_json(cli, job_json(cli, seats, transport));
  ig_say(cli, "%s\n", transport);
  for (int r = 0; r < cli->ranks; r++) {
    ig_say(cli, "rank %d  %s  machine %d  %s\n", r, cli->comm ? cli->comm->hosts[r] : "here",
           seats[r].node, seats[r].device);
  }
  return IG_OK;
}

ig_status ig_inspect_comm(ig_cli *cli) {
  ig_backend *backend;
  IG_TRY(ig_job_backend(cli, &backend));
  seat mine = {.node = cli->comm ? cli->comm->node : 0}, *seats;
  snprintf(mine.device, sizeof mine.device, "%s: %s", backend->vtable->name, backend->description);
  seats = ig_alloc_zero((size_t)cli->ranks, sizeof *seats);
  ig_status status = seats ? IG_OK : ig_fail(IG_ERR_MEMORY, "no memory for %d ranks", cli->ranks);
  if (status == IG_OK && cli->comm) status = ig_comm_exchange(cli->comm, &mine, sizeof mine, seats);
  if (status == IG_OK && !cli->comm) seats[0] = mine;
  if (status == IG_OK) status = tell(cli, seats);
  ig_free(seats);
  ig_job_close(cli, status);
  ig_backend_destroy(backend);
  return status;
}
