/* What the three files of the control connections share: control.c (failures, calls of other
 * threads), control_thread.c (sockets and frames), control_round.c (small messages). `lock` guards
 * all that is not atomic; the thread holds it for everything but poll(). */
#ifndef IG_DIST_CONTROL_STATE_H
#define IG_DIST_CONTROL_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "dist/control.h"

#define IG_LINE_BYTES 512
#define IG_FRAME_BYTES 8 /* type, bytes of what follows */

typedef enum ig_frame {
  IG_FRAME_BEAT = 1, /* step, calls */
  IG_FRAME_FAIL,     /* line: from rank 0 the verdict, to rank 0 what ends this rank */
  IG_FRAME_SUSPECT,  /* rank */
  IG_FRAME_STUCK,    /* line: what was waited for */
  IG_FRAME_PART,     /* head of a round, data */
  IG_FRAME_WHOLE,    /* number of the round, data */
  IG_FRAME_BYE       /* to rank 0: this rank leaves; from it: all have */
} ig_frame;

/* One connection. */
typedef struct ig_wire {
  int fd; /* -1 when closed */
  bool left;
  double heard;
  int64_t step;
  uint64_t calls;
  unsigned char *in, *out;
  int64_t in_capacity, out_capacity;
  size_t in_bytes, out_begin, out_end;
} ig_wire;

/* Who asks whom for what: equal on all ranks, or they are in different calls. */
typedef struct ig_round {
  uint32_t kind, root;
  uint64_t number, total, offset;
} ig_round;
#define IG_ROUND_BYTES 32
enum { IG_ROUND_EXCHANGE = 1, IG_ROUND_BROADCAST = 2 };

struct ig_control {
  int rank, size;
  double timeout, beat; /* seconds */
  pthread_t thread;
  bool has_thread, has_sync, stop;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int kick;       /* eventfd that wakes the thread */
  ig_wire *wires; /* of rank 0: by rank, the own one unused; of others: one, to rank 0 */
  int n_wires;
  struct pollfd *polls;
  ig_lobby *lobby;
  char (*hosts)[IG_NAME_BYTES];
  void (*hook)(void *);
  void *hook_context;

  atomic_bool failed;
  char line[IG_LINE_BYTES];
  int suspect; /* -1 for none */
  double suspect_until;
  int stuck; /* rank that asked last; for the verdict's wording alone */
  atomic_int_least64_t step;
  atomic_uint_least64_t calls;
  bool leaving, all_left;

  uint64_t rounds;
  void *reply; /* of the round that this rank is in */
  size_t reply_bytes;
  bool replied;
  ig_round round; /* rank 0: the one being gathered */
  int gathered;
  bool *has_part;
  unsigned char *parts;
  int64_t parts_capacity;
};

/* All with the lock held. */
void ig_control_latch(ig_control *c, const char *line);
void ig_control_latch_end(ig_control *c, int rank);
void ig_control_judge(ig_control *c, const char *what);
bool ig_control_queue(ig_control *c, ig_wire *wire, ig_frame type, const void *head,
                      size_t head_bytes, const void *data, size_t bytes);
void ig_control_count_leaving(ig_control *c);
void ig_control_take_part(ig_control *c, int rank, const unsigned char *frame, size_t bytes);
void ig_control_take_whole(ig_control *c, const unsigned char *frame, size_t bytes);
void ig_control_wake(ig_control *c);
void *ig_control_serve(void *control);
/* Sends what is queued and waits until the others have closed, at most so long. The thread is
 * gone. */
void ig_control_linger(ig_control *c, double seconds);
/* Largest frame that may come in. */
size_t ig_control_frame_limit(const ig_control *c);

#endif
