/* Opening the communicator of a job (dist.h): the ranks meet, by MPI or at a rendezvous; control
 * connections are made; then who is on which machine decides the transport. */
#include "dist/dist.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "dist/across.h"
#include "dist/launcher.h"
#include "engine/base/memory.h"

#define MOST_ADDRESSES 16
#define LEAST_TIMEOUT 0.1
#define MOST_TIMEOUT 1e6

/* What is known once ranks have met. */
typedef struct meeting {
  int rank, size;
  char name[IG_NAME_BYTES]; /* of this machine */
  char job[IG_NAME_BYTES];
  double timeout, deadline;
  int *sockets;
  char (*hosts)[IG_NAME_BYTES];
  ig_lobby *lobby;
  unsigned char token[IG_TOKEN_BYTES];
  ig_address rank_0; /* as this rank reached it */
  const ig_mpi_api *mpi;
  char how[96];
} meeting;

static ig_status check_options(const ig_dist_options *o) {
  static const char *const transports[] = {"auto", "mpi", "tcp", "nccl", "staged", "none"};
  bool known = !o->transport;
  for (int i = 0; i < IG_COUNT(transports); i++)
    known = known || strcmp(o->transport, transports[i]) == 0;
  IG_CHECK(known, IG_ERR_USAGE,
           "transport: expected auto, mpi, tcp, nccl, staged or none, found \"%.40s\"",
           o->transport);
  IG_CHECK(o->timeout >= LEAST_TIMEOUT && o->timeout <= MOST_TIMEOUT, IG_ERR_USAGE,
           "timeout: expected %g to %g seconds, found %g", LEAST_TIMEOUT, MOST_TIMEOUT, o->timeout);
  IG_CHECK(o->ranks >= 0 && o->ranks <= IG_MAX_RANKS && o->rank >= -1 &&
               (o->ranks == 0 || o->rank < o->ranks),
           IG_ERR_USAGE, "ranks: expected up to %d and a rank below, found rank %d of %d",
           IG_MAX_RANKS, o->rank, o->ranks);
  IG_CHECK(o->rendezvous || (o->rank < 0 && o->ranks == 0), IG_ERR_USAGE,
           "rank and ranks are for a rendezvous: under mpirun or Slurm they are the launcher's");
  IG_CHECK(!o->rendezvous || !o->transport || strcmp(o->transport, "mpi") != 0, IG_ERR_USAGE,
           "a rendezvous is met by TCP: expected another transport than mpi");
  return IG_OK;
}

static bool wants(const ig_dist_options *o, const char *transport) {
  return o->transport && strcmp(o->transport, transport) == 0;
}

static void fill_name(char name[IG_NAME_BYTES], const char *wanted) {
  if (wanted && *wanted) {
    snprintf(name, IG_NAME_BYTES, "%.63s", wanted);
  } else if (gethostname(name, IG_NAME_BYTES) != 0) {
    snprintf(name, IG_NAME_BYTES, "unknown");
  }
  name[IG_NAME_BYTES - 1] = '\0';
  for (char *c = name; *c; c++)
    if (*c <= 0x20 || *c > 0x7e) *c = '?';
}

static ig_status size_meeting(meeting *m, int size) {
  m->size = size;
  m->sockets = ig_alloc_zero((size_t)size, sizeof *m->sockets);
  m->hosts = ig_alloc_zero((size_t)size, sizeof *m->hosts);
  IG_CHECK(m->sockets && m->hosts, IG_ERR_MEMORY, "rendezvous: out of memory");
  return IG_OK;
}

/* Rank 0's side. */
static ig_status receive_others(meeting *m, int listener, int ranks) {
  ig_hello self = {.kind = IG_CONTROL_CONNECTION, .ranks = ranks};
  memcpy(self.job, m->job, sizeof self.job);
  memcpy(self.host, m->name, sizeof self.host);
  IG_TRY(ig_lobby_create(listener, &self, &m->lobby));
  IG_TRY(size_meeting(m, ranks));
  m->rank = 0;
  return ig_lobby_gather(m->lobby, m->deadline, m->sockets, m->hosts, m->token);
}

/* The other side. */
static ig_status go_to_rank_0(meeting *m, const ig_address *addresses, int n, const char *where,
                              int rank, int ranks) {
  ig_hello hello = {.kind = IG_CONTROL_CONNECTION, .rank = rank, .ranks = ranks};
  ig_welcome welcome;
  int fd;
  memcpy(hello.job, m->job, sizeof hello.job);
  memcpy(hello.host, m->name, sizeof hello.host);
  IG_TRY(ig_lobby_join(addresses, n, where, &hello, m->deadline, &fd, &welcome));
  ig_status status = size_meeting(m, welcome.ranks);
  if (status != IG_OK || welcome.rank == 0 || !ig_address_of_peer(fd, &m->rank_0)) {
    close(fd);
    return status != IG_OK ? status
                           : ig_fail(IG_ERR_PEER, "rendezvous %s: malformed welcome", where);
  }
  m->sockets[0] = fd;
  m->rank = welcome.rank;
  memcpy(m->token, welcome.token, IG_TOKEN_BYTES);
  snprintf(m->hosts[0], IG_NAME_BYTES, "the machine at %.40s", where);
  memcpy(m->hosts[m->rank], m->name, IG_NAME_BYTES);
  return IG_OK;
}

/* Without a rank: whoever can listen at the rendezvous itself is rank 0. */
static bool is_elected(const ig_address *addresses, int n, int *listener) {
  for (int i = 0; i < n; i++) {
    int bound;
    if (ig_listen(&addresses[i], 0, listener, &bound) == IG_OK) return true;
  }
  return false;
}

static ig_status meet_at(meeting *m, const char *host, int port, int rank, int ranks) {
  ig_address addresses[MOST_ADDRESSES];
  char where[320];
  int n, listener, bound;
  snprintf(where, sizeof where, "%.255s:%d", host, port);
  IG_TRY(ig_resolve(host, port, addresses, MOST_ADDRESSES, &n));
  snprintf(m->how, sizeof m->how, "met at %.80s", where);
  if (rank < 0 && is_elected(addresses, n, &listener)) {
    rank = 0;
  } else if (rank == 0) {
    /* A name may mean another address to the others: all are listened on, unless it is this
     * machine's own business. */
    IG_TRY(ig_listen(ig_address_is_loopback(&addresses[0]) ? &addresses[0] : NULL, port, &listener,
                     &bound));
  }
  if (rank != 0) return go_to_rank_0(m, addresses, n, where, rank, ranks);
  if (ranks == 0) {
    close(listener);
    return ig_fail(IG_ERR_USAGE, "rendezvous: rank 0 must be told the number of ranks");
  }
  return receive_others(m, listener, ranks);
}

/* Where rank 0 listens, as MPI tells the others. */
typedef struct invitation {
  int32_t n;
  char job[IG_NAME_BYTES];
  ig_address addresses[MOST_ADDRESSES];
} invitation;

/* This machine's addresses, those that only it can reach last. */
static void list_addresses(invitation *inv, int port) {
  struct ifaddrs *all = NULL;
  if (getifaddrs(&all) != 0) return;
  for (int loopback = 0; loopback < 2; loopback++) {
    for (struct ifaddrs *a = all; a && inv->n < MOST_ADDRESSES; a = a->ifa_next) {
      int family = a->ifa_addr ? a->ifa_addr->sa_family : AF_UNSPEC;
      if ((family != AF_INET && family != AF_INET6) || !(a->ifa_flags & IFF_UP) ||
          ((a->ifa_flags & IFF_LOOPBACK) != 0) != loopback)
        continue;
      ig_address *address = &inv->addresses[inv->n];
      address->bytes = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
      memcpy(&address->name, a->ifa_addr, address->bytes);
      if (family == AF_INET6 &&
          IN6_IS_ADDR_LINKLOCAL(&((struct sockaddr_in6 *)&address->name)->sin6_addr))
        continue; /* needs the other side's interface to mean anything */
      ig_address_set_port(address, port);
      inv->n++;
    }
  }
  freeifaddrs(all);
}

static ig_status meet_by_mpi(meeting *m) {
  int rank = 0, size = 1, listener = -1, port = 0;
  unsigned char nonce[IG_TOKEN_BYTES] = {0};
  const char *error = m->mpi->start(&rank, &size);
  IG_CHECK(!error, IG_ERR_PEER, "MPI: cannot start: %s", error);
  IG_CHECK(size <= IG_MAX_RANKS, IG_ERR_USAGE, "MPI: expected up to %d ranks, found %d",
           IG_MAX_RANKS, size);
  if (size == 1) {
    m->size = 1;
    /* Each rank would train by itself. */
    IG_CHECK(
        ig_launcher_ranks() <= 1, IG_ERR_UNSUPPORTED,
        "MPI: the launcher started %d ranks, but %s sees one: ingot_mpi.so is of another MPI than "
        "the launcher; use its mpirun, or --rendezvous",
        ig_launcher_ranks(), m->mpi->library());
    return IG_OK;
  }
  snprintf(m->how, sizeof m->how, "met by %.80s", m->mpi->library());
  invitation inv = {0};
  ig_status status = IG_OK;
  if (rank == 0) {
    status = ig_listen(NULL, 0, &listener, &port);
    if (status == IG_OK) list_addresses(&inv, port);
    if (getrandom(nonce, sizeof nonce, 0) == (ssize_t)sizeof nonce) {
      for (int i = 0; i < IG_TOKEN_BYTES; i++)
        snprintf(inv.job + 2 * i, IG_NAME_BYTES - 2 * (size_t)i, "%02x", nonce[i]);
    }
  }
  error = m->mpi->broadcast(&inv, sizeof inv); /* also of nothing, so that nobody waits */
  IG_TRY(status);
  IG_CHECK(!error, IG_ERR_PEER, "MPI: cannot broadcast: %s", error);
  m->deadline = ig_seconds() + m->timeout; /* MPI's own start took its time, and all have left it */
  IG_CHECK(inv.n > 0 && inv.n <= MOST_ADDRESSES, IG_ERR_PEER, "rank 0 has no network address");
  memcpy(m->job, inv.job, sizeof m->job);
  if (rank == 0) return receive_others(m, listener, size);
  return go_to_rank_0(m, inv.addresses, inv.n, "of mpirun", rank, size);
}

/* Chooses the way by options and environment; size 1 for a process alone. */
static ig_status meet(const ig_dist_options *o, meeting *m) {
  char host[256];
  int port, rank, ranks;
  const char *job = getenv("IG_JOB");
  snprintf(m->job, sizeof m->job, "%s", job ? job : "");
  if (o->rendezvous) {
    IG_TRY(ig_split_host_port(o->rendezvous, host, &port));
    if (o->ranks == 1) return IG_OK;
    return meet_at(m, host, port, o->rank, o->ranks);
  }
  if (ig_launcher_is_mpi() || wants(o, "mpi")) {
    ig_status status = ig_launcher_is_mpi()
                           ? ig_mpi_load(&m->mpi)
                           : ig_fail(IG_ERR_USAGE, "transport mpi: start the ranks with mpirun");
    if (status == IG_OK) return meet_by_mpi(m);
    if (!ig_launcher_is_slurm() || wants(o, "mpi")) return status;
  }
  if (!ig_launcher_is_slurm()) return IG_OK;
  IG_TRY(ig_launcher_slurm(&rank, &ranks, host, &port, m->job));
  if (ranks == 1) return IG_OK;
  return meet_at(m, host, port, rank, ranks);
}

/* Where each rank's link listens: rank 0 knows all addresses but its own, which every rank knows as
 * what it reached itself; so it does those of rank 0's machine, which rank 0 sees as its
 * loopback. */
static ig_status find_addresses(ig_control *control, const meeting *m, int port, ig_address *out) {
  int32_t mine = port, *ports = ig_alloc_zero((size_t)m->size, sizeof *ports);
  IG_CHECK(ports, IG_ERR_MEMORY, "links: out of memory");
  for (int r = 1; m->rank == 0 && r < m->size; r++) ig_address_of_peer(m->sockets[r], &out[r]);
  ig_status status = ig_control_exchange(control, &mine, sizeof mine, ports);
  if (status == IG_OK)
    status = ig_control_broadcast(control, out, (size_t)m->size * sizeof *out, 0);
  for (int r = 0; status == IG_OK && r < m->size; r++) {
    if (m->rank != 0 && (r == 0 || ig_address_is_loopback(&out[r]))) out[r] = m->rank_0;
    if (out[r].bytes) ig_address_set_port(&out[r], ports[r]);
  }
  ig_free(ports);
  return status;
}

/* The ranks that this one exchanges data with: in regular jobs, those of its own place on the other
 * machines; otherwise all that are on other machines. */
static int list_peers(const ig_node *node, const meeting *m, int *peers) {
  const int *leaders = ig_node_leaders(node);
  bool regular = ig_across_is_regular(node, m->size);
  int n = 0, local = ig_node_count(node);
  for (int r = 0; r < m->size; r++) {
    if (leaders[r] == leaders[m->rank] || (regular && r % local != ig_node_self(node))) continue;
    peers[n++] = r;
  }
  return n;
}

static ig_status open_link(const ig_dist_options *o, const meeting *m, ig_control *control,
                           const ig_node *node, ig_link **out) {
  int listener = -1, port = 0, n;
  ig_address *addresses = ig_alloc_zero((size_t)m->size, sizeof *addresses);
  int *peers = ig_alloc_zero((size_t)m->size, sizeof *peers);
  ig_status status = IG_OK;
  IG_CHECK_DONE(addresses && peers, IG_ERR_MEMORY, "links: out of memory");
  n = list_peers(node, m, peers);
  if (m->mpi && !wants(o, "tcp")) {
    status = ig_link_mpi_create(m->mpi, peers, n, m->size, out);
    goto done;
  }
  IG_TRY_DONE(ig_listen(NULL, 0, &listener, &port));
  status = find_addresses(control, m, port, addresses);
  if (status == IG_OK) {
    status =
        ig_link_tcp_create(control, m->rank, m->size, peers, n, addresses, listener, m->token, out);
  } else {
    close(listener);
  }
done:
  ig_free(addresses);
  ig_free(peers);
  return status;
}

static void describe(ig_host *host, const meeting *m) {
  snprintf(host->base.description, sizeof host->base.description,
           "%d ranks on %d machine%s: %s; %s", m->size, host->base.n_nodes,
           host->base.n_nodes == 1 ? "" : "s",
           host->across ? ig_across_description(host->across)
                        : "shared memory, since all are on one machine",
           m->how);
}

/* From control connections to the communicator; takes over `control`. */
static ig_status build(const ig_dist_options *o, const meeting *m, ig_control *control,
                       ig_comm **out) {
  ig_node *node = NULL;
  ig_host *host = NULL;
  ig_link *link = NULL;
  bool orderly;
  ig_status status = ig_control_exchange(control, m->name, IG_NAME_BYTES, m->hosts);
  if (status == IG_OK) {
    for (int r = 0; r < m->size; r++) m->hosts[r][IG_NAME_BYTES - 1] = '\0';
    ig_control_set_hosts(control, m->hosts);
    status = ig_node_join(control, m->rank, m->size, m->hosts, &node);
  }
  if (status == IG_OK && ig_node_count(node) < m->size)
    status = open_link(o, m, control, node, &link);
  if (status != IG_OK) {
    ig_control_abandon(control, ig_last_error());
    ig_control_destroy(control, &orderly);
    ig_node_destroy(node);
    return status;
  }
  status = ig_host_create(control, node, m->rank, m->size, m->hosts, m->mpi, &host);
  if (status != IG_OK) {
    if (link) link->vtable->destroy(link);
    return status;
  }
  if (link) status = ig_across_create(host, link, &host->across);
  /* Nobody begins before all are ready to hear of it. */
  if (status == IG_OK) status = ig_control_exchange(control, NULL, 0, NULL);
  if (status != IG_OK) {
    ig_comm_abandon(&host->base, ig_last_error());
    ig_comm_destroy(&host->base);
    return status;
  }
  describe(host, m);
  *out = &host->base;
  return IG_OK;
}

ig_status ig_dist_open(const ig_dist_options *options, ig_comm **out) {
  *out = NULL;
  IG_TRY(check_options(options));
  if (wants(options, "none")) return IG_OK;
  meeting m = {.size = 1, .timeout = options->timeout};
  ig_control *control = NULL;
  m.deadline = ig_seconds() + options->timeout;
  fill_name(m.name, options->node);
  ig_status status = meet(options, &m);
  if (status == IG_OK && m.size > 1) {
    status = ig_control_create(m.rank, m.size, m.sockets, m.lobby, m.hosts, m.timeout, &control);
    m.lobby = NULL;
    if (status == IG_OK) status = build(options, &m, control, out);
  } else if (status == IG_OK && m.mpi) {
    m.mpi->finish();
  }
  ig_lobby_destroy(m.lobby);
  ig_free(m.sockets);
  ig_free(m.hosts);
  return status;
}
