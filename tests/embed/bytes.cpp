// The C interface from C++: samples come as bytes on stdin, and outputs leave as bytes on stdout, all of
// them in one batch. It is built against an installed Ingot, without its sources.
#include <ingot.h>

#include <cstdio>
#include <cstring>
#include <vector>

static int failed(const char *what) {
  std::fprintf(stderr, "bytes: %s: %s\n", what, ig_last_error());
  return 1;
}

int main(int argc, char **argv) {
  ig_model *model = nullptr;
  if (argc != 2 || ig_model_open(argv[1], nullptr, &model) != IG_OK) return failed("open");
  ig_tensor_info x, y;
  if (ig_model_input_count(model) != 1 || ig_model_input(model, 0, &x) != IG_OK) return failed("x");
  if (ig_model_output_count(model) != 1 || ig_model_output(model, 0, &y) != IG_OK) return failed("y");
  std::vector<char> in, out;
  for (int c; (c = std::getchar()) != EOF;) in.push_back(static_cast<char>(c));
  const std::size_t batch = in.size() / x.sample_bytes;
  out.resize(batch * y.sample_bytes);
  const void *inputs[] = {in.data()};
  void *outputs[] = {out.data()};
  if (ig_model_run(model, static_cast<int64_t>(batch), inputs, outputs) != IG_OK) return failed("run");
  ig_model_close(model);
  return std::fwrite(out.data(), 1, out.size(), stdout) == out.size() ? 0 : failed("write");
}
