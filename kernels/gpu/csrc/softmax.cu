// Softmax and its kin over one dimension of x (A, n, B).  A line of it, r = a * B + b, has a team of threads where the
// dimension is the last (B = 1: ROWS), else one thread, as then the lines of neighbours lie side by side.
// With m the largest of a line and s the sum of e**(x - m): softmax is e**(x - m) / s, its logarithm x - m - log(s).
#include "common.cuh"
#include "faults.cuh"

template <bool ROWS>
struct Line {
  int n, B, r;
  i64 at;

  __device__ Line(int n, int B) : n(n), B(B) {
    r = ROWS ? blockIdx.x * blockDim.y + threadIdx.y : blockIdx.x * blockDim.x + threadIdx.x;
    at = (i64)(r / B) * n * B + r % B;
  }
  template <int V, typename F, typename... In>
  __device__ void each(F f, const In*... in) const {
    if (ROWS)
      ::each<V>((int)threadIdx.x, (int)blockDim.x, n, f, (in + at)...);
    else
      for (int i = 0; i < n; i++) f(i, in[at + (i64)i * B]...);
  }
  template <int V, typename T, typename F, typename... In>
  __device__ void fill(T* y, F f, const In*... in) const {
    if (ROWS)
      ::fill<V>(y + at, (int)threadIdx.x, (int)blockDim.x, n, f, (in + at)...);
    else
      for (int i = 0; i < n; i++) y[at + (i64)i * B] = f(i, in[at + (i64)i * B]...);
  }
  template <typename A>
  __device__ A sum(A v) const {
    return ROWS ? team_sum(v) : v;
  }
  // The largest number m (a NaN shows in the sum), and the sum of e**(x - m).
  template <typename A, typename T>
  __device__ A moments(const T* x, A& m) const {
    A most = -INFINITY, s = 0;
    each<lanes_of<T>>([&](int, T v) { most = (A)v > most ? (A)v : most; }, x);
    m = ROWS ? team_max(most) : most;
    each<lanes_of<T>>([&](int, T v) { s += exp((A)v - m); }, x);
    return sum(s);
  }
  __device__ bool first() const { return !ROWS || threadIdx.x == 0; }
};

template <typename T, typename A, bool ROWS>
__global__ void softmax(const T* x, T* y, int n, int B, int lines) {
  Line<ROWS> line(n, B);
  if (line.r >= lines) return;
  A m, scale = A(1) / line.template moments<A>(x, m);
  line.template fill<lanes_of<T>>(y, [&](int, T v) -> T { return exp((A)v - m) * scale; }, x);
}

template <typename T, typename A, bool ROWS>
__global__ void log_softmax(const T* x, T* y, int n, int B, int lines) {
  Line<ROWS> line(n, B);
  if (line.r >= lines) return;
  A m, rest = log(line.template moments<A>(x, m));
  line.template fill<lanes_of<T>>(y, [&](int, T v) -> T { return ((A)v - m) - rest; }, x);
}

template <typename T, typename A, bool ROWS>
__global__ void softmax_slope(const T* g, const T* y, T* x, int n, int B, int lines) {
  Line<ROWS> line(n, B);
  if (line.r >= lines) return;
  A s = 0;
  line.template each<lanes_of<T>>([&](int, T u, T v) { s += (A)u * (A)v; }, g, y);
  s = line.sum(s);
  line.template fill<lanes_of<T>>(x, [&](int, T u, T v) -> T { return (A)v * ((A)u - s); }, g, y);
}

template <typename T, typename A, bool ROWS>
__global__ void log_softmax_slope(const T* g, const T* y, T* x, int n, int B, int lines) {
  Line<ROWS> line(n, B);
  if (line.r >= lines) return;
  A s = 0;
  line.template each<lanes_of<T>>([&](int, T u) { s += (A)u; }, g);
  s = line.sum(s);
  line.template fill<lanes_of<T>>(x, [&](int, T u, T v) -> T { return (A)u - exp((A)v) * s; }, g, y);
}

// ---------------------------------------------------------------- cross-entropy
// What a target counts: its class's weight, nothing where it is ignored; a class that is none gives NaN.
template <typename A, typename T>
__device__ A share_of(i64 t, const T* weight, i64 ignored, int n) {
  if (t == ignored) return 0;
  return (u64)t >= (u64)n ? (A)INFINITY - (A)INFINITY : weight ? (A)weight[t] : A(1);
}

// loss[r] = -(1 - smoothing) w[t] log p[t] - smoothing / n * sum of w log p
template <typename T, typename A, bool ROWS>
__global__ void losses(const T* x, const i64* target, const T* weight, A* loss, A* shares, int* fault, i64 ignored,
                       A smoothing, int n, int B, int lines) {
  Line<ROWS> line(n, B);
  if (line.r >= lines) return;
  i64 t = target[line.r];
  A share = share_of<A>(t, weight, ignored, n), y = 0, m;
  if (t != ignored) {
    inside(t, n, fault, TARGET);
    A rest = log(line.template moments<A>(x, m)), all = 0;
    if (share != 0) y = share != share ? share : -(((A)x[line.at + t * B] - m) - rest) * share;
    if (smoothing != 0) {
      line.template each<lanes_of<T>>(
          [&](int c, T v) { all -= (((A)v - m) - rest) * (weight ? (A)weight[c] : A(1)); }, x);
      y = (1 - smoothing) * y + smoothing / n * line.sum(all);
    }
  }
  if (line.first()) loss[line.r] = y, shares[line.r] = share;
}

// y = sum of losses, divided by the sum of shares where `mean`; total = that sum.  One block.
template <typename T, typename A>
__global__ void join_losses(const A* loss, const A* shares, T* y, A* total, int mean, int lines) {
  A sum = 0, all = 0;
  for (int r = threadIdx.x; r < lines; r += blockDim.x) sum += loss[r], all += shares[r];
  sum = team_sum(sum), all = team_sum(all);
  if (threadIdx.x) return;
  *y = mean ? sum / all : sum;
  *total = all;
}

// The sum of the targets' shares.  One block.
template <typename T, typename A>
__global__ void join_shares(const i64* target, const T* weight, A* total, i64 ignored, int n, int lines) {
  A all = 0;
  for (int r = threadIdx.x; r < lines; r += blockDim.x) all += share_of<A>(target[r], weight, ignored, n);
  all = team_sum(all);
  if (threadIdx.x == 0) *total = all;
}

// g: one number for each line (step 1) or for all (step 0); total: what it is divided by, or null.
template <typename T, typename A, bool ROWS>
__global__ void losses_gradient(const T* g, const T* x, const i64* target, const T* weight, const A* total, T* gx,
                                i64 ignored, A smoothing, int step, int n, int B, int lines) {
  Line<ROWS> line(n, B);
  if (line.r >= lines) return;
  i64 t = target[line.r];
  A k = (A)g[line.r * step] / (total ? *total : A(1)), m = 0, of_weights = 0, scale = 0;
  A share = share_of<A>(t, weight, ignored, n) * (1 - smoothing), each = t == ignored ? 0 : smoothing / n;
  if (t != ignored) scale = A(1) / line.template moments<A>(x, m);
  if (smoothing != 0) {
    line.template each<lanes_of<T>>([&](int c, T) { of_weights += weight ? (A)weight[c] : A(1); }, x);
    of_weights = line.sum(of_weights);
  }
  line.template fill<lanes_of<T>>(
      gx,
      [&](int c, T v) -> T {
        if (t == ignored) return A(0);
        A p = exp((A)v - m) * scale, w = weight ? (A)weight[c] : A(1);
        return k * (share * (p - (c == t ? A(1) : A(0))) + each * (p * of_weights - w));
      },
      x);
}
