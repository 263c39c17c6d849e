/* Collectives of ranks on several machines (across.c): a thread of its own moves the data while the main
 * thread computes. */
#ifndef IG_DIST_ACROSS_H
#define IG_DIST_ACROSS_H

#include "dist/host.h"
#include "dist/link.h"

/* Takes over the link, also on failure. */
ig_status ig_across_create(ig_host *host, ig_link *link, ig_across **out);
/* Whether the machines' ranks are in blocks of equal size, so that sums can be made per machine first. */
bool ig_across_is_regular(const ig_node *node, int size);
ig_status ig_across_begin(ig_host *host, ig_operation *operation);
/* Waits for the end of the operation. */
ig_status ig_across_finish(ig_host *host, ig_operation *operation);
/* Ends the thread; nothing is moved any more. NULL is allowed. */
void ig_across_stop(ig_across *across);
/* What was chosen, for people. */
const char *ig_across_description(const ig_across *across);
void ig_across_destroy(ig_across *across); /* NULL is allowed */

#endif
