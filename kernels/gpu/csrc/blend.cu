// What lies under a grid: sums of numbers picked by index, each times its weight, the same for all channels; and their
// gradients.  x: (N, C, M), index, weight: (N, K, P), y: (N, C, P).  Within an image places fit an int.
// A thread reads index and weight once for a part of the channels.
#include "common.cuh"
#include "faults.cuh"

constexpr int PART = 4;  // channels

// f(row, place) for all places of all rows: rows in the grid's y, places in its x
template <typename F>
__device__ void each_place(i64 rows, int places, F f) {
  for (i64 row = blockIdx.y; row < rows; row += gridDim.y) GRID_STRIDE(int, place, places) f(row, place);
}

// to[l * step] = what add(sums, channels) adds up for each channel of a part
template <typename T, typename A, typename F>
__device__ void part_sums(T* to, int step, int channels, F add) {
  A sums[PART] = {};
  add(sums);
#pragma unroll
  for (int l = 0; l < PART; l++)
    if (l < channels) to[(i64)l * step] = sums[l];
}

template <typename T, typename A>
__device__ void add_part(A (&sums)[PART], A w, const T* from, int step, int channels) {
#pragma unroll
  for (int l = 0; l < PART; l++)
    if (l < channels) sums[l] += w * (A)from[(i64)l * step];
}

// y[n, c, p] = sum over k of weight[n, k, p] * x[n, c, index[n, k, p]]; an index that is none gives NaN
template <typename T, typename A>
__global__ void blend(const T* x, const i64* index, const T* weight, T* y, int* fault, int N, int C, int M, int K,
                      int P) {
  int parts = (C + PART - 1) / PART;
  each_place((i64)N * parts, P, [&](i64 row, int p) {
    i64 n = row / parts, first = row % parts * PART, line = n * C + first;
    int channels = min(C - (int)first, PART);
    part_sums<T, A>(y + line * P + p, P, channels, [&](A(&sums)[PART]) {
      for (int k = 0; k < K; k++) {
        i64 at = (n * K + k) * P + p, place = index[at];
        bool good = inside(place, M, fault, GATHER);
        A w = good ? (A)weight[at] : (A)INFINITY - (A)INFINITY;
        add_part(sums, w, x + line * M + (good ? place : 0), M, channels);
      }
    });
  });
}

// gx[n, c, m] = sum over the entries e of n, m of weight[entry] * g[n, c, entry's p], in the order of the entries:
// those from starts[n, m] to the next
template <typename T, typename A>
__global__ void blend_spread(const T* g, const i64* starts, const i64* entries, const T* weight, T* gx, int N, int C,
                             int M, int K, int P) {
  int parts = (C + PART - 1) / PART;
  each_place((i64)N * parts, M, [&](i64 row, int m) {
    i64 n = row / parts, first = row % parts * PART, line = n * C + first;
    int channels = min(C - (int)first, PART);
    part_sums<T, A>(gx + line * M + m, M, channels, [&](A(&sums)[PART]) {
      for (i64 e = starts[n * M + m]; e < starts[n * M + m + 1]; e++) {
        int p = (int)(entries[e] - n * K * P) % P;
        add_part(sums, (A)weight[entries[e]], g + line * P + p, P, channels);
      }
    });
  });
}

// gw[n, k, p] = sum over c of g[n, c, p] * x[n, c, index[n, k, p]]
template <typename T, typename A>
__global__ void blend_agree(const T* g, const T* x, const i64* index, T* gw, int* fault, int N, int C, int M, int K,
                            int P) {
  each_place((i64)N * K, P, [&](i64 row, int p) {
    i64 n = row / K, place = index[row * P + p];
    A sum = 0;
    if (inside(place, M, fault, GATHER)) {
      const T *given = g + n * C * P + p, *from = x + n * C * M + place;
      for (i64 c = 0; c < C; c++) sum += (A)given[c * P] * (A)from[c * M];
    }
    gw[row * P + p] = sum;
  });
}
