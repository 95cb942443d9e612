// Matrix products c = a b + bias, each operand with its rows or its k next to each other in memory.
#include "mma.cuh"

// Rows of chunks of a step, from an array in which rows (deep: k) lie next to each other, `length` of them.
template <class T, bool DEEP, int ROWS, int LD>
__device__ __forceinline__ void copy_operand(
    typename T::Word* to, const typename T::P::Number* from, int first, int rows, int k, int depth) {
  if constexpr (DEEP) {
    int at = k + threadIdx.x % (T::DEPTH / T::CHUNK) * T::CHUNK;
    copy_chunks<T, ROWS, LD>(to, [&](int row, bool& valid) {
      valid = first + row < rows && at < depth;
      return from + (i64)(first + row) * depth + at;
    });
  } else {
    const int COLUMNS = ROWS / T::CHUNK;
    int column = threadIdx.x % COLUMNS * T::CHUNK;
#pragma unroll
    for (int i = 0; i < T::DEPTH * COLUMNS / T::THREADS; i++) {
      int word = threadIdx.x / COLUMNS + i * (T::THREADS / COLUMNS);
      bool valid = k + word < depth && first + column < rows;
      cp_async<16>(to + word * LD + column, from + (i64)(k + word) * rows + first + column, valid);
    }
  }
}

template <class T>
struct Load {
  typedef typename T::P::Number Number;
  typedef typename T::Word Word;
  const Number *a, *b;
  int m, n, rows, columns, depth, k;
  __device__ __forceinline__ void fetch(Word* left, Word* right) {
    copy_operand<T, T::A_DEEP, T::BM, T::LDA>(left, a, m, rows, k, depth);
    copy_operand<T, T::B_DEEP, T::BN, T::LDB>(right, b, n, columns, k, depth);
    k += T::DEPTH;
  }
  __device__ __forceinline__ void keep(Word*, Word*) {}
};

// a: (batch, rows, depth), or (batch, depth, rows) unless A_DEEP; b: (batch, columns, depth) or (batch, depth, columns);
// what lies next to each other is a multiple of 16 bytes long.
template <typename N, class P, int A_DEEP, int B_DEEP, int BM, int BN, int WM, int WN>
__global__ void __launch_bounds__(BM / WM * BN / WN * 32, BM == 128 ? 1 : 3)
    gemm(const N* __restrict__ a, const N* __restrict__ b, const N* __restrict__ bias, N* __restrict__ c, int rows,
         int columns, int depth) {
  typedef Tile<P, BM, BN, WM, WN, A_DEEP, B_DEEP> T;
  extern __shared__ __align__(16) unsigned char memory[];
  // tiles that run at the same time are 8 rows of tiles high: they share what they read
  int high = (rows + BM - 1) / BM, wide = (columns + BN - 1) / BN;
  int band = blockIdx.x / (8 * wide) * 8, height = min(high - band, 8), inside = blockIdx.x % (8 * wide);
  int m = (band + inside % height) * BM, n = inside / height * BN;
  Load<T> load = {a + (i64)blockIdx.z * rows * depth, b + (i64)blockIdx.z * columns * depth, m, n, rows, columns, depth};
  load.k = 0;
  Sums<T> sums = {};
  multiply<T>(sums, (typename P::Word*)memory, (depth + T::DEPTH - 1) / T::DEPTH, load);
  c += (i64)blockIdx.z * rows * columns;
#pragma unroll
  for (int j = 0; j < T::NI; j++)
#pragma unroll
    for (int h = 0; h < 2; h++) {
      int column = n + T::column(j) + h;
      if (column >= columns) continue;
      typename P::Sum add = bias ? (typename P::Sum)bias[column] : 0;
#pragma unroll
      for (int i = 0; i < T::MI; i++)
#pragma unroll
        for (int e = h; e < T::ND; e += 2) {
          int row = m + T::row(i, e);
          if (row < rows) c[(i64)row * columns + column] = (N)(sums.at[i][j][e] + add);
        }
    }
}
