// Convolution with few channels in a group, depthwise above all: as the sums stand, without matrix products.
#include "conv.cuh"

// Where the tap r of dimension d reads for what is written at `at`, or -1.
__device__ __forceinline__ int reads(const Geometry& p, int d, int at, int r) {
  int offset = r * p.dilation[d] - p.padding[d], from = p.transposed ? at - offset : at * p.stride[d] + offset;
  if (p.transposed && p.stride[d] > 1) {
    if (from % p.stride[d]) return -1;
    from /= p.stride[d];
  }
  return (unsigned)from < (unsigned)p.from[d] ? from : -1;
}

// One thread a result, one plane a row of blocks.  Sums in A.
template <typename T, typename A>
__global__ void direct_pixels(
    const T* __restrict__ x, const T* __restrict__ w, const T* __restrict__ b, T* __restrict__ y, Geometry p) {
  int pixels = p.to[0] * p.to[1] * p.to[2], blocks = (pixels + blockDim.x - 1) / blockDim.x;
  int plane = blockIdx.x / blocks, pixel = blockIdx.x % blocks * blockDim.x + threadIdx.x;
  if (pixel >= pixels) return;
  int row = plane % p.rows, group = plane / p.rows % p.groups, image = plane / p.rows / p.groups;
  int at[3] = {pixel / p.to[2] / p.to[1], pixel / p.to[2] % p.to[1], pixel % p.to[2]};
  int read = p.from[0] * p.from[1] * p.from[2], taps = p.size[0] * p.size[1] * p.size[2];
  x += ((i64)image * p.groups + group) * p.channels * read;
  w += (i64)group * p.rows * p.channels * taps;
  A sum = b ? (A)b[group * p.rows + row] : A(0);
  for (int channel = 0; channel < p.channels; channel++, x += read) {
    const T* tap = w + (p.transposed ? channel * p.rows + row : row * p.channels + channel) * taps;
    for (int r = 0; r < p.size[0]; r++) {
      int i = reads(p, 0, at[0], r);
      for (int s = 0; s < p.size[1]; s++) {
        int j = reads(p, 1, at[1], s);
        for (int t = 0; t < p.size[2]; t++, tap++) {
          int k = reads(p, 2, at[2], t);
          if ((i | j | k) >= 0) sum += (A)*tap * (A)x[(i * p.from[1] + j) * p.from[2] + k];
        }
      }
    }
  }
  y[(i64)plane * pixels + pixel] = (T)sum;
}

// The adjoint in the weights: a block sums CHUNK taps of one row and channel over all pixels of all images.
template <typename T, typename A>
__global__ void __launch_bounds__(256, 2)
    direct_weights(const T* __restrict__ x, const T* __restrict__ u, T* __restrict__ w, Geometry p) {
  const int CHUNK = 9;
  __shared__ A partial[CHUNK][8];
  int channel = blockIdx.x % p.channels, row = blockIdx.x / p.channels, group = row / p.rows, first = blockIdx.y * CHUNK;
  int taps = p.size[0] * p.size[1] * p.size[2], pixels = p.to[0] * p.to[1] * p.to[2];
  int read = p.from[0] * p.from[1] * p.from[2];
  A sums[CHUNK] = {};
  for (int image = 0; image < p.images; image++) {
    const T* from = x + (((i64)image * p.groups + group) * p.channels + channel) * read;
    const T* to = u + ((i64)image * p.groups * p.rows + row) * pixels;
    for (int pixel = threadIdx.x; pixel < pixels; pixel += 256) {
      A g = (A)to[pixel];
      int at[3] = {pixel / p.to[2] / p.to[1], pixel / p.to[2] % p.to[1], pixel % p.to[2]};
#pragma unroll
      for (int c = 0; c < CHUNK; c++) {
        int tap = first + c;
        if (tap >= taps) break;
        int i = reads(p, 0, at[0], tap / p.size[2] / p.size[1]), j = reads(p, 1, at[1], tap / p.size[2] % p.size[1]);
        int k = reads(p, 2, at[2], tap % p.size[2]);
        if ((i | j | k) >= 0) sums[c] += g * (A)from[(i * p.from[1] + j) * p.from[2] + k];
      }
    }
  }
#pragma unroll
  for (int c = 0; c < CHUNK; c++) {
    for (int lanes = 16; lanes; lanes /= 2) sums[c] += __shfl_down_sync(~0u, sums[c], lanes);
    if (threadIdx.x % 32 == 0) partial[c][threadIdx.x / 32] = sums[c];
  }
  __syncthreads();
  if (threadIdx.x < CHUNK && first + (int)threadIdx.x < taps) {
    A sum = 0;
    for (int i = 0; i < 8; i++) sum += partial[threadIdx.x][i];
    w[((i64)row * p.channels + channel) * taps + first + threadIdx.x] = (T)sum;
  }
}
