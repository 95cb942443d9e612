// Sums over dimensions that lie together: of x (A, K, B) those over A and B.
#include "reduce.cuh"

// parts (K, S), by blocks (K, S)
template <typename T, typename A>
__global__ void plane_sums(const T* x, A* parts, int N, int J, int L) {
  A sum = 0;
  Jobs{N, J, L}.each<lanes_of<T>>([&](int, T v) { sum += (A)v; }, x);
  sum = team_sum(sum);
  if (threadIdx.x == 0) parts[blockIdx.x * gridDim.y + blockIdx.y] = sum;
}

// parts (S, D), by blocks (D / 32, S)
template <typename T, typename A>
__global__ void column_sums(const T* x, A* parts, int M, int D) {
  column_parts<1>(parts, M, D, [&](int r, int c, A* sums) { sums[0] += (A)x[(i64)r * D + c]; });
}

// y[k] = the sum of S parts of k, `step` apart; those of k + 1 begin `next` further
template <typename T, typename A>
__global__ void sum_parts(const A* parts, T* y, int S, int step, int next, int n) {
  GRID_STRIDE(int, k, n) {
    A sum = 0;
    for (int s = 0; s < S; s++) sum += parts[(i64)s * step + (i64)k * next];
    y[k] = sum;
  }
}
