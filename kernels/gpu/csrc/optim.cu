// Steps of optimizers: one launch for all parameters.  A block works on one piece, a row of the table: the addresses of
// its K arrays (parameter, gradient, state ...) and their count of numbers.
#include "common.cuh"

template <typename T, int K>
struct Piece {
  T* at[K];
  int count;

  __device__ explicit Piece(const u64* table) {
    const u64* row = table + (i64)blockIdx.x * (K + 1);
    for (int k = 0; k < K; k++) at[k] = (T*)row[k];
    count = (int)row[K];
  }
  // f(numbers of the K arrays) changes them in place, the gradient's excepted.
  template <typename A, typename F>
  __device__ void update(F f) const {
    constexpr int V = lanes_of<T>;
    bool whole = true;
    for (int k = 0; k < K; k++) whole = whole && aligned<V>(at[k]);
    int middle = whole ? count / V * V : 0;
    walk<V, A>(0, middle, f);
    walk<1, A>(middle, count, f);
  }
  template <int V, typename A, typename F>
  __device__ void walk(int first, int end, F& f) const {
    for (int i = first + threadIdx.x * V; i < end; i += blockDim.x * V) {
      Pack<T, V> packs[K];
#pragma unroll
      for (int k = 0; k < K; k++) packs[k] = *(const Pack<T, V>*)(at[k] + i);
#pragma unroll
      for (int l = 0; l < V; l++) {
        A x[K];
#pragma unroll
        for (int k = 0; k < K; k++) x[k] = packs[k].at[l];
        f(x);
#pragma unroll
        for (int k = 0; k < K; k++) packs[k].at[l] = x[k];
      }
#pragma unroll
      for (int k = 0; k < K; k++)
        if (k != 1) *(Pack<T, V>*)(at[k] + i) = packs[k];
    }
  }
};

// The numbers of a step: as given, or, in a CUDA graph, those of the device that each replay sets (recording.py).
template <typename A, typename... Given>
__device__ const A* numbers(const double* live, Given... given) {
  __shared__ A at[sizeof...(Given)];
  if (threadIdx.x == 0) {
    A values[] = {given...};
#pragma unroll
    for (int i = 0; i < sizeof...(Given); i++) at[i] = live ? (A)live[i] : values[i];
  }
  __syncthreads();
  return at;
}

// Arrays: parameter, gradient, average, averaged square and, if EXTRA, the largest of these.
template <typename T, typename A, int EXTRA>
__global__ void adam(const u64* table, const double* live, A rate_, A root_, A fresh_, A kept_, A fresh_square_,
                     A eps_, A decay_, A shrink_, A sign_) {
  const A* s = numbers<A>(live, rate_, root_, fresh_, kept_, fresh_square_, eps_, decay_, shrink_, sign_);
  A rate = s[0], root = s[1], fresh = s[2], kept = s[3], fresh_square = s[4], eps = s[5];
  A decay = s[6], shrink = s[7], sign = s[8];
  Piece<T, 4 + EXTRA>(table).template update<A>([&](A* x) {
    A p = x[0] * shrink, d = sign * x[1];
    if (decay != 0) d += decay * p;
    x[2] += fresh * (d - x[2]);
    x[3] = x[3] * kept + fresh_square * (d * d);
    A square = x[3];
    if (EXTRA) square = x[3 + EXTRA] = square > x[3 + EXTRA] || square != square ? square : x[3 + EXTRA];
    x[0] = p - rate * (x[2] / (sqrt(square) * root + eps));
  });
}

// Arrays: parameter, gradient and, if EXTRA, velocity.
template <typename T, typename A, int EXTRA>
__global__ void descent(const u64* table, const double* live, A rate_, A decay_, A sign_, A kept_, A share_,
                        A of_velocity_, A of_gradient_) {
  const A* s = numbers<A>(live, rate_, decay_, sign_, kept_, share_, of_velocity_, of_gradient_);
  A rate = s[0], decay = s[1], sign = s[2], kept = s[3], share = s[4], of_velocity = s[5], of_gradient = s[6];
  Piece<T, 2 + EXTRA>(table).template update<A>([&](A* x) {
    A d = sign * x[1];
    if (decay != 0) d += decay * x[0];
    if (EXTRA) {
      A velocity = (kept != 0 ? x[1 + EXTRA] * kept : 0) + share * d;
      x[1 + EXTRA] = velocity;
      d = of_gradient != 0 ? of_velocity * velocity + of_gradient * d : velocity;
    }
    x[0] -= rate * d;
  });
}
