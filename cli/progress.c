/* The progress bar. It costs a clock reading a step when nothing is due. */
#include "cli/progress.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/eval/latency.h"

#define REDRAW_SECONDS 0.1
#define LINE_SECONDS 5.0
#define BAR_CELLS 24
#define LINE_BYTES 512

const char *ig_duration_text(double seconds, char text[32]) {
  if (!isfinite(seconds) || seconds < 0 || seconds > 1e8) seconds = 0;
  long whole = lround(seconds);
  if (whole < 60) {
    snprintf(text, 32, "%ld s", whole);
  } else if (whole < 3600) {
    snprintf(text, 32, "%ld:%02ld", whole / 60, whole % 60);
  } else {
    snprintf(text, 32, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  }
  return text;
}

ig_bar ig_bar_begin(bool quiet, const char *unit, int64_t done, int64_t total) {
  ig_bar bar = {.quiet = quiet, .unit = unit, .total = total, .first = done};
  bar.terminal = isatty(STDERR_FILENO) == 1;
  bar.started = ig_now();
  /* On a terminal the first update draws; in a log the first line waits its turn. */
  bar.drawn = bar.terminal ? 0 : bar.started;
  return bar;
}

bool ig_bar_due(const ig_bar *bar) {
  if (bar->quiet) return false;
  return ig_now() - bar->drawn >= (bar->terminal ? REDRAW_SECONDS : LINE_SECONDS);
}

static int columns(void) {
  struct winsize size;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

/* "[######......] step 120/400  30 %  NOTE  0:42 left" */
static void compose(const ig_bar *bar, int64_t done, const char *note, char line[LINE_BYTES]) {
  char cells[BAR_CELLS + 4] = "", share[32] = "", left[48] = "", text[32];
  if (bar->total > 0) {
    double fraction = fmin(1, (double)done / (double)bar->total);
    if (bar->terminal) {
      int full = (int)(fraction * BAR_CELLS);
      cells[0] = '[';
      memset(cells + 1, '#', (size_t)full);
      memset(cells + 1 + full, '.', (size_t)(BAR_CELLS - full));
      memcpy(cells + 1 + BAR_CELLS, "] ", 3);
    }
    snprintf(share, sizeof share, "/%lld  %2.0f %%", (long long)bar->total, 100 * fraction);
    if (done > bar->first) {
      double each = (ig_now() - bar->started) / (double)(done - bar->first);
      snprintf(left, sizeof left, "  %s left",
               ig_duration_text(each * (double)(bar->total - done), text));
    }
  }
  snprintf(line, LINE_BYTES, "%s%s %lld%s%s%s%s", cells, bar->unit, (long long)done, share,
           *note ? "  " : "", note, left);
}

void ig_bar_update(ig_bar *bar, int64_t done, const char *note) {
  if (!ig_bar_due(bar)) return;
  char line[LINE_BYTES];
  compose(bar, done, note, line);
  if (bar->terminal) {
    int width = columns() - 1; /* a full last column would wrap */
    fprintf(stderr, "\r%.*s\033[K", width > 0 ? width : 1, line);
    fflush(stderr);
    bar->open = true;
  } else {
    fprintf(stderr, "%s\n", line);
  }
  bar->drawn = ig_now();
}

void ig_bar_line(ig_bar *bar, const char *format, ...) {
  if (bar->quiet) return;
  char line[LINE_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  ig_bar_end(bar);
  fprintf(stderr, "%s\n", line);
}

void ig_bar_end(ig_bar *bar) {
  if (!bar->open) return;
  fputs("\r\033[K", stderr);
  fflush(stderr);
  bar->open = false;
}
