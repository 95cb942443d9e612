"""The emulator runs CUDA sources as written, and planted faults are caught by it."""

import numpy as np
import pytest

from tinydl.testing import cudaemu
from tinydl.testing.cudaemu import EmulationError, RawModule, launches

pytestmark = pytest.mark.skipif(not cudaemu.available(), reason="emulation needs g++")
ORDERS = ("forward", "reverse", "shuffle")

PRODUCT = """
template <typename T>
__global__ void product(const T* a, const T* b, T* c, int M, int N, int K) {
  __shared__ T left[8][8], right[8][8];
  int i = threadIdx.y, j = threadIdx.x, row = blockIdx.y * 8 + i, column = blockIdx.x * 8 + j;
  T sum = 0;
  for (int k = 0; k < K; k += 8) {
    left[i][j] = row < M && k + j < K ? a[row * K + k + j] : T(0);
    right[i][j] = k + i < K && column < N ? b[(k + i) * N + column] : T(0);
    __syncthreads();  // loaded
    for (int l = 0; l < 8; l++) sum += left[i][l] * right[l][j];
    __syncthreads();  // used
  }
  if (row < M && column < N) c[row * N + column] = sum;
}
"""
ROW_SUMS = """
extern "C" __global__ void row_sums(const float* x, float* y, int n, float scale) {
  float sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) sum += x[(long long)blockIdx.x * n + i];
  for (int d = 16; d > 0; d /= 2) sum += __shfl_down_sync(~0u, sum, d);
  if (threadIdx.x == 0) y[blockIdx.x] = sum * scale;
}
"""
RING = """
#include <cooperative_groups.h>
extern "C" __global__ void ring(int* x, int turns) {
  extern __shared__ int kept[];
  kept[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
  for (int t = 0; t < turns; t++) {
    cooperative_groups::this_grid().sync();
    x[(blockIdx.x + 1) % gridDim.x * blockDim.x + threadIdx.x] = kept[threadIdx.x];
    cooperative_groups::this_grid().sync();
    kept[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
  }
}
"""


def product(source=PRODUCT, M=13, N=9, K=21, dtype="float32", type="float"):
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape).astype(dtype) for shape in ((M, K), (K, N)))
    c = np.full((M, N), np.nan, dtype)
    name = f"product<{type}>"
    kernel = RawModule(source, name_expressions=[name]).get_function(name)
    kernel((-(-N // 8), -(-M // 8)), (8, 8), (a, b, c, *map(np.int32, (M, N, K))))
    np.testing.assert_allclose(c, a.astype(float) @ b, rtol=1e-5, atol=1e-5)
    return c


@pytest.mark.parametrize("dtype, type", [("float32", "float"), ("float64", "double")])
def test_shared_memory_and_barriers_in_every_order(dtype, type):
    results = []
    for order in ORDERS:
        with launches(order, seed=5, guard=True):
            results.append(product(dtype=dtype, type=type).tobytes())
    assert len(set(results)) == 1


@pytest.mark.parametrize(
    "old, new",
    [
        ("__syncthreads();  // loaded", ""),
        ("__syncthreads();  // used", ""),
        ("row < M && k + j < K ?", "k + j < K ?"),
        ("if (row < M && column < N) c", "c"),
        ("l < 8; l++", "l < 9; l++"),
        ("__syncthreads();  // loaded", "if (j < 2) __syncthreads(); else\n __syncthreads();"),
    ],
    ids=["no barrier after loading", "no barrier after use", "reads past the end", "writes past the end",
         "past a shared array", "divergent barrier"],
)  # fmt: skip
def test_planted_faults_are_caught(old, new):
    assert old in PRODUCT
    broken = PRODUCT.replace(old, new, 1)
    with pytest.raises((EmulationError, AssertionError)):
        for order in ORDERS:
            with launches(order, seed=5, guard=True):
                product(broken)


def test_warp_shuffles():
    x, y = np.random.default_rng(0).standard_normal((5, 77)).astype("f"), np.full(5, np.nan, "f")
    RawModule(ROW_SUMS).get_function("row_sums")((5,), (32,), (x, y, np.int32(77), np.float32(2)))
    np.testing.assert_allclose(y, 2 * x.sum(1), rtol=1e-5)


def test_grid_barriers_of_cooperative_launches():
    x = np.arange(12, dtype=np.int32)
    arguments = (3,), (4,), (x, np.int32(2))
    RawModule(RING, enable_cooperative_groups=True).get_function("ring")(*arguments, shared_mem=16)
    assert x.tolist() == [4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3]
    with pytest.raises(EmulationError, match="not launched as cooperative"):
        RawModule(RING).get_function("ring")(*arguments, shared_mem=16)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"x": np.zeros((2, 32))}, "argument 0: the kernel takes f4.*float64"),
        ({"x": np.zeros((32, 2), "f").T}, "argument 0: the array is not C-contiguous"),
        ({"x": [1.0]}, "argument 0: expected an array, got list"),
        ({"n": np.int64(32)}, "argument 2: the kernel takes i4, got int64"),
        ({"scale": 1.5}, "argument 3: the kernel takes f4, got float64"),
        ({"scale": "1"}, "argument 3: expected a number, got str"),
        ({"block": (2048,)}, "block .* cannot be launched"),
        ({"grid": (0,)}, "grid .* cannot be launched"),
        ({"grid": (1, 70000)}, "grid .* cannot be launched"),
        ({"shared_mem": 1 << 20}, "bytes of shared memory"),
        ({"more": 1}, "takes 4 arguments, got 5"),
    ],
)
def test_bad_launches_are_refused(arguments, message):
    given = {"x": np.zeros((2, 32), "f"), "y": np.zeros(2, "f"), "n": np.int32(32), "scale": np.float32(1)}
    given |= {"grid": (2,), "block": (32,), "shared_mem": 0} | arguments
    grid, block, shared = (given.pop(name) for name in ("grid", "block", "shared_mem"))
    with pytest.raises(EmulationError, match=message):
        RawModule(ROW_SUMS).get_function("row_sums")(grid, block, tuple(given.values()), shared_mem=shared)


def test_shared_memory_is_granted_to_a_kernel_not_to_one_look_at_it():
    x, module = np.zeros((1, 32), "f"), RawModule(ROW_SUMS)
    given = (1,), (32,), (x, np.zeros(1, "f"), np.int32(32), np.float32(1))
    first, second = module.get_function("row_sums"), module.get_function("row_sums")
    with pytest.raises(EmulationError, match="65536 bytes of shared memory; 49152 were granted"):
        first(*given, shared_mem=1 << 16)
    first.max_dynamic_shared_size_bytes = 1 << 16
    second(*given, shared_mem=1 << 16)
    with pytest.raises(EmulationError, match="a block has at most"):
        second.max_dynamic_shared_size_bytes = 1 << 20


def test_sources_that_do_not_compile_and_unknown_names():
    with pytest.raises(EmulationError, match="there is no kernel nothing; there are row_sums"):
        RawModule(ROW_SUMS).get_function("nothing")
    with pytest.raises(EmulationError, match="cannot compile"):
        RawModule(ROW_SUMS.replace("float sum = 0;", "")).compile()
    with pytest.raises(ValueError, match="order must be one of"), launches("sideways"):
        pass


def test_tensor_core_and_asynchronous_copies_have_their_meaning():
    source = """
    #include "ptx.h"
    extern "C" __global__ void one(const float* a, const float* b, float* d) {
      __shared__ __align__(16) float tile[128];  // a: 16 x 8
      int l = threadIdx.x, g = l / 4, t = l % 4;
      cp_async16(tile + 4 * l, a + 4 * l, true); cp_async_commit(); cp_async_wait<0>(); __syncthreads();
      unsigned x[4] = {to_tf32(tile[g * 8 + t]), to_tf32(tile[(g + 8) * 8 + t]),
                       to_tf32(tile[g * 8 + t + 4]), to_tf32(tile[(g + 8) * 8 + t + 4])};
      unsigned y[2] = {to_tf32(b[t * 8 + g]), to_tf32(b[(t + 4) * 8 + g])};
      float z[4] = {};
      mma_m16n8k8_tf32(z, x, y);
      for (int e = 0; e < 4; e++) d[(g + e / 2 * 8) * 8 + 2 * t + e % 2] = z[e];
    }"""
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((16, 8)).astype("f"), rng.standard_normal((8, 8)).astype("f")
    d = np.full((16, 8), np.nan, "f")
    kernel = RawModule(source).get_function("one")
    kernel((1,), (32,), (a, b, d))
    error = np.abs(d - a.astype(float) @ b).max()
    assert 1e-6 < error < 1e-2  # the 10 bits of TF32, no more and no less
    with pytest.raises((EmulationError, AssertionError)):
        RawModule(source.replace("cp_async_wait<0>", "cp_async_wait<1>")).get_function("one")((1,), (32,), (a, b, d))
        assert np.isfinite(d).all()
