// Convolution in up to three dimensions as implicit matrix products (Chetlur et al. 2014), on arrays as they are: no
// copy of the image is made, channels stay before pixels.
//
// conv_pixels    rows: the channels of the result, columns: its pixels, k: channel and tap.  It is the forward pass,
//                and phase by phase the adjoint in x: the pixels of one residue of the stride see the same taps.
// conv_weights   rows: channels of u, columns: channel and tap of x, k: pixels, in splits that sum_splits adds.
#include "mma.cuh"

struct Geometry {
  int images, groups, channels, rows;  // channels: of a group, that are summed over; rows: of a group, that result
  int from[3], to[3];                  // the planes that are read and written
  int size[3], stride[3], padding[3], dilation[3];
  int transposed, aligned;  // aligned: 16 bytes can be copied at once, of weights (conv_pixels) or of u
  int plain;                // the plane is read as it is written, 16 bytes at once
  int splits;
};

// The taps of one dimension that pixels of one residue of the stride see: first, first + step, ...
struct Taps {
  int count, before, first, step;  // before: taps of smaller residues
};
__device__ __forceinline__ Taps taps_of(const Geometry& p, int d, int residue) {
  if (!p.transposed) return {p.size[d], 0, 0, 1};
  Taps t = {0, 0, 0, 1};
  for (int r = 0; r < p.size[d]; r++) {
    int q = (r * p.dilation[d] - p.padding[d]) % p.stride[d];
    q += q < 0 ? p.stride[d] : 0;
    t.before += q < residue;
    if (q == residue) {
      if (t.count == 0) t.first = r;
      if (t.count == 1) t.step = r - t.first;
      t.count++;
    }
  }
  return t;
}

// Pixels whose coordinates have one residue each; of a convolution that is not transposed, all.
struct Phase {
  int residue[3], pixels[3];
  Taps taps[3];
  __device__ __forceinline__ int count() const { return pixels[0] * pixels[1] * pixels[2]; }
  __device__ __forceinline__ int depth() const { return taps[0].count * taps[1].count * taps[2].count; }
  __device__ __forceinline__ int before(const Geometry& p) const {  // taps of the phases before this one
    int inner = taps[1].before * p.size[2] + taps[1].count * taps[2].before;
    return taps[0].before * p.size[1] * p.size[2] + taps[0].count * inner;
  }
};
__device__ __forceinline__ Phase phase_of(const Geometry& p, int index) {
  Phase f;
#pragma unroll
  for (int d = 2; d >= 0; d--) {
    int stride = p.transposed ? p.stride[d] : 1;
    f.residue[d] = index % stride;
    index /= stride;
    f.pixels[d] = (p.to[d] - f.residue[d] + stride - 1) / stride;
    f.taps[d] = taps_of(p, d, f.residue[d]);
  }
  return f;
}
__device__ __forceinline__ int phases(const Geometry& p) {
  return p.transposed ? p.stride[0] * p.stride[1] * p.stride[2] : 1;
}

// Where tap `index` of a phase reads, relative to a pixel's origin: by dimension, and flat (w).
__device__ __forceinline__ int4 tap_offset(const Geometry& p, const Phase& f, int index) {
  int at[3];
#pragma unroll
  for (int d = 2; d >= 0; d--) {
    int r = f.taps[d].first + index % f.taps[d].count * f.taps[d].step;
    index /= f.taps[d].count;
    int offset = r * p.dilation[d] - p.padding[d];
    at[d] = p.transposed ? (f.residue[d] - offset) / p.stride[d] : offset;
  }
  return make_int4(at[0], at[1], at[2], (at[0] * p.from[1] + at[1]) * p.from[2] + at[2]);
}

// A pixel that is written: its image, its place there, and the origin of what it reads.
struct Pixel {
  int image, place, origin[3];
};
__device__ __forceinline__ Pixel pixel_of(const Geometry& p, const Phase& f, int index) {
  Pixel q;
  int at[3];
#pragma unroll
  for (int d = 2; d >= 0; d--) {
    int j = index % f.pixels[d];
    index /= f.pixels[d];
    q.origin[d] = p.transposed ? j : j * p.stride[d];
    at[d] = p.transposed ? j * p.stride[d] + f.residue[d] : j;
  }
  q.image = index;
  q.place = (at[0] * p.to[1] + at[1]) * p.to[2] + at[2];
  return q;
}

#define OUTSIDE (-(1 << 30))  // a coordinate that is in no image, whatever is added

__device__ __forceinline__ bool inside(const Geometry& p, const int (&origin)[3], const int4& o) {
  return (unsigned)(origin[0] + o.x) < (unsigned)p.from[0] && (unsigned)(origin[1] + o.y) < (unsigned)p.from[1] &&
         (unsigned)(origin[2] + o.z) < (unsigned)p.from[2];
}

// ---- weights in the order in which conv_pixels reads them: [group][phase][row][channel, tap], each phase's rows of
// whole chunks; what fills them up is zero.
template <class T>
__device__ __forceinline__ int row_length(const Geometry& p, int depth) {
  const int V = 16 / sizeof(T), all = (p.channels + V - 1) / V * V;
  return p.transposed ? all * depth : (p.channels * depth + V - 1) / V * V;
}
template <class T>
__device__ __forceinline__ int group_length(const Geometry& p) {
  return p.rows * row_length<T>(p, p.size[0] * p.size[1] * p.size[2]);
}

template <typename T>
__global__ void pack_weights(const T* __restrict__ w, T* __restrict__ packed, Geometry p) {
  Phase f = phase_of(p, blockIdx.y);
  int depth = f.depth(), length = row_length<T>(p, depth), taps = p.size[0] * p.size[1] * p.size[2];
  i64 begin = (i64)blockIdx.z * group_length<T>(p) + (i64)p.rows * row_length<T>(p, f.before(p));
  GRID_STRIDE(int, i, p.rows * length) {
    int row = i / length, k = i % length, channel = depth ? k / depth : 0, t = depth ? k % depth : 0, tap = 0, scale = 1;
    for (int d = 2; d >= 0; d--) {
      tap += (f.taps[d].first + t % f.taps[d].count * f.taps[d].step) * scale;
      t /= f.taps[d].count;
      scale *= p.size[d];
    }
    i64 from = p.transposed ? ((i64)(blockIdx.z * p.channels + channel) * p.rows + row) * taps + tap
                            : ((i64)(blockIdx.z * p.rows + row) * p.channels + channel) * taps + tap;
    packed[begin + i] = channel < p.channels ? w[from] : T(0.f);
  }
}

// ---- forward, and the adjoint in x
template <class T>
struct PixelLoad {
  typedef typename T::P P;
  typedef typename P::Number Number;
  typedef typename P::Word Word;
  enum {
    WORDS = T::DEPTH * T::BN / T::THREADS,  // that a thread gathers in each step: of one pixel, one below another
    SPAN = T::DEPTH * P::PACKED,            // of k, in a step
    COLUMNS = T::BN / T::CHUNK              // chunks of pixels, where these are copied plainly
  };
  const Geometry& p;
  const int4* taps;
  const Number *x, *w;
  int length, rows, depth, k, plane;  // length: of a row of w; k: the step's first
  int origin[3], tap, channel, more_taps, more_channels;
  Gather<P, WORDS> gather;

  __device__ __forceinline__ void fetch(Word* a, Word* b) {
    int at = k + threadIdx.x % (T::DEPTH / T::CHUNK) * (T::CHUNK * P::PACKED);
    copy_chunks<T, T::BM, T::LDA>(a, [&](int row, bool& valid) {
      valid = row < rows && at < length;
      return valid ? w + (i64)row * length + at : w;
    });
    if (P::PACKED == 1 && p.plain) {
      fetch_plain(b);
    } else {
#pragma unroll
      for (int i = 0; i < WORDS; i++)
        gather.fetch(i, word(b, i), [&](int, bool& valid) {
          int4 o = taps[tap];
          valid = channel < p.channels && inside(p, origin, o);
          const Number* from = valid ? x + ((i64)channel * plane + o.w) : x;
          if (++tap == depth) tap = 0, channel++;
          return from;
        });
      tap += more_taps;
      channel += more_channels;
      if (tap >= depth) tap -= depth, channel++;
    }
    k += SPAN;
  }
  __device__ __forceinline__ void fetch_plain(Word* b) {
#pragma unroll
    for (int i = 0; i < WORDS / T::CHUNK; i++) {
      int row = threadIdx.x / COLUMNS + i * (T::THREADS / COLUMNS);
      bool valid = k + row < p.channels && origin[0] >= 0;
      cp_async<16>(b + row * T::LDB + threadIdx.x % COLUMNS * T::CHUNK, valid ? x + (i64)(k + row) * plane : x, valid);
    }
  }
  __device__ __forceinline__ Word* word(Word* b, int i) {
    return b + (threadIdx.x / T::BN * WORDS + i) * T::LDB + threadIdx.x % T::BN;
  }
  __device__ __forceinline__ void keep(Word*, Word* b) {
#pragma unroll
    for (int i = 0; i < WORDS; i++) gather.keep(i, word(b, i));
  }
};

template <typename N, class P, int BM, int BN, int WM, int WN>
__global__ void __launch_bounds__(BM / WM * BN / WN * 32, BM == 128 ? 1 : BM == 64 ? 3 : 2)
    conv_pixels(const N* __restrict__ x, const N* __restrict__ w, const N* __restrict__ b, N* __restrict__ y, Geometry p) {
  typedef Tile<P, BM, BN, WM, WN, true, false> T;
  extern __shared__ __align__(16) unsigned char memory[];
  int tiles = (p.rows + BM - 1) / BM, group = blockIdx.z / phases(p);
  Phase f = phase_of(p, blockIdx.z % phases(p));
  int m = blockIdx.x % tiles * BM, n = blockIdx.x / tiles * BN, total = p.images * f.count(), depth = f.depth();
  if (n >= total) return;  // a phase with fewer pixels than another

  i64* places = (i64*)memory;  // of the tile's pixels, in y
  int4* taps = (int4*)(places + BN);
  typename P::Word* tiles_at = (typename P::Word*)(taps + p.size[0] * p.size[1] * p.size[2]);
  for (int i = threadIdx.x; i < depth; i += T::THREADS) taps[i] = tap_offset(p, f, i);
  int plane = p.to[0] * p.to[1] * p.to[2];
  for (int i = threadIdx.x; i < BN; i += T::THREADS) {
    Pixel q = pixel_of(p, f, n + i);
    places[i] = n + i < total ? ((i64)q.image * p.groups + group) * p.rows * plane + q.place : -1;
  }
  __syncthreads();

  typedef PixelLoad<T> Load;
  int mine = n + (P::PACKED == 1 && p.plain ? threadIdx.x % Load::COLUMNS * T::CHUNK : threadIdx.x % BN);
  Pixel q = pixel_of(p, f, mine);
  Load load = {p, taps};
  load.plane = p.from[0] * p.from[1] * p.from[2];
  load.x = x;
#pragma unroll
  for (int d = 0; d < 3; d++) load.origin[d] = mine < total ? q.origin[d] : OUTSIDE;
  if (mine < total)
    load.x += ((i64)q.image * p.groups + group) * p.channels * load.plane +
              (q.origin[0] * p.from[1] + q.origin[1]) * p.from[2] + q.origin[2];
  load.depth = depth;
  load.length = row_length<N>(p, depth);
  load.rows = p.rows - m;
  load.w = w + (i64)group * group_length<N>(p) + (i64)p.rows * row_length<N>(p, f.before(p)) + (i64)m * load.length;
  load.k = 0;
  int first = threadIdx.x / BN * Load::WORDS * P::PACKED, rest = Load::SPAN - Load::WORDS * P::PACKED;
  if (depth) {
    load.channel = first / depth, load.tap = first % depth;
    load.more_channels = rest / depth, load.more_taps = rest % depth;
  }
  Sums<T> sums = {};
  multiply<T>(sums, tiles_at, (p.channels * depth + Load::SPAN - 1) / Load::SPAN, load);

#pragma unroll
  for (int i = 0; i < T::MI; i++)
#pragma unroll
    for (int e = 0; e < T::ND; e += 2) {
      int row = m + T::row(i, e);
      if (row >= p.rows) continue;
      typename P::Sum bias = b ? (typename P::Sum)b[group * p.rows + row] : 0;
#pragma unroll
      for (int j = 0; j < T::NI; j++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
          i64 place = places[T::column(j) + h];
          if (place >= 0) y[place + (i64)row * plane] = (N)(sums.at[i][j][e + h] + bias);
        }
    }
}

// ---- the adjoint in the weights: p is that of the forward pass, u = to, rows of u, channels of x
template <class T>
struct WeightLoad {
  typedef typename T::P P;
  typedef typename P::Number Number;
  typedef typename P::Word Word;
  enum {
    LANES = T::THREADS / T::DEPTH,  // rows that are gathered at once
    A_WORDS = T::BM / LANES, B_WORDS = T::BN / LANES,
    SPAN = T::DEPTH * P::PACKED
  };
  static_assert(T::BM % LANES == 0 && T::BN % LANES == 0, "each thread gathers as many rows");
  const Geometry& p;
  const Phase& f;
  const int4* columns;  // which number of x, relative to a pixel's origin
  const Number *x, *u;
  int rows, k, end, plane, outputs;
  Gather<P, A_WORDS> left;
  Gather<P, B_WORDS> right;

  __device__ __forceinline__ void fetch(Word* a, Word* b) {
    int origin[P::PACKED][3];
    const Number *xs[P::PACKED], *us[P::PACKED];
#pragma unroll
    for (int h = 0; h < P::PACKED; h++) {
      int at = k + threadIdx.x % T::DEPTH * P::PACKED + h;
      Pixel q = pixel_of(p, f, at < end ? at : 0);
#pragma unroll
      for (int d = 0; d < 3; d++) origin[h][d] = at < end ? q.origin[d] : OUTSIDE;
      xs[h] = x + (i64)q.image * p.groups * p.channels * plane + (q.origin[0] * p.from[1] + q.origin[1]) * p.from[2] +
              q.origin[2];
      us[h] = u + (i64)q.image * p.groups * p.rows * outputs + q.place;
    }
    if (p.aligned) {
      int at = k + threadIdx.x % (T::DEPTH / T::CHUNK) * (T::CHUNK * P::PACKED), image = at / outputs;
      const Number* from = u + ((i64)image * p.groups * p.rows * outputs + at % outputs);
      copy_chunks<T, T::BM, T::LDA>(a, [&](int row, bool& valid) {
        valid = row < rows && at < end;
        return valid ? from + (i64)row * outputs : u;
      });
    } else {
#pragma unroll
      for (int i = 0; i < A_WORDS; i++)
        left.fetch(i, word(a, i, T::LDA), [&](int h, bool& valid) {
          int row = threadIdx.x / T::DEPTH + i * LANES;
          valid = row < rows && origin[h][0] >= 0;
          return valid ? us[h] + (i64)row * outputs : u;
        });
    }
#pragma unroll
    for (int i = 0; i < B_WORDS; i++)
      right.fetch(i, word(b, i, T::LDB), [&](int h, bool& valid) {
        int4 o = columns[threadIdx.x / T::DEPTH + i * LANES];
        valid = inside(p, origin[h], o);
        return valid ? xs[h] + o.w : x;
      });
    k += SPAN;
  }
  __device__ __forceinline__ Word* word(Word* to, int i, int ld) {
    return to + (threadIdx.x / T::DEPTH + i * LANES) * ld + threadIdx.x % T::DEPTH;
  }
  __device__ __forceinline__ void keep(Word* a, Word* b) {
    if (!p.aligned)
#pragma unroll
      for (int i = 0; i < A_WORDS; i++) left.keep(i, word(a, i, T::LDA));
#pragma unroll
    for (int i = 0; i < B_WORDS; i++) right.keep(i, word(b, i, T::LDB));
  }
};

template <typename N, typename S, class P, int BM, int BN, int WM, int WN>
__global__ void __launch_bounds__(BM / WM * BN / WN * 32, BM == 128 ? 1 : BM == 64 ? 3 : 2)
    conv_weights(const N* __restrict__ x, const N* __restrict__ u, S* __restrict__ w, Geometry p) {
  typedef Tile<P, BM, BN, WM, WN, true, true> T;
  extern __shared__ __align__(16) unsigned char memory[];
  int group = blockIdx.z / p.splits, split = blockIdx.z % p.splits, m = blockIdx.x * BM, n = blockIdx.y * BN;
  Phase f = phase_of(p, 0);
  int depth = f.depth(), total = p.images * f.count(), width = p.channels * depth;
  int plane = p.from[0] * p.from[1] * p.from[2];
  int4* columns = (int4*)memory;
  for (int i = threadIdx.x; i < BN; i += T::THREADS) {
    int4 o = tap_offset(p, f, (n + i) % depth);
    o.w += (n + i) / depth * plane;
    if (n + i >= width) o.x = OUTSIDE;
    columns[i] = o;
  }
  __syncthreads();
  typedef WeightLoad<T> Load;
  int steps = (total + Load::SPAN - 1) / Load::SPAN;
  int begin = (i64)steps * split / p.splits, end = (i64)steps * (split + 1) / p.splits;
  Load load = {p, f, columns};
  load.plane = plane;
  load.outputs = f.count();
  load.x = x + (i64)group * p.channels * plane;
  load.u = u + ((i64)group * p.rows + m) * load.outputs;
  load.rows = p.rows - m;
  load.k = begin * Load::SPAN;
  load.end = total;
  Sums<T> sums = {};
  multiply<T>(sums, (typename P::Word*)(columns + BN), end - begin, load);
  w += ((i64)split * p.groups + group) * p.rows * width;
#pragma unroll
  for (int i = 0; i < T::MI; i++)
#pragma unroll
    for (int e = 0; e < T::ND; e++) {
      int row = m + T::row(i, e);
      if (row >= p.rows) continue;
#pragma unroll
      for (int j = 0; j < T::NI; j++) {
        int column = n + T::column(j) + e % 2;
        if (column < width) w[(i64)row * width + column] = sums.at[i][j][e];
      }
    }
}

// The sum over splits, in their order.
template <typename S, typename T>
__global__ void sum_splits(const S* __restrict__ parts, T* __restrict__ y, int n, int splits) {
  GRID_STRIDE(int, i, n) {
    S sum = parts[i];
    for (int s = 1; s < splits; s++) sum += parts[(i64)s * n + i];
    y[i] = (T)sum;
  }
}
