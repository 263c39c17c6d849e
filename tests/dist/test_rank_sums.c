/* Collectives of several ranks: the worker checks every sum against float64 and, bit for bit, against
 * the tree of comm.h; here it runs in many jobs, under mpirun and at a rendezvous. */
#include "ranks.h"

#define LIMIT 120.0

static void check_job(const ranks *j) {
  for (int r = 0; r < j->n; r++) ranks_check(j, j->codes[r] == 0);
}

static void test_mpirun(void **state) {
  (void)state;
  static const int sizes[] = {1, 2, 3, 4, 8};
  for (int i = 0; i < 5; i++) {
    ranks j;
    if (!*MPIRUN) {
      print_message("[  NOTE    ] no mpirun on this machine: ranks met at a rendezvous alone\n");
      return;
    }
    ranks_mpirun(&j, "sums", sizes[i], NULL, LIMIT);
    check_job(&j);
    ranks_check(&j, strstr(j.text[0], sizes[i] == 1 ? "alone" : "shared memory"));
  }
}

/* Numbers by order of arrival, and one that asked for its own. */
static void test_rendezvous(void **state) {
  (void)state;
  ranks j = {0};
  int port = ranks_port();
  ranks_add_worker(&j, "sums", port, -1, 4, NULL);
  ranks_add_worker(&j, "sums", port, -1, 4, NULL);
  ranks_add_worker(&j, "sums", port, 2, 0, NULL);
  ranks_add_worker(&j, "sums", port, -1, 4, NULL);
  ranks_wait(&j, LIMIT);
  check_job(&j);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_mpirun), cmocka_unit_test(test_rendezvous)};
  setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
  setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
