// CPU meaning of wgmma m64nNk8 TF32 with both operands in shared memory (PTX ISA: matrix descriptor, 128-byte swizzle,
// D fragment): a thread holds N / 2 sums. A product runs only when it is waited for: it reads shared memory as it is
// then, and the accumulators are NaN until then.
#pragma once
namespace emu {
struct Wg {
  float* d;
  float keep[128];
  unsigned long long a, b;
  bool first;
  int use;
};
struct WgQ {
  std::vector<Wg> open;
  std::deque<std::vector<Wg>> groups;
  bool fenced = false;
};
static std::vector<WgQ> wgq;
static float wg_acc[1024][128];
static inline WgQ& wg() {
  if (wgq.size() < 1024) wgq.resize(1024);
  return wgq[threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)];
}
static inline float wg_at(unsigned long long desc, int row, int k) {  // row of the operand, k in 0..7
  uintptr_t start = (desc & 0x3FFF) << 4, sbo = ((desc >> 32) & 0x3FFF) << 4,
            ad = start + (row / 8) * sbo + (row % 8) * 128 + k * 4;
  if ((desc >> 62) != 1) raise(SIGILL);  // only the 128-byte swizzle is modelled
  ad ^= ((ad >> 7) & 7) << 4;
  if (ad + 4 > dyn_size) {
    raise(SIGILL);
  }
  float f;
  std::memcpy(&f, dyn_base + ad, 4);
  return __uint_as_float(__float_as_uint(f) & 0xFFFFE000u);
}
}  // namespace emu
static inline unsigned smem_addr(const void* p) {
  long o = (const char*)p - emu::dyn_base;
  if (o < 0 || o >= (long)emu::dyn_size) raise(SIGILL);
  return (unsigned)o;  // offsets; the dynamic buffer is 1024-byte aligned
}
static inline void fence_proxy_async() { emu::unfenced.erase(threadIdx.x); }
static inline void wgmma_fence() { emu::wg().fenced = true; }
template <int SUMS>
static inline void wgmma_tf32(float (&d)[SUMS], unsigned long long a, unsigned long long b, int keep) {
  auto& q = emu::wg();
  if (!q.fenced) raise(SIGILL);
  bool first = true;
  for (auto& o : q.open)
    if (o.d == d) first = false;
  for (auto& gq : q.groups)
    for (auto& o : gq)
      if (o.d == d) first = false;
  emu::Wg w = {d, {}, a, b, first, keep};
  if (first) std::memcpy(w.keep, d, sizeof d);
  for (float& v : d) v = NAN;
  q.open.push_back(w);
}
static inline void wgmma_commit() {
  auto& q = emu::wg();
  q.groups.push_back(std::move(q.open));
  q.open.clear();
  q.fenced = false;
}
template <int N, int SUMS>
static inline void wgmma_wait(float (&d)[SUMS]) {
  auto& q = emu::wg();
  if (!emu::unfenced.empty()) raise(SIGILL);  // something was put there with no fence.proxy.async after it
  int w = (threadIdx.x >> 5) & 3, l = threadIdx.x & 31;
  float* acc = emu::wg_acc[threadIdx.x];
  while ((int)q.groups.size() > N) {
    for (auto& o : q.groups.front()) {
      if (o.first) std::memcpy(acc, o.keep, sizeof d);
      if (!o.use) std::memset(acc, 0, sizeof d);
      float rows[2][8], column[8];
      for (int h = 0; h < 2; h++)
        for (int k = 0; k < 8; k++) rows[h][k] = emu::wg_at(o.a, w * 16 + (l >> 2) + h * 8, k);
      for (int j = 0; j < SUMS / 4; j++)
        for (int c = 0; c < 2; c++) {
          for (int k = 0; k < 8; k++) column[k] = emu::wg_at(o.b, j * 8 + (l & 3) * 2 + c, k);
          for (int h = 0; h < 2; h++) {
            float s = 0;
            for (int k = 0; k < 8; k++) s += rows[h][k] * column[k];
            acc[j * 4 + h * 2 + c] += s;
          }
        }
    }
    q.groups.pop_front();
  }
  if (q.groups.empty() && q.open.empty()) std::memcpy(d, acc, sizeof d);
}
// bytes into shared memory by an ordinary store: the tensor cores see them after a fence
template <class V>
static inline void put_shared(void* to, V value) {
  long o = (const char*)to - emu::dyn_base;
  if (o < 0 || o + (long)sizeof(V) > (long)emu::dyn_size || o % sizeof(V)) raise(SIGILL);
  std::memcpy(to, &value, sizeof(V));
  emu::unfenced.insert(threadIdx.x);
}
