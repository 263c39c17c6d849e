/* Sockets with deadlines (socket.h): poll() before every step, non-blocking calls after it. */
#include "dist/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HOST_BYTES 256
#define BACKLOG 512

double ig_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void ig_sleep(double seconds) {
  if (seconds <= 0) return;
  struct timespec pause = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&pause, NULL);
}

int ig_poll_ms(double deadline, int limit) {
  double left = 1e3 * (deadline - ig_seconds());
  if (left <= 0) return 0;
  return left >= limit ? limit : (int)left + 1;
}

ig_status ig_split_host_port(const char *text, char *host, int *port) {
  const char *colon = strrchr(text, ':');
  const char *begin = text;
  size_t bytes = colon ? (size_t)(colon - text) : 0;
  if (bytes >= 2 && text[0] == '[' && text[bytes - 1] == ']') {
    begin++;
    bytes -= 2;
  }
  char *end = NULL;
  long value = colon ? strtol(colon + 1, &end, 10) : 0;
  IG_CHECK(bytes > 0 && bytes < HOST_BYTES && end && end != colon + 1 && *end == '\0' &&
               value > 0 && value < 65536,
           IG_ERR_USAGE,
           "rendezvous: expected HOST:PORT with a port from 1 to 65535, found \"%.300s\"", text);
  memcpy(host, begin, bytes);
  host[bytes] = '\0';
  *port = (int)value;
  return IG_OK;
}

ig_status ig_resolve(const char *host, int port, ig_address *out, int most, int *count) {
  struct addrinfo wish = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
  char service[16];
  snprintf(service, sizeof service, "%d", port);
  int code = getaddrinfo(host, service, &wish, &found);
  IG_CHECK(code == 0, IG_ERR_PEER, "rendezvous: the host \"%s\" has no address: %s", host,
           gai_strerror(code));
  *count = 0;
  for (struct addrinfo *a = found; a && *count < most; a = a->ai_next) {
    if (a->ai_addrlen > sizeof out->name) continue;
    ig_address *address = &out[(*count)++];
    memset(address, 0, sizeof *address);
    memcpy(&address->name, a->ai_addr, a->ai_addrlen);
    address->bytes = a->ai_addrlen;
  }
  freeaddrinfo(found);
  IG_CHECK(*count > 0, IG_ERR_PEER, "rendezvous: the host \"%s\" has no address", host);
  return IG_OK;
}

bool ig_address_is_loopback(const ig_address *address) {
  if (address->name.ss_family == AF_INET) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->name;
    return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
  }
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->name;
  if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) return v6->sin6_addr.s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

void ig_address_set_port(ig_address *address, int port) {
  if (address->name.ss_family == AF_INET) {
    ((struct sockaddr_in *)&address->name)->sin_port = htons((uint16_t)port);
  } else {
    ((struct sockaddr_in6 *)&address->name)->sin6_port = htons((uint16_t)port);
  }
}

const char *ig_address_text(const ig_address *address, char *text) {
  char host[IG_ADDRESS_TEXT - 16] = "?", service[8] = "?";
  getnameinfo((const struct sockaddr *)&address->name, address->bytes, host, sizeof host, service,
              sizeof service, NI_NUMERICHOST | NI_NUMERICSERV);
  const char *shown = strncmp(host, "::ffff:", 7) == 0 ? host + 7 : host;
  snprintf(text, IG_ADDRESS_TEXT, "%s:%s", shown, service);
  return text;
}

bool ig_address_of_peer(int fd, ig_address *out) {
  memset(out, 0, sizeof *out);
  out->bytes = sizeof out->name;
  return getpeername(fd, (struct sockaddr *)&out->name, &out->bytes) == 0;
}

static int socket_of(int family) {
  return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static void set_no_delay(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* -1 with errno. */
static int listen_on(const ig_address *address) {
  int fd = socket_of(address->name.ss_family), on = 1, off = 0;
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address->name.ss_family == AF_INET6)
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (bind(fd, (const struct sockaddr *)&address->name, address->bytes) == 0 &&
      listen(fd, BACKLOG) == 0)
    return fd;
  int code = errno;
  close(fd);
  errno = code;
  return -1;
}

ig_status ig_listen(const ig_address *address, int port, int *fd, int *bound) {
  ig_address any = {.bytes = sizeof(struct sockaddr_in6)};
  if (address) {
    any = *address;
  } else {
    ((struct sockaddr_in6 *)&any.name)->sin6_family =
        AF_INET6; /* its address is 0: every interface */
    ig_address_set_port(&any, port);
  }
  *fd = listen_on(&any);
  if (*fd < 0 && !address && errno != EADDRINUSE && errno != EACCES) { /* no IPv6 here */
    any = (ig_address){.bytes = sizeof(struct sockaddr_in)};
    ((struct sockaddr_in *)&any.name)->sin_family = AF_INET;
    ig_address_set_port(&any, port);
    *fd = listen_on(&any);
  }
  char text[IG_ADDRESS_TEXT];
  IG_CHECK(*fd >= 0, IG_ERR_PEER, "cannot listen on %s: %s", ig_address_text(&any, text),
           strerror(errno));
  socklen_t bytes = sizeof any.name;
  getsockname(*fd, (struct sockaddr *)&any.name, &bytes);
  *bound = ntohs(any.name.ss_family == AF_INET ? ((struct sockaddr_in *)&any.name)->sin_port
                                               : ((struct sockaddr_in6 *)&any.name)->sin6_port);
  return IG_OK;
}

int ig_accept(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) set_no_delay(fd);
  return fd;
}

/* A port that the system hands out may, while nobody listens on it, be this very socket's own. */
static bool is_own_end(int fd) {
  ig_address here = {.bytes = sizeof here.name}, there = {.bytes = sizeof there.name};
  return getsockname(fd, (struct sockaddr *)&here.name, &here.bytes) == 0 &&
         getpeername(fd, (struct sockaddr *)&there.name, &there.bytes) == 0 &&
         here.bytes == there.bytes && memcmp(&here.name, &there.name, here.bytes) == 0;
}

int ig_connect(const ig_address *address, double deadline) {
  int fd = socket_of(address->name.ss_family);
  if (fd < 0) return -1;
  int code = 0;
  if (connect(fd, (const struct sockaddr *)&address->name, address->bytes) != 0) {
    code = errno;
    if (code == EINPROGRESS) {
      struct pollfd p = {.fd = fd, .events = POLLOUT};
      socklen_t size = sizeof code;
      if (poll(&p, 1, ig_poll_ms(deadline, 1 << 20)) <= 0) {
        code = ETIMEDOUT;
      } else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) != 0) {
        code = errno;
      }
    }
  }
  if (code == 0 && is_own_end(fd)) code = ECONNREFUSED;
  if (code == 0) {
    set_no_delay(fd);
    return fd;
  }
  close(fd);
  errno = code;
  return -1;
}

/* Waits until fd is ready for `events`; false with errno ETIMEDOUT. */
static bool ready(int fd, short events, double deadline) {
  struct pollfd p = {.fd = fd, .events = events};
  if (poll(&p, 1, ig_poll_ms(deadline, 1 << 20)) > 0) return true;
  if (ig_seconds() < deadline) return true; /* interrupted: the call itself will tell */
  errno = ETIMEDOUT;
  return false;
}

bool ig_send_all(int fd, const void *data, size_t bytes, double deadline) {
  for (size_t done = 0; done < bytes;) {
    ssize_t n = send(fd, (const char *)data + done, bytes - done, MSG_NOSIGNAL);
    if (n > 0) {
      done += (size_t)n;
    } else if (errno != EAGAIN && errno != EINTR) {
      return false;
    } else if (!ready(fd, POLLOUT, deadline)) {
      return false;
    }
  }
  return true;
}

bool ig_receive_all(int fd, void *data, size_t bytes, double deadline) {
  for (size_t done = 0; done < bytes;) {
    ssize_t n = recv(fd, (char *)data + done, bytes - done, 0);
    if (n > 0) {
      done += (size_t)n;
    } else if (n == 0) {
      errno = 0;
      return false;
    } else if (errno != EAGAIN && errno != EINTR) {
      return false;
    } else if (!ready(fd, POLLIN, deadline)) {
      return false;
    }
  }
  return true;
}
