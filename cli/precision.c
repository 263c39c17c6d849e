/* Where tensor cores or 16-bit instructions are missing the option is obeyed all the same, since its
 * rounding may be what is asked for; but nobody should wait for a speed that does not come. */
#include "cli/precision.h"

#include "engine/passes/pass.h"

void ig_warn_of_precision(const ig_cli *cli, const char *precision, const ig_backend *backend) {
  ig_precision asked = ig_precision_parse(precision);
  ig_device device = backend->vtable->device;
  if (asked == IG_PRECISION_TF32 && device == IG_CPU) {
    ig_warn(cli, "--precision tf32: products on the CPU are in f32");
  } else if (!ig_mixed_precision_pays(device, ig_precision_dtype(asked))) {
    ig_warn(cli, "--precision %s: this processor lacks such products; f32 is as fast or faster",
            precision);
  }
}
