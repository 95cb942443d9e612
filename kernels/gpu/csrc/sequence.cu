// Recurrent layers: all steps in one launch.  Each block keeps the weights of 8 hidden units in shared memory, for all
// of their gates, and the grid meets once a step: what moves is the state (Diamos et al. 2016, persistent RNNs).
#include "mma.cuh"
#include "recurrent.cuh"

#ifdef TINYDL_CUDA_EMU
#define GRID_BARRIER(count, target) EMU_GRID_SYNC()
#else
__device__ __forceinline__ void grid_barrier(unsigned* count, unsigned target) {
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    atomicAdd(count, 1u);
    unsigned seen;
    do asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(seen) : "l"(count) : "memory");
    while (seen < target);
    __threadfence();
  }
  __syncthreads();
}
#define GRID_BARRIER(count, target) grid_barrier(count, target)
#endif

// The weights of 32 columns, kept; k is cut into parts that as many groups of warps multiply: T has the rows of all groups.
template <class P, int ROWS, int PARTS>
struct Stationary {
  typedef Tile<P, ROWS * PARTS, 32, 16, 32, true, true> T;
  typedef typename P::Number Number;
  typedef typename P::Word Word;
  enum { RING = 4, SPAN = T::DEPTH * P::PACKED, SIDE = T::BN * T::LDB };

  static __device__ __forceinline__ int steps(int k) { return (k + SPAN * PARTS - 1) / (SPAN * PARTS); }
  // weight(column, k), or 0, into shared memory; what follows them there
  template <class Weight>
  static __device__ __forceinline__ Word* keep(Word* weights, int k, Weight weight) {
    int parts = steps(k) * PARTS;
#pragma unroll 1
    for (int i = threadIdx.x; i < parts * 32 * SPAN; i += T::THREADS) {
      int column = i / SPAN % 32, part = i / SPAN / 32, at = part * SPAN + i % SPAN;
      ((Number*)(weights + part * SIDE + column * T::LDB))[i % SPAN] = at < k ? weight(column, at) : Number(0.f);
    }
    return weights + parts * SIDE;
  }
  // sums += rows of x (stride `length`, k of them numbers) times the weights, for `count` rows
  static __device__ __forceinline__ void multiply(
      Sums<T>& sums, Word* ring, const Word* weights, const Number* x, int rows, int k, i64 stride) {
    int count = steps(k), group = threadIdx.x / (ROWS * 2);
    auto fetch = [&](int it) {
      if (it < count)
        copy_chunks<T, T::BM, T::LDA>(ring + it % RING * T::A_WORDS, [&](int row, bool& valid) {
          int at = (it * PARTS + row / ROWS) * SPAN + threadIdx.x % (T::DEPTH / T::CHUNK) * (T::CHUNK * P::PACKED);
          valid = row % ROWS < rows && at < k;
          return x + row % ROWS * stride + at;
        });
      cp_async_commit();
    };
#pragma unroll 1
    for (int it = 0; it < RING - 1; it++) fetch(it);
#pragma unroll 1
    for (int it = 0; it < count; it++) {
      cp_async_wait<RING - 2>();
      __syncthreads();  // this part is in, and the one before it was used by all
      fetch(it + RING - 1);
      multiply_step<T>(sums, ring + it % RING * T::A_WORDS, weights + (it * PARTS + group) * SIDE);
    }
    cp_async_wait<0>();
    __syncthreads();
    // the first group adds what the others found
    typename P::Sum* others = (typename P::Sum*)ring;
    const int EACH = T::MI * T::NI * T::ND, THREADS = ROWS * 2;
    typename P::Sum* flat = &sums.at[0][0][0];
    if (group > 0)
#pragma unroll
      for (int i = 0; i < EACH; i++) others[((group - 1) * EACH + i) * THREADS + threadIdx.x % THREADS] = flat[i];
    __syncthreads();
    if (group == 0)
#pragma unroll
      for (int g = 0; g < PARTS - 1; g++)
#pragma unroll
        for (int i = 0; i < EACH; i++) flat[i] += others[(g * EACH + i) * THREADS + threadIdx.x];
    __syncthreads();  // the ring is free again
  }
};

// steps: (count + 1, 2), first row and number of rows of each, in their order; no rows at the end.
template <typename N, class P, int KIND, int ROWS, int PARTS>
__global__ void __launch_bounds__(ROWS * PARTS * 2, 1)
    sequence(const N* __restrict__ w, N* acts, N* before, N* extra, N* y, N* last, N* last_c, const N* b_ih, const N* b_hh,
             const int* __restrict__ steps, unsigned* arrived, int H, int count) {
  typedef Stationary<P, ROWS, PARTS> S;
  typedef typename S::T T;
  extern __shared__ __align__(16) unsigned char memory[];
  const int G = gates_of(KIND);
  int first = blockIdx.x * 8;
  typename P::Word* weights = (typename P::Word*)memory;
  typename P::Word* ring = S::keep(weights, H, [&](int column, int k) {
    int gate = column / 8, unit = first + column % 8;
    return gate < G && unit < H ? w[((i64)gate * H + unit) * H + k] : N(0.f);
  });
  Layer<N> l = {acts, before, extra, y, last, last_c, b_ih, b_hh, H};
  for (int t = 0; t < count; t++) {
    Step s = {steps[2 * t], steps[2 * t + 1], steps[2 * t + 2], steps[2 * t + 3]};
    for (int begin = 0; begin < s.rows; begin += ROWS) {
      Sums<T> sums = {};
      const N* h = before + (i64)(s.start + begin) * H;
      S::multiply(sums, ring, weights, h, s.rows - begin, H, H);
      if (threadIdx.x >= ROWS * 2) continue;
#pragma unroll
      for (int i = 0; i < T::MI; i++)
#pragma unroll
        for (int e = 0; e < T::ND; e++) {
          int row = begin + T::row(i, e), unit = first + T::column(0) + e % 2;
          if (row >= s.rows || unit >= H) continue;
          typename P::Sum v[4] = {sums.at[i][0][e], sums.at[i][1][e], sums.at[i][2][e], sums.at[i][3][e]};
          cell<KIND>(l, s, row, unit, v);
        }
    }
    if (t + 1 < count) GRID_BARRIER(arrived, (t + 1) * gridDim.x);
  }
}

// The same backwards.  A block multiplies what one gate gives to 32 units; `parts` (gates, rows, H) are added by whoever
// has the unit: so the grid meets twice a step, and each block reads one gate's gradients, not all.
template <typename N, typename A, class P, int KIND, int ROWS, int PARTS>
__global__ void __launch_bounds__(ROWS * PARTS * 2, 1)
    sequence_back(const N* __restrict__ w, const N* __restrict__ gy, const N* __restrict__ acts, const N* __restrict__ before,
                  const N* __restrict__ extra, A* dh, A* dc, N* dx, N* du, A* parts, const int* __restrict__ steps,
                  unsigned* arrived, int H, int count, int batch) {
  typedef Stationary<P, ROWS, PARTS> S;
  typedef typename S::T T;
  extern __shared__ __align__(16) unsigned char memory[];
  const int G = gates_of(KIND);
  int gate = blockIdx.x % G, first = blockIdx.x / G * 32, meetings = 0;
  typename P::Word* weights = (typename P::Word*)memory;
  typename P::Word* ring = S::keep(weights, H, [&](int column, int k) {
    return first + column < H ? w[((i64)gate * H + k) * H + first + column] : N(0.f);
  });
  for (int t = count - 1, carried = 0; t >= -1; t--) {
    int start = t < 0 ? 0 : steps[2 * t], rows = t < 0 ? 0 : steps[2 * t + 1];
    GRID_STRIDE(int, i, max(rows, carried) * H) {
      A carry = 0;
#pragma unroll
      for (int q = 0; q < G; q++) carry += i < carried * H ? __ldcg(parts + (i64)q * batch * H + i) : A(0);
      unit_back<KIND>(carry, gy, acts, before, extra, dh, dc, dx, du, H, start, rows, i);
    }
    if (t < 0) break;
    GRID_BARRIER(arrived, ++meetings * gridDim.x);
    for (int begin = 0; begin < rows; begin += ROWS) {
      Sums<T> sums = {};
      const N* from = du + (i64)(start + begin) * G * H + gate * H;
      S::multiply(sums, ring, weights, from, rows - begin, H, (i64)G * H);
      if (threadIdx.x >= ROWS * 2) continue;
#pragma unroll
      for (int i = 0; i < T::MI; i++)
#pragma unroll
        for (int j = 0; j < T::NI; j++)
#pragma unroll
          for (int e = 0; e < T::ND; e++) {
            int row = begin + T::row(i, e), unit = first + T::column(j) + e % 2;
            if (row < rows && unit < H) parts[((i64)gate * batch + row) * H + unit] = sums.at[i][j][e];
          }
    }
    carried = rows;
    GRID_BARRIER(arrived, ++meetings * gridDim.x);
  }
}
