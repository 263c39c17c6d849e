/* The communicator that tests of training on several ranks stand on: sums, order, strictness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "thread_comm.h"

enum { COUNT = 48 }; /* a multiple of all sizes tried */

/* Thirds, whose sums depend on their order. */
static float element(int rank, int i) { return (float)(rank * 1000 + i + 1) / 3.0f; }

static ig_status fill(ig_comm *comm, int index, ig_dtype dtype, int from, int count, void **out) {
  IG_TRY(ig_comm_alloc(comm, index, (size_t)COUNT * ig_dtype_size(dtype), out));
  for (int i = 0; i < count; i++)
    ig_store_f64(dtype, *out, i, (double)element(comm->rank, from + i));
  return IG_OK;
}

/* ((0 + 1) + (2 + 3)) + ... written out for powers of two. */
static float tree(int ranks, int i) {
  float sums[THREAD_RANKS];
  for (int r = 0; r < ranks; r++) sums[r] = element(r, i);
  for (int n = ranks; n > 1; n /= 2) {
    for (int r = 0; r < n / 2; r++) sums[r] = sums[2 * r] + sums[2 * r + 1];
  }
  return sums[0];
}

/* Two operations at once, waited for in the other order. */
static ig_status reduce_body(ig_comm *comm, void *context) {
  IG_UNUSED(context);
  void *a, *b, *part;
  IG_TRY(fill(comm, 0, IG_F32, 0, COUNT, &a));
  IG_TRY(fill(comm, 1, IG_F32, 0, COUNT, &b));
  IG_TRY(ig_comm_alloc(comm, 2, COUNT * sizeof(float), &part));
  IG_TRY(ig_comm_begin(comm, &(ig_collective){IG_ALL_REDUCE, IG_F32, COUNT, 0, a, a}, NULL));
  IG_TRY(ig_comm_begin(comm, &(ig_collective){IG_REDUCE_SCATTER, IG_F32, COUNT, 1, b, part}, NULL));
  IG_TRY(ig_comm_wait(comm, part, NULL));
  IG_TRY(ig_comm_wait(comm, a, NULL));
  int each = COUNT / comm->size;
  for (int i = 0; i < COUNT; i++) {
    float want = tree(comm->size, i), got = ((float *)a)[i];
    IG_CHECK(got == want, IG_ERR_INTERNAL, "sum %d: %.9g, expected %.9g", i, (double)got,
             (double)want);
    if (i / each != comm->rank) continue;
    got = ((float *)part)[i % each];
    IG_CHECK(got == want, IG_ERR_INTERNAL, "part %d: %.9g, expected %.9g", i, (double)got,
             (double)want);
  }
  return IG_OK;
}

static ig_status gather_body(ig_comm *comm, void *context) {
  IG_UNUSED(context);
  void *part, *all;
  int each = COUNT / comm->size;
  IG_TRY(fill(comm, 0, IG_F32, 0, each, &part));
  IG_TRY(ig_comm_alloc(comm, 1, COUNT * sizeof(float), &all));
  IG_TRY(ig_comm_begin(comm, &(ig_collective){IG_ALL_GATHER, IG_F32, COUNT, 4, part, all}, NULL));
  IG_TRY(ig_comm_wait(comm, all, NULL));
  int got[THREAD_RANKS], root = comm->size - 1, word = comm->rank * 10;
  for (int i = 0; i < COUNT; i++)
    IG_CHECK(((float *)all)[i] == element(i / each, i % each), IG_ERR_INTERNAL, "element %d", i);
  IG_TRY(ig_comm_exchange(comm, &comm->rank, sizeof comm->rank, got));
  IG_TRY(ig_comm_broadcast(comm, &word, sizeof word, root));
  IG_CHECK(word == root * 10, IG_ERR_INTERNAL, "broadcast gave %d", word);
  for (int r = 0; r < comm->size; r++) IG_CHECK(got[r] == r, IG_ERR_INTERNAL, "exchange");
  return IG_OK;
}

static void run_all(int size, thread_body body) {
  thread_run runs[THREAD_RANKS];
  thread_group *group = thread_group_create(size);
  assert_non_null(group);
  thread_ranks_run(group, body, NULL, runs);
  for (int r = 0; r < size; r++) {
    if (runs[r].status != IG_OK) fail_msg("%d ranks, rank %d: %s", size, r, runs[r].message);
  }
  thread_group_destroy(group);
}

static void sums_in_the_tree(void **state) {
  IG_UNUSED(state);
  for (int size = 1; size <= 16; size *= 2) run_all(size, reduce_body);
}

static void gathering_and_messages(void **state) {
  IG_UNUSED(state);
  for (int size = 1; size <= 4; size++) run_all(size, gather_body);
}

/* `context` says what rank 1 does wrong. */
static ig_status wrong_body(ig_comm *comm, void *context) {
  int wrong = comm->rank == 1 ? *(const int *)context : 0;
  void *a;
  IG_TRY(fill(comm, 0, IG_F32, 0, COUNT, &a));
  if (wrong == 3) return ig_fail(IG_ERR_IO, "the disk is full");
  ig_collective op = {IG_ALL_REDUCE, IG_F32, wrong == 1 ? COUNT / 2 : COUNT, 0, a, a};
  IG_TRY(ig_comm_begin(comm, &op, NULL));
  if (wrong == 2) ((float *)a)[3] = 7;
  return ig_comm_wait(comm, a, NULL);
}

static void mistakes_end_all_ranks(void **state) {
  IG_UNUSED(state);
  static const char *const word[] = {"", "elements, rank", "under way", "the disk is full"};
  for (int wrong = 1; wrong <= 3; wrong++) {
    thread_run runs[THREAD_RANKS];
    thread_group *group = thread_group_create(3);
    assert_non_null(group);
    thread_ranks_run(group, wrong_body, &wrong, runs);
    for (int r = 0; r < 3; r++) {
      assert_int_equal(runs[r].status, r == 1 && wrong == 3 ? IG_ERR_IO : IG_ERR_PEER);
      assert_non_null(strstr(runs[r].message, word[wrong]));
    }
    thread_group_destroy(group);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sums_in_the_tree),
      cmocka_unit_test(gathering_and_messages),
      cmocka_unit_test(mistakes_end_all_ranks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
