#pragma once
namespace cooperative_groups {
struct grid_group {
  void sync() const { emu::park(emu::AT_GRID, -2); }
  unsigned num_blocks() const { return gridDim.x * gridDim.y * gridDim.z; }
  bool is_valid() const { return true; }
};
static inline grid_group this_grid() { return {}; }
struct thread_block {
  void sync() const { emu::park(emu::AT_BLOCK, -2); }
  unsigned thread_rank() const { return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); }
};
static inline thread_block this_thread_block() { return {}; }
}  // namespace cooperative_groups
