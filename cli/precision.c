/* Where tensor cores or 16-bit instructions are missing the option is obeyed all the same, since its
 * rounding may be what is asked for; but nobody should wait for a speed that does not come. */
#include "cli/precision.h"

#include "engine/passes/pass.h"

ig_status ig_check_precision(const char *precision, bool training, const ig_backend *backend) {
  if (ig_precision_parse(precision) != IG_PRECISION_FP8) return IG_OK;
  IG_CHECK(training, IG_ERR_USAGE, "precision: fp8 is for training; bf16 is what evaluates such models");
  return ig_backend_check_fp8(backend);
}

void ig_warn_of_precision(const ig_cli *cli, const char *precision, const ig_backend *backend) {
  ig_precision asked = ig_precision_parse(precision);
  ig_device device = backend->vtable->device;
  if (asked == IG_PRECISION_TF32 && device == IG_CPU) {
    ig_warn(cli, "--precision tf32: products on the CPU are in f32");
  } else if (asked == IG_PRECISION_FP8 && device == IG_CPU) {
    ig_warn(cli, "--precision fp8: the CPU rounds to 8 bits and multiplies in f32, slower than f32");
  } else if (!ig_mixed_precision_pays(device, ig_precision_dtype(asked))) {
    ig_warn(cli, "--precision %s: this processor lacks such products; f32 is as fast or faster",
            precision);
  }
}
