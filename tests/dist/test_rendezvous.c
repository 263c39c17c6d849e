/* Meeting without MPI: who is refused, and that whoever knocks holds up nobody; and the handshake's
 * decoders and Slurm's host lists by themselves. */
#include "ranks.h"

#include "dist/handshake.h"
#include "dist/launcher.h"

static int knock(int port, const void *bytes, size_t n) {
  struct sockaddr_in name = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  for (double until = ranks_now() + 5; ranks_now() < until; ranks_pause(0.02)) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&name, sizeof name) == 0) {
      if (n) assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
      return fd;
    }
    close(fd);
  }
  fail_msg("nobody listens");
  return -1;
}

static void test_nobody_there(void **state) {
  (void)state;
  ranks j = {0};
  ranks_add_worker(&j, "sums", free_port(), 1, 2, (const char *const[]){"timeout=1", NULL});
  ranks_wait(&j, 10);
  ranks_check(&j, j.codes[0] == 3 && strstr(j.text[0], "was not reached within 1."));
  ranks_check(&j, j.ended[0] < 3);
}

static void test_others_do_not_come(void **state) {
  (void)state;
  ranks j = {0};
  int port = free_port();
  ranks_add_worker(&j, "sums", port, 0, 3, (const char *const[]){"timeout=1", NULL});
  ranks_add_worker(&j, "sums", port, 1, 3, (const char *const[]){"timeout=4", NULL});
  ranks_wait(&j, 10);
  for (int r = 0; r < 2; r++)
    ranks_check(&j, j.codes[r] == 3 && strstr(j.text[r], "only 2 of 3 ranks came in time"));
}

/* Garbage, silence, another protocol, another job, a taken rank, too many: the job runs on. */
static void test_strangers(void **state) {
  (void)state;
  ranks j = {0}, other = {0};
  int port = free_port(), fds[5];
  unsigned char hello[IG_HELLO_BYTES], noise[4096];
  for (size_t i = 0; i < sizeof noise; i++) noise[i] = (unsigned char)(i * 131 + 7);
  ranks_add_worker(&j, "sums", port, 0, 3, NULL);
  fds[0] = knock(port, "GET / HTTP/1.1\r\n\r\n", 18);
  fds[1] = knock(port, noise, sizeof noise);
  fds[2] = knock(port, NULL, 0);
  ig_hello_encode(&(ig_hello){.kind = IG_CONTROL_CONNECTION, .rank = 1, .job = "another"}, hello);
  fds[3] = knock(port, hello, sizeof hello);
  hello[8]++;
  fds[4] = knock(port, hello, sizeof hello);
  unsigned char answer[IG_WELCOME_BYTES];
  ig_welcome welcome;
  assert_int_equal(recv(fds[3], answer, sizeof answer, MSG_WAITALL), sizeof answer);
  assert_true(ig_welcome_decode(answer, &welcome));
  assert_false(welcome.accepted);
  assert_non_null(strstr(welcome.reason, "job \"another\""));
  assert_int_equal(recv(fds[4], answer, sizeof answer, MSG_WAITALL), sizeof answer);
  assert_true(ig_welcome_decode(answer, &welcome));
  assert_non_null(strstr(welcome.reason, "protocol 2"));
  ranks_add_worker(&j, "sums", port, 1, 3, NULL);
  ranks_pause(0.3);
  ranks_add_worker(&other, "sums", port, 1, 3, NULL);
  ranks_add_worker(&other, "sums", port, 1, 4, NULL);
  ranks_add_worker(&other, "sums", port, 7, 0, NULL);
  ranks_wait(&other, 20);
  ranks_check(&other, other.codes[0] == 3 && strstr(other.text[0], "rank 1 is here already"));
  ranks_check(&other, other.codes[1] == 3 && strstr(other.text[1], "rank 0 waits for 3 in all"));
  ranks_check(&other, other.codes[2] == 3 && strstr(other.text[2], "expected a rank from 1 to 2"));
  ranks_add_worker(&j, "sums", port, 2, 3, NULL);
  ranks_wait(&j, 60);
  for (int r = 0; r < 3; r++) ranks_check(&j, j.codes[r] == 0);
  for (int i = 0; i < 5; i++) close(fds[i]);
}

/* One that comes when all are in is told so. */
static void test_latecomer(void **state) {
  (void)state;
  ranks j = {0}, late = {0};
  int port = free_port();
  ranks_add_worker(&j, "steps", port, 0, 2, NULL);
  ranks_add_worker(&j, "steps", port, 1, 2, NULL);
  ranks_pause(0.7);
  ranks_add_worker(&late, "steps", port, 1, 2, NULL);
  ranks_wait(&late, 10);
  ranks_check(&late, late.codes[0] == 3 && strstr(late.text[0], "the job has all of its 2 ranks"));
  kill(j.pids[0], SIGKILL);
  ranks_wait(&j, 10);
  ranks_check(&j, j.codes[1] == 3);
}

/* Frames that no rank sends: an unknown type, a length beyond all limits, and messages too short,
 * cut off, or not for that rank. */
static const struct {
  uint32_t type, bytes;
  size_t sent;
} bad_frames[] = {
    {99, 5, 5}, {1, 0x7fffffff, 16}, {5, 3, 3}, {5, 64, 64}, {6, 4, 4}, {3, 4, 4}, {4, 100, 7},
};

static void send_bad_frame(int fd, size_t i) {
  unsigned char frame[8 + 64];
  memset(frame, 0xee, sizeof frame);
  ig_put32(frame, bad_frames[i].type);
  ig_put32(frame + 4, bad_frames[i].bytes);
  assert_int_equal(send(fd, frame, 8 + bad_frames[i].sent, MSG_NOSIGNAL), 8 + bad_frames[i].sent);
  shutdown(fd, SHUT_WR);
}

static void test_rogue_rank(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof bad_frames / sizeof bad_frames[0]; i++) {
    ranks j = {0};
    int port = free_port();
    unsigned char hello[IG_HELLO_BYTES], answer[IG_WELCOME_BYTES];
    ranks_add_worker(&j, "sums", port, 0, 2, NULL);
    ig_hello_encode(&(ig_hello){.kind = IG_CONTROL_CONNECTION, .rank = 1, .host = "rogue"}, hello);
    int fd = knock(port, hello, sizeof hello);
    assert_int_equal(recv(fd, answer, sizeof answer, MSG_WAITALL), sizeof answer);
    send_bad_frame(fd, i);
    ranks_wait(&j, 20);
    ranks_check(&j, j.codes[0] == 3 && strstr(j.text[0], "rank 1 on rogue"));
    close(fd);
  }
}

static void test_rogue_rank_0(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof bad_frames / sizeof bad_frames[0]; i++) {
    ranks j = {0};
    int port = free_port(), on = 1;
    unsigned char hello[IG_HELLO_BYTES], answer[IG_WELCOME_BYTES];
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(listener, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(listener, 4), 0);
    ranks_add_worker(&j, "sums", port, 1, 2, NULL);
    int fd = accept(listener, NULL, NULL);
    assert_int_equal(recv(fd, hello, sizeof hello, MSG_WAITALL), sizeof hello);
    ig_welcome_encode(&(ig_welcome){.accepted = true, .rank = 1, .ranks = 2}, answer);
    assert_int_equal(send(fd, answer, sizeof answer, MSG_NOSIGNAL), sizeof answer);
    send_bad_frame(fd, i);
    ranks_wait(&j, 20);
    ranks_check(&j, j.codes[0] == 3 && strstr(j.text[0], "rank 0"));
    close(fd);
    close(listener);
  }
}

/* Every byte of a good hello changed to every value, and random bytes: decoded within its ranges,
 * or refused with a reason. */
static void test_decoders(void **state) {
  (void)state;
  unsigned char good[IG_HELLO_BYTES], bad[IG_HELLO_BYTES];
  char reason[IG_REASON_BYTES];
  ig_hello hello = {.kind = IG_LINK_CONNECTION, .rank = 3, .ranks = 8, .job = "j", .host = "h"},
           out;
  ig_hello_encode(&hello, good);
  assert_true(ig_hello_decode(good, &out, reason));
  assert_memory_equal(&hello, &out, sizeof out);
  uint32_t seed = 12345;
  for (int i = 0; i < IG_HELLO_BYTES * 256 + 20000; i++) {
    memcpy(bad, good, sizeof bad);
    if (i < IG_HELLO_BYTES * 256) {
      bad[i / 256] = (unsigned char)i;
    } else {
      for (int k = 8 + (int)(seed % 16); k < IG_HELLO_BYTES; k++)
        bad[k] = (unsigned char)((seed = seed * 1664525u + 1013904223u) >> 24);
    }
    reason[0] = '\0';
    if (ig_hello_decode(bad, &out, reason)) {
      assert_in_range(out.rank + 1, 0, IG_MAX_RANKS);
      assert_in_range(out.ranks, 0, IG_MAX_RANKS);
      assert_true(strlen(out.job) < IG_NAME_BYTES && strlen(out.host) < IG_NAME_BYTES);
    } else {
      assert_true(strlen(reason) > 0);
    }
    ig_welcome welcome;
    memcpy(bad, "ingot!\r\n", 8);
    if (ig_welcome_decode(bad, &welcome) && welcome.accepted)
      assert_true(welcome.rank >= 0 && welcome.rank < welcome.ranks);
  }
}

static void test_slurm_hosts(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"alone", "alone"},       {"a1,a2", "a1"},    {"node[007-009,12],other", "node007"},
      {"r[1-2]-ib,x", "r1-ib"}, {"gpu[3]", "gpu3"}, {"", NULL},
      {"node[", NULL},          {"node[]", NULL},   {"a[1-2]b[3-4]", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char host[256];
    ig_status status = ig_slurm_first_host(cases[i][0], host);
    assert_int_equal(status == IG_OK, cases[i][1] != NULL);
    if (status == IG_OK) assert_string_equal(host, cases[i][1]);
  }
}

/* srun's environment for two tasks of this machine. */
static void test_slurm(void **state) {
  (void)state;
  ranks j = {0};
  char id[16];
  snprintf(id, sizeof id, "%d", (int)getpid());
  setenv("SLURM_STEP_NUM_TASKS", "2", 1);
  setenv("SLURM_STEP_NODELIST", "127.0.0.1", 1);
  setenv("SLURM_JOB_ID", id, 1);
  for (int r = 0; r < 2; r++) {
    setenv("SLURM_PROCID", r == 0 ? "0" : "1", 1);
    ranks_add(&j, (char *const[]){DIST_WORKER, "sums", NULL});
  }
  unsetenv("SLURM_PROCID");
  ranks_wait(&j, 60);
  ranks_check(&j, j.codes[0] == 0 && j.codes[1] == 0);
  ranks_check(&j, strstr(j.text[0], "met at 127.0.0.1:2"));
}

/* mpirun's environment where its module cannot be had, and where MPI itself knows of no others. */
static void test_no_mpi(void **state) {
  (void)state;
  ranks j = {0};
  setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
  ranks_add(&j, (char *const[]){DIST_WORKER, "sums", NULL});
  setenv("IG_MPI_MODULE", "/nowhere/ingot_mpi.so", 1);
  ranks_add(&j, (char *const[]){DIST_WORKER, "sums", NULL});
  unsetenv("IG_MPI_MODULE");
  unsetenv("OMPI_COMM_WORLD_SIZE");
  ranks_wait(&j, 30);
  ranks_check(&j, j.codes[0] == 1 && strstr(j.text[0], HAS_MPI ? "of another MPI" : "has none"));
  ranks_check(&j,
              j.codes[1] == 1 && strstr(j.text[1], HAS_MPI ? "/nowhere/ingot_mpi.so" : "has none"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_nobody_there), cmocka_unit_test(test_others_do_not_come),
      cmocka_unit_test(test_strangers),    cmocka_unit_test(test_latecomer),
      cmocka_unit_test(test_rogue_rank),   cmocka_unit_test(test_rogue_rank_0),
      cmocka_unit_test(test_decoders),     cmocka_unit_test(test_slurm_hosts),
      cmocka_unit_test(test_slurm),        cmocka_unit_test(test_no_mpi),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
