// What every kernel file shares.
#pragma once
typedef long long i64;
typedef unsigned long long u64;
#ifndef INFINITY  // NVRTC has no <cmath>
#define INFINITY __int_as_float(0x7f800000)
#endif

// Threads of the whole grid stride over n elements: i of type T.
#define GRID_STRIDE(T, i, n) \
  for (T i = (T)blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += (T)gridDim.x * blockDim.x)
