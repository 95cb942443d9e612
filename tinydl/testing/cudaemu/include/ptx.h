// CPU meanings of the PTX wrappers in common.cuh (documented fragment layouts of mma.m16n8k8; cp.async lands
// only at its wait).
#pragma once
#include <deque>
#include <set>
namespace emu {
static std::set<unsigned> unfenced;
}  // namespace emu
static inline unsigned to_tf32(float f) {
  unsigned u = __float_as_uint(f);
  if (f != f) return u;
  return (u + 0x1000) & 0xFFFFE000u;
}  // rna: ties away
static inline void mma_m16n8k8_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  struct F {
    unsigned a[4], b[2];
  } f;
  std::memcpy(f.a, a, 16);
  std::memcpy(f.b, b, 8);
  emu::Warp& w = emu::exchange(~0u, f, -3);
  int l = emu::lane(), g = l >> 2, t = l & 3;
  for (int i = 0; i < 4; i++) {
    int row = g + (i >> 1) * 8, col = t * 2 + (i & 1);
    float s = 0;
    for (int k = 0; k < 8; k++) {
      F fa = emu::peek<F>(w, (row & 7) * 4 + (k & 3)), fb = emu::peek<F>(w, col * 4 + (k & 3));
      s += __uint_as_float(fa.a[(row >> 3) + 2 * (k >> 2)] & 0xFFFFE000u) *
           __uint_as_float(fb.b[k >> 2] & 0xFFFFE000u);  // the unit drops the low 13 bits
    }
    d[i] += s;
  }
}
namespace emu {
struct Copy {
  char* s;
  const char* g;
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
static inline void cp_async16(void* s, const void* g, bool v) {
  if ((uintptr_t)s % 16 || (v && (uintptr_t)g % 16)) {
    raise(SIGILL);
  }
  std::memset(s, 0xFF, 16);  // NaN until the wait: an early read shows
  emu::pending().open.push_back({(char*)s, (const char*)g, v});
}
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
        std::memcpy(c.s, c.g, 16);
      else
        std::memset(c.s, 0, 16);
    }
    if (!p.groups.front().empty()) emu::unfenced.insert(threadIdx.x);
    p.groups.pop_front();
  }
}
