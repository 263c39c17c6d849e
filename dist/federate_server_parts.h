/* The inside of a federation's server, for the files that gather a round (federate_server.c) and take
 * masks off its sum (federate_unmask.c). */
#ifndef IG_DIST_FEDERATE_SERVER_PARTS_H
#define IG_DIST_FEDERATE_SERVER_PARTS_H

#include "dist/federate_server.h"

/* A round goes through these; without secure sums from TRAINING straight to BETWEEN. */
typedef enum ig_fed_phase {
  IG_FED_BETWEEN,
  IG_FED_TRAINING,  /* for keys, or without secure sums for the update */
  IG_FED_SHARING,   /* for parcels */
  IG_FED_MASKING,   /* for masked updates */
  IG_FED_UNMASKING, /* for opened shares */
} ig_fed_phase;

typedef struct ig_fed_member {
  char name[80];
  bool connected, ready; /* ready: said so, and nothing is asked of it that it has not answered */
  bool in;               /* of the round, and all answers so far came in time */
  bool shared;           /* its secrets are shared: the others' vectors have masks for it */
  bool summed;           /* its vector is in the sum */
  ig_fed_phase answered; /* the last exchange that it answered */
  uint8_t seal_key[IG_FED_KEY], mask_key[IG_FED_KEY];
  int n_parcels;
  ig_fed_parcel *parcels; /* to the others, until they are handed on */
  int n_opened;
  ig_fed_opened *opened; /* what it says about the others' masks */
} ig_fed_member;

struct ig_fed_server {
  ig_fed_server_options options;
  ig_fed_server_calls calls;
  ig_fed_phase phase;
  uint32_t round;
  double deadline;
  int threshold; /* of this round */
  int asked, sharers;
  bool done;
  ig_fed_member members[IG_FED_MOST_CLIENTS + 1]; /* by number; 0 is not used */
  uint64_t *sum;
  float *mean;
  ig_fed_round result;
};

/* Takes all masks off the sum of the vectors that arrived. IG_ERR_PEER with fewer than the threshold of
 * answers, or when shares do not fit a client's key. */
ig_status ig_fed_unmask(ig_fed_server *server);

#endif
