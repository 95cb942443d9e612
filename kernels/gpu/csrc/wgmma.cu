// Matrix products c = a b + bias of float32 by warpgroups: as gemm.cu, on Hopper alone.
#include "wgmma.cuh"

enum { SIDE = 128, DEPTH = 32, THREADS = 256, STAGES = 3, OPERAND = SIDE * DEPTH, CHUNKS = OPERAND / 4 / THREADS };

// A step's part of an operand, on its way from memory through a thread's registers: DEEP, 4 numbers of k of a row
// each, else 4 rows of one k, in an array of `length` rows by `depth` numbers, or the other way.
template <class P, int DEEP>
struct Operand {
  enum { COPIES = sizeof(typename P::Part) / 4, WORDS = COPIES * OPERAND };
  const float* from;
  int first, length, depth;
  float4 held[CHUNKS];

  // row and word of chunk i; lanes stand so that they read whole sectors and write to different banks
  static __device__ __forceinline__ int row(int i) {
    return DEEP ? (threadIdx.x + i * THREADS) / 8 : (i / 2 * 16 + threadIdx.x / 16) * 4;
  }
  static __device__ __forceinline__ int word(int i) {
    return DEEP ? threadIdx.x % 8 * 4 : i % 2 * 16 + threadIdx.x % 16;
  }
  __device__ __forceinline__ void fetch(int k) {
#pragma unroll
    for (int i = 0; i < CHUNKS; i++) {
      int r = first + row(i), w = k + word(i);
      i64 at = DEEP ? (i64)r * depth + w : (i64)w * length + r;
      held[i] = r < length && w < depth ? *(const float4*)(from + at) : make_float4(0, 0, 0, 0);
    }
  }
  // the parts of numbers that lie next to each other in memory, into copies of the operand for each part
  __device__ __forceinline__ void keep(unsigned* to) const {
#pragma unroll
    for (int i = 0; i < CHUNKS; i++) {
      const float numbers[4] = {held[i].x, held[i].y, held[i].z, held[i].w};
      unsigned parts[4][COPIES];
#pragma unroll
      for (int j = 0; j < 4; j++) cut(P::part(__float_as_uint(numbers[j])), parts[j]);
#pragma unroll
      for (int c = 0; c < COPIES; c++) {
        unsigned* copy = to + c * OPERAND;
        if (DEEP) {
          put_shared(copy + swizzled(row(i), word(i)), make_uint4(parts[0][c], parts[1][c], parts[2][c], parts[3][c]));
        } else {
#pragma unroll
          for (int j = 0; j < 4; j++) put_shared(copy + swizzled(row(i) + j, word(i)), parts[j][c]);
        }
      }
    }
  }
  // mma's own cut of the low 13 bits, made here: nothing rests on how wgmma takes them
  static __device__ __forceinline__ void cut(Tf32::Part p, unsigned (&parts)[1]) { parts[0] = p & 0xFFFFE000u; }
  static __device__ __forceinline__ void cut(Ieee::Part p, unsigned (&parts)[2]) {
    parts[0] = p.high, parts[1] = p.low & 0xFFFFE000u;
  }
};

// The warpgroup's 64 rows of a stage's product, under way when it returns.
template <class P>
__device__ __forceinline__ void begin_product(float (&sums)[64], const unsigned* a, const unsigned* b, bool first) {
  a += threadIdx.x / 128 * 64 * DEPTH;
  wgmma_fence();
#pragma unroll
  for (int k = 0; k < DEPTH; k += 8) {
    u64 high = described(a + k), other = described(b + k);
    if (sizeof(typename P::Part) == 8) {
      wgmma_tf32(sums, described(a + OPERAND + k), other, !first || k);
      wgmma_tf32(sums, high, described(b + OPERAND + k), 1);
      wgmma_tf32(sums, high, other, 1);
    } else {
      wgmma_tf32(sums, high, other, !first || k);
    }
  }
  wgmma_commit();
}

// a: (batch, rows, depth), or (batch, depth, rows) unless A_DEEP; b: (batch, columns, depth) or (batch, depth, columns);
// what lies next to each other is a multiple of 16 bytes long.  depth is at least 1.
template <typename N, class P, int A_DEEP, int B_DEEP>
__global__ void __launch_bounds__(256, 1)
    gemm_wgmma(const N* __restrict__ a, const N* __restrict__ b, const N* __restrict__ bias, N* __restrict__ c, int rows,
               int columns, int depth) {
  extern __shared__ __align__(1024) unsigned memory[];
  // blocks that run at the same time are 8 rows of tiles high: they share what they read
  int high = (rows + SIDE - 1) / SIDE, wide = (columns + SIDE - 1) / SIDE;
  int band = blockIdx.x / (8 * wide) * 8, height = min(high - band, 8), inside = blockIdx.x % (8 * wide);
  int m = (band + inside % height) * SIDE, n = inside / height * SIDE;
  typedef Operand<P, A_DEEP> Left;
  typedef Operand<P, B_DEEP> Right;
  Left left = {a + (i64)blockIdx.z * rows * depth, m, rows, depth};
  Right right = {b + (i64)blockIdx.z * columns * depth, n, columns, depth};
  float sums[64];
  int steps = (depth + DEPTH - 1) / DEPTH;
  left.fetch(0), right.fetch(0);
#pragma unroll 1
  for (int s = 0, now = 0; s < steps; s++) {
    unsigned* stage = memory + now * (Left::WORDS + Right::WORDS);
    left.keep(stage), right.keep(stage + Left::WORDS);
    fence_proxy_async();
    __syncthreads();  // the step is in
    if (s + 1 < steps) left.fetch((s + 1) * DEPTH), right.fetch((s + 1) * DEPTH);
    begin_product<P>(sums, stage, stage + Left::WORDS, s == 0);
    wgmma_wait<1>(sums);  // the product before: when all threads are at the next barrier, its stage is free
    now = now + 1 == STAGES ? 0 : now + 1;
  }
  wgmma_wait<0>(sums);
  c += (i64)blockIdx.z * rows * columns;
  int first = m + threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4;
#pragma unroll
  for (int j = 0; j < 16; j++)
#pragma unroll
    for (int e = 0; e < 4; e++) {
      int row = first + e / 2 * 8, column = n + j * 8 + threadIdx.x % 4 * 2 + e % 2;
      if (row < rows && column < columns) c[(i64)row * columns + column] = sums[j * 4 + e] + (bias ? bias[column] : 0);
    }
}
