/* What a fuzz target is made of: a file fuzz_<what>.c that defines LLVMFuzzerTestOneInput, and
 * make_seeds, which gives the inputs to start from. With FUZZ_SEEDS set to a folder, the program
 * writes those there and ends. */
#ifndef IG_TESTS_FUZZ_SEEDS_H
#define IG_TESTS_FUZZ_SEEDS_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Defined by the target. */
void make_seeds(void);
/* For make_seeds: one input. */
void seed(const void *bytes, size_t size);
void seed_text(const char *text);
/* The content of a file of the source tree, such as "tests/formats/golden/set.h5". */
void seed_file(const char *path);

#endif
