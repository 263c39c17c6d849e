/* How far long work has come, for people: one line that redraws itself on a terminal, a plain line
 * every few seconds otherwise, nothing when quiet. Always on stderr. */
#ifndef IG_CLI_PROGRESS_H
#define IG_CLI_PROGRESS_H

#include "engine/base/status.h"

typedef struct ig_bar {
  bool quiet, terminal;
  const char *unit;      /* "step", "sample": a count of these is shown */
  int64_t total;         /* 0: unknown, then no share and no time left */
  int64_t first;         /* done before this process began (a resumed run) */
  double started, drawn; /* seconds of ig_now */
  bool open;             /* the terminal's last line is ours */
} ig_bar;

/* `done` of `total` are behind us already. */
ig_bar ig_bar_begin(bool quiet, const char *unit, int64_t done, int64_t total);
/* Shows the count, `note` (loss, rate), and the time left; draws at most ten times a second. */
void ig_bar_update(ig_bar *bar, int64_t done, const char *note);
/* Whether ig_bar_update would draw now: saves formatting the note. */
bool ig_bar_due(const ig_bar *bar);
/* A line that stays, above the bar. */
void ig_bar_line(ig_bar *bar, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Removes the bar. */
void ig_bar_end(ig_bar *bar);

/* "1:02:03", "4:05", "7 s" for a duration; returns text. */
const char *ig_duration_text(double seconds, char text[32]);

#endif
