/* The short vectors that CUDA has built in, with its alignments, for C and C++. */
#ifndef IG_EMULATED_VECTOR_TYPES_H
#define IG_EMULATED_VECTOR_TYPES_H

#define IG_EMU_VECTOR1(name, type)                                                                 \
  struct name##1 {                                                                                 \
    type x;                                                                                        \
  };                                                                                               \
  typedef struct name##1 name##1;
#define IG_EMU_VECTOR2(name, type)                                                                 \
  struct __attribute__((aligned(2 * sizeof(type)))) name##2 {                                      \
    type x, y;                                                                                     \
  };                                                                                               \
  typedef struct name##2 name##2;
#define IG_EMU_VECTOR3(name, type)                                                                 \
  struct name##3 {                                                                                 \
    type x, y, z;                                                                                  \
  };                                                                                               \
  typedef struct name##3 name##3;
#define IG_EMU_VECTOR4(name, type)                                                                 \
  struct __attribute__((aligned(4 * sizeof(type) < 16 ? 4 * sizeof(type) : 16))) name##4 {         \
    type x, y, z, w;                                                                               \
  };                                                                                               \
  typedef struct name##4 name##4;
#define IG_EMU_VECTORS(name, type)                                                                 \
  IG_EMU_VECTOR1(name, type)                                                                       \
  IG_EMU_VECTOR2(name, type) IG_EMU_VECTOR3(name, type) IG_EMU_VECTOR4(name, type)

IG_EMU_VECTORS(char, signed char)
IG_EMU_VECTORS(uchar, unsigned char)
IG_EMU_VECTORS(short, short)
IG_EMU_VECTORS(ushort, unsigned short)
IG_EMU_VECTORS(int, int)
IG_EMU_VECTORS(uint, unsigned int)
IG_EMU_VECTORS(longlong, long long int)
IG_EMU_VECTORS(ulonglong, unsigned long long int)
IG_EMU_VECTORS(float, float)
IG_EMU_VECTORS(double, double)

struct dim3 {
  unsigned int x, y, z;
#ifdef __cplusplus
  constexpr dim3(unsigned int x_ = 1, unsigned int y_ = 1, unsigned int z_ = 1)
      : x(x_), y(y_), z(z_) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
#endif
};
typedef struct dim3 dim3;

#ifdef __cplusplus
#define IG_EMU_MAKE(name, type)                                                                    \
  static inline name##1 make_##name##1(type x) { return name##1{x}; }                              \
  static inline name##2 make_##name##2(type x, type y) { return name##2{x, y}; }                   \
  static inline name##3 make_##name##3(type x, type y, type z) { return name##3{x, y, z}; }        \
  static inline name##4 make_##name##4(type x, type y, type z, type w) {                           \
    return name##4{x, y, z, w};                                                                    \
  }
IG_EMU_MAKE(char, signed char)
IG_EMU_MAKE(uchar, unsigned char)
IG_EMU_MAKE(short, short)
IG_EMU_MAKE(ushort, unsigned short)
IG_EMU_MAKE(int, int)
IG_EMU_MAKE(uint, unsigned int)
IG_EMU_MAKE(longlong, long long int)
IG_EMU_MAKE(ulonglong, unsigned long long int)
IG_EMU_MAKE(float, float)
IG_EMU_MAKE(double, double)
#undef IG_EMU_MAKE
#endif

#undef IG_EMU_VECTORS
#undef IG_EMU_VECTOR4
#undef IG_EMU_VECTOR3
#undef IG_EMU_VECTOR2
#undef IG_EMU_VECTOR1
#endif
