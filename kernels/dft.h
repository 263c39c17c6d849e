/* Discrete Fourier transforms of any length, in double. Numbers are complex, real and imaginary parts side
 * by side. */
#ifndef IG_KERNELS_DFT_H
#define IG_KERNELS_DFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Doubles that a transform of `n` numbers (1 to 2^40) needs for tables and scratch. */
size_t ig_dft_tables(int64_t n);
void ig_dft_prepare(int64_t n, double *tables);
/* x[k] = sum over j of x[j] exp(-+ 2 pi i j k / n), in place; + for `inverse`, which does not divide. */
void ig_dft_run(int64_t n, bool inverse, double *x, double *tables);

#endif
