/* SIGINT and SIGTERM as a flag. mpirun and terminals may deliver the same signal twice within
 * milliseconds; only a second, later SIGINT is a person insisting. */
#include "cli/interrupt.h"

#include <signal.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t arrived;
static time_t arrived_at;

static void remember(int signal_number) {
  struct timespec now; /* clock_gettime is async-signal-safe */
  clock_gettime(CLOCK_MONOTONIC, &now);
  if (!arrived) {
    arrived = signal_number;
    arrived_at = now.tv_sec;
  } else if (signal_number == SIGINT && now.tv_sec > arrived_at) {
    signal(SIGINT, SIG_DFL);
    raise(SIGINT);
  }
}

ig_status ig_interrupt_install(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = remember;
  action.sa_flags = SA_RESTART; /* reads and writes in progress are finished, not cut */
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGTERM, &action, NULL) != 0) {
    return ig_fail(IG_ERR_INTERNAL, "cannot install signal handlers");
  }
  return IG_OK;
}

int ig_interrupt_signal(void *context) {
  IG_UNUSED(context);
  return arrived;
}
