/* A client of a federation as a state machine: messages of the server come in, messages to it go out,
 * and training is a callback. It owns no connection, so that tests drive it without one. */
#ifndef IG_DIST_FEDERATE_CLIENT_H
#define IG_DIST_FEDERATE_CLIENT_H

#include "dist/federate_message.h"

typedef struct ig_fed_client_options {
  int client;      /* this one's number, 1 to IG_FED_MOST_CLIENTS */
  int64_t count;   /* elements of an update */
  uint64_t layout; /* digest of what the elements are */
  bool secure;     /* updates leave masked, or not at all */
  bool weighted;   /* by samples; otherwise each client counts once */
  double clip;     /* L2 norm of an update at most; 0 for any */
  double noise;    /* deviation of the noise on the sum, as a multiple of clip; 0 for none */
} ig_fed_client_options;

typedef struct ig_fed_client_calls {
  void *context;
  ig_status (*send)(void *context, const void *frame, size_t size);
  /* Trains from `global` and writes how far the parameters moved into `update`, both of `count`
   * elements; weight is samples. A failure leaves this client out of the round, and no more, unless
   * it is IG_ERR_INTERRUPTED. */
  ig_status (*train)(void *context, int64_t round, const float *global, float *update,
                     int64_t *weight, double *loss);
  /* A line for people; may be NULL. */
  void (*note)(void *context, const char *line);
} ig_fed_client_calls;

typedef struct ig_fed_client ig_fed_client;

/* IG_ERR_USAGE for noise without clipping or with weights. */
ig_status ig_fed_client_create(const ig_fed_client_options *options,
                               const ig_fed_client_calls *calls, ig_fed_client **out);
void ig_fed_client_destroy(ig_fed_client *client); /* NULL is allowed; secrets are erased */
/* Says that this client is ready for rounds. */
ig_status ig_fed_client_start(ig_fed_client *client);
/* A message from the server. *ended: it was the last. IG_ERR_INPUT when the server breaks the protocol
 * or asks for what would show this client's update; IG_ERR_PEER when it ends the federation with a
 * reason. */
ig_status ig_fed_client_receive(ig_fed_client *client, const void *frame, size_t size, bool *ended);

#endif
