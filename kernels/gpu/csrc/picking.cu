// Elements picked and put by an index for each.  Where several meet, what decides is their order, found by the largest
// of whole numbers: the same at every run.
#include "common.cuh"
#include "faults.cuh"

// y (A, n, B) = x (A, V, B) along the index (A, n, B); an index that is none gives NaN
template <typename T, typename A, typename I>
__global__ void gather(const T* x, const I* index, T* y, int* fault, i64 V, i64 n, i64 B, i64 count) {
  GRID_STRIDE(i64, i, count) {
    i64 v = index[i];
    y[i] = inside(v, V, fault, GATHER) ? (A)x[(i / (n * B) * V + v) * B + i % B] : (A)INFINITY - (A)INFINITY;
  }
}

// y (A, V, B) = sums of src (A, n, B) at the index: each result looks through the few of its line
template <typename T, typename A, typename I>
__global__ void scatter_few(const T* src, const I* index, T* y, i64 V, i64 n, i64 B, i64 count) {
  GRID_STRIDE(i64, i, count) {
    i64 v = i / B % V, first = i / (V * B) * n * B + i % B;
    A sum = 0;
    for (i64 k = 0; k < n; k++)
      if (index[first + k * B] == v) sum += (A)src[first + k * B];
    y[i] = sum;
  }
}

// writers[place] = the last that is put there; they begin as -1
__global__ void note_writers(const i64* places, int* writers, int* fault, i64 size, i64 count) {
  GRID_STRIDE(i64, i, count) {
    if (inside(places[i], size, fault, SCATTER)) atomicMax(&writers[places[i]], (int)i);
  }
}

// y = x, or what its writer put there: src[writer * step], step 0 where one number serves all
template <typename T>
__global__ void put(const T* x, const T* src, const int* writers, T* y, int step, i64 count) {
  GRID_STRIDE(i64, i, count) y[i] = writers[i] < 0 ? x[i] : src[(i64)writers[i] * step];
}

__global__ void stayed(const i64* places, const int* writers, bool* y, i64 size, i64 count) {
  GRID_STRIDE(i64, i, count) y[i] = (u64)places[i] < (u64)size && writers[places[i]] == (int)i;
}
