/* Ranks that die, stop, hang, give up or go astray: every other rank ends within the timeout and two
 * seconds, with exit 3 and a line that names the one, its machine and the step. */
#include "ranks.h"

#define TIMEOUT "timeout=2"
#define LIMIT 30.0

/* Runs four ranks of which `victim` does as the scenario says; all others must say `line`, within
 * `seconds` of the start. */
static void check_fault(const char *scenario, int victim, const char *line, double seconds) {
  char whom[32], name[32];
  ranks j;
  snprintf(whom, sizeof whom, "victim=%d", victim);
  snprintf(name, sizeof name, "rank %d on ", victim);
  /* Whom the signal stopped ends with the test. */
  bool stays = strcmp(scenario, "stop") == 0 || strcmp(scenario, "hang") == 0;
  ranks_run(&j, scenario, 4, (const char *const[]){TIMEOUT, whom, NULL}, stays, LIMIT);
  for (int r = 0; r < 4; r++) {
    if (r == victim) continue;
    ranks_check(&j, j.codes[r] == 3);
    ranks_check(&j, strstr(j.text[r], name) && strstr(j.text[r], line) &&
                        (strstr(j.text[r], "at step 20") || strstr(j.text[r], "at step 19")));
    ranks_check(&j, j.ended[r] < seconds);
  }
  if (stays) ranks_check(&j, j.codes[victim] == -1);
}

/* Starting and twenty steps take a moment of these limits on a busy machine. */
static void test_killed(void **state) {
  (void)state;
  check_fault("kill", 2, "ended (killed?)", 6);
  check_fault("kill", 0, "ended (killed?)", 6);
}

static void test_stopped(void **state) {
  (void)state;
  check_fault("stop", 3, "gave no sign of life", 7);
  check_fault("stop", 0, "gave no sign of life", 7);
}

static void test_hanging(void **state) {
  (void)state;
  check_fault("hang", 1, "did not come to all-reduce of 100000 f32", 7);
  check_fault("hang", 0, "did not come to all-reduce of 100000 f32", 7);
}

static void test_left(void **state) {
  (void)state;
  check_fault("leave", 1, "ended (killed?)", 6);
}

static void test_abandoned(void **state) {
  (void)state;
  check_fault("abandon", 3, "gave up at step 20: loss is not a number", 6);
  check_fault("abandon", 0, "gave up at step 20: loss is not a number", 6);
}

static void test_mismatch(void **state) {
  (void)state;
  ranks j;
  ranks_run(&j, "mismatch", 3, (const char *const[]){TIMEOUT, "victim=1", NULL}, 0, LIMIT);
  for (int r = 0; r < 3; r++) {
    ranks_check(&j, j.codes[r] == 3);
    ranks_check(&j, strstr(j.text[r], "different operations at step 20") &&
                        strstr(j.text[r], "(operation 1)") && strstr(j.text[r], "(operation 0)"));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_killed),    cmocka_unit_test(test_stopped), cmocka_unit_test(test_hanging),
      cmocka_unit_test(test_left),      cmocka_unit_test(test_abandoned),
      cmocka_unit_test(test_mismatch),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
