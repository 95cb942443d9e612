// Philox 4x32-10 (Salmon et al. 2011): the same bits as kernels/philox.py, which says what the formulas are.
// Compiled without contraction: a * b + c in one rounding would be other bits.
#include "common.cuh"

struct Words {
  unsigned at[4];
};

__device__ Words philox(u64 seed, u64 block) {
  unsigned k0 = (unsigned)seed, k1 = (unsigned)(seed >> 32);
  unsigned c0 = (unsigned)block, c1 = (unsigned)(block >> 32), c2 = 0, c3 = 0;
  for (int round = 0; round < 10; round++) {
    u64 a = (u64)0xD2511F53u * c0, b = (u64)0xCD9E8D57u * c2;
    c0 = (unsigned)(b >> 32) ^ c1 ^ k0;
    c1 = (unsigned)b;
    c2 = (unsigned)(a >> 32) ^ c3 ^ k1;
    c3 = (unsigned)a;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// Where a draw begins: as given, or, in a CUDA graph, from numbers of the device that each replay sets (recording.py).
struct Stream {
  u64 seed, offset;
  __device__ Stream(u64 seed, u64 offset, const u64* live)
      : seed(live ? live[0] : seed), offset(live ? live[1] + offset : offset) {}
};

__device__ u64 bits53(unsigned high, unsigned low) { return ((u64)(high >> 5) << 26) + (low >> 6); }

// -log((2**53 - m) / 2**53)
__device__ double minus_log(u64 m) {
  double x = (double)((1ull << 53) - m) * 0x1p-53, k = 0.0;
  const int bits[6] = {32, 16, 8, 4, 2, 1};
  for (int i = 0; i < 6; i++) {
    double power = (double)(1ull << bits[i]);
    if (x < 1.0 / power) {
      x *= power;
      k += bits[i];
    }
  }
  bool small = x < 0.7071067811865476;
  double f = (small ? x * 2.0 : x) - 1.0;
  k += small;
  double s = f / (2.0 + f), z = s * s, w = z * z;
  double even = w * (0.3999999999940942 + w * (0.22222198432149784 + w * 0.15313837699209373));
  double odd = 0.2857142874366239 + w * (0.1818357216161805 + w * 0.14798198605116586);
  double series = z * (0.6666666666666735 + w * odd) + even, half = 0.5 * f * f;
  double tail = s * (half + series) - k * 1.9082149292705877e-10;
  return k * 0.6931471803691238 + ((half - tail) - f);
}

// cos (of = 0) or sin (of = 1) of a fraction m / 2**53 of a turn
__device__ double circle(u64 m, int of) {
  u64 shifted = m + (1ull << 50), quarter = shifted >> 51;
  double x = ((double)(shifted & ((1ull << 51) - 1)) - 0x1p50) * 0x1p-51 * 1.5707963267948966, z = x * x;
  double s = -2.5050760253406863e-08 + z * 1.58969099521155e-10;
  s = -1.9841269829857949e-04 + z * (2.7557313707070068e-06 + z * s);
  s = -1.6666666666666632e-01 + z * (8.3333333333224895e-03 + z * s);
  s = x + x * z * s;
  double c = 2.0875723212981748e-09 + z * -1.1359647557788195e-11;
  c = 2.4801587289476729e-05 + z * (-2.7557314351390663e-07 + z * c);
  c = 4.1666666666666602e-02 + z * (-1.3888888888874110e-03 + z * c);
  c = 1.0 - (0.5 * z - z * z * c);
  double value = ((quarter + of) & 1) ? s : c;
  return ((quarter + (of ? 0 : 1)) & 2) ? -value : value;
}

template <typename T>
__global__ void philox_bits(T* y, i64 n, u64 seed, u64 offset, const u64* live) {
  Stream s(seed, offset, live);
  GRID_STRIDE(i64, i, n) y[i] = (T)philox(s.seed, s.offset + i / 4).at[i % 4];
}

template <typename T>
__global__ void philox_uniform(T* y, i64 n, u64 seed, u64 offset, const u64* live) {
  Stream s(seed, offset, live);
  GRID_STRIDE(i64, i, n) {
    if (sizeof(T) == 8) {
      Words w = philox(s.seed, s.offset + i / 2);
      y[i] = (T)((double)bits53(w.at[i % 2 * 2], w.at[i % 2 * 2 + 1]) * 0x1p-53);
    } else {
      y[i] = (T)((philox(s.seed, s.offset + i / 4).at[i % 4] >> 8) * 0x1p-24f);
    }
  }
}

template <typename T>
__global__ void philox_normal(T* y, i64 n, u64 seed, u64 offset, const u64* live) {
  Stream s(seed, offset, live);
  GRID_STRIDE(i64, i, n) {
    Words w = philox(s.seed, s.offset + i / 2);
    double radius = sqrt(2.0 * minus_log(bits53(w.at[0], w.at[1])));
    y[i] = (T)(radius * circle(bits53(w.at[2], w.at[3]), i % 2));
  }
}

// x * scale where the 24 bits of an element's uniform number reach the threshold, else 0
template <typename T>
__global__ void dropout(const T* x, T* y, i64 n, u64 seed, u64 offset, const u64* live, unsigned threshold, T scale) {
  Stream s(seed, offset, live);
  GRID_STRIDE(i64, i, n)
  y[i] = (philox(s.seed, s.offset + i / 4).at[i % 4] >> 8) >= threshold ? x[i] * scale : T(0);
}
