/* SIGINT and SIGTERM as a flag that long work polls. */
#ifndef IG_CLI_INTERRUPT_H
#define IG_CLI_INTERRUPT_H

#include "engine/base/status.h"

/* From here on the first signal is remembered. A SIGINT at least a second after it kills at once,
 * for people who do not want to wait. */
ig_status ig_interrupt_install(void);
/* The number of the signal that arrived, or 0. `context` is not used: the trainer's observer passes
 * one. */
int ig_interrupt_signal(void *context);

#endif
