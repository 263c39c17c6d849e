/* The options of `ingot federate`, and where in the federation this process is. */
#ifndef IG_CLI_FEDERATE_OPTIONS_H
#define IG_CLI_FEDERATE_OPTIONS_H

#include "cli/train_rows.h"

typedef struct ig_federate_values {
  ig_train_values train; /* first: the rows of train_rows.h are its */
  /* who */
  const char *rendezvous;
  int64_t rank, ranks;
  double join_timeout;
  /* rounds */
  int64_t rounds, local_epochs, local_steps, min_clients;
  double round_timeout;
  /* averaging */
  const char *weights;
  double mu, server_lr, server_momentum;
  /* privacy */
  bool secure;
  double threshold, update_clip, noise, delta;
} ig_federate_values;

extern const ig_option ig_federate_options_table[];

/* Rank 0 serves; the others are clients by their rank. */
typedef struct ig_federate_place {
  int rank, ranks;
  char address[300]; /* host:port of the server */
} ig_federate_place;

/* From --rank, --ranks and --rendezvous, or Slurm's or mpirun's environment. */
ig_status ig_federate_place_find(const ig_federate_values *values, ig_federate_place *out);
/* What does not go together, or not with noise. */
ig_status ig_federate_check(const ig_federate_values *values);
/* Options of the trainer in a client: local steps, and a schedule over all rounds. */
ig_status ig_federate_train_options(const ig_cli *cli, const ig_federate_values *values,
                                    ig_train_options *out);
/* Takes the server's settings beneath those of the command line, and fails naming one that was given
 * here and differs. `settings` is JSON of the server's ig_options_json. */
ig_status ig_federate_settle(ig_options *options, const char *settings, size_t size);

#endif
