/* Heads and sizes of messages. Records are copied to and from the body as they lie in memory: no
 * padding, little-endian machines. */
#include "dist/federate_message.h"

#include <string.h>

#include "dist/federate_fixed.h"
#include "engine/base/checked.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "messages are little-endian");
_Static_assert(sizeof(ig_fed_roster) == 4 + 2 * IG_FED_KEY, "no padding");
_Static_assert(sizeof(ig_fed_parcel) == 4 + IG_FED_SEALED, "no padding");
_Static_assert(sizeof(ig_fed_opened) == 8 + IG_FED_KEY, "no padding");

const char *ig_fed_kind_name(ig_fed_kind kind) {
  static const char *const names[IG_FED_KINDS] = {
      [IG_FED_WELCOME] = "welcome", [IG_FED_READY] = "ready",   [IG_FED_ROUND] = "round",
      [IG_FED_KEYS] = "keys",       [IG_FED_ROSTER] = "roster", [IG_FED_SHARES] = "shares",
      [IG_FED_BUNDLE] = "bundle",   [IG_FED_UPDATE] = "update", [IG_FED_SURVIVORS] = "survivors",
      [IG_FED_REVEAL] = "reveal",   [IG_FED_FAILED] = "failed", [IG_FED_END] = "end"};
  const char *name = (unsigned)kind < IG_FED_KINDS ? names[kind] : NULL;
  return name ? name : "unknown";
}

ig_status ig_fed_parse(const void *frame, size_t size, ig_fed_message *out) {
  IG_CHECK(size >= IG_FED_HEAD, IG_ERR_INPUT, "a message of %zu bytes, expected at least %d", size,
           IG_FED_HEAD);
  uint32_t head[2];
  memcpy(head, frame, sizeof head);
  IG_CHECK(head[0] >= 1 && head[0] < IG_FED_KINDS, IG_ERR_INPUT, "a message of unknown kind %u",
           head[0]);
  *out = (ig_fed_message){.kind = (ig_fed_kind)head[0],
                          .round = head[1],
                          .body = (const uint8_t *)frame + IG_FED_HEAD,
                          .size = size - IG_FED_HEAD};
  return IG_OK;
}

ig_status ig_fed_records(const ig_fed_message *message, size_t fixed, size_t record, int64_t least,
                         int64_t most, int64_t *count) {
  size_t rest = message->size - fixed;
  bool whole = message->size >= fixed && rest % record == 0;
  int64_t found = whole ? (int64_t)(rest / record) : -1;
  IG_CHECK(found >= least && found <= most, IG_ERR_INPUT,
           "a message '%s' with a body of %zu bytes, expected %zu + %zu x (%lld to %lld)",
           ig_fed_kind_name(message->kind), message->size, fixed, record, (long long)least,
           (long long)most);
  *count = found;
  return IG_OK;
}

/* In front of a frame: the number of its owners, in a block of its own alignment. */
static int64_t *owners(const void *frame) {
  return (int64_t *)(uintptr_t)((uintptr_t)frame - IG_ALIGNMENT);
}

uint8_t *ig_fed_frame(ig_fed_kind kind, uint32_t round, size_t size) {
  size_t total;
  if (!ig_add_size(size, IG_ALIGNMENT + IG_FED_HEAD, &total)) return NULL;
  uint8_t *block = ig_alloc(total);
  if (!block) return NULL;
  uint8_t *frame = block + IG_ALIGNMENT;
  *owners(frame) = 1;
  uint32_t head[2] = {(uint32_t)kind, round};
  memcpy(frame, head, sizeof head);
  return frame;
}

void ig_fed_hold(const void *frame) {
  ++*owners(frame);
}

void ig_fed_release(const void *frame) {
  if (frame && --*owners(frame) == 0) ig_free(owners(frame));
}

size_t ig_fed_longest(int64_t count) {
  size_t vector = (size_t)(IG_FED_HEADER + count) * sizeof(uint64_t);
  size_t records = IG_FED_MOST_CLIENTS * sizeof(ig_fed_parcel) + 64;
  return IG_FED_HEAD + IG_MAX(vector, records);
}
