// Pooling over any windows in up to 3 dimensions.  What a window reads is a table (pool.py), made once:
//   12 numbers: of the 3 dimensions sizes of the input, of the output, of the window, steps between its taps
//   for each dimension and output: the first tap's place (perhaps outside), the taps inside as [low, high)
//   for each dimension and input: the outputs that may read it as [first, last)
// Winners are numbers of taps (unsigned char) or places in the plane (int, i64); a plane has less than 2**31 places.
// Gradients gather from the outputs that read an input: no atomics, and the same sum at every run.
#include "common.cuh"
#include "faults.cuh"

struct Axis {
  int in, out, taps, step;
  const int *start, *low, *high, *first, *last;

  // The tap with which output o reads input i, or -1.
  __device__ int tap(int o, int i) const {
    int d = i - start[o];
    return step == 1 ? d : d % step ? -1 : d / step;
  }
};

struct Geometry {
  Axis at[3];
  int ins, outs;

  __device__ explicit Geometry(const int* table) {
    const int* next = table + 12;
    for (int d = 0; d < 3; d++) {
      Axis& a = at[d];
      a.in = table[d], a.out = table[3 + d], a.taps = table[6 + d], a.step = table[9 + d];
      a.start = next, a.low = next + a.out, a.high = next + 2 * a.out;
      a.first = next + 3 * a.out, a.last = next + 3 * a.out + a.in;
      next += 3 * a.out + 2 * a.in;
    }
    ins = at[0].in * at[1].in * at[2].in, outs = at[0].out * at[1].out * at[2].out;
  }
  __device__ int place(int i, int j, int k) const { return (i * at[1].in + j) * at[2].in + k; }
  __device__ int number(int i, int j, int k) const { return (i * at[1].taps + j) * at[2].taps + k; }

  // f(place, number of the tap) for what output (d, h, w) reads, in order.
  template <typename F>
  __device__ void read(int d, int h, int w, F f) const {
    const Axis &z = at[0], &y = at[1], &x = at[2];
    for (int a = z.low[d]; a < z.high[d]; a++)
      for (int b = y.low[h]; b < y.high[h]; b++)
        for (int c = x.low[w]; c < x.high[w]; c++)
          f(place(z.start[d] + a * z.step, y.start[h] + b * y.step, x.start[w] + c * x.step), number(a, b, c));
  }

  // f(output, number of the tap) for the outputs that read input (d, h, w), in order.
  template <typename F>
  __device__ void readers(int d, int h, int w, F f) const {
    const Axis &z = at[0], &y = at[1], &x = at[2];
    for (int a = z.first[d]; a < z.last[d]; a++)
      for (int b = y.first[h]; b < y.last[h]; b++)
        for (int c = x.first[w]; c < x.last[w]; c++) {
          int i = z.tap(a, d), j = y.tap(b, h), k = x.tap(c, w);
          if (i >= 0 && j >= 0 && k >= 0) f((a * y.out + b) * x.out + c, number(i, j, k));
        }
  }

  // The place in the plane that tap number t of output o reads.
  __device__ int place_of(int t, int o) const {
    int k = t % at[2].taps, j = t / at[2].taps % at[1].taps, i = t / at[2].taps / at[1].taps;
    int w = o % at[2].out, h = o / at[2].out % at[1].out, d = o / at[2].out / at[1].out;
    return place(at[0].start[d] + i * at[0].step, at[1].start[h] + j * at[1].step, at[2].start[w] + k * at[2].step);
  }
};

// A winner as it is kept: the tap's number where one byte holds it, else the place.
template <typename W>
__device__ W winner_of(int place, int number) {
  return (W)(sizeof(W) == 1 ? number : place);
}

template <typename T, typename A, typename W>
__global__ void max_pool(const T* x, const int* table, T* y, W* winners, int n) {
  Geometry g(table);
  GRID_STRIDE(int, i, n) {
    int o = i % g.outs, w = o % g.at[2].out, h = o / g.at[2].out % g.at[1].out, d = o / g.at[2].out / g.at[1].out;
    const T* plane = x + (i64)(i / g.outs) * g.ins;
    A best = -INFINITY;
    W winner = 0;
    bool none = true;  // the first of equal numbers wins, the last of several NaN
    g.read(d, h, w, [&](int place, int number) {
      A v = plane[place];
      if (none || v > best || v != v) best = v, winner = winner_of<W>(place, number), none = false;
    });
    y[i] = best;
    winners[i] = winner;
  }
}

template <typename T, typename A, typename W>
__global__ void max_pool_scatter(const T* u, const W* winners, const int* table, T* x, int n) {
  Geometry g(table);
  GRID_STRIDE(int, i, n) {
    int me = i % g.ins, w = me % g.at[2].in, h = me / g.at[2].in % g.at[1].in, d = me / g.at[2].in / g.at[1].in;
    int plane = i / g.ins * g.outs;
    A sum = 0;
    g.readers(d, h, w, [&](int o, int number) {
      if (winners[plane + o] == winner_of<W>(me, number)) sum += (A)u[plane + o];
    });
    x[i] = sum;
  }
}

// x at the winners; one that lies outside of the plane gives 0.
template <typename T, typename A, typename W>
__global__ void max_pool_gather(const T* x, const W* winners, const int* table, T* y, int ins, int outs, int n) {
  GRID_STRIDE(int, i, n) {
    i64 place = winners[i];
    if (sizeof(W) == 1) place = Geometry(table).place_of((int)place, i % outs);
    y[i] = (u64)place < (u64)ins ? (A)x[(i64)(i / outs) * ins + place] : (A)0;
  }
}

// Windows of 2 x 2 that tile the plane: V outputs of a row from 16 bytes and 16 bytes of each of two rows.
template <typename T, typename A>
__global__ void max_pool_2x2(const T* x, T* y, unsigned char* winners, int H, int W, int n) {
  constexpr int V = lanes_of<T>;
  int packs = W / (2 * V), rows = H / 2;
  GRID_STRIDE(int, i, n) {
    int row = i / packs, column = i % packs * 2 * V;
    const T* upper = x + ((i64)(row / rows) * H + row % rows * 2) * W + column;
    Pack<T, V> in[2][2];
#pragma unroll
    for (int k = 0; k < 4; k++) in[k / 2][k % 2] = *(const Pack<T, V>*)(upper + (i64)(k / 2) * W + k % 2 * V);
    Pack<T, V> out;
    Pack<unsigned char, V> code;
#pragma unroll
    for (int o = 0; o < V; o++) {
      A best = in[0][2 * o / V].at[2 * o % V];
      int winner = 0;
#pragma unroll
      for (int t = 1; t < 4; t++) {
        A v = in[t / 2][(2 * o + t % 2) / V].at[(2 * o + t % 2) % V];
        if (v > best || v != v) best = v, winner = t;
      }
      out.at[o] = best;
      code.at[o] = winner;
    }
    *(Pack<T, V>*)(y + (i64)i * V) = out;
    *(Pack<unsigned char, V>*)(winners + (i64)i * V) = code;
  }
}

template <typename T, typename A>
__global__ void max_pool_scatter_2x2(const T* u, const unsigned char* winners, T* x, int H, int W, int n) {
  constexpr int V = lanes_of<T>;
  int packs = W / (2 * V), rows = H / 2;
  GRID_STRIDE(int, i, n) {
    int row = i / packs, column = i % packs * 2 * V;
    Pack<T, V> g = *(const Pack<T, V>*)(u + (i64)i * V), zero;
    Pack<unsigned char, V> code = *(const Pack<unsigned char, V>*)(winners + (i64)i * V);
    T* upper = x + ((i64)(row / rows) * H + row % rows * 2) * W + column;
#pragma unroll
    for (int k = 0; k < 4; k++) {
      Pack<T, V> out;
#pragma unroll
      for (int l = 0; l < V; l++) {
        int o = (k % 2 * V + l) / 2;
        out.at[l] = code.at[o] == k / 2 * 2 + l % 2 ? (A)g.at[o] : (A)0;
      }
      *(Pack<T, V>*)(upper + (i64)(k / 2) * W + k % 2 * V) = out;
    }
    if (H % 2 && row % rows == rows - 1) {  // a last row that no window reads
#pragma unroll
      for (int l = 0; l < V; l++) zero.at[l] = (A)0;
      *(Pack<T, V>*)(upper + 2 * (i64)W) = zero;
      *(Pack<T, V>*)(upper + 2 * (i64)W + V) = zero;
    }
  }
}

// One block for a plane and a part of its places: of several numbers with one index the last stays.
template <typename T, typename A, typename W>
__global__ void max_unpool(const T* x, const W* indices, T* y, int* fault, int ins, int outs) {
  extern __shared__ int writer[];
  int begin = blockIdx.x * 8192, count = min(8192, outs - begin);
  i64 plane = blockIdx.y;
  for (int i = threadIdx.x; i < count; i += blockDim.x) writer[i] = -1;
  __syncthreads();
  for (int k = threadIdx.x; k < ins; k += blockDim.x) {
    i64 place = (i64)indices[plane * ins + k];
    inside(place, outs, fault, UNPOOL);
    place -= begin;
    if ((u64)place < (u64)count) atomicMax(&writer[place], k);
  }
  __syncthreads();
  fill<lanes_of<T>>(y + plane * outs + begin, (int)threadIdx.x, (int)blockDim.x, count,
                    [&](int i) -> T { return writer[i] < 0 ? (A)0 : (A)x[plane * ins + writer[i]]; });
}

// shares: what each output's sum is multiplied by.
template <typename T, typename A>
__global__ void avg_pool(const T* x, const int* table, const A* shares, T* y, int n) {
  Geometry g(table);
  GRID_STRIDE(int, i, n) {
    int o = i % g.outs, w = o % g.at[2].out, h = o / g.at[2].out % g.at[1].out, d = o / g.at[2].out / g.at[1].out;
    const T* plane = x + (i64)(i / g.outs) * g.ins;
    A sum = 0;
    g.read(d, h, w, [&](int place, int) { sum += (A)plane[place]; });
    y[i] = sum * shares[o];
  }
}

template <typename T, typename A>
__global__ void avg_pool_spread(const T* u, const int* table, const A* shares, T* x, int n) {
  Geometry g(table);
  GRID_STRIDE(int, i, n) {
    int me = i % g.ins, w = me % g.at[2].in, h = me / g.at[2].in % g.at[1].in, d = me / g.at[2].in / g.at[1].in;
    const T* plane = u + (i64)(i / g.ins) * g.outs;
    A sum = 0;
    g.readers(d, h, w, [&](int o, int) { sum += (A)plane[o] * shares[o]; });
    x[i] = sum;
  }
}
