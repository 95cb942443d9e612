// Hopper's products of warpgroups (sm_90a): four warps multiply 64 rows by 128 columns where these stand in shared
// memory, while they do other things.  Rows are of 128 bytes, k by k, their 16-byte chunks in an order that keeps eight
// rows on different banks (the 128-byte swizzle).
#pragma once
#include "mma.cuh"

#ifdef TINYDL_CUDA_EMU
#include "wgmma.h"
#else
__device__ __forceinline__ unsigned smem_addr(const void* p) { return (unsigned)__cvta_generic_to_shared(p); }
// what this thread has put into shared memory can be seen by the tensor cores
__device__ __forceinline__ void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// until at most N groups are under way; the sums are named so that no use of them moves to before
template <int N>
__device__ __forceinline__ void wgmma_wait(float (&d)[64]) {
#pragma unroll
  for (int i = 0; i < 64; i++) asm volatile("" : "+f"(d[i]));
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
#pragma unroll
  for (int i = 0; i < 64; i++) asm volatile("" : "+f"(d[i]));
}
// d (64, 128) += a (64, 8) b (128, 8)^T, or = where keep is 0
__device__ __forceinline__ void wgmma_tf32(float (&d)[64], u64 a, u64 b, int keep) {
#define SUMS_OF_4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define SUMS_OF_16(i) SUMS_OF_4(i), SUMS_OF_4(i + 4), SUMS_OF_4(i + 8), SUMS_OF_4(i + 12)
  asm volatile(
      "{.reg .pred p; setp.ne.b32 p, %66, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k8.f32.tf32.tf32 "
      "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,"
      "%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,"
      "%58,%59,%60,%61,%62,%63}, %64, %65, p, 1, 1;}"
      : SUMS_OF_16(0), SUMS_OF_16(16), SUMS_OF_16(32), SUMS_OF_16(48)
      : "l"(a), "l"(b), "r"(keep));
}
// 4 or 16 bytes into shared memory
template <class V>
__device__ __forceinline__ void put_shared(void* to, V value) {
  *(V*)to = value;
}
#endif

// Where word `word` of a row stands in an operand of rows of 32 words.
__device__ __forceinline__ int swizzled(int row, int word) { return row * 32 + ((word / 4 ^ row % 8) * 4) + word % 4; }

// How wgmma is told of rows that begin at p: swizzled, groups of 8 rows 1024 bytes apart.
__device__ __forceinline__ u64 described(const void* p) {
  return (u64)((smem_addr(p) & 0x3FFFF) >> 4) | (u64)1 << 16 | (u64)(1024 >> 4) << 32 | (u64)1 << 62;
}
