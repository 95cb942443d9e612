// What every kernel file shares.
#pragma once
typedef long long i64;
typedef unsigned long long u64;
#ifndef INFINITY  // NVRTC has no <cmath>
#define INFINITY __int_as_float(0x7f800000)
#endif

#ifdef TINYDL_CUDA_EMU
#include "cuda_bf16.h"
#include "cuda_fp16.h"
#else  // NVRTC has no headers of these for granted
#if !defined(__CUDA_FP16_TYPES_EXIST__)
struct __half {
  unsigned short bits;
  __half() = default;
  __device__ __half(float f) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(f)); }
  __device__ operator float() const {
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(bits));
    return f;
  }
};
#endif
#if !defined(__CUDA_BF16_TYPES_EXIST__)
struct __nv_bfloat16 {  // the upper half of a float
  unsigned short bits;
  __nv_bfloat16() = default;
  __device__ __nv_bfloat16(float f) { asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(f)); }
  __device__ operator float() const { return __uint_as_float((unsigned)bits << 16); }
};
#endif
#endif

// Threads of the whole grid stride over n elements: i of type T.
#define GRID_STRIDE(T, i, n) \
  for (T i = (T)blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += (T)gridDim.x * blockDim.x)

// ---------------------------------------------------------------- accesses of 16 bytes
template <typename T, int N>
struct alignas(sizeof(T) * N) Pack {
  T at[N];
};
template <typename T>
constexpr int lanes_of = 16 / sizeof(T);

template <int V, typename... T>
__device__ bool aligned(const T*... p) {
  return (((u64)p % (sizeof(T) * V) == 0) && ...);
}

template <int V, typename I, typename F, typename... In>
__device__ __forceinline__ void each_lane(I i, F& f, const Pack<In, V>&... in) {
#pragma unroll
  for (int k = 0; k < V; k++) f(i + k, in.at[k]...);
}

template <int V, typename Out, typename I, typename F, typename... In>
__device__ __forceinline__ void fill_lanes(Out* out, I i, F& f, const Pack<In, V>&... in) {
  Pack<Out, V> y;
#pragma unroll
  for (int k = 0; k < V; k++) y.at[k] = f(i + k, in.at[k]...);
  *(Pack<Out, V>*)(out + i) = y;
}

// f(i, in[i]...) for i of the n elements, shared out among threads; V at a time where all is aligned.
template <int V, typename I, typename F, typename... In>
__device__ void each(I thread, I threads, I n, F f, const In*... in) {
  I whole = aligned<V>(in...) ? n / V * V : 0;
  for (I i = thread * V; i < whole; i += threads * V) each_lane<V>(i, f, *(const Pack<In, V>*)(in + i)...);
  for (I i = whole + thread; i < n; i += threads) f(i, in[i]...);
}

// out[i] = f(i, in[i]...), as `each`.
template <int V, typename Out, typename I, typename F, typename... In>
__device__ void fill(Out* out, I thread, I threads, I n, F f, const In*... in) {
  I whole = aligned<V>(out, in...) ? n / V * V : 0;
  for (I i = thread * V; i < whole; i += threads * V) fill_lanes<V>(out, i, f, *(const Pack<In, V>*)(in + i)...);
  for (I i = whole + thread; i < n; i += threads) out[i] = f(i, in[i]...);
}

// ---------------------------------------------------------------- sums, in one order at every run
// A team is the threads of one threadIdx.y: one warp, or the whole block. All of them get the result.
template <typename T, typename F>
__device__ T over_team(T v, F f) {
  for (int d = 16; d > 0; d /= 2) v = f(v, __shfl_xor_sync(~0u, v, d));
  if (blockDim.x == 32) return v;
  __shared__ T parts[32];
  __syncthreads();  // those of the last call may still be read
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = v;
  __syncthreads();
  v = parts[0];
  for (int w = 1; w < blockDim.x / 32; w++) v = f(v, parts[w]);
  return v;
}

template <typename T>
__device__ T team_sum(T v) {
  return over_team(v, [](T a, T b) { return a + b; });
}

template <typename T>
__device__ T team_max(T v) {  // a NaN counts for nothing
  return over_team(v, [](T a, T b) { return b > a ? b : a; });
}
