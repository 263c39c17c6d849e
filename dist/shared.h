/* Memory that the ranks of one machine share, without names that could be left behind: anonymous
 * files (memfd) that peers open through /proc/PID/fd. Ranks are of one machine when they say the
 * same name and the first of them can really be opened by the others.
 *
 * The first rank's file holds the slots: operation number n is in slot n % IG_SLOTS, where every
 * rank posts its operands, and where work is claimed and counted. A slot is used again only when
 * all ranks have retired what was in it, so that nobody is late to an earlier operation. */
#ifndef IG_DIST_SHARED_H
#define IG_DIST_SHARED_H

#include <stdatomic.h>

#include "dist/control.h"

#define IG_SLOTS 128
#define IG_MOST_LOCAL 512 /* ranks of one machine */

typedef struct ig_node ig_node;

/* Bytes of a rank's own shared memory, as its peers find them. */
typedef struct ig_place {
  int32_t file; /* descriptor in its owner; -1 for none */
  uint32_t generation;
  uint64_t bytes, offset; /* of the whole segment; within it */
} ig_place;

/* What a rank wants of an operation, and where its operands are. */
typedef struct ig_post {
  atomic_uint_least64_t ticket; /* number + 1: the rest is whole */
  int32_t kind, dtype, index, owner;
  int64_t count;
  ig_place in, out;
} ig_post;

/* Work is counted in the low half; the high half is the number + 1 of the operation that is meant,
 * so that whoever comes first to a new one begins at 0. */
typedef struct ig_slot {
  _Alignas(64) atomic_uint_least64_t claimed;
  _Alignas(64) atomic_uint_least64_t done;
  atomic_int_least64_t began, ended; /* nanoseconds of ig_seconds()'s clock */
} ig_slot;

/* Finds the ranks of this machine. names[r] is what rank r calls its machine. */
ig_status ig_node_join(ig_control *control, int rank, int size, char (*names)[IG_NAME_BYTES],
                       ig_node **out);
void ig_node_destroy(ig_node *node);    /* NULL is allowed */
int ig_node_count(const ig_node *node); /* ranks of this machine */
int ig_node_self(const ig_node *node);  /* this one among them */
int ig_node_rank(const ig_node *node, int local);
/* Of every rank of the job: the lowest rank of its machine. */
const int *ig_node_leaders(const ig_node *node);

/* Shared memory of this rank, zeroed; IG_ERR_MEMORY. It is let go with ig_node_release or the
 * node. */
ig_status ig_node_alloc(ig_node *node, size_t bytes, void **out);
void ig_node_release(ig_node *node, void *memory);
/* Whether these bytes are this rank's shared memory, and where. */
bool ig_node_find(const ig_node *node, const void *memory, size_t bytes, ig_place *place);
/* A peer's memory, mapped on first use. Not for two threads at once. */
ig_status ig_node_map(ig_node *node, int local, const ig_place *place, void **out);

ig_slot *ig_node_slot(ig_node *node, uint64_t number);
ig_post *ig_node_post(ig_node *node, uint64_t number, int local);
/* All ranks' posts of that operation are there. */
bool ig_node_all_posted(ig_node *node, uint64_t number);
/* This rank is done with all operations before `number`. */
void ig_node_retire(ig_node *node, uint64_t number);
/* The slot of operation `number` is free. */
bool ig_node_is_free(ig_node *node, uint64_t number);

/* Adds `n` to a count of operation `number`; the count before. */
uint32_t ig_count_add(atomic_uint_least64_t *count, uint64_t number, uint32_t n);
uint32_t ig_count_get(atomic_uint_least64_t *count, uint64_t number);

/* Something has changed that ranks of this machine wait for. */
void ig_node_signal(ig_node *node);
/* Waits until ready(context), as long as the timeout; `what` is for the message. */
ig_status ig_node_wait(ig_node *node, bool (*ready)(void *), void *context, const char *what);

#endif
