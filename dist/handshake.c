/* Hello and welcome (handshake.h). A decoder checks all that a field may hold: what it returns can be
 * used without further checks of range. */
#include "dist/handshake.h"

#include <stdio.h>
#include <string.h>

static const unsigned char hello_magic[8] = {'i', 'n', 'g', 'o', 't', '?', '\r', '\n'};
static const unsigned char welcome_magic[8] = {'i', 'n', 'g', 'o', 't', '!', '\r', '\n'};

/* Where fields lie; both begin with magic and protocol. */
enum {
  AT_PROTOCOL = 8,
  AT_KIND = 12, /* of a welcome: whether it is one */
  AT_RANK = 16,
  AT_RANKS = 20,
  AT_TOKEN = 24,
  AT_VERSION = 40,
  VERSION_BYTES = 16,
  AT_JOB = 56,
  AT_HOST = 120,
  AT_REASON = 40
};

static void put_text(unsigned char *at, const char *text, size_t bytes) {
  size_t length = strnlen(text, bytes - 1);
  memset(at, 0, bytes);
  memcpy(at, text, length);
}

/* Names end up in messages: printable ASCII alone, and ended. */
static bool get_text(const unsigned char *at, char *out, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) {
    out[i] = (char)at[i];
    if (at[i] == 0) return true;
    if (at[i] < 0x20 || at[i] > 0x7e) return false;
  }
  return false;
}

void ig_hello_encode(const ig_hello *hello, unsigned char out[IG_HELLO_BYTES]) {
  memset(out, 0, IG_HELLO_BYTES);
  memcpy(out, hello_magic, sizeof hello_magic);
  ig_put32(out + AT_PROTOCOL, IG_PROTOCOL);
  ig_put32(out + AT_KIND, (uint32_t)hello->kind);
  ig_put32(out + AT_RANK, (uint32_t)hello->rank);
  ig_put32(out + AT_RANKS, (uint32_t)hello->ranks);
  memcpy(out + AT_TOKEN, hello->token, IG_TOKEN_BYTES);
  put_text(out + AT_VERSION, ig_version(), VERSION_BYTES);
  put_text(out + AT_JOB, hello->job, IG_NAME_BYTES);
  put_text(out + AT_HOST, hello->host, IG_NAME_BYTES);
}

bool ig_hello_decode(const unsigned char in[IG_HELLO_BYTES], ig_hello *out,
                     char reason[IG_REASON_BYTES]) {
  char version[VERSION_BYTES];
  ig_hello hello = {0};
  if (memcmp(in, hello_magic, sizeof hello_magic) != 0) {
    snprintf(reason, IG_REASON_BYTES, "what it sent is not Ingot's protocol");
    return false;
  }
  uint32_t protocol = ig_get32(in + AT_PROTOCOL);
  if (protocol != IG_PROTOCOL) {
    snprintf(reason, IG_REASON_BYTES, "it speaks protocol %u, this build speaks %d",
             (unsigned)protocol, IG_PROTOCOL);
    return false;
  }
  uint32_t kind = ig_get32(in + AT_KIND);
  hello.rank = (int)ig_get32(in + AT_RANK);
  hello.ranks = (int)ig_get32(in + AT_RANKS);
  memcpy(hello.token, in + AT_TOKEN, IG_TOKEN_BYTES);
  if (kind < IG_CONTROL_CONNECTION || kind > IG_FEDERATION_CONNECTION || hello.rank < -1 ||
      hello.rank >= IG_MAX_RANKS || hello.ranks < 0 || hello.ranks > IG_MAX_RANKS ||
      !get_text(in + AT_VERSION, version, VERSION_BYTES) ||
      !get_text(in + AT_JOB, hello.job, IG_NAME_BYTES) ||
      !get_text(in + AT_HOST, hello.host, IG_NAME_BYTES)) {
    snprintf(reason, IG_REASON_BYTES, "its hello has fields out of range");
    return false;
  }
  if (strcmp(version, ig_version()) != 0) {
    snprintf(reason, IG_REASON_BYTES, "it is version %s, this is %s", version, ig_version());
    return false;
  }
  hello.kind = (ig_connection_kind)kind;
  *out = hello;
  return true;
}

void ig_welcome_encode(const ig_welcome *welcome, unsigned char out[IG_WELCOME_BYTES]) {
  memset(out, 0, IG_WELCOME_BYTES);
  memcpy(out, welcome_magic, sizeof welcome_magic);
  ig_put32(out + AT_PROTOCOL, IG_PROTOCOL);
  ig_put32(out + AT_KIND, welcome->accepted);
  ig_put32(out + AT_RANK, (uint32_t)welcome->rank);
  ig_put32(out + AT_RANKS, (uint32_t)welcome->ranks);
  memcpy(out + AT_TOKEN, welcome->token, IG_TOKEN_BYTES);
  put_text(out + AT_REASON, welcome->reason, IG_REASON_BYTES);
}

bool ig_welcome_decode(const unsigned char in[IG_WELCOME_BYTES], ig_welcome *out) {
  ig_welcome welcome = {.accepted = ig_get32(in + AT_KIND) == 1};
  welcome.rank = (int)ig_get32(in + AT_RANK);
  welcome.ranks = (int)ig_get32(in + AT_RANKS);
  memcpy(welcome.token, in + AT_TOKEN, IG_TOKEN_BYTES);
  if (memcmp(in, welcome_magic, sizeof welcome_magic) != 0 ||
      ig_get32(in + AT_PROTOCOL) != IG_PROTOCOL || ig_get32(in + AT_KIND) > 1 ||
      !get_text(in + AT_REASON, welcome.reason, IG_REASON_BYTES))
    return false;
  if (welcome.accepted && (welcome.ranks < 1 || welcome.ranks > IG_MAX_RANKS || welcome.rank < 0 ||
                           welcome.rank >= welcome.ranks))
    return false;
  *out = welcome;
  return true;
}
