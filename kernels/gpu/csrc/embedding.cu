// Rows picked by an index, and rows added up where an index says; weighted sums along one dimension.  Arrays are
// (A, V, B) with the index in the middle.  What is added up comes as entries sorted by where they go: each result has
// one thread, which adds in the entries' order.
#include "common.cuh"
#include "faults.cuh"

// A row that a negative index counts from the end; one that is none gives NaN.
__device__ i64 row_of(i64 index, i64 V, int* fault) {
  i64 row = index < 0 ? index + V : index;
  return inside(row, V, fault, INDEX) ? row : -1;
}

// Elements in groups of W that never cross a row, W = V lanes or 1.
template <int W, typename T, typename A, typename I>
__device__ void take_rows(const T* x, const I* index, T* y, int* fault, i64 V, i64 m, i64 B, i64 n) {
  for (i64 i = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * W; i < n; i += (i64)gridDim.x * blockDim.x * W) {
    i64 line = i / B, row = row_of(index[line % m], V, fault);
    Pack<T, W> pack;
    if (row >= 0) {
      pack = *(const Pack<T, W>*)(x + (line / m * V + row) * B + i % B);
    } else {
#pragma unroll
      for (int l = 0; l < W; l++) pack.at[l] = (A)INFINITY - (A)INFINITY;
    }
    *(Pack<T, W>*)(y + i) = pack;
  }
}

// y (A, m, B) = x (A, V, B) at index (m)
template <typename T, typename A, typename I>
__global__ void take(const T* x, const I* index, T* y, int* fault, i64 V, i64 m, i64 B, i64 n) {
  constexpr int W = lanes_of<T>;
  if (B % W == 0 && aligned<W>(x, y))
    take_rows<W, T, A>(x, index, y, fault, V, m, B, n);
  else
    take_rows<1, T, A>(x, index, y, fault, V, m, B, n);
}

template <int W, typename T, typename A>
__device__ void combine_rows(const T* x, const T* start, const i64* starts, const i64* places, const T* weights, T* y,
                             i64 m, i64 V, i64 B, i64 n) {
  for (i64 i = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * W; i < n; i += (i64)gridDim.x * blockDim.x * W) {
    i64 line = i / B, v = line % V;
    const T* from = x + line / V * m * B + i % B;
    A sums[W] = {};
    if (start) {
      Pack<T, W> pack = *(const Pack<T, W>*)(start + i);
#pragma unroll
      for (int l = 0; l < W; l++) sums[l] = (A)pack.at[l];
    }
    for (i64 e = starts[v]; e < starts[v + 1]; e++) {
      Pack<T, W> pack = *(const Pack<T, W>*)(from + places[e] % m * B);
      A w = weights ? (A)weights[e] : A(1);
#pragma unroll
      for (int l = 0; l < W; l++) sums[l] += w * (A)pack.at[l];
    }
    Pack<T, W> out;
#pragma unroll
    for (int l = 0; l < W; l++) out.at[l] = sums[l];
    *(Pack<T, W>*)(y + i) = out;
  }
}

// y (A, V, B): y[:, v] = start[:, v] (0 without one) + sum of weights[e] * x[:, places[e] % m], e from starts[v] to
// starts[v + 1]; x (A, m, B)
template <typename T, typename A>
__global__ void combine(const T* x, const T* start, const i64* starts, const i64* places, const T* weights, T* y, i64 m,
                        i64 V, i64 B, i64 n) {
  constexpr int W = lanes_of<T>;
  if (B % W == 0 && aligned<W>(x, start, y))
    combine_rows<W, T, A>(x, start, starts, places, weights, y, m, V, B, n);
  else
    combine_rows<1, T, A>(x, start, starts, places, weights, y, m, V, B, n);
}

// y (A, m, B): y[:, o] = sum over K of weights[k, o] * x[:, index[k, o]]; x (A, V, B)
template <typename T, typename A>
__global__ void resample(const T* x, const i64* index, const T* weights, T* y, i64 K, i64 V, i64 m, i64 B, i64 n) {
  GRID_STRIDE(i64, i, n) {
    i64 line = i / B, o = line % m;
    const T* from = x + line / m * V * B + i % B;
    A sum = 0;
    for (i64 k = 0; k < K; k++) {
      A w = weights ? (A)weights[k * m + o] : A(1);
      sum += w * (A)from[index[k * m + o] * B];
    }
    y[i] = sum;
  }
}
