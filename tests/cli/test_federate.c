/* Federations as people start them: a server and clients, each a process. Digits cut into shards; a client
 * killed in the middle of a round that comes back; too few; strangers at the port; MNIST with noise. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "program.h"
#include "free_port.h"

#include "dist/handshake.h"

#define DIGITS IG_SOURCE_DIR "/examples/digits/digits.h5"
#define RANKS 4
#define PATIENCE 60 /* seconds for anything to happen on busy cores */

typedef struct process {
  pid_t pid;
  char out[SCRATCH_PATH * 2], err[SCRATCH_PATH * 2];
} process;

static scratch place;
static char shards[RANKS][2 * SCRATCH_PATH];

/* Splits the digits once into three shards and a held-out part; shards[0] is the latter. */
static int make_shards(void **state) {
  (void)state;
  place = scratch_make();
  for (int i = 0; i < RANKS; i++) {
    snprintf(shards[i], sizeof shards[i], "%s/shard%d.h5", place.folder, i);
  }
  const char *ab = scratch_path(&place, "ab.h5"), *abc = scratch_path(&place, "abc.h5");
  assert_succeeded(RUN("data", "split", DIGITS, "--train", abc, "--test", shards[0], "--fraction",
                       "0.25", "--quiet"));
  assert_succeeded(RUN("data", "split", abc, "--train", ab, "--test", shards[3], "--fraction",
                       "0.2", "--quiet"));
  assert_succeeded(RUN("data", "split", ab, "--train", shards[1], "--test", shards[2], "--fraction",
                       "0.4", "--quiet"));
  return 0;
}

static int remove_shards(void **state) {
  (void)state;
  scratch_remove(&place);
  return 0;
}

static process start(const char *name, const char *const *arguments) {
  process p;
  const char *argv[PROGRAM_ARGS] = {INGOT, "federate"};
  snprintf(p.out, sizeof p.out, "%s/%s.out", place.folder, name);
  snprintf(p.err, sizeof p.err, "%s/%s.err", place.folder, name);
  for (int n = 0; arguments[n]; n++) argv[n + 2] = arguments[n];
  p.pid = fork();
  assert_true(p.pid >= 0);
  if (p.pid > 0) return p;
  int out = open(p.out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  int err = open(p.err, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  execv(INGOT, (char *const *)(uintptr_t)argv);
  _exit(127);
}
#define START(name, ...) start((name), (const char *const[]){__VA_ARGS__, "--threads", "1", NULL})

static process start_client(int rank, const char *address, const char *data) {
  char number[8], name[16];
  snprintf(number, sizeof number, "%d", rank);
  snprintf(name, sizeof name, "client%d", rank);
  return START(name, "--rank", number, "--ranks", "4", "--rendezvous", address, "--data", data);
}

static const char *text_of(const char *path) {
  static char text[1 << 20];
  FILE *file = fopen(path, "rb");
  size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
  text[n] = '\0';
  if (file) fclose(file);
  return text;
}

static void wait_a_little(void) {
  nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Waits until the file, after `skip` bytes, matches; returns its length then. */
static size_t wait_for(const char *path, size_t skip, const char *pattern) {
  for (double end = seconds() + PATIENCE; seconds() < end; wait_a_little()) {
    const char *text = text_of(path);
    size_t length = strlen(text);
    if (length >= skip && text_matches(text + skip, pattern)) return length;
  }
  fail_msg("'%s' did not come in\n%s", pattern, text_of(path) + skip);
  return 0;
}

/* The exit code, or 128 + n after signal n. */
static int finish(process *p) {
  int status;
  for (double end = seconds() + PATIENCE; seconds() < end; wait_a_little()) {
    pid_t found = waitpid(p->pid, &status, WNOHANG);
    if (found == p->pid) return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  kill(p->pid, SIGKILL);
  waitpid(p->pid, &status, 0);
  fail_msg("still running: %s%s", text_of(p->out), text_of(p->err));
  return -1;
}

static void expect_exit(process *p, int code) {
  int found = finish(p);
  if (found != code) {
    fprintf(stderr, "%s", text_of(p->out));
    fail_msg("exit %d, expected %d: %s", found, code, text_of(p->err));
  }
}

static double number_after(const char *text, const char *key) {
  const char *at = strstr(text, key);
  assert_non_null(at);
  return strtod(at + strlen(key), NULL);
}

static void make_address(char address[32]) {
  snprintf(address, 32, "127.0.0.1:%d", free_port());
}

/* --- tests ------------------------------------------------------------------------------------- */

/* The validation losses of a run, one after another. */
static int losses_of(const char *run, double losses[16]) {
  char path[SCRATCH_PATH * 2];
  snprintf(path, sizeof path, "%s/metrics.jsonl", run);
  const char *text = text_of(path);
  int n = 0;
  for (const char *at = text; (at = strstr(at, "\"val_loss\":")) && n < 16; at++) {
    losses[n++] = number_after(at, "\"val_loss\":");
  }
  return n;
}

/* Three clients learn digits that none of them has whole; masks change nothing, to the bit. */
static void test_digits(void **state) {
  (void)state;
  static const char *const ways[] = {"--secure", "--no-secure"};
  double losses[2][16];
  for (int way = 0; way < 2; way++) {
    char address[32];
    const char *run = scratch_path(&place, way ? "plain" : "secure");
    make_address(address);
    process server =
        START("server", "--rank", "0", "--ranks", "4", "--rendezvous", address, "--model", "mlp:32",
              "--val", shards[0], "--out", run, "--rounds", "6", "--lr", "0.1", "--batch", "16",
              "--local-epochs", "2", "--mu", "0.01", "--json", ways[way]);
    process clients[RANKS];
    for (int r = 1; r < RANKS; r++) clients[r] = start_client(r, address, shards[r]);
    expect_exit(&server, 0);
    for (int r = 1; r < RANKS; r++) expect_exit(&clients[r], 0);
    const char *result = text_of(server.out);
    assert_true(number_after(result, "\"rounds\": ") == 6);
    assert_true(number_after(result, "\"clients\": ") == 3);
    assert_true(number_after(strstr(result, "\"validation\""), "\"accuracy\": ") > 0.93);
    assert_int_equal(losses_of(run, losses[way]), 6);
    assert_true(text_matches(
        text_of(scratch_path(&place, way ? "plain/metrics.jsonl" : "secure/metrics.jsonl")),
        "\"round\":6,\"clients\":3,\"dropped\":0"));
  }
  assert_memory_equal(losses[0], losses[1], 6 * sizeof **losses);
}

/* Stopped for good in the middle of a round, whatever it was doing. */
static void kill_in_round(process *client) {
  assert_int_equal(kill(client->pid, SIGSTOP), 0);
  nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
  assert_int_equal(kill(client->pid, SIGKILL), 0);
}

static void test_clients_die(void **state) {
  (void)state;
  char address[32];
  const char *run = scratch_path(&place, "deaths");
  make_address(address);
  process server = START("server", "--rank", "0", "--ranks", "4", "--rendezvous", address,
                         "--model", "mlp:16", "--val", shards[0], "--out", run, "--rounds",
                         "1000000", "--join-timeout", "20", "--lr", "0.1", "--batch", "16");
  process clients[RANKS];
  for (int r = 1; r < RANKS; r++) clients[r] = start_client(r, address, shards[r]);
  size_t at = wait_for(server.out, 0, "^round 3 of 1000000: 3 clients, 0 left out");
  kill_in_round(&clients[3]);
  assert_int_equal(finish(&clients[3]), 128 + SIGKILL);
  at = wait_for(server.out, at, "^round [0-9]+: client 3 .* its connection ");
  at = wait_for(server.out, at, "^round [0-9]+ of 1000000: 2 clients, 0 left out");
  clients[3] = start_client(3, address, shards[3]);
  at = wait_for(server.out, at, "^client 3 .* is here");
  wait_for(server.out, at, "^round [0-9]+ of 1000000: 3 clients, 0 left out");
  /* Where the round can do without the two, the next cannot begin, which takes the join timeout. */
  kill(clients[2].pid, SIGSTOP);
  kill_in_round(&clients[3]);
  kill(clients[2].pid, SIGKILL);
  expect_exit(&server, 3);
  assert_true(text_matches(text_of(server.err),
                           "^ingot federate: round [0-9]+(: [01] of [23] clients are left|"
                           ": [01] clients are left to unmask| cannot begin: [01] clients)"));
  expect_exit(&clients[1], 3);
  assert_true(
      text_matches(text_of(clients[1].err), "the server ended the federation: round [0-9]+: "));
  finish(&clients[2]);
  finish(&clients[3]);
  assert_succeeded(
      RUN("eval", "--model", scratch_path(&place, "deaths"), "--data", shards[0], "--quiet"));
}

static int call(const char *address) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in name = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1))};
  for (double end = seconds() + PATIENCE; seconds() < end; wait_a_little()) {
    if (connect(fd, (struct sockaddr *)&name, sizeof name) == 0) return fd;
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM, 0);
  }
  fail_msg("nobody listens at %s", address);
  return -1;
}

/* Says a good hello as client 3, and then that a message of 2^64 - 1 bytes follows. */
static void boast(const char *address) {
  unsigned char hello[IG_HELLO_BYTES], answer[IG_WELCOME_BYTES], length[8];
  int fd = call(address);
  ig_hello_encode(
      &(ig_hello){.kind = IG_FEDERATION_CONNECTION, .rank = 3, .ranks = RANKS, .host = "nowhere"},
      hello);
  assert_true(write(fd, hello, sizeof hello) == (ssize_t)sizeof hello);
  assert_true(recv(fd, answer, sizeof answer, MSG_WAITALL) == (ssize_t)sizeof answer);
  memset(length, 0xff, sizeof length);
  assert_true(write(fd, length, sizeof length) == (ssize_t)sizeof length);
  while (recv(fd, answer, sizeof answer, 0) > 0) continue; /* the welcome, and the end */
  close(fd);
}

/* A stranger, one who says nothing, a second client 1, other settings: all refused, and the rest goes on.
 * The server has data of its own here, and so a client. */
static void test_strangers(void **state) {
  (void)state;
  char address[32], garbage[4096];
  const char *run = scratch_path(&place, "strangers");
  make_address(address);
  process server =
      START("server", "--rank", "0", "--ranks", "4", "--rendezvous", address, "--model", "mlp:16",
            "--data", shards[3], "--val", shards[0], "--out", run, "--rounds", "3", "--lr", "0.1");
  int silent = call(address), stranger = call(address);
  memset(garbage, 'x', sizeof garbage);
  assert_true(write(stranger, garbage, sizeof garbage) == (ssize_t)sizeof garbage);
  wait_for(server.out, 0,
           "^a connection from 127.0.0.1:[0-9]+ was refused: what it sent is not Ingot");
  boast(address);
  wait_for(server.out, 0,
           "^client 3 .nowhere.: it announced a message of 18446744073709551615 bytes");
  process client1 = start_client(1, address, shards[1]);
  wait_for(server.out, 0, "^client 1 .* is here");
  process twin = start_client(1, address, shards[1]);
  expect_exit(&twin, 3);
  assert_true(
      text_matches(text_of(twin.err), "refused this process: rank 1 of 4 is connected already"));
  process other = START("other", "--rank", "2", "--ranks", "4", "--rendezvous", address, "--data",
                        shards[2], "--lr", "0.2");
  expect_exit(&other, 2);
  assert_true(
      text_matches(text_of(other.err), "^ingot federate: --lr: 0.2 here, 0.1 at the server"));
  process client2 = start_client(2, address, shards[2]),
          client3 = start_client(3, address, shards[3]);
  expect_exit(&server, 0);
  expect_exit(&client1, 0);
  expect_exit(&client2, 0);
  expect_exit(&client3, 0);
  assert_true(text_matches(text_of(server.out), "^round 3 of 3: 4 clients, 0 left out"));
  close(silent);
  close(stranger);
}

/* Epsilon of three rounds with noise 1 at delta 1e-5 by dp-accounting 0.6 (tests/golden/epsilon.py's way):
 * 9.00988. */
static void test_mnist_with_noise(void **state) {
  (void)state;
  const char *folder = getenv("INGOT_DATA");
  char data[SCRATCH_PATH], train[SCRATCH_PATH * 2], address[32];
  snprintf(data, sizeof data, "%s/mnist", folder ? folder : IG_SOURCE_DIR "/../shared/data");
  if (access(data, R_OK) != 0) {
    print_message("skipped: %s is not there\n", data);
    skip();
  }
  snprintf(train, sizeof train, "%s:test", data);
  const char *rest = train;
  static char parts[RANKS + 1][SCRATCH_PATH * 2];
  for (int i = 0; i < RANKS; i++) { /* of the 10,000: held out, and three unequal shards */
    static const char *const fractions[] = {"0.1", "0.2", "0.3", "0.4"};
    snprintf(parts[i], sizeof parts[i], "%s/mnist%d.h5", place.folder, i);
    static char left[2][SCRATCH_PATH * 2];
    snprintf(left[i % 2], sizeof left[0], "%s/left%d.h5", place.folder, i);
    assert_succeeded(RUN("data", "split", rest, "--train", left[i % 2], "--test", parts[i],
                         "--fraction", fractions[i], "--quiet"));
    rest = left[i % 2];
  }
  make_address(address);
  process server =
      START("server", "--rank", "0", "--ranks", "4", "--rendezvous", address, "--model", "mlp:32",
            "--val", parts[0], "--out", scratch_path(&place, "noisy"), "--rounds", "3", "--lr",
            "0.1", "--weights", "equal", "--update-clip", "20", "--noise", "1", "--json");
  process clients[RANKS];
  for (int r = 1; r < RANKS; r++) clients[r] = start_client(r, address, parts[r]);
  expect_exit(&server, 0);
  for (int r = 1; r < RANKS; r++) expect_exit(&clients[r], 0);
  double epsilon = number_after(text_of(server.out), "\"epsilon\": ");
  assert_true(epsilon > 9.0098 && epsilon < 9.0099);
  assert_true(
      text_matches(text_of(server.err), "round 3 of 3: .* epsilon 9\\.0[0-9]+ at delta 1e-05"));
  /* What noise hides is not told by other ways. */
  assert_false(text_matches(text_of(scratch_path(&place, "noisy/metrics.jsonl")), "\"loss\":"));
}

/* Three rounds and three more are six: parameters, momentum and epsilon go on. */
static void test_resume(void **state) {
  (void)state;
  static const char *const rounds[] = {"3", "6", "6"}, *const runs[] = {"parts", "parts", "whole"};
  double epsilon[3];
  for (int part = 0; part < 3; part++) {
    char address[32];
    make_address(address);
    process server =
        START("server", "--rank", "0", "--ranks", "4", "--rendezvous", address, "--model", "mlp:16",
              "--val", shards[0], "--out", scratch_path(&place, runs[part]), "--rounds",
              rounds[part], "--weights", "equal", "--update-clip", "1", "--noise", "4",
              "--server-momentum", "0.5", "--resume", "--json");
    process clients[RANKS];
    for (int r = 1; r < RANKS; r++) clients[r] = start_client(r, address, shards[r]);
    expect_exit(&server, 0);
    for (int r = 1; r < RANKS; r++) expect_exit(&clients[r], 0);
    epsilon[part] = number_after(text_of(server.out), "\"epsilon\": ");
    assert_true(number_after(text_of(server.out), "\"rounds\": ") == atoi(rounds[part]));
  }
  assert_true(epsilon[0] < epsilon[1] && epsilon[1] == epsilon[2]);
  double losses[16];
  assert_int_equal(losses_of(scratch_path(&place, "parts"), losses), 6);
}

/* A signal ends the server with a checkpoint, and clients with a reason, whatever they were doing. */
static void test_signal(void **state) {
  (void)state;
  char address[32];
  make_address(address);
  process server =
      START("server", "--rank", "0", "--ranks", "4", "--rendezvous", address, "--model", "mlp:16",
            "--val", shards[0], "--out", scratch_path(&place, "signal"), "--rounds", "1000000");
  process clients[RANKS];
  for (int r = 1; r < RANKS; r++) clients[r] = start_client(r, address, shards[r]);
  wait_for(server.out, 0, "^round 2 of 1000000: 3 clients");
  kill(server.pid, SIGTERM);
  expect_exit(&server, 128 + SIGTERM);
  for (int r = 1; r < RANKS; r++) {
    expect_exit(&clients[r], 3);
    assert_true(text_matches(text_of(clients[r].err),
                             "the server ended the federation: stopped by signal 15"));
  }
  assert_int_equal(access(scratch_path(&place, "signal/latest.h5"), R_OK), 0);
}

static void test_usage(void **state) {
  (void)state;
  assert_refused(RUN("federate", "--data", DIGITS), 2, "needs --rank, --ranks and --rendezvous");
  assert_refused(RUN("federate", "--rank", "0", "--ranks", "1", "--rendezvous", "localhost:1"), 2,
                 "expected a rank below 2 to");
  assert_refused(RUN("federate", "--rank", "0", "--ranks", "3", "--rendezvous", "localhost:1"), 2,
                 "--model is needed");
  assert_refused(RUN("federate", "--rank", "0", "--ranks", "3", "--rendezvous", "localhost:1",
                     "--model", "mlp:8", "--out", scratch_path(&place, "none")),
                 2, "the server needs --val, or --data of its own");
  assert_refused(RUN("federate", "--rank", "0", "--ranks", "3", "--rendezvous", "localhost:1",
                     "--model", "mlp:8", "--val", DIGITS, "--out", scratch_path(&place, "none"),
                     "--noise", "1"),
                 2, "--noise is a multiple of --update-clip");
  assert_refused(RUN("federate", "--rank", "1", "--ranks", "3", "--rendezvous", "127.0.0.1:1",
                     "--data", DIGITS, "--join-timeout", "0.2"),
                 3, "was not reached within");
}

int main(void) {
  unsetenv("OMPI_COMM_WORLD_RANK");
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_usage),
      cmocka_unit_test(test_digits),
      cmocka_unit_test(test_clients_die),
      cmocka_unit_test(test_strangers),
      cmocka_unit_test(test_resume),
      cmocka_unit_test(test_signal),
      cmocka_unit_test(test_mnist_with_noise),
  };
  return cmocka_run_group_tests(tests, make_shards, remove_shards);
}
