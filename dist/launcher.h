/* What started this process, and what it says of ranks. */
#ifndef IG_DIST_LAUNCHER_H
#define IG_DIST_LAUNCHER_H

#include "dist/handshake.h"
#include "dist/mpi/module.h"

/* An MPI launcher's environment is there. */
bool ig_launcher_is_mpi(void);
/* Ranks that the launcher says it has started; 0 where it does not say. */
int ig_launcher_ranks(void);
/* srun's environment is there: rank, number of ranks, the first host of the step, a port that all
 * ranks of the step derive alike, and the job's name. IG_ERR_USAGE where it is malformed. */
bool ig_launcher_is_slurm(void);
ig_status ig_launcher_slurm(int *rank, int *ranks, char host[256], int *port,
                            char job[IG_NAME_BYTES]);
/* The first host of Slurm's list: "node[007-009,12],other" is "node007". */
ig_status ig_slurm_first_host(const char *list, char host[256]);
/* Loads ingot_mpi.so: $IG_MPI_MODULE, beside the program, or ../lib/ingot from there.
 * IG_ERR_UNSUPPORTED in a build without MPI and where the module or its libmpi is missing. */
ig_status ig_mpi_load(const ig_mpi_api **out);

#endif
