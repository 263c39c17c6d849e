/* Which of several implementations of a node is fastest on this device: measured once, then kept. */
#ifndef IG_PLAN_CONTEST_H
#define IG_PLAN_CONTEST_H

#include "engine/backend/backend.h"

/* Whether contests are wanted: IG_AUTOTUNE=1, and a backend with a queue. */
bool ig_contest_wanted(const ig_backend *backend);
/* The name of the implementation to take for a node that `first` was the first to accept: of those
 * marked as contenders the one that was kept as the fastest or, with `measure`, is found to be so
 * now, with memory of its own; NULL where that is not known, or `first` is no contender. `call` is as
 * prepare sees it and is left so. The name is borrowed from the implementation. */
const char *ig_contest_winner(ig_backend *backend, const ig_impl *first, const ig_call *call,
                              bool measure);

#endif
