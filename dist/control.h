/* The control connections: a star of TCP to rank 0, served by a thread of its own in every rank. It
 * says who lives (a beat every fraction of the timeout, with the step and the calls made so far),
 * who gave up and why, and carries small messages. Rank 0 decides: the first cause that reaches it
 * is what every rank's calls fail with. A rank that loses rank 0 decides alone.
 *
 * Invariant: once failed, always failed, with one line; whoever waits for a peer asks
 * ig_control_check, or is woken by the hook. */
#ifndef IG_DIST_CONTROL_H
#define IG_DIST_CONTROL_H

#include "dist/rendezvous.h"

typedef struct ig_control ig_control;

/* Takes over sockets[1..] (rank 0) or sockets[0] (others), and the lobby (rank 0; may be NULL),
 * also on failure. hosts[r]: rank 0 has all, others those of 0 and their own. */
ig_status ig_control_create(int rank, int size, const int *sockets, ig_lobby *lobby,
                            char (*hosts)[IG_NAME_BYTES], double timeout, ig_control **out);
/* Called once, from any thread, when the job fails; must not wait. */
void ig_control_on_failure(ig_control *control, void (*hook)(void *), void *context);
/* All names, once they are known to all. */
void ig_control_set_hosts(ig_control *control, char (*hosts)[IG_NAME_BYTES]);
double ig_control_timeout(const ig_control *control);

/* IG_OK, or IG_ERR_PEER with the line that all ranks have. */
ig_status ig_control_check(ig_control *control);
/* The same without a message, for loops. */
bool ig_control_has_failed(const ig_control *control);
/* What this rank does: the step it is in, and that it entered another collective call. */
void ig_control_note(ig_control *control, int64_t step);
/* That step, for messages. */
long long ig_control_step(const ig_control *control);
/* This rank, or the job, is leaving: an end of a connection is no failure. */
bool ig_control_is_leaving(ig_control *control);
/* This rank ends, for that reason. Never waits. */
void ig_control_abandon(ig_control *control, const char *reason);
/* All ranks end, for that reason; returns once that is settled, within a moment. */
void ig_control_fail(ig_control *control, const char *line);
/* A connection to that rank broke: unless the reason shows within a moment, it is taken for
 * dead. */
void ig_control_suspect(ig_control *control, int rank);
/* The same for who cannot go on without that rank: waits for the verdict, and returns IG_ERR_PEER. */
ig_status ig_control_lost(ig_control *control, int rank);
/* This rank waited for `what` as long as the timeout: asks who is behind, and returns
 * IG_ERR_PEER. */
ig_status ig_control_stuck(ig_control *control, const char *what);

/* Small blocking messages (comm.h); any size, in pieces. */
ig_status ig_control_exchange(ig_control *control, const void *mine, size_t bytes, void *all);
ig_status ig_control_broadcast(ig_control *control, void *data, size_t bytes, int root);

/* Tells the others that this rank needs nothing more, and waits as long as the timeout until all
 * say so; returns at once after a failure. */
void ig_control_leave(ig_control *control);
/* Closes: after a failure, as soon as the others can know its cause. *orderly: all ranks had
 * left. */
void ig_control_destroy(ig_control *control, bool *orderly);

#endif
