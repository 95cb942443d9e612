// Convolution in up to three dimensions as implicit matrix products (Chetlur et al. 2014), on arrays as they are: no
// copy of the image is made, channels stay before pixels.
//
// conv_pixels    rows: the channels of the result, columns: its pixels, k: channel and tap.  It is the forward pass,
//                and phase by phase the adjoint in x: the pixels of one residue of the stride see the same taps.
// conv_weights   rows: channels of u, columns: channel and tap of x, k: pixels, in splits that sum_splits adds.
#include "conv.cuh"
#include "mma.cuh"

// The taps of one dimension that pixels of one residue of the stride see: first, first + step, ...
struct Taps {
  int count, before, first, step;  // before: taps of smaller residues
};
__device__ __forceinline__ Taps taps_of(const Geometry& p, int d, int residue) {
  if (!p.transposed) return {p.size[d], 0, 0, 1};
  Taps t = {0, 0, 0, 1};
#pragma unroll 1
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

// A tap of a phase: where it reads relative to a pixel's origin, and one bit for its place in each dimension.  A
// pixel's mask has the bits whose places lie inside of the plane: the tap does, where all of its bits are in the mask.
struct __align__(16) Tap {
  int offset;
  u64 bits;
  __device__ __forceinline__ bool inside(u64 mask) const { return !(bits & ~mask); }
};
__device__ __forceinline__ Tap load_tap(const Tap* t) {  // in one access
  uint4 v = *(const uint4*)t;
  return {(int)v.x, (u64)v.w << 32 | v.z};
}
#define NEVER (1ull << 63)  // a bit that is in no mask

// Where the places a of dimension d read.
__device__ __forceinline__ int reach(const Geometry& p, const Phase& f, int d, int a) {
  int offset = (f.taps[d].first + a * f.taps[d].step) * p.dilation[d] - p.padding[d];
  return p.transposed ? (f.residue[d] - offset) / p.stride[d] : offset;
}
__device__ __forceinline__ Tap tap_of(const Geometry& p, const Phase& f, int index) {
  Tap t = {0, 0};
  int scale = 1, begin = 0;
#pragma unroll
  for (int d = 2; d >= 0; d--) {
    int a = index % f.taps[d].count;
    index /= f.taps[d].count;
    t.offset += reach(p, f, d, a) * scale;
    t.bits |= 1ull << (begin + a);
    scale *= p.from[d];
    begin += f.taps[d].count;
  }
  return t;
}
__device__ __forceinline__ u64 mask_of(const Geometry& p, const Phase& f, const int (&origin)[3]) {
  u64 mask = 0;
  int bit = 0;
#pragma unroll
  for (int d = 2; d >= 0; d--)
#pragma unroll 1
    for (int a = 0; a < f.taps[d].count; a++, bit++)
      mask |= (u64)((unsigned)(origin[d] + reach(p, f, d, a)) < (unsigned)p.from[d]) << bit;
  return mask;
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
  const Tap* taps;  // those of one channel, and as many after them as a thread reads at once
  const Number *x, *w;
  int length, rows, depth, plane, k, left;  // length: of a row of w; left: of k, from the thread's first on
  int tap, more_taps, more_channels;
  u64 mask;
  Gather<P, WORDS> gather;

  __device__ __forceinline__ void fetch(Word* a, Word* b) {
    int at = k + threadIdx.x % (T::DEPTH / T::CHUNK) * (T::CHUNK * P::PACKED);
    copy_chunks<T, T::BM, T::LDA>(a, [&](int row, bool& valid) {
      valid = row < rows && at < length;
      return w + (i64)row * length + at;
    });
    if (P::PACKED == 1 && p.plain) {
      fetch_plain(b);
    } else {
      const Tap* mine = taps + tap;
#pragma unroll
      for (int i = 0; i < WORDS; i++)
        gather.fetch(i, word(b, i), [&](int h, bool& valid) {
          Tap t = load_tap(mine + i * P::PACKED + h);
          valid = t.inside(mask) && i * P::PACKED + h < left;
          return x + t.offset;
        });
      tap += more_taps;
      x += (i64)more_channels * plane;
      if (tap >= depth) tap -= depth, x += plane;
    }
    k += SPAN;
    left -= SPAN;
  }
  __device__ __forceinline__ void fetch_plain(Word* b) {
#pragma unroll
    for (int i = 0; i < WORDS / T::CHUNK; i++) {
      int row = threadIdx.x / COLUMNS + i * (T::THREADS / COLUMNS);
      bool valid = k + row < p.channels && mask;
      cp_async<16>(b + row * T::LDB + threadIdx.x % COLUMNS * T::CHUNK, x + (i64)(k + row) * plane, valid);
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
__global__ void __launch_bounds__(BM / WM * BN / WN * 32, BM / WM * BN / WN == 4 ? 3 : 1)
    conv_pixels(const N* __restrict__ x, const N* __restrict__ w, const N* __restrict__ b, N* __restrict__ y, Geometry p) {
  typedef Tile<P, BM, BN, WM, WN, true, false> T;
  typedef PixelLoad<T> Load;
  extern __shared__ __align__(16) unsigned char memory[];
  int tiles = (p.rows + BM - 1) / BM, group = blockIdx.z / phases(p);
  Phase f = phase_of(p, blockIdx.z % phases(p));
  int m = blockIdx.x % tiles * BM, n = blockIdx.x / tiles * BN, total = p.images * f.count(), depth = f.depth();
  if (n >= total) return;  // a phase with fewer pixels than another

  int read = p.from[0] * p.from[1] * p.from[2], plane = p.to[0] * p.to[1] * p.to[2];
  i64* places = (i64*)memory;  // of the tile's pixels, in y
  Tap* taps = (Tap*)(places + BN);
  typename P::Word* tiles_at = (typename P::Word*)(taps + p.size[0] * p.size[1] * p.size[2] + Load::WORDS * P::PACKED);
#pragma unroll 1
  for (int i = threadIdx.x; depth && i < depth + Load::WORDS * P::PACKED; i += T::THREADS) {
    taps[i] = tap_of(p, f, i % depth);
    taps[i].offset += i / depth * (unsigned)read;
  }
#pragma unroll 1
  for (int i = threadIdx.x; i < BN; i += T::THREADS) {
    Pixel q = pixel_of(p, f, n + i);
    places[i] = n + i < total ? ((i64)q.image * p.groups + group) * p.rows * plane + q.place : -1;
  }
  __syncthreads();

  int mine = n + (P::PACKED == 1 && p.plain ? threadIdx.x % Load::COLUMNS * T::CHUNK : threadIdx.x % BN);
  int first = threadIdx.x / BN * Load::WORDS * P::PACKED;
  Pixel q = pixel_of(p, f, mine);
  Load load = {p, taps};
  load.mask = mine < total ? mask_of(p, f, q.origin) : 0;
  load.x = x + ((i64)q.image * p.groups + group) * p.channels * read +
           (q.origin[0] * p.from[1] + q.origin[1]) * p.from[2] + q.origin[2];
  load.plane = read;
  load.length = row_length<N>(p, depth);
  load.rows = p.rows - m;
  load.w = w + (i64)group * group_length<N>(p) + (i64)p.rows * row_length<N>(p, f.before(p)) + (i64)m * load.length;
  load.depth = depth;
  load.k = 0;
  load.left = p.channels * depth - first;
  if (depth) {
    load.tap = first % depth;
    if (!p.plain) load.x += (i64)(first / depth) * read;
    load.more_channels = Load::SPAN / depth, load.more_taps = Load::SPAN % depth;
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
      for (int j = 0; j < T::NI; j++) {
        i64 place = places[T::column(j)], next = places[T::column(j) + 1];
        N* to = y + (i64)row * plane;
        N first = (N)(sums.at[i][j][e] + bias), second = (N)(sums.at[i][j][e + 1] + bias);
        if (place >= 0 && next == place + 1) {
          store_pair(to + place, first, second);
        } else {
          if (place >= 0) to[place] = first;
          if (next >= 0) to[next] = second;
        }
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
  const Tap* columns;  // which number of x, relative to a pixel's origin
  const Number *x, *u;
  int rows, k, end, plane, outputs;
  Gather<P, A_WORDS> left;
  Gather<P, B_WORDS> right;

  __device__ __forceinline__ void fetch(Word* a, Word* b) {
    u64 mask[P::PACKED];
    const Number *xs[P::PACKED], *us[P::PACKED];
    int lane = threadIdx.x / T::DEPTH;
#pragma unroll
    for (int h = 0; h < P::PACKED; h++) {
      int at = k + threadIdx.x % T::DEPTH * P::PACKED + h;
      Pixel q = pixel_of(p, f, at);
      mask[h] = at < end ? mask_of(p, f, q.origin) : 0;
      xs[h] = x + (i64)q.image * p.groups * p.channels * plane + (q.origin[0] * p.from[1] + q.origin[1]) * p.from[2] +
              q.origin[2];
      us[h] = u + (i64)q.image * p.groups * p.rows * outputs + q.place + (i64)lane * outputs;
    }
    if (p.aligned) {
      int at = k + threadIdx.x % (T::DEPTH / T::CHUNK) * (T::CHUNK * P::PACKED), image = at / outputs;
      const Number* from = u + ((i64)image * p.groups * p.rows * outputs + at % outputs);
      copy_chunks<T, T::BM, T::LDA>(a, [&](int row, bool& valid) {
        valid = row < rows && at < end;
        return from + (i64)row * outputs;
      });
    } else {
#pragma unroll
      for (int i = 0; i < A_WORDS; i++)
        left.fetch(i, word(a, i, T::LDA), [&](int h, bool& valid) {
          valid = lane + i * LANES < rows && k + (int)threadIdx.x % T::DEPTH * P::PACKED + h < end;
          return us[h] + (i64)(i * LANES) * outputs;
        });
    }
    const Tap* mine = columns + lane;
#pragma unroll
    for (int i = 0; i < B_WORDS; i++)
      right.fetch(i, word(b, i, T::LDB), [&](int h, bool& valid) {
        Tap t = load_tap(mine + i * LANES);
        valid = t.inside(mask[h]);
        return xs[h] + t.offset;
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
__global__ void __launch_bounds__(BM / WM * BN / WN * 32, BM / WM * BN / WN == 4 ? 3 : 1)
    conv_weights(const N* __restrict__ x, const N* __restrict__ u, S* __restrict__ w, Geometry p) {
  typedef Tile<P, BM, BN, WM, WN, true, true> T;
  extern __shared__ __align__(16) unsigned char memory[];
  int group = blockIdx.z / p.splits, split = blockIdx.z % p.splits, m = blockIdx.x * BM, n = blockIdx.y * BN;
  Phase f = phase_of(p, 0);
  int depth = f.depth(), total = p.images * f.count(), width = p.channels * depth;
  int plane = p.from[0] * p.from[1] * p.from[2];
  Tap* columns = (Tap*)memory;
#pragma unroll 1
  for (int i = threadIdx.x; i < BN; i += T::THREADS) {
    columns[i] = tap_of(p, f, (n + i) % depth);
    columns[i].offset += (n + i) / depth * (unsigned)plane;
    if (n + i >= width) columns[i].bits = NEVER;
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
