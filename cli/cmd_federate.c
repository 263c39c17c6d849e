/* `ingot federate`: federated averaging. Rank 0 serves, every other rank is a client whose data stay with
 * it. */
#include "cli/federate_client.h"
#include "cli/federate_server.h"
#include "cli/train_origin.h"

static ig_status federate_run(ig_cli *cli, const void *values) {
  const ig_federate_values *v = values;
  ig_federate_place place;
  IG_TRY(ig_federate_place_find(v, &place));
  return place.rank == 0 ? ig_federate_serve(cli, v, &place)
                         : ig_federate_take_part(cli, v, &place);
}

static ig_status federate_settle(ig_options *options, const void *values) {
  return ig_train_settle(options, &((const ig_federate_values *)values)->train);
}

static void federate_help(FILE *out) {
  fputs("\nThe server's settings are everybody's: a client needs --data and where the server is.\n"
        "  server   ingot federate --rank 0 --ranks 4 --rendezvous HOST:PORT --model M --val D "
        "--out RUN\n"
        "  clients  ingot federate --rank R --ranks 4 --rendezvous HOST:PORT --data D\n",
        out);
}

const ig_verb ig_verb_federate = {
    .name = "federate",
    .what = "trains a model on data that stay where they are",
    .usage = "--rank R --ranks N --rendezvous H:P --data D | --model M --val D --out RUN [options]",
    .options = ig_federate_options_table,
    .size = sizeof(ig_federate_values),
    .settle = federate_settle,
    .run = federate_run,
    .more_help = federate_help,
};
