/* What all ranks agree on beyond moving bytes. An agreement is made of exchanges alone, so that every
 * rank sees the same facts and draws the same conclusion from them. */
#include "engine/backend/comm.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/memory.h"

typedef struct verdict {
  ig_status status;
  char message[1024];
} verdict;

static ig_status conclude(const ig_comm *comm, const verdict *all) {
  int failed = -1;
  bool alike = true;
  for (int r = comm->size - 1; r >= 0; r--) {
    if (all[r].status != IG_OK) failed = r;
  }
  for (int r = 0; r < comm->size; r++) {
    alike = alike && strcmp(all[r].message, all[failed].message) == 0;
  }
  ig_status status = ig_fail(all[failed].status, "%s", all[failed].message);
  return alike ? status : ig_fail_in(status, "rank %d on %s", failed, comm->hosts[failed]);
}

ig_status ig_comm_settle(ig_comm *comm, ig_status status) {
  if (!comm || comm->size == 1 || status == IG_ERR_PEER) return status;
  verdict mine = {.status = status};
  if (status != IG_OK) snprintf(mine.message, sizeof mine.message, "%s", ig_last_error());
  size_t n = (size_t)comm->size;
  int32_t well = status == IG_OK, *flags = ig_alloc(n * sizeof *flags);
  verdict *all = flags ? ig_alloc(n * sizeof *all) : NULL;
  if (!all) {
    ig_free(flags);
    ig_comm_abandon(comm, "out of memory");
    return ig_fail(IG_ERR_MEMORY, "agreement of %d ranks: out of memory", comm->size);
  }
  bool all_well = true;
  ig_status exchanged = ig_comm_exchange(comm, &well, sizeof well, flags);
  for (int r = 0; r < comm->size && exchanged == IG_OK; r++) all_well = all_well && flags[r];
  if (exchanged == IG_OK && !all_well) {
    exchanged = ig_comm_exchange(comm, &mine, sizeof mine, all);
    if (exchanged == IG_OK) exchanged = conclude(comm, all);
  }
  ig_free(flags);
  ig_free(all);
  return exchanged;
}
