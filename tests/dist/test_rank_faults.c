/* Ranks that die, stop, hang, give up or go astray: every other rank ends within the timeout and
 * two seconds, with exit 3 and a line that names the one, its machine and the step. */
#include "ranks.h"

#define TIMEOUT "timeout=2"
#define SECONDS (2 + 2.0) /* from the fault to the end of every rank */
#define LIMIT 30.0
#define ONE "nodes=a,a,a,a"
#define TWO "nodes=a,a,b,b"
#define FOUR "nodes=a,b,c,d"

/* Runs four ranks, on one machine or on several, of which `victim` does as the scenario says; all
 * others must say `line`, and end in time. */
static void check_fault(const char *scenario, int victim, const char *nodes, const char *line) {
  char whom[32], name[32];
  ranks j;
  snprintf(whom, sizeof whom, "victim=%d", victim);
  snprintf(name, sizeof name, "rank %d on ", victim);
  /* Whom the signal stopped ends with the test. */
  bool stays = strcmp(scenario, "stop") == 0 || strcmp(scenario, "hang") == 0;
  ranks_run(&j, scenario, 4, (const char *const[]){TIMEOUT, whom, nodes, NULL}, stays, LIMIT);
  const char *at = strstr(j.text[victim], "fault at ");
  for (int r = 0; r < 4; r++) {
    if (r == victim) continue;
    ranks_check(&j, j.codes[r] == 3);
    ranks_check(&j, strstr(j.text[r], name) && strstr(j.text[r], line) &&
                        (strstr(j.text[r], "at step 20") || strstr(j.text[r], "at step 19")));
    ranks_check(&j, at && j.start + j.ended[r] - atof(at + 9) < SECONDS);
  }
  if (stays) ranks_check(&j, j.codes[victim] == -1);
}

static void test_killed(void **state) {
  (void)state;
  check_fault("kill", 2, ONE, "ended (killed?)");
  check_fault("kill", 3, TWO, "ended (killed?)");
  check_fault("kill", 1, FOUR, "ended (killed?)");
  check_fault("kill", 0, FOUR, "ended (killed?)");
}

static void test_stopped(void **state) {
  (void)state;
  check_fault("stop", 3, TWO, "gave no sign of life");
  check_fault("stop", 0, ONE, "gave no sign of life");
}

static void test_hanging(void **state) {
  (void)state;
  check_fault("hang", 1, ONE, "did not come to all-reduce of 100000 f32");
  check_fault("hang", 0, TWO, "did not come to all-reduce of 100000 f32");
}

static void test_left(void **state) {
  (void)state;
  check_fault("leave", 1, FOUR, "ended (killed?)");
}

static void test_abandoned(void **state) {
  (void)state;
  check_fault("abandon", 3, TWO, "gave up at step 20: loss is not a number");
  check_fault("abandon", 0, ONE, "gave up at step 20: loss is not a number");
}

static void test_mismatch(void **state) {
  (void)state;
  static const char *const layouts[] = {"nodes=a,a,a", "nodes=a,b,c"};
  for (int i = 0; i < 2; i++) {
    ranks j;
    ranks_run(&j, "mismatch", 3, (const char *const[]){TIMEOUT, "victim=1", layouts[i], NULL}, 0,
              LIMIT);
    for (int r = 0; r < 3; r++) {
      ranks_check(&j, j.codes[r] == 3);
      ranks_check(&j, strstr(j.text[r], "different operations at step 20") &&
                          strstr(j.text[r], "(operation 1)") && strstr(j.text[r], "(operation 0)"));
    }
  }
}

/* Under mpirun, over MPI: nobody ends in time by itself, and nobody waits in MPI_Finalize. */
static void test_hanging_under_mpirun(void **state) {
  (void)state;
  ranks j;
  if (!*MPIRUN) {
    print_message("[  NOTE    ] no mpirun on this machine\n");
    return;
  }
  ranks_mpirun(&j, "hang", 3, (const char *const[]){TIMEOUT, "victim=1", "nodes=a,b,c", NULL},
               LIMIT);
  ranks_check(&j, j.codes[0] == 3 && strstr(j.text[0], "mpi;"));
  for (int r = 0; r < 3; r += 2) {
    char line[64];
    snprintf(line, sizeof line, "rank %d: rank 1 on node-b did not come to all-reduce", r);
    ranks_check(&j, strstr(j.text[0], line));
  }
}

int main(void) {
  setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
  setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_killed),
      cmocka_unit_test(test_stopped),
      cmocka_unit_test(test_hanging),
      cmocka_unit_test(test_left),
      cmocka_unit_test(test_abandoned),
      cmocka_unit_test(test_mismatch),
      cmocka_unit_test(test_hanging_under_mpirun),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
