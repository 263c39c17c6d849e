/* Stands for the files of cuDNN in a build without it. */
#include "kernels/lib/cuda/cudnn.h"

static ig_status absent(void) {
  return ig_fail(IG_ERR_UNSUPPORTED, "this build has no cuDNN");
}

ig_status ig_cudnn_conv_create(const ig_conv *spec, ig_cudnn_way way, ig_cudnn_conv **out) {
  IG_UNUSED(spec);
  IG_UNUSED(way);
  *out = NULL;
  return absent();
}

void ig_cudnn_conv_destroy(ig_cudnn_conv *conv) {
  IG_UNUSED(conv);
}

size_t ig_cudnn_conv_workspace(const ig_cudnn_conv *conv) {
  IG_UNUSED(conv);
  return 0;
}

ig_status ig_cudnn_conv_run(const ig_cudnn_conv *conv, const void *first, const void *second,
                            void *out, void *workspace, void *stream) {
  IG_UNUSED(conv);
  IG_UNUSED(first);
  IG_UNUSED(second);
  IG_UNUSED(out);
  IG_UNUSED(workspace);
  IG_UNUSED(stream);
  return absent();
}
