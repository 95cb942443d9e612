// Normalisation.  Planes: x (N, C, P) as jobs of (A, J, L) that are normalised together, batches (N, C, P) and groups
// (1, N * G, C / G * P); each job has its mean and scale = 1 / deviation, each channel its weight and bias, of which
// none is a null pointer.  Rows: x (M, D), weight and bias for each element of a row.
// With z = (x - mean) * scale and u = g * weight, x's gradient is (u - mean(u) - z * mean(u * z)) * scale (Ioffe 2015).
#include "reduce.cuh"

template <typename A, typename T>
__device__ A or_else(const T* v, int i, A none) {
  return v ? (A)v[i] : none;
}

// ---------------------------------------------------------------- planes
// parts (J, S, 2): of each part its mean and the sum of squared distances from it
template <typename T, typename A>
__global__ void plane_moments(const T* x, A* parts, int N, int J, int L) {
  constexpr int V = lanes_of<T>;
  Jobs jobs{N, J, L};
  int count = jobs.begin<V>(blockIdx.y + 1, gridDim.y) - jobs.begin<V>(blockIdx.y, gridDim.y);
  A sum = 0, squares = 0;
  jobs.each<V>([&](int, T v) { sum += (A)v; }, x);
  A mean = count ? team_sum(sum) / count : 0;
  jobs.each<V>([&](int, T v) { squares += ((A)v - mean) * ((A)v - mean); }, x);
  squares = team_sum(squares);
  A* to = parts + ((i64)blockIdx.x * gridDim.y + blockIdx.y) * 2;
  if (threadIdx.x == 0) to[0] = mean, to[1] = squares;
}

// The moments of each job out of those of its parts (Chan et al. 1979); means and variances also as T, for batches.
template <typename T, typename A>
__global__ void join_moments(const A* parts, T* mean_, T* var_, A* mean, A* scale, A eps, int S, int N, int L, int n) {
  GRID_STRIDE(int, j, n) {
    Jobs jobs{N, n, L};
    A all = 0, m = 0, squares = 0;
    for (int s = 0; s < S; s++) {
      A count = jobs.begin<lanes_of<T>>(s + 1, S) - jobs.begin<lanes_of<T>>(s, S);
      A d = parts[((i64)j * S + s) * 2] - m;
      if (count == 0) continue;
      all += count;
      m += d * (count / all);
      squares += parts[((i64)j * S + s) * 2 + 1] + d * d * (all - count) * (count / all);
    }
    A var = squares / all;
    mean[j] = m, scale[j] = A(1) / sqrt(var + eps);
    if (mean_) mean_[j] = m, var_[j] = var;
  }
}

// For plane q = i / P of (N, C, P): channel q % C, job q / B % J.
template <int V, typename T, typename A>
__device__ void normalise(const T* x, const T* weight, const T* bias, const A* mean, const A* scale, T* y, int P, int C,
                          int B, int J, int n) {
  for (int i = (blockIdx.x * blockDim.x + threadIdx.x) * V; i < n; i += gridDim.x * blockDim.x * V) {
    int q = i / P, c = q % C, j = q / B % J;
    A m = or_else<A>(mean, j, 0), a = or_else<A>(weight, c, 1) * or_else<A>(scale, j, 1), b = or_else<A>(bias, c, 0);
    auto f = [&](int, T v) -> T { return ((A)v - m) * a + b; };
    fill_lanes<V>(y, i, f, *(const Pack<T, V>*)(x + i));
  }
}

template <typename T, typename A>
__global__ void plane_normal(const T* x, const T* weight, const T* bias, const A* mean, const A* scale, T* y, int P,
                             int C, int B, int J, int n) {
  constexpr int V = lanes_of<T>;
  if (P % V == 0 && aligned<V>(x, y))
    normalise<V>(x, weight, bias, mean, scale, y, P, C, B, J, n);
  else
    normalise<1>(x, weight, bias, mean, scale, y, P, C, B, J, n);
}

// parts (J, S, 2): sums of g and of g * z over planes; B of them make up a job of the forward pass
template <typename T, typename A>
__global__ void plane_products(const T* g, const T* x, const A* mean, const A* scale, A* parts, int N, int J, int L,
                               int B) {
  A m = or_else<A>(mean, blockIdx.x / B, 0), of_g = 0, of_gz = 0;
  Jobs{N, J, L}.each<lanes_of<T>>(
      [&](int, T u, T v) {
        of_g += (A)u;
        of_gz += (A)u * ((A)v - m);
      },
      g, x);
  of_g = team_sum(of_g), of_gz = team_sum(of_gz);
  A* to = parts + ((i64)blockIdx.x * gridDim.y + blockIdx.y) * 2;
  if (threadIdx.x == 0) to[0] = of_g, to[1] = of_gz * or_else<A>(scale, blockIdx.x / B, 1);
}

template <typename A>
__device__ A sum_of(const A* parts, int plane, int S, int which) {
  A sum = 0;
  for (int s = 0; s < S; s++) sum += parts[((i64)plane * S + s) * 2 + which];
  return sum;
}

// Of the parts of planes (N, C) gradients of weight and bias (C,), and for each of J jobs of B planes, `count`
// elements in each, what x's gradient takes off: slope * (x - mean) + shift.
template <typename T, typename A>
__global__ void join_products(const A* parts, const T* weight, const A* scale, T* gw, T* gb, A* slope, A* shift, int S,
                              int N, int C, int B, int J, int count) {
  GRID_STRIDE(int, t, max(C, J)) {
    if (t < J && slope) {
      A of_u = 0, of_uz = 0, k = scale[t];
      for (int q = t * B; q < t * B + B; q++) {
        A w = or_else<A>(weight, q % C, 1);
        of_u += w * sum_of(parts, q, S, 0);
        of_uz += w * sum_of(parts, q, S, 1);
      }
      slope[t] = of_uz / count * k * k, shift[t] = of_u / count * k;
    }
    if (t < C) {
      A of_g = 0, of_gz = 0;
      for (int q = t; q < N * C; q += C) of_g += sum_of(parts, q, S, 0), of_gz += sum_of(parts, q, S, 1);
      gw[t] = of_gz, gb[t] = of_g;
    }
  }
}

template <int V, typename T, typename A>
__device__ void spread(const T* g, const T* x, const T* weight, const A* mean, const A* scale, const A* slope,
                       const A* shift, T* gx, int P, int C, int B, int J, int n) {
  for (int i = (blockIdx.x * blockDim.x + threadIdx.x) * V; i < n; i += gridDim.x * blockDim.x * V) {
    int q = i / P, c = q % C, j = q / B % J;
    A m = mean[j], a = or_else<A>(weight, c, 1) * scale[j], d = slope[j], e = shift[j];
    auto f = [&](int, T u, T v) -> T { return (A)u * a - ((A)v - m) * d - e; };
    fill_lanes<V>(gx, i, f, *(const Pack<T, V>*)(g + i), *(const Pack<T, V>*)(x + i));
  }
}

template <typename T, typename A>
__global__ void plane_gradient(const T* g, const T* x, const T* weight, const A* mean, const A* scale, const A* slope,
                               const A* shift, T* gx, int P, int C, int B, int J, int n) {
  constexpr int V = lanes_of<T>;
  if (P % V == 0 && aligned<V>(g, x, gx))
    spread<V>(g, x, weight, mean, scale, slope, shift, gx, P, C, B, J, n);
  else
    spread<1>(g, x, weight, mean, scale, slope, shift, gx, P, C, B, J, n);
}

// ---------------------------------------------------------------- rows, a team each
template <typename T, typename A>
__global__ void row_normal(const T* x, const T* weight, const T* bias, T* y, A* mean, A* scale, A eps, int centred,
                           int M, int D) {
  constexpr int V = lanes_of<T>;
  int r = blockIdx.x * blockDim.y + threadIdx.y, me = threadIdx.x, all = blockDim.x;
  if (r >= M) return;
  const T* row = x + (i64)r * D;
  A sum = 0, squares = 0;
  if (centred) each<V>(me, all, D, [&](int, T v) { sum += (A)v; }, row);
  A m = centred ? team_sum(sum) / D : 0;
  each<V>(me, all, D, [&](int, T v) { squares += ((A)v - m) * ((A)v - m); }, row);
  A s = A(1) / sqrt(team_sum(squares) / D + eps);
  if (me == 0) scale[r] = s;
  if (me == 0 && centred) mean[r] = m;
  T* to = y + (i64)r * D;
  if (weight && bias)
    fill<V>(to, me, all, D, [&](int, T v, T w, T b) -> T { return ((A)v - m) * s * (A)w + (A)b; }, row, weight, bias);
  else
    fill<V>(to, me, all, D,
            [&](int i, T v) -> T { return ((A)v - m) * s * or_else<A>(weight, i, 1) + or_else<A>(bias, i, 0); }, row);
}

template <typename T, typename A>
__global__ void row_gradient(const T* g, const T* x, const T* weight, const A* mean, const A* scale, T* gx, int centred,
                             int M, int D) {
  constexpr int V = lanes_of<T>;
  int r = blockIdx.x * blockDim.y + threadIdx.y, me = threadIdx.x, all = blockDim.x;
  if (r >= M) return;
  const T *u = g + (i64)r * D, *row = x + (i64)r * D;
  A m = centred ? mean[r] : 0, s = scale[r], of_u = 0, of_uz = 0;
  each<V>(
      me, all, D,
      [&](int i, T a, T v) {
        A with = (A)a * or_else<A>(weight, i, 1);
        of_u += with;
        of_uz += with * ((A)v - m);
      },
      u, row);
  A shift = centred ? team_sum(of_u) / D * s : 0;
  A slope = team_sum(of_uz) / D * s * s * s;
  fill<V>(gx + (i64)r * D, me, all, D,
          [&](int i, T a, T v) -> T { return (A)a * or_else<A>(weight, i, 1) * s - ((A)v - m) * slope - shift; }, u,
          row);
}

// parts (S, 2, D): sums over rows of g * z and of g
template <typename T, typename A>
__global__ void row_products(const T* g, const T* x, const A* mean, const A* scale, A* parts, int centred, int M,
                             int D) {
  column_parts<2>(parts, M, D, [&](int r, int c, A* sums) {
    A u = g[(i64)r * D + c], m = centred ? mean[r] : 0;
    sums[0] += u * ((A)x[(i64)r * D + c] - m) * scale[r];
    sums[1] += u;
  });
}
