/* Tensor names as HDF5 paths and back, and the fields of /progress. The invariant: decoding an
 * encoded name gives the name, and two tensors of a snapshot never share a path. */
#include "formats/checkpoint_layout.h"

#include <string.h>

#define MAX_COMPONENTS 16

const char *ig_checkpoint_group(ig_tensor_role role) {
  switch (role) {
  case IG_ROLE_OPTIMIZER: return "/optimizer";
  case IG_ROLE_EMA: return "/ema";
  default: return "/parameters";
  }
}

/* What the names of a role begin with; the group says it already. */
static const char *prefix_of(ig_tensor_role role) {
  switch (role) {
  case IG_ROLE_OPTIMIZER: return "optimizer.";
  case IG_ROLE_EMA: return "ema.";
  default: return "";
  }
}

/* Whether a tensor of the same group is called like the first `length` bytes of `name`. */
static bool folder_taken(const ig_snapshot *snapshot, ig_tensor_role role, const char *name,
                         size_t length) {
  char folder[IG_CHECKPOINT_NAME + 1];
  memcpy(folder, name, length);
  folder[length] = '\0';
  if (ig_snapshot_find(snapshot, role, folder)) return true;
  if (role == IG_ROLE_PARAMETER) return ig_snapshot_find(snapshot, IG_ROLE_STATE, folder);
  if (role == IG_ROLE_STATE) return ig_snapshot_find(snapshot, IG_ROLE_PARAMETER, folder);
  return false;
}

static bool must_be_flat(const ig_snapshot *snapshot, const ig_tensor *tensor) {
  int components = 1;
  for (const char *c = tensor->name; *c; c++) {
    if (*c != '/') continue;
    if (++components > MAX_COMPONENTS) return true;
    size_t length = (size_t)(c - tensor->name);
    if (folder_taken(snapshot, tensor->role, tensor->name, length)) return true;
  }
  return false;
}

static ig_status check_length(const char *name) {
  IG_CHECK(strlen(name) <= IG_CHECKPOINT_NAME, IG_ERR_INPUT,
           "the tensor name %.40s... has %zu bytes; a checkpoint holds names of at most %d", name,
           strlen(name), IG_CHECKPOINT_NAME);
  return IG_OK;
}

static void encode(const char *name, bool flat, char *path) {
  size_t used = 0;
  for (const char *at = name;;) {
    size_t n = flat ? strlen(at) : strcspn(at, "/");
    if (n == 0) {
      memcpy(path + used, "%_", 2);
      used += 2;
    }
    for (size_t i = 0; i < n; i++) {
      const char *escape = at[i] == '%' ? "%25" : at[i] == '/' ? "%2F" : NULL;
      if (n == 1 && at[i] == '.') escape = "%2E";
      if (escape) {
        memcpy(path + used, escape, 3);
        used += 3;
      } else {
        path[used++] = at[i];
      }
    }
    if (at[n] == '\0') break;
    path[used++] = '/';
    at += n + 1;
  }
  path[used] = '\0';
}

ig_status ig_checkpoint_encode(const ig_snapshot *snapshot, const ig_tensor *tensor,
                               char path[IG_CHECKPOINT_PATH]) {
  const char *prefix = prefix_of(tensor->role);
  IG_TRY(check_length(tensor->name));
  IG_CHECK(strncmp(tensor->name, prefix, strlen(prefix)) == 0, IG_ERR_INPUT,
           "the tensor name %s does not begin with \"%s\", as those in %s do", tensor->name, prefix,
           ig_checkpoint_group(tensor->role));
  encode(tensor->name + strlen(prefix), must_be_flat(snapshot, tensor), path);
  return IG_OK;
}

ig_status ig_checkpoint_encode_flat(const char *name, char path[IG_CHECKPOINT_PATH]) {
  IG_TRY(check_length(name));
  encode(name, true, path);
  return IG_OK;
}

ig_status ig_checkpoint_decode(ig_tensor_role role, const char *path,
                               char name[IG_CHECKPOINT_NAME + 1]) {
  size_t used = strlen(prefix_of(role));
  memcpy(name, prefix_of(role), used);
  for (const char *at = path; *at;) {
    char c = *at++;
    if (c == '%') {
      if (at[0] == '_') {
        at++;
        continue;
      }
      if (strncmp(at, "25", 2) == 0) {
        c = '%';
      } else if (strncmp(at, "2E", 2) == 0) {
        c = '.';
      } else if (strncmp(at, "2F", 2) == 0) {
        c = '/';
      } else {
        return ig_fail(IG_ERR_INPUT, "the name %s has an unknown escape", path);
      }
      at += 2;
    }
    IG_CHECK(used < IG_CHECKPOINT_NAME, IG_ERR_INPUT, "the name %.40s... is longer than %d bytes",
             path, IG_CHECKPOINT_NAME);
    name[used++] = c;
  }
  name[used] = '\0';
  return IG_OK;
}

#define FIELD(member, kind_)                                                                       \
  { #member, offsetof(ig_progress, member), kind_ }

const ig_progress_field ig_progress_fields[] = {
    FIELD(epoch, 'i'),       FIELD(step, 'i'),        FIELD(epoch_samples, 'i'),
    FIELD(seed, 'u'),        FIELD(best_metric, 'f'), FIELD(best_step, 'i'),
    FIELD(stale_evals, 'i'), FIELD(seconds, 'f'),     {NULL},
};

hid_t ig_progress_type(char kind) {
  if (kind == 'u') return H5T_STD_U64LE;
  return kind == 'f' ? H5T_IEEE_F64LE : H5T_STD_I64LE;
}
