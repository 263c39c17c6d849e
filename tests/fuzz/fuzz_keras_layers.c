/* Weights of Keras in sound HDF5 files that hold what Keras would not write: random bytes seldom get past
 * HDF5's own checks, so the input is a text from which the library writes the file, a line an object:
 *   D PATH TYPE DIMENSION...        a dataset; TYPE is f, d, h, i, or z for deflated floats
 *   A GROUP NAME KIND TEXT...       an attribute of strings; KIND is v for variable length, or f
 *   L PATH TARGET                   a soft link */
#include "keras_target.h"

#include "formats/hdf5.h"

#define MOST_WORDS 24
#define MOST_ELEMENTS 65536 /* a larger one is declared, and not written */

static hid_t with_parents(void) {
  hid_t list = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(list, 1);
  return list;
}

static hid_t element_type(char letter) {
  switch (letter) {
  case 'd': return H5T_IEEE_F64BE;
  case 'i': return H5T_STD_I32LE;
  case 'h': return H5T_STD_U16LE;
  default: return H5T_IEEE_F32LE;
  }
}

static void put_dataset(hid_t file, char **words, int n) {
  hsize_t dims[MOST_WORDS], chunk[MOST_WORDS], total = 1;
  int rank = n - 3;
  if (rank < 0) return;
  for (int i = 0; i < rank; i++) {
    dims[i] = strtoul(words[3 + i], NULL, 10) & 0xffffff;
    chunk[i] = dims[i] ? 1 : 0;
    total = total > MOST_ELEMENTS ? total : total * dims[i];
  }
  bool deflated = words[2][0] == 'z' && rank > 0 && total > 0;
  if (total <= MOST_ELEMENTS) memcpy(chunk, dims, sizeof chunk);
  hid_t type = element_type(words[2][0]), space = H5Screate_simple(rank, dims, NULL);
  hid_t parents = with_parents(), how = H5Pcreate(H5P_DATASET_CREATE);
  if (deflated || total > MOST_ELEMENTS) H5Pset_chunk(how, rank, chunk);
  if (deflated) H5Pset_deflate(how, 6);
  hid_t set = H5Dcreate2(file, words[1], type, space, parents, how, H5P_DEFAULT);
  if (set >= 0 && total <= MOST_ELEMENTS) {
    static const float values[MOST_ELEMENTS] = {1.0F, -2.0F, 3.5F};
    H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
  }
  if (set >= 0) H5Dclose(set);
  H5Pclose(how);
  H5Pclose(parents);
  if (space >= 0) H5Sclose(space);
}

static void put_texts(hid_t file, char **words, int n) {
  if (n < 4) return;
  bool variable = words[3][0] == 'v';
  hsize_t count = (hsize_t)(n - 4);
  char fixed[MOST_WORDS][64] = {{0}};
  for (int i = 4; i < n && !variable; i++) snprintf(fixed[i - 4], sizeof fixed[0], "%.63s", words[i]);
  hid_t parents = with_parents(), type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, variable ? H5T_VARIABLE : sizeof fixed[0]);
  hid_t group = H5Gopen2(file, words[1], H5P_DEFAULT);
  if (group < 0) group = H5Gcreate2(file, words[1], parents, H5P_DEFAULT, H5P_DEFAULT);
  hid_t space = H5Screate_simple(1, &count, NULL);
  if (group >= 0 && space >= 0) {
    hid_t attribute = H5Acreate2(group, words[2], type, space, H5P_DEFAULT, H5P_DEFAULT);
    const void *from = variable ? (const void *)(words + 4) : fixed;
    if (attribute >= 0 && count > 0) H5Awrite(attribute, type, from);
    if (attribute >= 0) H5Aclose(attribute);
  }
  if (space >= 0) H5Sclose(space);
  if (group >= 0) H5Gclose(group);
  H5Tclose(type);
  H5Pclose(parents);
}

static void put_link(hid_t file, char **words, int n) {
  if (n < 3) return;
  hid_t parents = with_parents();
  H5Lcreate_soft(words[2], file, words[1], parents, H5P_DEFAULT);
  H5Pclose(parents);
}

static void put_line(hid_t file, char *line) {
  char *words[MOST_WORDS], *rest = NULL;
  int n = 0;
  for (char *w = strtok_r(line, " ", &rest); w && n < MOST_WORDS; w = strtok_r(NULL, " ", &rest)) {
    words[n++] = w;
  }
  if (n < 2) return;
  if (words[0][0] == 'D') put_dataset(file, words, n);
  if (words[0][0] == 'A') put_texts(file, words, n);
  if (words[0][0] == 'L') put_link(file, words, n);
}

static void write_file(const char *path, int fd, char *text) {
  char *rest = NULL;
  int lines = 0;
  ig_h5_file *file = NULL;
  if (ig_h5_create(path, fd, &file) != IG_OK) abort();
  ig_h5_enter();
  for (char *l = strtok_r(text, "\n", &rest); l && lines++ < 64; l = strtok_r(NULL, "\n", &rest)) {
    put_line(file->id, l);
  }
  H5Eclear2(H5E_DEFAULT);
  ig_h5_leave();
  if (ig_h5_finish(file) != IG_OK) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[64], *text = malloc(size + 1);
  if (!text) abort();
  memcpy(text, data, size);
  text[size] = '\0';
  int fd = memory_file(path);
  write_file(path, dup(fd), text);
  load_keras(path);
  close(fd);
  free(text);
  return 0;
}

void make_seeds(void) {
  seed_text("A / layer_names v conv2d conv2d_1 hidden head\n"
            "A /conv2d weight_names v conv2d/kernel:0 conv2d/bias:0\n"
            "A /conv2d_1 weight_names v conv2d_1/kernel:0 conv2d_1/bias:0\n"
            "A /hidden weight_names f hidden/kernel:0 hidden/bias:0\n"
            "A /head weight_names f head/kernel:0 head/bias:0\n"
            "D /conv2d/conv2d/kernel:0 f 3 3 1 2\nD /conv2d/conv2d/bias:0 f 2\n"
            "D /conv2d_1/conv2d_1/kernel:0 d 3 3 2 4\nD /conv2d_1/conv2d_1/bias:0 z 4\n"
            "D /hidden/hidden/kernel:0 z 36 4\nD /hidden/hidden/bias:0 f 4\n"
            "D /head/head/kernel:0 f 4 3\nD /head/head/bias:0 f 3\n");
  seed_text("D layers/conv2d/vars/0 f 3 3 1 2\nD layers/conv2d/vars/1 f 2\n"
            "D layers/conv2d_1/vars/0 f 3 3 2 4\nD layers/conv2d_1/vars/1 f 4\n"
            "D layers/dense/vars/0 f 36 4\nD layers/dense/vars/1 f 4\n"
            "D layers/dense_1/vars/0 f 4 3\nD layers/dense_1/vars/1 f 3\nD optimizer/vars/0 i\n");
  seed_text("A /model_weights layer_names f a\nA /model_weights/a weight_names v a/gamma:0 a/beta:0\n"
            "D /model_weights/a/a/gamma:0 f 4\nL /model_weights/a/a/beta:0 /model_weights/a/a/gamma:0\n");
  seed_text("D layers/a/vars/0 z 9999999 9999999\nD layers/b/vars/0 h 0 3\nD layers/c/vars/0 f\n");
}
