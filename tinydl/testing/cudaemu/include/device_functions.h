// The functions of device code: barriers, warp collectives, atomics, fast mathematics.
#pragma once
#include "launch.h"

#define __syncthreads() emu::park(emu::AT_BLOCK, __LINE__)
#define EMU_GRID_SYNC() emu::park(emu::AT_GRID, __LINE__)
#define __syncwarp(...) emu::exchange<int>(emu::mask_or_full(__VA_ARGS__), 0, __LINE__)
namespace emu {
static inline unsigned mask_or_full(unsigned m = ~0u) { return m; }
}  // namespace emu
#define EMU_SHFL(name, src)                                      \
  template <class T>                                             \
  static inline T name(unsigned m, T v, int d, int width = 32) { \
    int l = emu::lane(), base = l & ~(width - 1), s = src;       \
    (void)base;                                                  \
    emu::Warp& w = emu::exchange(m, v, -1);                      \
    return emu::peek<T>(w, s);                                   \
  }
EMU_SHFL(__shfl_sync, base + (d & (width - 1)))
EMU_SHFL(__shfl_down_sync, (l & (width - 1)) + d < width ? l + d : l)
EMU_SHFL(__shfl_up_sync, (l & (width - 1)) - d >= 0 ? l - d : l)
EMU_SHFL(__shfl_xor_sync, (l ^ d) < base + width ? l ^ d : l)
static inline unsigned __ballot_sync(unsigned m, int p) {
  emu::Warp& w = emu::exchange<int>(m, p != 0, -1);
  unsigned r = 0;
  for (int i = 0; i < 32; i++)
    if (m >> i & 1 && w.live >> i & 1 && emu::peek<int>(w, i)) r |= 1u << i;
  return r;
}
static inline int __any_sync(unsigned m, int p) { return __ballot_sync(m, p) != 0; }
static inline int __all_sync(unsigned m, int p) { return __ballot_sync(m, !p) == 0; }
static inline void __threadfence() {}
static inline void __threadfence_block() {}
template <class T, class U>
static inline T atomicAdd(T* p, U v) {
  T o = *p;
  *p = o + (T)v;
  return o;
}
template <class T, class U>
static inline T atomicMax(T* p, U v) {
  T o = *p;
  if ((T)v > o) *p = v;
  return o;
}
template <class T, class U>
static inline T atomicMin(T* p, U v) {
  T o = *p;
  if ((T)v < o) *p = v;
  return o;
}
template <class T, class U>
static inline T atomicExch(T* p, U v) {
  T o = *p;
  *p = v;
  return o;
}
template <class T>
static inline T atomicCAS(T* p, T c, T v) {
  T o = *p;
  if (o == c) *p = v;
  return o;
}
template <class T>
static inline T __ldg(const T* p) {
  return *p;
}
template <class T>
static inline T __ldcg(const T* p) {
  return *p;
}
template <class T>
static inline T __ldcs(const T* p) {
  return *p;
}
template <class T>
static inline void __stcs(T* p, T v) {
  *p = v;
}
#define __expf(x) std::exp((float)(x))  // macros: glibc declares functions of these names
#define __logf(x) std::log((float)(x))
#define __powf(x, y) std::pow((float)(x), (float)(y))
static inline float __fdividef(float a, float b) { return a / b; }
static inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
static inline float __saturatef(float x) { return x < 0 ? 0.f : x > 1 ? 1.f : x; }
static inline unsigned __float_as_uint(float f) {
  unsigned u;
  std::memcpy(&u, &f, 4);
  return u;
}
static inline float __uint_as_float(unsigned u) {
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}
static inline int __float_as_int(float f) { return (int)__float_as_uint(f); }
static inline float __int_as_float(int i) { return __uint_as_float((unsigned)i); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (uint64_t)a * b >> 32; }
template <class T>
static inline T min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
static inline T max(T a, T b) {
  return a < b ? b : a;
}
