// Elementwise functions in one pass: a struct for each formula of ../../formulas.py stands in formulas.cuh, which
// pointwise.py writes.  Constants are c0, c1, c2; numbers are added up and multiplied in A.
#include "common.cuh"
template <typename A>
__device__ A where(bool condition, A a, A b) {
  return condition ? a : b;
}
template <typename A>
__device__ A sigmoid(A x) {
  return A(1) / (A(1) + exp(-x));
}
template <typename A>
__device__ A softplus(A x) {
  return (x > A(0) ? x : A(0)) + log1p(exp(-fabs(x)));
}
template <typename A>
__device__ A normal_cdf(A x) {
  return A(0.5) * erfc(x * A(-0.7071067811865476));
}
template <typename A>
__device__ A normal_pdf(A x) {
  return exp(A(-0.5) * x * x) * A(0.3989422804014327);
}
#include "formulas.cuh"

template <typename T, typename A, typename F>
__global__ void of_one(const T* x, T* y, A c0, A c1, A c2, i64 n) {
  i64 me = (i64)blockIdx.x * blockDim.x + threadIdx.x, all = (i64)gridDim.x * blockDim.x;
  fill<lanes_of<T>>(y, me, all, n, [&](i64, T a) -> T { return F::of((A)a, c0, c1, c2); }, x);
}

template <typename T, typename A, typename F>
__global__ void of_two(const T* x, const T* z, T* y, A c0, A c1, A c2, i64 n) {
  i64 me = (i64)blockIdx.x * blockDim.x + threadIdx.x, all = (i64)gridDim.x * blockDim.x;
  fill<lanes_of<T>>(y, me, all, n, [&](i64, T a, T b) -> T { return F::of((A)a, (A)b, c0, c1, c2); }, x, z);
}

template <typename T, typename A, typename F>
__global__ void of_three(const T* x, const T* z, const T* u, T* y, A c0, A c1, A c2, i64 n) {
  i64 me = (i64)blockIdx.x * blockDim.x + threadIdx.x, all = (i64)gridDim.x * blockDim.x;
  fill<lanes_of<T>>(y, me, all, n, [&](i64, T a, T b, T c) -> T { return F::of((A)a, (A)b, (A)c, c0, c1, c2); }, x, z,
                    u);
}
