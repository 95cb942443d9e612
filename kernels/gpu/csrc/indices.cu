// Whether indices lie inside of their dimension.
#include "common.cuh"
#include "faults.cuh"

// Notes the index that lies outside of [low, high).
template <typename I>
__global__ void check(const I* index, int* fault, i64 low, i64 high, int kind, i64 n) {
  GRID_STRIDE(i64, i, n) inside((i64)index[i] - low, high - low, fault, (Fault)kind);
}
