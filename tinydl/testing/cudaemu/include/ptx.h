// CPU meanings of the PTX wrappers in mma.cuh: documented fragment layouts of mma; cp.async lands only at its wait.
#pragma once
#include <deque>
#include <set>
namespace emu {
static std::set<unsigned> unfenced;

// d += a b, all three spread over the warp: element i of a lane is row g + 8 (i & 1), words of k at t + 4 (i >> 1),
// with g = lane / 4, t = lane % 4; of b, row t + 4 i of k, column g; of d, row g + 8 (i >> 1), column 2 t + (i & 1).
// WORDS of k are multiplied by dot(word of a, word of b).
template <int WORDS, class D, int ND, class W, int NA, int NB, class Dot>
static inline void multiply(D (&d)[ND], const W (&a)[NA], const W (&b)[NB], Dot dot) {
  struct Fragments {
    W a[NA], b[NB];
  } mine;
  std::memcpy(mine.a, a, sizeof a);
  std::memcpy(mine.b, b, sizeof b);
  Warp& w = exchange(~0u, mine, -3);
  Fragments all[32];
  for (int l = 0; l < 32; l++) all[l] = peek<Fragments>(w, l);
  int g = lane() >> 2, t = lane() & 3;
  for (int i = 0; i < ND; i++) {
    int row = g + (i >> 1) * 8, column = t * 2 + (i & 1);
    D sum = 0;
    for (int k = 0; k < WORDS; k++)
      sum += dot(all[(row & 7) * 4 + (k & 3)].a[(row >> 3) + 2 * (k >> 2)], all[column * 4 + (k & 3)].b[k >> 2]);
    d[i] += sum;
  }
}
}  // namespace emu
static inline unsigned to_tf32(float f) {
  unsigned u = __float_as_uint(f);
  if (f != f) return u;
  return (u + 0x1000) & 0xFFFFE000u;
}  // rna: ties away
static inline void mma_m16n8k8_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  emu::multiply<8>(d, a, b, [](unsigned x, unsigned y) {  // the unit drops the low 13 bits
    return __uint_as_float(x & 0xFFFFE000u) * __uint_as_float(y & 0xFFFFE000u);
  });
}
// four 8 x 8 matrices of 16 bits: lane 8 i + j names row j of matrix i, and gets word lane % 4 of row lane / 4 of each
static inline void ldmatrix_x4(unsigned (&r)[4], const void* row) {
  emu::Warp& w = emu::exchange(~0u, row, -3);
  for (int i = 0; i < 4; i++) {
    const char* from = (const char*)emu::peek<const void*>(w, 8 * i + emu::lane() / 4);
    if ((uintptr_t)from % 16) raise(SIGILL);
    std::memcpy(&r[i], from + emu::lane() % 4 * 4, 4);
  }
}
static inline float emu_half(unsigned bits) {
  unsigned short low = (unsigned short)bits;
  _Float16 h;
  std::memcpy(&h, &low, 2);
  return (float)h;
}
static inline void mma_m16n8k16_f16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  emu::multiply<8>(d, a, b, [](unsigned x, unsigned y) {
    return emu_half(x) * emu_half(y) + emu_half(x >> 16) * emu_half(y >> 16);
  });
}
static inline void mma_m16n8k16_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  emu::multiply<8>(d, a, b, [](unsigned x, unsigned y) {
    return __uint_as_float(x << 16) * __uint_as_float(y << 16) +
           __uint_as_float(x & 0xFFFF0000u) * __uint_as_float(y & 0xFFFF0000u);
  });
}
static inline void mma_m8n8k4_f64(double (&d)[2], const double (&a)[1], const double (&b)[1]) {
  emu::multiply<4>(d, a, b, [](double x, double y) { return x * y; });
}
namespace emu {
struct Copy {
  char* s;
  const char* g;
  int bytes;
  bool v;
};
struct Pending {
  std::vector<Copy> open;
  std::deque<std::vector<Copy>> groups;
};
static std::vector<Pending> pend;  // by thread of the running block (no cp.async across grid sync)
static inline Pending& pending() {
  unsigned t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  if (pend.size() < 1024) pend.resize(1024);
  return pend[t];
}
}  // namespace emu
template <int BYTES>
static inline void cp_async(void* s, const void* g, bool v) {
  static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "what cp.async can copy");
  if ((uintptr_t)s % BYTES || (v && (uintptr_t)g % BYTES)) raise(SIGILL);
  std::memset(s, 0xFF, BYTES);  // NaN until the wait: an early read shows
  emu::pending().open.push_back({(char*)s, (const char*)g, BYTES, v});
}
static inline void cp_async16(void* s, const void* g, bool v) { cp_async<16>(s, g, v); }
static inline void cp_async_commit() {
  auto& p = emu::pending();
  p.groups.push_back(std::move(p.open));
  p.open.clear();
}
template <int N>
static inline void cp_async_wait() {
  auto& p = emu::pending();
  while ((int)p.groups.size() > N) {
    for (auto& c : p.groups.front()) {
      if (c.v)
        std::memcpy(c.s, c.g, c.bytes);
      else
        std::memset(c.s, 0, c.bytes);
    }
    if (!p.groups.front().empty()) emu::unfenced.insert(threadIdx.x);
    p.groups.pop_front();
  }
}
