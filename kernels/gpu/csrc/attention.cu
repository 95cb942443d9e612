// Attention without its matrix of weights in memory (Dao et al. 2022, FlashAttention): a block has TILE queries of one
// head and walks over its keys, or TILE keys and walks over its queries.  256 threads, 16 x 16, have R x R scores each;
// E and D are at most BOUND.  Of a row of weights its largest score and one over its sum are kept for the gradient.
#include "common.cuh"

template <typename T, typename A, int TILE, int BOUND>
struct Block {
  static constexpr int R = TILE / 16, V = lanes_of<A>, STRIDE = BOUND + V, EDGE = TILE + V, C = BOUND / 16 / V;
  static constexpr int WIDE = C ? C : 1;  // groups of V columns of a result that a thread has
  typedef A Scores[R][R];
  typedef A Rows[R][WIDE][V];

  int me, ty, tx;
  __device__ Block() : me(threadIdx.x), ty(threadIdx.x / 16), tx(threadIdx.x % 16) {}
  __device__ int row(int r) const { return ty * R + r; }
  __device__ int column(int c) const { return tx + 16 * c; }

  // Rows `first`.. of x (n, width) to shared memory, zeros around.
  __device__ void load(A* to, const T* x, int first, int n, int width) const {
    for (int i = me; i < TILE * BOUND; i += 256) {
      int r = i / BOUND, c = i % BOUND;
      to[r * STRIDE + c] = first + r < n && c < width ? (A)x[(i64)(first + r) * width + c] : A(0);
    }
  }
  // s = products of rows of a with rows of b
  __device__ void products(Scores& s, const A* a, const A* b, int width) const {
    for (int r = 0; r < R; r++)
      for (int c = 0; c < R; c++) s[r][c] = 0;
    for (int e = 0; e < width; e += V) {
      Pack<A, V> x[R], y[R];
#pragma unroll
      for (int r = 0; r < R; r++) x[r] = *(const Pack<A, V>*)(a + row(r) * STRIDE + e);
#pragma unroll
      for (int c = 0; c < R; c++) y[c] = *(const Pack<A, V>*)(b + column(c) * STRIDE + e);
#pragma unroll
      for (int r = 0; r < R; r++)
#pragma unroll
        for (int c = 0; c < R; c++)
#pragma unroll
          for (int l = 0; l < V; l++) s[r][c] += x[r].at[l] * y[c].at[l];
    }
  }
  __device__ void keep(A* edge, const Scores& s) const {
    for (int r = 0; r < R; r++)
      for (int c = 0; c < R; c++) edge[row(r) * EDGE + column(c)] = s[r][c];
  }
  // y += edge (TILE, TILE) times b (TILE, BOUND)
  __device__ void add_products(Rows& y, const A* edge, const A* b) const {
    for (int k = 0; k < TILE; k += V) {
      Pack<A, V> x[R];
#pragma unroll
      for (int r = 0; r < R; r++) x[r] = *(const Pack<A, V>*)(edge + row(r) * EDGE + k);
#pragma unroll
      for (int l = 0; l < V; l++)
#pragma unroll
        for (int c = 0; c < WIDE; c++) {
          if (column(c) * V >= BOUND) break;
          Pack<A, V> z = *(const Pack<A, V>*)(b + (k + l) * STRIDE + column(c) * V);
#pragma unroll
          for (int r = 0; r < R; r++)
#pragma unroll
            for (int i = 0; i < V; i++) y[r][c][i] += x[r].at[l] * z.at[i];
        }
    }
  }
  // Rows of the result, times `scale` of each, to y (n, width).
  template <typename F>
  __device__ void store(T* y, const Rows& rows, int first, int n, int width, F scale) const {
    for (int r = 0; r < R; r++)
      for (int c = 0; c < WIDE; c++)
        for (int i = 0; i < V; i++) {
          int at = column(c) * V + i;
          if (first + row(r) < n && at < width) y[(i64)(first + row(r)) * width + at] = rows[r][c][i] * scale(r);
        }
  }
};

// Over the 16 threads of a row, all of which get the result.
template <typename A, typename F>
__device__ A over_row(A v, F f) {
  for (int d = 8; d > 0; d /= 2) v = f(v, __shfl_xor_sync(~0u, v, d));
  return v;
}

// What a query sees of a key: scale times their product, plus the mask; -INFINITY for nothing.
template <typename T, typename A>
__device__ A seen(A product, const T* mask, int query, int key, int L, int S, int causal, A scale) {
  if (query >= L || key >= S || (causal && key > query)) return -INFINITY;
  A more = mask ? (A)mask[(i64)query * S + key] : A(0);
  return more == -INFINITY ? more : product * scale + more;
}

template <typename T, typename A, int TILE, int BOUND>
__global__ void __launch_bounds__(256) attention(const T* q, const T* k, const T* v, const T* mask, const i64* which,
                                                 T* y, A* norms, int L, int S, int E, int D, int causal, A scale) {
  typedef Block<T, A, TILE, BOUND> B;
  extern __shared__ __align__(16) char memory[];
  A *queries = (A*)memory, *keys = queries + TILE * B::STRIDE, *values = keys + TILE * B::STRIDE;
  A* edge = values + TILE * B::STRIDE;
  B block;
  int tiles = (L + TILE - 1) / TILE, head = blockIdx.x / tiles, first = blockIdx.x % tiles * TILE;
  if (mask) mask += which[head] * L * S;
  block.load(queries, q + (i64)head * L * E, first, L, E);
  typename B::Rows sums = {};
  A most[B::R], total[B::R] = {};
  for (int r = 0; r < B::R; r++) most[r] = -INFINITY;
  for (int next = 0; next < (causal ? min(S, first + TILE) : S); next += TILE) {
    __syncthreads();  // the last keys were used
    block.load(keys, k + (i64)head * S * E, next, S, E);
    block.load(values, v + (i64)head * S * D, next, S, D);
    __syncthreads();
    typename B::Scores s;
    block.products(s, queries, keys, E);
#pragma unroll
    for (int r = 0; r < B::R; r++) {
      A high = most[r], sum = 0;
      for (int c = 0; c < B::R; c++) {
        s[r][c] = seen(s[r][c], mask, first + block.row(r), next + block.column(c), L, S, causal, scale);
        high = s[r][c] > high ? s[r][c] : high;
      }
      high = over_row(high, [](A a, A b) { return b > a ? b : a; });
      A from = high == -INFINITY ? A(0) : high, less = exp(most[r] - from);  // where nothing was seen yet
      for (int c = 0; c < B::R; c++) sum += s[r][c] = exp(s[r][c] - from);
      total[r] = total[r] * less + over_row(sum, [](A a, A b) { return a + b; });
      for (int c = 0; c < B::WIDE; c++)
        for (int i = 0; i < B::V; i++) sums[r][c][i] *= less;
      most[r] = high;
    }
    block.keep(edge, s);
    __syncthreads();
    block.add_products(sums, edge, values);
  }
  A over[B::R];
  for (int r = 0; r < B::R; r++) {
    over[r] = total[r] == 0 ? A(0) : A(1) / total[r];
    int at = first + block.row(r);
    if (block.tx == 0 && at < L) {
      A* to = norms + ((i64)head * L + at) * 2;
      to[0] = total[r] == 0 ? (A)INFINITY : most[r], to[1] = over[r];
    }
  }
  block.store(y + (i64)head * L * D, sums, first, L, D, [&](int r) { return over[r]; });
}

// The gradient of the queries; delta (heads, L): of each the mean of its weights' gradients.
template <typename T, typename A, int TILE, int BOUND>
__global__ void __launch_bounds__(256, 1)
    attention_queries(const T* g, const T* q, const T* k, const T* v, const T* mask, const i64* which, const A* norms,
                      A* delta, T* dq, int L, int S, int E, int D, int causal, A scale) {
  typedef Block<T, A, TILE, BOUND> B;
  extern __shared__ __align__(16) char memory[];
  A *queries = (A*)memory, *gs = queries + TILE * B::STRIDE, *keys = gs + TILE * B::STRIDE;
  A *values = keys + TILE * B::STRIDE, *edge = values + TILE * B::STRIDE;
  B block;
  int tiles = (L + TILE - 1) / TILE, head = blockIdx.x / tiles, first = blockIdx.x % tiles * TILE;
  if (mask) mask += which[head] * L * S;
  block.load(queries, q + (i64)head * L * E, first, L, E);
  block.load(gs, g + (i64)head * L * D, first, L, D);
  typename B::Rows sums = {};
  A most[B::R], over[B::R], mean[B::R] = {};
  for (int r = 0; r < B::R; r++) {
    int at = min(first + block.row(r), L - 1);
    most[r] = norms[((i64)head * L + at) * 2], over[r] = norms[((i64)head * L + at) * 2 + 1];
  }
  for (int pass = 0; pass < 2; pass++) {
    for (int next = 0; next < (causal ? min(S, first + TILE) : S); next += TILE) {
      __syncthreads();
      block.load(keys, k + (i64)head * S * E, next, S, E);
      block.load(values, v + (i64)head * S * D, next, S, D);
      __syncthreads();
      typename B::Scores s, d;
      block.products(s, queries, keys, E);
      block.products(d, gs, values, D);
#pragma unroll
      for (int r = 0; r < B::R; r++)
        for (int c = 0; c < B::R; c++) {
          A score = seen(s[r][c], mask, first + block.row(r), next + block.column(c), L, S, causal, scale);
          A p = exp(score - most[r]) * over[r];
          if (pass == 0)
            mean[r] += p * d[r][c];
          else
            s[r][c] = p * (d[r][c] - mean[r]);
        }
      if (pass == 0) continue;
      block.keep(edge, s);
      __syncthreads();
      block.add_products(sums, edge, keys);
    }
    if (pass) continue;
    for (int r = 0; r < B::R; r++) {
      mean[r] = over_row(mean[r], [](A a, A b) { return a + b; });
      int at = first + block.row(r);
      if (block.tx == 0 && at < L) delta[(i64)head * L + at] = mean[r];
    }
  }
  block.store(dq + (i64)head * L * E, sums, first, L, E, [&](int) { return scale; });
}

// The gradients of keys and values: as above, the sides exchanged.
template <typename T, typename A, int TILE, int BOUND>
__global__ void __launch_bounds__(256, 1)
    attention_keys(const T* g, const T* q, const T* k, const T* v, const T* mask, const i64* which, const A* norms,
                   const A* delta, T* dk, T* dv, int L, int S, int E, int D, int causal, A scale) {
  typedef Block<T, A, TILE, BOUND> B;
  extern __shared__ __align__(16) char memory[];
  A *keys = (A*)memory, *values = keys + TILE * B::STRIDE, *queries = values + TILE * B::STRIDE;
  A *gs = queries + TILE * B::STRIDE, *edge = gs + TILE * B::STRIDE;
  B block;
  int tiles = (S + TILE - 1) / TILE, head = blockIdx.x / tiles, first = blockIdx.x % tiles * TILE;
  if (mask) mask += which[head] * L * S;
  block.load(keys, k + (i64)head * S * E, first, S, E);
  block.load(values, v + (i64)head * S * D, first, S, D);
  typename B::Rows of_keys = {}, of_values = {};
  for (int next = causal ? first / TILE * TILE : 0; next < L; next += TILE) {
    __syncthreads();
    block.load(queries, q + (i64)head * L * E, next, L, E);
    block.load(gs, g + (i64)head * L * D, next, L, D);
    __syncthreads();
    typename B::Scores p, d;
    block.products(p, keys, queries, E);
    block.products(d, values, gs, D);
#pragma unroll
    for (int c = 0; c < B::R; c++) {
      int query = next + block.column(c);
      i64 at = (i64)head * L + min(query, L - 1);
      A most = norms[at * 2], over = norms[at * 2 + 1], mean = delta[at];
      for (int r = 0; r < B::R; r++) {
        A score = seen(p[r][c], mask, query, first + block.row(r), L, S, causal, scale);
        p[r][c] = exp(score - most) * over;
        d[r][c] = p[r][c] * (d[r][c] - mean);
      }
    }
    block.keep(edge, p);
    __syncthreads();
    block.add_products(of_values, edge, gs);
    __syncthreads();
    block.keep(edge, d);
    __syncthreads();
    block.add_products(of_keys, edge, queries);
  }
  block.store(dv + (i64)head * S * D, of_values, first, S, D, [&](int) { return A(1); });
  block.store(dk + (i64)head * S * E, of_keys, first, S, E, [&](int) { return scale; });
}
