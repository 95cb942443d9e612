// Products of tiles on tensor cores: what convolutions and matrix products have in common.
//
// A block multiplies a tile of a (BM rows) by one of b (BN columns), DEPTH words of k a step: copies of the next steps
// are on their way while a step is multiplied.  A word is what a lane holds of k: one number, or two narrow ones.
#pragma once
#include "common.cuh"

#ifdef TINYDL_CUDA_EMU
#include "ptx.h"
#else
__device__ __forceinline__ void mma_m16n8k8_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ __forceinline__ void mma_m16n8k16_f16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ __forceinline__ void mma_m16n8k16_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ __forceinline__ void mma_m8n8k4_f64(double (&d)[2], const double (&a)[1], const double (&b)[1]) {
  asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1}, {%2}, {%3}, {%0,%1};"
               : "+d"(d[0]), "+d"(d[1])
               : "d"(a[0]), "d"(b[0]));
}
__device__ __forceinline__ void ldmatrix_x4(unsigned (&r)[4], const void* row) {
  unsigned at = (unsigned)__cvta_generic_to_shared(row);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(at)
               : "memory");
}
// BYTES from global to shared memory, or as many zeros
template <int BYTES>
__device__ __forceinline__ void cp_async(void* to, const void* from, bool valid) {
  unsigned at = (unsigned)__cvta_generic_to_shared(to);
  int n = valid ? BYTES : 0;
  if (BYTES == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(n));
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(at), "l"(from), "r"(n), "n"(BYTES));
}
__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}
#endif

// ---- arithmetics: `Part` is what a lane holds of an operand; ROWS of a and WORDS of k are one instruction's
// The unit cuts off the low 13 bits of a float.  Made greater by half of the last bit that stays, in the mean over
// mantissas, what it cuts off is nothing in the mean: as accurate as rounding, in one instruction; NaN stays NaN.
__device__ __forceinline__ unsigned nearly_rounded(float f) { return __float_as_uint(f * (1.f + 0.347f / 1024)); }

struct Tf32 {  // float32 with 10 bits
  typedef float Number;
  typedef unsigned Word;
  typedef float Sum;
  typedef unsigned Part;
  enum { ROWS = 16, WORDS = 8, PACKED = 1 };
  static __device__ __forceinline__ Part part(unsigned w) { return nearly_rounded(__uint_as_float(w)); }
  static __device__ __forceinline__ void mma(Sum (&d)[4], const Part (&a)[4], const Part (&b)[2]) {
    mma_m16n8k8_tf32(d, a, b);
  }
};
struct Ieee {  // as accurate as float32: high and low parts; low times low is left out.  Infinity gives NaN.
  typedef float Number;
  typedef unsigned Word;
  typedef float Sum;
  struct Part {
    unsigned high, low;
  };
  enum { ROWS = 16, WORDS = 8, PACKED = 1 };
  static __device__ __forceinline__ Part part(unsigned w) {
    unsigned high = w & 0xFFFFE000u;
    return {high, nearly_rounded(__uint_as_float(w) - __uint_as_float(high))};
  }
  static __device__ __forceinline__ void mma(Sum (&d)[4], const Part (&a)[4], const Part (&b)[2]) {
    const unsigned ah[4] = {a[0].high, a[1].high, a[2].high, a[3].high};
    const unsigned al[4] = {a[0].low, a[1].low, a[2].low, a[3].low};
    const unsigned bh[2] = {b[0].high, b[1].high}, bl[2] = {b[0].low, b[1].low};
    mma_m16n8k8_tf32(d, al, bh);
    mma_m16n8k8_tf32(d, ah, bl);
    mma_m16n8k8_tf32(d, ah, bh);
  }
};
template <class Number_>
struct Packed {  // two of k in a word, sums in float32
  typedef Number_ Number;
  typedef unsigned Word;
  typedef float Sum;
  typedef unsigned Part;
  enum { ROWS = 16, WORDS = 8, PACKED = 2 };
  static __device__ __forceinline__ Part part(unsigned w) { return w; }
};
struct Half : Packed<__half> {
  static __device__ __forceinline__ void mma(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    mma_m16n8k16_f16(d, a, b);
  }
};
struct Brain : Packed<__nv_bfloat16> {
  static __device__ __forceinline__ void mma(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    mma_m16n8k16_bf16(d, a, b);
  }
};
struct Double {
  typedef double Number;
  typedef double Word;
  typedef double Sum;
  typedef double Part;
  enum { ROWS = 8, WORDS = 4, PACKED = 1 };
  static __device__ __forceinline__ Part part(double f) { return f; }
  static __device__ __forceinline__ void mma(Sum (&d)[2], const Part (&a)[1], const Part (&b)[1]) {
    mma_m8n8k4_f64(d, a, b);
  }
};

// ---- tiles in shared memory
// Operands lie with k next to each other (deep: [row][DEPTH]) or with rows next to each other ([DEPTH][row]): as in
// the arrays that they are copied from.  Rows are longer by what keeps a warp's lanes on different banks.
template <class P_, int BM_, int BN_, int WM_, int WN_, bool A_DEEP_, bool B_DEEP_>
struct Tile {
  typedef P_ P;
  typedef typename P::Word Word;
  enum {
    BM = BM_, BN = BN_, WM = WM_, WN = WN_, A_DEEP = A_DEEP_, B_DEEP = B_DEEP_,
    STAGES = 3,
    DEPTH = 128 / sizeof(Word),
    CHUNK = 16 / sizeof(Word),  // words that are copied at once
    THREADS = BM / WM * (BN / WN) * 32,
    FLAT = sizeof(Word) == 8 ? 4 : 8,
    LDA = A_DEEP ? DEPTH + 4 : BM + FLAT, A_WORDS = A_DEEP ? BM * LDA : DEPTH * LDA,
    LDB = B_DEEP ? DEPTH + 4 : BN + FLAT, B_WORDS = B_DEEP ? BN * LDB : DEPTH * LDB,
    STAGE = A_WORDS + B_WORDS,
    MI = WM / P::ROWS, NI = WN / 8,
    NA = P::ROWS / 8 * (P::WORDS / 4), NB = P::WORDS / 4, ND = 2 * P::ROWS / 8
  };
  static __device__ __forceinline__ int warp_row() { return threadIdx.x / 32 / (BN / WN) * WM; }
  static __device__ __forceinline__ int warp_column() { return threadIdx.x / 32 % (BN / WN) * WN; }
  // where the thread's sums stand in the tile
  static __device__ __forceinline__ int row(int i, int e) {
    return warp_row() + i * P::ROWS + threadIdx.x % 32 / 4 + e / 2 * 8;
  }
  static __device__ __forceinline__ int column(int j) { return warp_column() + j * 8 + threadIdx.x % 4 * 2; }
};

template <class T>
struct Sums {
  typename T::P::Sum at[T::MI][T::NI][T::ND];
};

// The parts of COUNT fragments of 8 or 16 rows: fragment i begins at row `first + i * SPAN` and word k.
// Deep operands of 4-byte words come 16 rows at a time; of columns these are two fragments.
template <class T, bool DEEP, int COUNT, int SPAN, int PARTS, int LD>
__device__ __forceinline__ void fragments(
    typename T::P::Part (&parts)[COUNT][PARTS], const typename T::Word* from, int first, int k) {
  typedef typename T::P P;
  int lane = threadIdx.x % 32;
  if constexpr (DEEP && sizeof(typename P::Word) == 4) {
    // rows 0-7 and 8-15 alternate fastest in a fragment of 16 rows, words 0-3 and 4-7 in one of 8
    int row = lane % 8 + (SPAN == 16 ? lane / 8 % 2 : lane / 16) * 8;
    int word = (SPAN == 16 ? lane / 16 : lane / 8 % 2) * 4;
#pragma unroll
    for (int i = 0; i < COUNT * SPAN / 16; i++) {
      unsigned r[4];
      ldmatrix_x4(r, from + (first + i * 16 + row) * LD + k + word);
#pragma unroll
      for (int e = 0; e < 4; e++) parts[i * 4 / PARTS + e / PARTS][e % PARTS] = P::part(r[e]);
    }
  } else {
#pragma unroll
    for (int i = 0; i < COUNT; i++)
#pragma unroll
      for (int e = 0; e < PARTS; e++) {
        int row = first + i * SPAN + lane / 4 + (SPAN == 16 ? e % 2 * 8 : 0);
        int word = k + lane % 4 + (SPAN == 16 ? e / 2 : e) * 4;
        parts[i][e] = P::part(from[DEEP ? row * LD + word : word * LD + row]);
      }
  }
}

// One step's product, added to the sums.
template <class T>
__device__ __forceinline__ void multiply_step(Sums<T>& sums, const typename T::Word* a, const typename T::Word* b) {
  typedef typename T::P P;
#pragma unroll
  for (int k = 0; k < T::DEPTH; k += P::WORDS) {
    typename P::Part left[T::MI][T::NA], right[T::NI][T::NB];
    fragments<T, T::A_DEEP, T::MI, P::ROWS, T::NA, T::LDA>(left, a, T::warp_row(), k);
    fragments<T, T::B_DEEP, T::NI, 8, T::NB, T::LDB>(right, b, T::warp_column(), k);
#pragma unroll
    for (int i = 0; i < T::MI; i++)
#pragma unroll
      for (int j = 0; j < T::NI; j++) P::mma(sums.at[i][j], left[i], right[j]);
  }
}

// The product of all steps.  `load.fetch(a, b)` begins to copy the next step's operands, what it holds in registers
// `load.keep(a, b)` puts into shared memory.
template <class T, class Load>
__device__ __forceinline__ void multiply(Sums<T>& sums, typename T::Word* shared, int steps, Load& load) {
  typedef typename T::P P;
#pragma unroll 1  // each fetch is long
  for (int s = 0; s < T::STAGES - 1; s++) {
    typename T::Word* stage = shared + s * T::STAGE;
    if (s < steps) {
      load.fetch(stage, stage + T::A_WORDS);
      load.keep(stage, stage + T::A_WORDS);
    }
    cp_async_commit();
  }
#pragma unroll 1
  for (int it = 0, now = 0; it < steps; it++) {
    cp_async_wait<T::STAGES - 2>();
    __syncthreads();  // this stage is in, and the one before it was used by all
    typename T::Word* next = shared + (now == 0 ? T::STAGES - 1 : now - 1) * T::STAGE;
    bool more = it + T::STAGES - 1 < steps;
    if (more) load.fetch(next, next + T::A_WORDS);
    cp_async_commit();  // an empty group keeps their count
    multiply_step<T>(sums, shared + now * T::STAGE, shared + now * T::STAGE + T::A_WORDS);
    if (more) load.keep(next, next + T::A_WORDS);
    now = now + 1 == T::STAGES ? 0 : now + 1;
  }
  cp_async_wait<0>();
}

// Words of shared memory from numbers anywhere: copied without waiting where a word is one number, else held until
// `keep`.  next(valid) is the address of the next number of k, and whether there is one.
template <class P, int COUNT>
struct Gather {
  unsigned held[P::PACKED == 2 ? COUNT : 1];
  template <class Next>
  __device__ __forceinline__ void fetch(int i, typename P::Word* to, Next next) {
    bool valid;
    const typename P::Number* from = next(0, valid);
    if constexpr (P::PACKED == 1) {
      cp_async<sizeof(typename P::Word)>(to, from, valid);
    } else {
      held[i] = valid ? *(const unsigned short*)from : 0u;
      from = next(1, valid);
      held[i] |= (valid ? *(const unsigned short*)from : 0u) << 16;
    }
  }
  __device__ __forceinline__ void keep(int i, typename P::Word* to) {
    if constexpr (P::PACKED == 2) *to = held[i];
  }
};

// Rows of 16-byte chunks, whose k lie next to each other in memory, into a deep operand: each thread copies the same
// chunk of k of several rows.  from(row, valid): the address of a row's chunk.
template <class T, int ROWS, int LD, class From>
__device__ __forceinline__ void copy_chunks(typename T::Word* to, From from) {
  enum { CHUNKS = T::DEPTH / T::CHUNK };
#pragma unroll
  for (int i = 0; i < (ROWS * CHUNKS + T::THREADS - 1) / T::THREADS; i++) {
    int row = (threadIdx.x + i * T::THREADS) / CHUNKS;
    if (ROWS * CHUNKS % T::THREADS && row >= ROWS) break;
    bool valid;
    const typename T::P::Number* p = from(row, valid);
    cp_async<16>(to + row * LD + threadIdx.x % CHUNKS * T::CHUNK, p, valid);
  }
}

// Two numbers next to each other, in one access where their place allows it.
template <class N>
__device__ __forceinline__ void store_pair(N* to, N a, N b) {
  struct __align__(2 * sizeof(N)) Pair {
    N a, b;
  };
  if ((u64)to % sizeof(Pair) == 0)
    *(Pair*)to = {a, b};
  else
    to[0] = a, to[1] = b;
}
