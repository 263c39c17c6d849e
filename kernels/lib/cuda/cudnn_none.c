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

ig_status ig_cudnn_attention_create(const ig_attention *a, ig_cudnn_attention **out) {
  IG_UNUSED(a);
  *out = NULL;
  return absent();
}

void ig_cudnn_attention_destroy(ig_cudnn_attention *attention) {
  IG_UNUSED(attention);
}

size_t ig_cudnn_attention_workspace(const ig_cudnn_attention *attention) {
  IG_UNUSED(attention);
  return 0;
}

ig_status ig_cudnn_attention_run(const ig_cudnn_attention *attention, const ig_attention_inputs *in,
                                 void *y, float *lse, void *workspace, void *stream) {
  IG_UNUSED(attention);
  IG_UNUSED(in);
  IG_UNUSED(y);
  IG_UNUSED(lse);
  IG_UNUSED(workspace);
  IG_UNUSED(stream);
  return absent();
}

ig_status ig_cudnn_attention_grad_create(const ig_attention *a, ig_cudnn_attention **out) {
  IG_UNUSED(a);
  *out = NULL;
  return absent();
}

ig_status ig_cudnn_attention_grad_run(const ig_cudnn_attention *attention,
                                      const ig_attention_inputs *in, const void *y,
                                      const float *lse, const void *dy,
                                      const ig_attention_inputs *out, void *workspace,
                                      void *stream) {
  IG_UNUSED(attention);
  IG_UNUSED(in);
  IG_UNUSED(y);
  IG_UNUSED(lse);
  IG_UNUSED(dy);
  IG_UNUSED(out);
  IG_UNUSED(workspace);
  IG_UNUSED(stream);
  return absent();
}
