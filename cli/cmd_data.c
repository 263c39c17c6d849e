/* `ingot data`: looks at data sets, and copies them into files of arrays, whole or split. */
#include <string.h>

#include "cli/data_copy.h"
#include "cli/data_report.h"
#include "cli/verb.h"

typedef ig_data_values V;

static const ig_option options[] = {
    {.name = "action",
     .type = IG_OPTION_ENUM,
     .offset = offsetof(V, action),
     .values = "validate|stats|convert|split",
     .flags = IG_OPTION_POSITIONAL | IG_OPTION_REQUIRED,
     .what = "what to do"},
    {.name = "data",
     .type = IG_OPTION_STRING,
     .offset = offsetof(V, data),
     .values = "D",
     .flags = IG_OPTION_POSITIONAL | IG_OPTION_REQUIRED,
     .what = "the data"},
    IG_STRING_OPTION(V, target, "target", "NAMES", 0, "target columns or array"),
    {.name = "no-target",
     .type = IG_OPTION_FLAG,
     .offset = offsetof(V, no_target),
     .what = "there is no target: everything is input"},
    IG_STRING_OPTION(V, against, "against", "D|M", 0,
                     "validate: data or checkpoint whose schema and distribution to compare with"),
    IG_FLOAT_OPTION(V, max_drift, "max-drift", "0.5", 0, 1,
                    "validate: share of columns from which on the data has drifted"),
    IG_FLOAT_OPTION(V, max_missing, "max-missing", "0", 0, 1,
                    "validate: most share of missing values in a column"),
    IG_INT_OPTION(V, min_samples, "min-samples", "1", 0, INT64_MAX, "validate: fewest samples"),
    {.name = "allow-duplicates",
     .type = IG_OPTION_FLAG,
     .offset = offsetof(V, allow_duplicates),
     .what = "validate: equal samples are no failure"},
    {.name = "allow-constant",
     .type = IG_OPTION_FLAG,
     .offset = offsetof(V, allow_constant),
     .what = "validate: a column of one value is no failure"},
    IG_STRING_OPTION(V, out, "out", "FILE", 0,
                     "convert: .h5, .csv, .npy or .npz; .bin for the tokens of a text"),
    IG_STRING_OPTION(V, tokenizer, "tokenizer", "NAME", 0,
                     "convert to .bin: characters, bytes, or a folder with vocab.json and "
                     "merges.txt"),
    IG_STRING_OPTION(V, train, "train", "FILE", 0, "split: where the larger part goes"),
    IG_STRING_OPTION(V, test, "test", "FILE", 0, "split: where the held-out part goes"),
    IG_FLOAT_OPTION(V, fraction, "fraction", "0.2", 0.000001, 0.999999, "split: share held out"),
    {.name = NULL}};

static ig_status data_run(ig_cli *cli, const void *values) {
  const V *v = values;
  if (strcmp(v->action, "convert") == 0) return ig_data_convert(cli, v);
  if (strcmp(v->action, "split") == 0) return ig_data_split(cli, v);
  if (strcmp(v->action, "stats") == 0) return ig_data_stats(cli, v);
  return ig_data_validate(cli, v);
}

const ig_verb ig_verb_data = {
    .name = "data",
    .what = "checks, describes, converts and splits data",
    .usage = "validate|stats|convert|split D [options]",
    .options = options,
    .size = sizeof(V),
    .run = data_run,
};
