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

// A row of weights with its k in two or four parts, that as many groups of warps multiply: T has the rows of all groups.
template <class P, int ROWS, int PARTS>
struct Stationary {
  typedef Tile<P, ROWS * PARTS, 32, 16, 32, true, true> T;
  typedef typename P::Number Number;
  typedef typename P::Word Word;
  enum { RING = 4, SPAN = T::DEPTH * P::PACKED, SIDE = T::BN * T::LDB };

  // sums += rows of x (stride `length`, k of them numbers) times the weights, for `count` rows
  static __device__ __forceinline__ void multiply(
      Sums<T>& sums, Word* ring, const Word* weights, const Number* x, int rows, int k, i64 stride) {
    int steps = (k + SPAN * PARTS - 1) / (SPAN * PARTS), group = threadIdx.x / (ROWS * 2);
    auto fetch = [&](int it) {
      if (it < steps)
        copy_chunks<T, T::BM, T::LDA>(ring + it % RING * T::A_WORDS, [&](int row, bool& valid) {
          int at = (it * PARTS + row / ROWS) * SPAN + threadIdx.x % (T::DEPTH / T::CHUNK) * (T::CHUNK * P::PACKED);
          valid = row % ROWS < rows && at < k;
          return x + row % ROWS * stride + at;
        });
      cp_async_commit();
    };
    for (int it = 0; it < RING - 1; it++) fetch(it);
    for (int it = 0; it < steps; it++) {
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
  typename P::Word* weights = (typename P::Word*)memory;
  int parts = (H + S::SPAN * PARTS - 1) / (S::SPAN * PARTS) * PARTS, first = blockIdx.x * 8;
  typename P::Word* ring = weights + parts * S::SIDE;
  for (int i = threadIdx.x; i < parts * 32 * S::SPAN; i += T::THREADS) {
    int k = i % S::SPAN, column = i / S::SPAN % 32, part = i / S::SPAN / 32, unit = first + column % 8;
    bool there = column / 8 < G && unit < H && part * S::SPAN + k < H;
    N* to = (N*)(weights + part * S::SIDE + column * T::LDB);
    to[k] = there ? w[((i64)(column / 8) * H + unit) * H + part * S::SPAN + k] : N(0.f);
  }
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
