// CUDA's words, types and built-in variables, as C++ on the CPU knows them.
#pragma once
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>
#include <math.h>  // exp and its like for float and double alike
#include <csetjmp>
#include <csignal>
#include <sys/mman.h>
#if !defined(__x86_64__) || defined(EMU_UCONTEXT)
#include <ucontext.h>
#define EMU_UCONTEXT 1
#endif

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))
#define __constant__ static
// all shared memory lies in one ELF section: poisoned before every block, saved at grid sync
#define __shared__ static __attribute__((section("emu_shared")))
struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
static uint3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;
static const int warpSize = 32;

#define EMU_VEC2(T, N, A)             \
  struct alignas(A) N##2 { T x, y; }; \
  static inline N##2 make_##N##2(T x, T y) { return {x, y}; }
#define EMU_VEC4(T, N, A)                   \
  struct alignas(A) N##4 { T x, y, z, w; }; \
  static inline N##4 make_##N##4(T x, T y, T z, T w) { return {x, y, z, w}; }
EMU_VEC2(float, float, 8)
EMU_VEC4(float, float, 16)
EMU_VEC2(int, int, 8) EMU_VEC4(int, int, 16) EMU_VEC2(unsigned, uint, 8) EMU_VEC4(unsigned, uint, 16)
    EMU_VEC2(double, double, 16) EMU_VEC4(unsigned char, uchar, 4) EMU_VEC4(signed char, char, 4)
        EMU_VEC2(long long, longlong, 16)

            extern "C" __attribute__((weak, visibility("hidden"))) char __start_emu_shared[];
extern "C" __attribute__((weak, visibility("hidden"))) char __stop_emu_shared[];
