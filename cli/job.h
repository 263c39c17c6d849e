/* A call of the program as one of the ranks of a job: how ranks meet, what each computes on, that they
 * were started alike, and who speaks. One process is a job of one rank, for which all of this is
 * nothing. */
#ifndef IG_CLI_JOB_H
#define IG_CLI_JOB_H

#include "cli/verb.h"
#include "engine/backend/backend.h"
#include "engine/train/dataset.h"
#include "engine/train/snapshot.h"

/* Options of every verb with `ranks`. */
typedef struct ig_job_values {
  const char *comm, *rendezvous, *node;
  int64_t rank, ranks;
  double timeout;
} ig_job_values;

extern const ig_option ig_job_options[];

/* Meets the other ranks, and compares build and settings with theirs: cli->comm, NULL for one process. */
ig_status ig_job_open(ig_cli *cli, const ig_job_values *values);
/* Collective: fails on all ranks, in the same words, where a rank's facts (a flat JSON object; the
 * reference is taken over) are not rank 0's. */
ig_status ig_job_compare(ig_cli *cli, json_t *facts);
/* What ranks have to have in common besides their settings; `validation` and `snapshot`, what they start
 * from, may be NULL. */
json_t *ig_job_facts(const ig_graph *graph, const ig_dataset *data, const ig_dataset *validation,
                     const ig_snapshot *snapshot);
/* The backend that --device and --threads mean for this rank: its own GPU, its share of the cores. The
 * communicator is put before its memory. */
ig_status ig_job_backend(ig_cli *cli, ig_backend **out);
/* Threads that prepare data, where nobody said how many: 0 for one process. */
int ig_job_workers(const ig_cli *cli, int64_t asked);
/* Ends the job, which went as `status` says; before the backend is destroyed. A failure that all ranks
 * know is told by one of them. NULL comm is allowed, and being called again. */
void ig_job_close(ig_cli *cli, ig_status status);
/* The line of a failure, unless another rank tells it. */
void ig_job_tell(ig_cli *cli, ig_status status);

#endif
