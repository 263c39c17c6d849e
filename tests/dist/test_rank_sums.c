/* Collectives of several ranks: the worker checks every sum against float64 and, bit for bit,
 * against the tree of comm.h; here it runs in many jobs, under mpirun and at a rendezvous. */
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
  int port = free_port();
  ranks_add_worker(&j, "sums", port, -1, 4, NULL);
  ranks_add_worker(&j, "sums", port, -1, 4, NULL);
  ranks_add_worker(&j, "sums", port, 2, 0, NULL);
  ranks_add_worker(&j, "sums", port, -1, 4, NULL);
  ranks_wait(&j, LIMIT);
  check_job(&j);
}

/* Machines that one machine pretends to be: blocks of equal size, of unequal size, and none. */
static const struct {
  int n;
  const char *nodes, *says;
} layouts[] = {
    {2, "nodes=a,b", "one rank on each machine"},
    {4, "nodes=a,a,b,b", "shared memory within"},
    {4, "nodes=a,a,a,b", "every rank over"},
    {4, "nodes=a,b,a,b", "every rank over"},
    {3, "nodes=a,b,c", "one rank on each machine"},
    {6, "nodes=a,a,b,b,c,c", "shared memory within"},
    {8, "nodes=a,a,b,b,c,c,d,d", "shared memory within"},
};

static void test_machines_by_tcp(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
    ranks j;
    ranks_run(&j, "sums", layouts[i].n, (const char *const[]){layouts[i].nodes, NULL}, 0, LIMIT);
    check_job(&j);
    ranks_check(&j, strstr(j.text[0], layouts[i].says) && strstr(j.text[0], "tcp;"));
  }
}

static void test_machines_by_mpi(void **state) {
  (void)state;
  ranks j;
  if (!*MPIRUN) return; /* said above */
  for (size_t i = 0; i < 3; i++) {
    ranks_mpirun(&j, "sums", layouts[i].n, (const char *const[]){layouts[i].nodes, NULL}, LIMIT);
    check_job(&j);
    ranks_check(&j, strstr(j.text[0], layouts[i].says) && strstr(j.text[0], "mpi;"));
  }
  ranks_mpirun(&j, "sums", 2, (const char *const[]){"nodes=a,b", "transport=tcp", NULL}, LIMIT);
  check_job(&j);
  ranks_check(&j, strstr(j.text[0], "tcp;") && strstr(j.text[0], "met by"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_mpirun), cmocka_unit_test(test_rendezvous),
      cmocka_unit_test(test_machines_by_tcp), cmocka_unit_test(test_machines_by_mpi)};
  setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
  setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
