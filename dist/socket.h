/* Sockets with deadlines: nothing here waits without a limit. Times are seconds of ig_seconds().
 * All sockets are non-blocking and closed on exec. */
#ifndef IG_DIST_SOCKET_H
#define IG_DIST_SOCKET_H

#include <sys/socket.h>

#include "engine/base/status.h"

/* Where a peer listens. */
typedef struct ig_address {
  struct sockaddr_storage name;
  socklen_t bytes;
} ig_address;

#define IG_ADDRESS_TEXT 64

/* Monotonic, equal for all processes of a machine. */
double ig_seconds(void);
void ig_sleep(double seconds);
/* Milliseconds for poll() until `deadline`, at most `limit`, at least 0. */
int ig_poll_ms(double deadline, int limit);

/* Splits "host:port" ("[::1]:29400" for IPv6): `host` holds at least 256 bytes. */
ig_status ig_split_host_port(const char *text, char *host, int *port);
/* Up to `most` addresses of a host; IG_ERR_PEER where the name is unknown. */
ig_status ig_resolve(const char *host, int port, ig_address *out, int most, int *count);
bool ig_address_is_loopback(const ig_address *address);
void ig_address_set_port(ig_address *address, int port);
/* "127.0.0.1:29400" for messages; `text` holds IG_ADDRESS_TEXT bytes. */
const char *ig_address_text(const ig_address *address, char *text);
/* The other end's address. */
bool ig_address_of_peer(int fd, ig_address *out);

/* Listens on that address, or with NULL on every interface; *bound is the port. IG_ERR_PEER. */
ig_status ig_listen(const ig_address *address, int port, int *fd, int *bound);
/* -1 when nobody is waiting. */
int ig_accept(int listener);
/* One attempt that ends by `deadline`; -1 with errno. */
int ig_connect(const ig_address *address, double deadline);
/* All of `bytes` by the deadline; false with errno (ETIMEDOUT; 0 where the peer closed). */
bool ig_send_all(int fd, const void *data, size_t bytes, double deadline);
bool ig_receive_all(int fd, void *data, size_t bytes, double deadline);

#endif
