/* Atomic functions. One thread of the machine runs all of a grid, and a fiber is never interrupted,
 * so that plain accesses are atomic here. */
#ifndef IG_EMULATOR_ATOMICS_H
#define IG_EMULATOR_ATOMICS_H

/* Atomic accesses race with none. */
#define IG_EMU_NO_RACE __attribute__((no_sanitize("thread")))
#define IG_EMU_ATOMIC(name, type, expression)                                                      \
  IG_EMU_NO_RACE static inline type name(type *at, type value) {                                   \
    type old = *at;                                                                                \
    *at = (type)(expression);                                                                      \
    return old;                                                                                    \
  }                                                                                                \
  static inline type name##_block(type *at, type value) { return name(at, value); }
#define IG_EMU_ATOMIC_CAS(type)                                                                    \
  IG_EMU_NO_RACE static inline type atomicCAS(type *at, type compare, type value) {                \
    type old = *at;                                                                                \
    if (old == compare) *at = value;                                                               \
    return old;                                                                                    \
  }
#define IG_EMU_ATOMIC_ORDERED(type)                                                                \
  IG_EMU_ATOMIC(atomicMax, type, old > value ? old : value)                                        \
  IG_EMU_ATOMIC(atomicMin, type, old < value ? old : value)                                        \
  IG_EMU_ATOMIC(atomicAnd, type, old &value)                                                       \
  IG_EMU_ATOMIC(atomicOr, type, old | value)                                                       \
  IG_EMU_ATOMIC(atomicXor, type, old ^ value)                                                      \
  IG_EMU_ATOMIC(atomicExch, type, value)                                                           \
  IG_EMU_ATOMIC_CAS(type)

IG_EMU_ATOMIC_ORDERED(int)
IG_EMU_ATOMIC_ORDERED(unsigned int)
IG_EMU_ATOMIC_ORDERED(unsigned long long int)
IG_EMU_ATOMIC(atomicExch, float, value)
IG_EMU_ATOMIC(atomicAdd, int, (unsigned)old + (unsigned)value)
IG_EMU_ATOMIC(atomicAdd, unsigned int, old + value)
IG_EMU_ATOMIC(atomicAdd, unsigned long long int, old + value)
IG_EMU_ATOMIC(atomicAdd, float, old + value)
IG_EMU_ATOMIC(atomicAdd, double, old + value)
IG_EMU_ATOMIC(atomicSub, int, (unsigned)old - (unsigned)value)
IG_EMU_ATOMIC(atomicSub, unsigned int, old - value)
IG_EMU_ATOMIC(atomicInc, unsigned int, old >= value ? 0 : old + 1)
IG_EMU_ATOMIC(atomicDec, unsigned int, old == 0 || old > value ? value : old - 1)

#undef IG_EMU_ATOMIC_ORDERED
#undef IG_EMU_ATOMIC_CAS
#undef IG_EMU_ATOMIC
#endif
