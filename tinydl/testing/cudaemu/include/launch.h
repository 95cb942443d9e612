// One launch: blocks in the order asked for, shared memory poisoned, faults turned into errors that name the thread.
#pragma once
#include "fibers.h"

namespace emu {
static size_t shared_bytes() {
  return (size_t)((uintptr_t)__stop_emu_shared - (uintptr_t)__start_emu_shared);
}
static char* dyn_base;
static size_t dyn_size;
static inline void* dyn_smem() { return dyn_base; }

static sigjmp_buf trap_env;
static void* trap_addr;
static void on_signal(int n, siginfo_t* si, void*) {
  trap_addr = si->si_addr;
  siglongjmp(trap_env, n);
}
struct Traps {  // a bad access becomes an error that names the thread
  struct sigaction old[3];
  stack_t ss, oss;
  std::vector<char> alt;
  const int sig[3] = {SIGSEGV, SIGILL, SIGFPE};
  Traps() : alt(65536) {
    ss = {};
    ss.ss_sp = alt.data();
    ss.ss_size = alt.size();
    sigaltstack(&ss, &oss);
    struct sigaction a = {};
    a.sa_sigaction = on_signal;
    a.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    for (int i = 0; i < 3; i++) sigaction(sig[i], &a, &old[i]);
  }
  ~Traps() {
    for (int i = 0; i < 3; i++) sigaction(sig[i], &old[i], nullptr);
    sigaltstack(&oss, nullptr);
  }
};
static const char* launch_(void (*)(void**), void**, const unsigned*, const unsigned*, unsigned, int);
static const char* launch(void (*call)(void**), void** args, const unsigned* g, const unsigned* bl,
                          unsigned dyn, int coop) {
  Traps traps;
  if (int n = sigsetjmp(trap_env, 1)) {  // fibers of the dead launch are leaked: the test has failed anyway
    snprintf(err, sizeof err, "%s at address %p in block (%u,%u,%u) thread (%u,%u,%u)",
             n == SIGSEGV  ? "bad memory access"
             : n == SIGILL ? "bounds/alignment/shift check failed"
                           : "arithmetic trap",
             trap_addr, blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z);
    return err;
  }
  const char* said = launch_(call, args, g, bl, dyn, coop);
  // a process may have 65,530 mappings, and each of many modules has a pool of its own
  for (; pool.size() > 16; pool.pop_back()) drop(pool.back());
  return said;
}
static const char* launch_(void (*call)(void**), void** args, const unsigned* g, const unsigned* bl,
                           unsigned dyn, int coop) {
  err[0] = 0;

  call_ = call;
  args_ = args;
  gridDim = dim3(g[0], g[1], g[2]);
  blockDim = dim3(bl[0], bl[1], bl[2]);
  int nt = bl[0] * bl[1] * bl[2];
  size_t nb = (size_t)g[0] * g[1] * g[2], sb = shared_bytes();
  uint64_t rs = opt.seed * 0x9E3779B97F4A7C15ull | 1;
  auto rnd = [&](uint64_t n) {
    rs ^= rs << 13;
    rs ^= rs >> 7;
    rs ^= rs << 17;
    return rs % n;
  };
  auto perm = [&](std::vector<int>& v, size_t n) {
    v.resize(n);
    for (size_t i = 0; i < n; i++) v[i] = opt.order == 1 ? n - 1 - i : i;
    if (opt.order == 2)
      for (size_t i = n; i > 1; i--) std::swap(v[i - 1], v[rnd(i)]);
  };
  std::vector<int> border;
  perm(border, nb);
  perm(order_, nt);
  std::vector<char> dynbuf(dyn + 1024);
  dyn_base = (char*)(((uintptr_t)dynbuf.data() + 1023) & ~(uintptr_t)1023);
  dyn_size = dyn;
  auto init = [&](Block& b, size_t i) {
    b.idx = {unsigned(i % g[0]), unsigned(i / g[0] % g[1]), unsigned(i / ((size_t)g[0] * g[1]))};
    b.next = 0;
    b.nlive = nt;
    b.act.clear();
    b.warps.resize((nt + 31) / 32);
    for (size_t w = 0; w < b.warps.size(); w++)
      b.warps[w].live = (int)(w * 32 + 32) <= nt ? ~0u : (1u << (nt - w * 32)) - 1;
    if (opt.poison) {
      if (sb) std::memset(__start_emu_shared, 0xFF, sb);
      std::memset(dyn_base, 0xFF, dyn);
    }  // NaN / -1
  };
  if (!coop) {
    Block b;
    for (size_t i = 0; i < nb && !err[0]; i++) {
      init(b, border[i]);
      if (!run_block(b) && !err[0])
        snprintf(err, sizeof err, "grid sync in a kernel that was not launched as cooperative");
    }
    if (err[0])
      for (Fiber* f : b.act) drop(f);
  } else {
    std::vector<Block> bs(nb);
    size_t done = 0;
    while (done < nb && !err[0]) {
      size_t waiting = 0;
      for (size_t i = 0; i < nb && !err[0]; i++) {
        Block& b = bs[border[i]];
        if (!b.started) {
          init(b, border[i]);
          b.started = true;
        } else if (b.act.empty())
          continue;
        else {
          for (Fiber* f : b.act) f->st = READY;
          std::memcpy(__start_emu_shared, b.save.data(), sb);
          std::memcpy(dyn_base, b.save.data() + sb, dyn);
        }
        if (run_block(b))
          done++;
        else
          waiting++;
        b.save.resize(sb + dyn);
        std::memcpy(b.save.data(), __start_emu_shared, sb);
        std::memcpy(b.save.data() + sb, dyn_base, dyn);
      }
      if (waiting && done && !err[0])
        snprintf(err, sizeof err, "grid sync: %zu blocks wait, %zu have returned", waiting, done);
    }
  }
  return err;
}

}  // namespace emu
