// How a launch runs on one CPU thread: each CUDA thread is a fiber, which gives way only at barriers and warp
// collectives.  A thread that meets no barrier is one plain call.
#pragma once
#include "qualifiers.h"

namespace emu {
enum State { READY, AT_BLOCK, AT_WARP, AT_GRID, IDLE };
struct Fiber {
  void* sp = nullptr;
  char* stack = nullptr;
  int tid = -1;
  State st = IDLE;
  int line = 0;
  unsigned mask = 0;
#ifdef EMU_UCONTEXT
  ucontext_t ctx;
#endif
};
struct Warp {
  alignas(16) char in[32][64], out[32][64];
  unsigned live, arrived;
};
struct Block {
  uint3 idx;
  int next = 0, nlive = 0;
  std::vector<Fiber*> act;
  std::vector<Warp> warps;
  std::vector<char> save;
  std::vector<char> dyn;
  bool started = false;
};
struct Options {
  uint64_t seed;
  int order;
  int poison;
};  // order: 0 forward, 1 reverse, 2 shuffled
static Options opt = {1, 0, 1};
static std::vector<Fiber*> pool;
static std::vector<int> order_;
static Block* cur_b;
static Fiber* cur;
static void (*call_)(void**);
static void** args_;
static char err[512];

#ifdef EMU_UCONTEXT
static ucontext_t sched_ctx;
#else
static void* sched_sp;
extern "C" __attribute__((visibility("hidden"))) void emu_switch(void** from, void* to);
asm(R"(.text
.hidden emu_switch
.globl emu_switch
.type emu_switch,@function
emu_switch:
  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
  movq %rsp, (%rdi); movq %rsi, %rsp
  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
  ret
.size emu_switch,.-emu_switch)");
#endif
static const size_t STACK = 256 << 10;  // lazily committed by the kernel

static void set_tid(int t) {
  threadIdx.x = t % blockDim.x;
  threadIdx.y = t / blockDim.x % blockDim.y;
  threadIdx.z = t / (blockDim.x * blockDim.y);
}
static void to_sched(Fiber* f) {
#ifdef EMU_UCONTEXT
  swapcontext(&f->ctx, &sched_ctx);
#else
  emu_switch(&f->sp, sched_sp);
#endif
}
static void to_fiber(Fiber* f) {
  cur = f;
  if (f->tid >= 0) set_tid(f->tid);
#ifdef EMU_UCONTEXT
  swapcontext(&sched_ctx, &f->ctx);
#else
  emu_switch(&sched_sp, f->sp);
#endif
}
// A worker runs not-yet-started threads one after another on one stack until one of them parks:
// a kernel without barriers costs one function call per thread and no switch.
static void worker() {
  for (;;) {
    Fiber* f = cur;
    while (cur_b->next < (int)order_.size()) {
      f->tid = order_[cur_b->next++];
      set_tid(f->tid);
      call_(args_);
      cur_b->nlive--;
      cur_b->warps[f->tid / 32].live &= ~(1u << f->tid % 32);
      f = cur;
      if (f->st != IDLE) {
        f->tid = -1;
        break;
      }  // it had parked, so the scheduler owns starting threads
    }
    f->tid = -1;
    f->st = IDLE;
    to_sched(f);
  }
}
static void drop(Fiber* f) {
  munmap(f->stack, STACK + 4096);
  delete f;
}
static Fiber* take() {
  if (!pool.empty()) {
    Fiber* f = pool.back();
    pool.pop_back();
    return f;
  }
  Fiber* f = new Fiber;
  f->stack = (char*)mmap(nullptr, STACK + 4096, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  mprotect(f->stack, 4096, PROT_NONE);  // a stack overflow faults instead of corrupting
#ifdef EMU_UCONTEXT
  getcontext(&f->ctx);
  f->ctx.uc_stack.ss_sp = f->stack;
  f->ctx.uc_stack.ss_size = STACK;
  f->ctx.uc_link = nullptr;
  makecontext(&f->ctx, worker, 0);
#else
  void** s = (void**)(f->stack + 4096 + STACK - 64);
  *--s = nullptr;
  *--s = (void*)worker;
  for (int i = 0; i < 6; i++) *--s = nullptr;
  f->sp = s;
#endif
  return f;
}
static void park(State st, int line, unsigned mask = 0) {
  Fiber* f = cur;
  f->st = st;
  f->line = line;
  f->mask = mask;
  to_sched(f);
}
static inline int lane() {
  return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) & 31;
}
static inline Warp& warp() {
  return cur_b->warps[(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) >> 5];
}
// every lane of mask deposits v and may then read what any other lane of mask deposited
template <class T>
static inline Warp& exchange(unsigned mask, const T& v, int line) {
  static_assert(sizeof(T) <= 64, "exchange slot");
  Warp& w = warp();
  std::memcpy(w.in[lane()], &v, sizeof(T));
  park(AT_WARP, line, mask);
  return w;
}
template <class T>
static inline T peek(Warp& w, int l) {
  T r;
  std::memcpy(&r, w.out[l & 31], sizeof(T));
  return r;
}

// run block b until all of its threads are done (true) or wait at the grid barrier (false)
static bool run_block(Block& b) {
  cur_b = &b;
  blockIdx = b.idx;
  for (;;) {
    for (size_t i = 0; i < b.act.size(); i++)
      if (b.act[i]->st == READY) to_fiber(b.act[i]);
    while (b.next < (int)order_.size()) {
      Fiber* f = take();
      f->st = IDLE;
      b.act.push_back(f);
      to_fiber(f);
    }
    size_t k = 0;
    for (Fiber* f : b.act)
      if (f->st == IDLE)
        pool.push_back(f);
      else
        b.act[k++] = f;
    b.act.resize(k);
    if (b.act.empty()) return true;
    bool go = false;
    int ahead = -1;  // the warp that alone goes on: as far as it can, before the next one moves
    int nblk = 0, ngrid = 0;
    for (Warp& w : b.warps) w.arrived = 0;
    for (Fiber* f : b.act) {
      nblk += f->st == AT_BLOCK;
      ngrid += f->st == AT_GRID;
      if (f->st == AT_WARP) b.warps[f->tid / 32].arrived |= 1u << f->tid % 32;
    }
    for (Fiber* f : b.act)
      if (f->st == AT_WARP) {
        Warp& w = b.warps[f->tid / 32];
        unsigned need = f->mask & w.live;
        if (!(f->mask >> (f->tid % 32) & 1)) {
          snprintf(err, sizeof err, "line %d: thread %d calls a warp collective with a mask without itself",
                   f->line, f->tid);
          return true;
        }
        if ((w.arrived & need) == need && (opt.order == 2 || ahead < 0 || ahead == f->tid / 32)) {
          ahead = f->tid / 32;
          std::memcpy(w.out[f->tid % 32], w.in[f->tid % 32], 64);
          f->st = READY;
          go = true;
        }
      }
    if (go) continue;
    if (nblk == (int)b.act.size()) {
      for (Fiber* f : b.act) {
        if (f->line != b.act[0]->line) {
          snprintf(err, sizeof err,
                   "divergent __syncthreads: thread %d waits at line %d, thread %d at line %d", b.act[0]->tid,
                   b.act[0]->line, f->tid, f->line);
          return true;
        }
        f->st = READY;
      }
      continue;
    }
    if (ngrid == (int)b.act.size()) return false;
    snprintf(err, sizeof err,
             "deadlock in block (%u,%u,%u): of %zu live threads %d wait at __syncthreads, %d at grid sync, "
             "%zu in warp collectives (thread %d, line %d)",
             b.idx.x, b.idx.y, b.idx.z, b.act.size(), nblk, ngrid, b.act.size() - nblk - ngrid, b.act[0]->tid,
             b.act[0]->line);
    return true;
  }
}
}  // namespace emu
