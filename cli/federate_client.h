/* A client of a federation: its data and trainer, driven by what the server sends. */
#ifndef IG_CLI_FEDERATE_CLIENT_H
#define IG_CLI_FEDERATE_CLIENT_H

#include "cli/federate_options.h"

/* What the server sends each client first: its settings and a checkpoint, from which the client learns
 * model, task, classes, tokenizer and normalisation. A frame of ig_fed_frame. */
ig_status ig_federate_welcome(const char *settings, const char *checkpoint, uint8_t **frame,
                              size_t *size);

typedef struct ig_federate_client ig_federate_client;

/* Opens data and model for client `number`, as the welcome says. `own`: the server's own client, whose
 * settings are the server's and whose data lack what is held out. */
ig_status ig_federate_client_open(ig_cli *cli, const ig_federate_values *values, int number,
                                  bool own, const void *welcome, size_t size,
                                  ig_federate_client **out);
void ig_federate_client_close(ig_federate_client *client); /* NULL is allowed */
/* Takes part until the server ends the federation. IG_ERR_PEER when it ends without a good end. */
ig_status ig_federate_client_run(ig_federate_client *client, int fd);
/* From another thread: training ends at the next step, for good. */
void ig_federate_client_stop(ig_federate_client *client);
/* A client process from beginning to end. */
ig_status ig_federate_take_part(ig_cli *cli, const ig_federate_values *values,
                                const ig_federate_place *place);

#endif
