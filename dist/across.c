/* Collectives of ranks on several machines: not here yet; opening such a job says so. */
#include "dist/across.h"

#include <unistd.h>

static ig_status refuse(void) {
  return ig_fail(IG_ERR_UNSUPPORTED, "ranks on several machines: not in this build yet");
}

ig_status ig_across_create(ig_host *host, ig_link *link, ig_across **out) {
  IG_UNUSED(host);
  IG_UNUSED(link);
  IG_UNUSED(out);
  return refuse();
}

bool ig_across_is_regular(const ig_node *node, int size) {
  IG_UNUSED(node);
  IG_UNUSED(size);
  return false;
}

ig_status ig_across_begin(ig_host *host, ig_operation *operation) {
  IG_UNUSED(host);
  IG_UNUSED(operation);
  return refuse();
}

ig_status ig_across_finish(ig_host *host, ig_operation *operation) {
  IG_UNUSED(host);
  IG_UNUSED(operation);
  return refuse();
}

void ig_across_stop(ig_across *across) { IG_UNUSED(across); }
const char *ig_across_description(const ig_across *across) {
  IG_UNUSED(across);
  return "";
}
void ig_across_destroy(ig_across *across) { IG_UNUSED(across); }

ig_status ig_link_tcp_create(ig_control *control, int rank, int size, const int *peers, int n_peers,
                             const ig_address *addresses, int listener,
                             const unsigned char token[IG_TOKEN_BYTES], ig_link **out) {
  IG_UNUSED(control);
  IG_UNUSED(rank);
  IG_UNUSED(size);
  IG_UNUSED(peers);
  IG_UNUSED(n_peers);
  IG_UNUSED(addresses);
  IG_UNUSED(token);
  IG_UNUSED(out);
  close(listener);
  return refuse();
}

ig_status ig_link_mpi_create(const ig_mpi_api *api, const int *peers, int n_peers, int size,
                             ig_link **out) {
  IG_UNUSED(api);
  IG_UNUSED(peers);
  IG_UNUSED(n_peers);
  IG_UNUSED(size);
  IG_UNUSED(out);
  return refuse();
}
