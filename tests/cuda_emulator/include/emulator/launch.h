/* Launches and shared memory: the emulator's meaning of IG_LAUNCH, IG_SHARED and
 * IG_DYNAMIC_SHARED. */
#ifndef IG_EMULATOR_LAUNCH_H
#define IG_EMULATOR_LAUNCH_H

#include "emulator/emulator.h"

/* The kernel and its arguments, of the kernel's types; copied byte by byte, as a device's are. */
template <class... P> struct ig_emu_closure {
  void (*kernel)(P...);
  std::tuple<std::decay_t<P>...> arguments;
};

/* One thread. An exception ends here, since no caller on the thread's stack could catch it. */
template <class... P> static const char *ig_emu_call(const void *at) {
  const ig_emu_closure<P...> &closure = *static_cast<const ig_emu_closure<P...> *>(at);
  try {
    std::apply(closure.kernel, closure.arguments);
    return nullptr;
  } catch (const std::exception &exception) {
    static char text[256];
    snprintf(text, sizeof text, "%s", exception.what());
    return text;
  } catch (...) {
    return "something that is no std::exception";
  }
}

template <class... P> struct ig_emu_configured {
  const char *name;
  void (*kernel)(P...);
  dim3 grid, block;
  size_t shared;
  cudaStream_t stream;

  template <class... A> cudaError_t operator()(A &&...arguments) const {
    static_assert(sizeof...(A) == sizeof...(P), "the kernel takes another number of arguments");
    static_assert((std::is_trivially_copy_constructible_v<std::decay_t<P>> && ...),
                  "a kernel's arguments are copied as bytes");
    ig_emu_closure<P...> closure = {
        kernel, std::tuple<std::decay_t<P>...>(static_cast<P>(std::forward<A>(arguments))...)};
    ig_emu_kernel launched = {name, reinterpret_cast<const void *>(kernel), ig_emu_call<P...>,
                              &closure, sizeof closure};
    return ig_emu_launch(&launched, grid, block, shared, stream);
  }
};

template <class... P>
static inline ig_emu_configured<P...> ig_emu_configure(const char *name, void (*kernel)(P...),
                                                       dim3 grid, dim3 block, size_t shared,
                                                       cudaStream_t stream) {
  return {name, kernel, grid, block, shared, stream};
}

#define IG_LAUNCH(kernel, grid, block, bytes, stream, ...)                                         \
  ig_cuda_status(ig_emu_configure(#kernel, kernel, (grid), (block), (bytes),                       \
                                  (cudaStream_t)(stream))(__VA_ARGS__),                            \
                 #kernel)

/* A function's static site is one per instance of a template, as the device's object is. */
#define IG_SHARED(type, name, extents)                                                             \
  typedef type name##_in_shared extents;                                                           \
  static ig_emu_site name##_site;                                                                  \
  name##_in_shared &name = *static_cast<name##_in_shared *>(                                       \
      name##_site.generation == ig_emu_generation                                                  \
          ? name##_site.object                                                                     \
          : ig_emu_new_shared(&name##_site, sizeof(name##_in_shared), alignof(name##_in_shared),   \
                              #name))

#define IG_DYNAMIC_SHARED(type, name) type *name = static_cast<type *>(ig_emu_dynamic_shared())

#endif
