// Sums of parts of arrays, in an order that the sizes alone decide: first of parts, by many blocks, then of the parts.
#pragma once
#include "common.cuh"

// Of x (A, J, L) job j is x[:, j]; its A * L elements are cut into parts, by whole packs where L consists of those.
struct Jobs {
  int A, J, L;

  template <int V>
  __device__ int begin(int part, int parts) const {
    int group = L % V ? 1 : V;
    return (int)((i64)(A * L / group) * part / parts) * group;
  }

  // f(place in x, in[place]...) for this block's part of this block's job
  template <int V, typename F, typename... In>
  __device__ void each(F f, const In*... in) const {
    int first = begin<V>(blockIdx.y, gridDim.y), end = begin<V>(blockIdx.y + 1, gridDim.y);
    if (L % V == 0 && aligned<V>(in...))
      walk<V>(first, end, f, in...);
    else
      walk<1>(first, end, f, in...);
  }

  template <int V, typename F, typename... In>
  __device__ void walk(int first, int end, F& f, const In*... in) const {
    for (int e = first + threadIdx.x * V; e < end; e += blockDim.x * V) {
      int i = (e / L * J + blockIdx.x) * L + e % L;
      each_lane<V>(i, f, *(const Pack<In, V>*)(in + i)...);
    }
  }
};

// Adds f(row, column, sums) for the rows of a part of (M, D), a thread a column; sums of K numbers to parts (S, K, D).
template <int K, typename A, typename F>
__device__ void column_parts(A* parts, int M, int D, F f) {
  __shared__ A shared[K][8][32];
  int column = blockIdx.x * 32 + threadIdx.x;
  int first = (i64)M * blockIdx.y / gridDim.y, end = (i64)M * (blockIdx.y + 1) / gridDim.y;
  A sums[K] = {};
  if (column < D)
    for (int r = first + threadIdx.y; r < end; r += 8) f(r, column, sums);
#pragma unroll
  for (int k = 0; k < K; k++) shared[k][threadIdx.y][threadIdx.x] = sums[k];
  __syncthreads();
  if (threadIdx.y || column >= D) return;
#pragma unroll
  for (int k = 0; k < K; k++) {
    A sum = 0;
    for (int y = 0; y < 8; y++) sum += shared[k][y][threadIdx.x];
    parts[((i64)blockIdx.y * K + k) * D + column] = sum;
  }
}
