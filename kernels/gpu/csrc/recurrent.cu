// Recurrent layers, one step at a time: what comes between the matrix products.
#include "recurrent.cuh"

// One step: z (rows, gates H) is what the state gives.
template <typename N, typename A, int KIND>
__global__ void step(
    const N* __restrict__ z, N* acts, N* before, N* extra, N* y, N* last, N* last_c, const N* b_ih, const N* b_hh, int H,
    int start, int rows, int next, int stay) {
  const int G = gates_of(KIND);
  Layer<N> l = {acts, before, extra, y, last, last_c, b_ih, b_hh, H};
  GRID_STRIDE(int, i, rows * H) {
    int row = i / H, unit = i % H;
    A v[G];
#pragma unroll
    for (int q = 0; q < G; q++) v[q] = (A)z[((i64)row * G + q) * H + unit];
    cell<KIND>(l, {start, rows, next, stay}, row, unit, v);
  }
}

// One step back: `carried` rows of z are what the gates of the step after give.
template <typename N, typename A, int KIND>
__global__ void step_back(
    const N* __restrict__ z, const N* __restrict__ gy, const N* __restrict__ acts, const N* __restrict__ before,
    const N* __restrict__ extra, A* dh, A* dc, N* dx, N* du, int H, int start, int rows, int carried) {
  GRID_STRIDE(int, i, max(rows, carried) * H)
  unit_back<KIND>(i < carried * H ? (A)z[i] : A(0), gy, acts, before, extra, dh, dc, dx, du, H, start, rows, i);
}
