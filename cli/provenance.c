/* Where a run came from. The commit is the one that the build was configured at. */
#include "cli/provenance.h"

#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "formats/libraries.h"

#ifndef IG_COMMIT
#define IG_COMMIT "unknown"
#endif

static json_t *command_json(const ig_cli *cli) {
  json_t *words = json_array();
  for (int i = 0; i < cli->argc; i++) {
    json_t *word = json_string(cli->argv[i]);
    json_array_append_new(words, word ? word : json_string("?")); /* not UTF-8 */
  }
  return words;
}

const char *ig_build_commit(void) { return IG_COMMIT; }

json_t *ig_provenance_json(const ig_cli *cli) {
  json_t *object = json_object();
  if (!object) return NULL;
  char text[256];
  struct utsname system;
  time_t now = time(NULL);
  struct tm utc;
  json_object_set_new(object, "ingot", json_string(ig_version()));
  json_object_set_new(object, "commit", json_string(IG_COMMIT));
  json_object_set_new(object, "command", command_json(cli));
  if (gethostname(text, sizeof text) == 0) {
    text[sizeof text - 1] = '\0';
    json_object_set_new(object, "host", json_string(text));
  }
  if (uname(&system) == 0) {
    snprintf(text, sizeof text, "%s %s %s", system.sysname, system.release, system.machine);
    json_object_set_new(object, "system", json_string(text));
  }
  json_object_set_new(object, "processors", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
  json_object_set_new(object, "compiler", json_string(__VERSION__));
  ig_format_libraries(text, sizeof text);
  json_object_set_new(object, "libraries", json_string(text));
  json_object_set_new(object, "world_size", json_integer(cli->ranks));
  if (cli->comm) {
    json_object_set_new(object, "machines", json_integer(cli->comm->n_nodes));
    json_object_set_new(object, "transport", json_string(cli->comm->description));
  }
  if (gmtime_r(&now, &utc) && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc) > 0) {
    json_object_set_new(object, "started", json_string(text));
  }
  return object;
}
