/* Barriers and what the lanes of a warp do together. All of it stands on ig_emu_together: every
 * lane shows a structure of its own, and the last to come fills in all of their answers. What a
 * lane that has ended, or is not in the mask, would have given reads as 0xFF bytes (NaN, -1). */
#ifndef IG_EMULATOR_WARP_H
#define IG_EMULATOR_WARP_H

#include "emulator/emulator.h"

constexpr int warpSize = 32;

/* As last parameters: the place of the call, for reports. */
#define IG_EMU_HERE                                                                                \
  const char *emu_file = __builtin_FILE(), int emu_line = __builtin_LINE()
#define IG_EMU_PLACE                                                                               \
  ig_emu_place { __func__, emu_file, emu_line }

static inline void __syncthreads(IG_EMU_HERE) { ig_emu_barrier(IG_EMU_PLAIN, 0, IG_EMU_PLACE); }
static inline int __syncthreads_and(int predicate, IG_EMU_HERE) {
  return ig_emu_barrier(IG_EMU_AND, predicate, IG_EMU_PLACE);
}
static inline int __syncthreads_or(int predicate, IG_EMU_HERE) {
  return ig_emu_barrier(IG_EMU_OR, predicate, IG_EMU_PLACE);
}
static inline int __syncthreads_count(int predicate, IG_EMU_HERE) {
  return ig_emu_barrier(IG_EMU_COUNT, predicate, IG_EMU_PLACE);
}

static inline void __syncwarp(unsigned mask = 0xffffffffu, IG_EMU_HERE) {
  ig_emu_together(mask, nullptr, nullptr, IG_EMU_PLACE);
}

/* For parts that no built-in has (matrix fragments): the last lane of a full warp to come calls its
 * work(lanes), with each lane's `mine`, for all 32; no lane goes on before. */
template <class T, class F>
static inline void ig_warp_together(T &mine, const F &work, const char *what = "ig_warp_together",
                                    const char *emu_file = __builtin_FILE(),
                                    int emu_line = __builtin_LINE()) {
  struct shown {
    T *mine;
    const F *work;
  } show = {&mine, &work};
  ig_emu_leader leader = [](void *const *lanes, unsigned mask) {
    T *all[32];
    if (mask != 0xffffffffu) {
      ig_emu_stop("a lane has ended before its warp's common work",
                  ig_emu_place{"ig_warp_together", __FILE__, __LINE__});
    }
    for (int lane = 0; lane < 32; lane++) all[lane] = static_cast<shown *>(lanes[lane])->mine;
    (*static_cast<shown *>(lanes[0])->work)(all);
  };
  ig_emu_together(0xffffffffu, &show, leader, ig_emu_place{what, emu_file, emu_line});
}

/* Every lane gets all 32 lanes' values. */
template <class T>
static inline void ig_warp_all(const T &mine, T (&all)[32],
                               const char *emu_file = __builtin_FILE(),
                               int emu_line = __builtin_LINE()) {
  struct shown {
    const T *mine;
    T *all;
  } show = {&mine, all};
  ig_warp_together(
      show,
      [](shown *(&lanes)[32]) {
        for (int to = 0; to < 32; to++) {
          for (int from = 0; from < 32; from++) lanes[to]->all[from] = *lanes[from]->mine;
        }
      },
      "ig_warp_all", emu_file, emu_line);
}

/* --- shuffles --------------------------------------------------------------------------------- */

template <class T> struct ig_emu_shuffled {
  T value, got;
  int from; /* the lane whose value it takes */
};

template <class T> static inline void ig_emu_shuffle_leader(void *const *lanes, unsigned) {
  for (int lane = 0; lane < 32; lane++) {
    ig_emu_shuffled<T> *mine = static_cast<ig_emu_shuffled<T> *>(lanes[lane]);
    if (!mine) continue;
    const ig_emu_shuffled<T> *from = static_cast<ig_emu_shuffled<T> *>(lanes[mine->from]);
    if (from) mine->got = from->value;
    else memset(static_cast<void *>(&mine->got), 0xFF, sizeof(T));
  }
}

template <class T>
static inline T ig_emu_shuffle(unsigned mask, T value, int from, ig_emu_place place) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>, "shuffles move 4 or 8 bytes");
  ig_emu_shuffled<T> mine = {value, value, from};
  ig_emu_together(mask, &mine, ig_emu_shuffle_leader<T>, place);
  return mine.got;
}

/* A segment is `width` lanes, a power of two; a source outside the lane's own segment is itself. */
template <class T>
static inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, IG_EMU_HERE) {
  int lane = (int)ig_emu_lane();
  return ig_emu_shuffle(mask, value, (lane & ~(width - 1)) | (source & (width - 1)), IG_EMU_PLACE);
}
template <class T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                               IG_EMU_HERE) {
  int lane = (int)ig_emu_lane(), from = lane - (int)delta;
  return ig_emu_shuffle(mask, value, from < (lane & ~(width - 1)) ? lane : from, IG_EMU_PLACE);
}
template <class T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                                 IG_EMU_HERE) {
  int lane = (int)ig_emu_lane(), from = lane + (int)delta;
  return ig_emu_shuffle(mask, value, from > (lane | (width - 1)) ? lane : from, IG_EMU_PLACE);
}
template <class T>
static inline T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, IG_EMU_HERE) {
  int lane = (int)ig_emu_lane(), from = lane ^ lanes;
  return ig_emu_shuffle(mask, value, from > (lane | (width - 1)) ? lane : from & 31, IG_EMU_PLACE);
}

/* --- votes and reductions --------------------------------------------------------------------- */

template <class T> struct ig_emu_voted {
  T value, got;
};

/* One answer for all lanes: F joins their values. */
template <class T, class F> static inline void ig_emu_vote_leader(void *const *lanes, unsigned) {
  T joined = F::empty();
  for (int lane = 0; lane < 32; lane++) {
    const ig_emu_voted<T> *mine = static_cast<ig_emu_voted<T> *>(lanes[lane]);
    if (mine) joined = F::join(joined, mine->value, lane);
  }
  for (int lane = 0; lane < 32; lane++) {
    if (lanes[lane]) static_cast<ig_emu_voted<T> *>(lanes[lane])->got = joined;
  }
}
template <class F, class T>
static inline T ig_emu_vote(unsigned mask, T value, ig_emu_place place) {
  ig_emu_voted<T> mine = {value, value};
  ig_emu_together(mask, &mine, ig_emu_vote_leader<T, F>, place);
  return mine.got;
}

#define IG_EMU_JOIN(name, type, start, expression)                                                 \
  struct ig_emu_##name {                                                                           \
    static type empty() { return start; }                                                          \
    static type join(type a, type b, int lane) {                                                   \
      (void)lane;                                                                                  \
      return expression;                                                                           \
    }                                                                                              \
  };
IG_EMU_JOIN(ballot, unsigned, 0, a | (b ? 1u << lane : 0))
IG_EMU_JOIN(any, int, 0, a | (b != 0))
IG_EMU_JOIN(all, int, 1, a &(b != 0))
IG_EMU_JOIN(add_unsigned, unsigned, 0, a + b)
IG_EMU_JOIN(add_int, int, 0, (int)((unsigned)a + (unsigned)b))
IG_EMU_JOIN(min_unsigned, unsigned, 0xffffffffu, a < b ? a : b)
IG_EMU_JOIN(min_int, int, 0x7fffffff, a < b ? a : b)
IG_EMU_JOIN(max_unsigned, unsigned, 0, a > b ? a : b)
IG_EMU_JOIN(max_int, int, -0x7fffffff - 1, a > b ? a : b)
IG_EMU_JOIN(and_bits, unsigned, 0xffffffffu, a &b)
IG_EMU_JOIN(or_bits, unsigned, 0, a | b)
IG_EMU_JOIN(xor_bits, unsigned, 0, a ^ b)
#undef IG_EMU_JOIN

#define IG_EMU_VOTE(name, type, join)                                                              \
  static inline type name(unsigned mask, type value, IG_EMU_HERE) {                                \
    return ig_emu_vote<ig_emu_##join>(mask, value, IG_EMU_PLACE);                                  \
  }
static inline unsigned __ballot_sync(unsigned mask, int predicate, IG_EMU_HERE) {
  return ig_emu_vote<ig_emu_ballot>(mask, (unsigned)(predicate != 0), IG_EMU_PLACE);
}
IG_EMU_VOTE(__any_sync, int, any)
IG_EMU_VOTE(__all_sync, int, all)
IG_EMU_VOTE(__reduce_add_sync, unsigned, add_unsigned)
IG_EMU_VOTE(__reduce_add_sync, int, add_int)
IG_EMU_VOTE(__reduce_min_sync, unsigned, min_unsigned)
IG_EMU_VOTE(__reduce_min_sync, int, min_int)
IG_EMU_VOTE(__reduce_max_sync, unsigned, max_unsigned)
IG_EMU_VOTE(__reduce_max_sync, int, max_int)
IG_EMU_VOTE(__reduce_and_sync, unsigned, and_bits)
IG_EMU_VOTE(__reduce_or_sync, unsigned, or_bits)
IG_EMU_VOTE(__reduce_xor_sync, unsigned, xor_bits)
#undef IG_EMU_VOTE

template <class T> struct ig_emu_matched {
  T value;
  unsigned got;
};
template <class T> static inline void ig_emu_match_leader(void *const *lanes, unsigned) {
  typedef ig_emu_matched<T> matched;
  for (int lane = 0; lane < 32; lane++) {
    matched *mine = static_cast<matched *>(lanes[lane]);
    for (int other = 0; mine && other < 32; other++) {
      const matched *theirs = static_cast<matched *>(lanes[other]);
      if (theirs && memcmp(&theirs->value, &mine->value, sizeof(T)) == 0) mine->got |= 1u << other;
    }
  }
}
template <class T>
static inline unsigned __match_any_sync(unsigned mask, T value, IG_EMU_HERE) {
  ig_emu_matched<T> mine = {value, 0};
  ig_emu_together(mask, &mine, ig_emu_match_leader<T>, IG_EMU_PLACE);
  return mine.got;
}

/* Lanes that happen to run together: CUDA promises none but the caller, and none other is named. */
static inline unsigned __activemask() { return 1u << ig_emu_lane(); }

static inline void __threadfence() {}
static inline void __threadfence_block() {}
static inline void __threadfence_system() {}
static inline void __nanosleep(unsigned) {}
static inline void __trap(IG_EMU_HERE) {
  ig_emu_stop("__trap()", IG_EMU_PLACE);
}

#endif
