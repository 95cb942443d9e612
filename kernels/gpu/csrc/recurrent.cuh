// The cells of recurrent layers.
//
// Rows of all steps stand one below another, those of a step from `start` on (ops/recurrent.py).
//   acts (rows, gates H)  what the inputs give, then the gates' values in its place
//   before (rows, H)      h before each step        extra (rows, H)  LSTM: c before each step; GRU: u_n
#pragma once
#include "common.cuh"

enum { TANH, RELU, GRU, LSTM };
__device__ __forceinline__ constexpr int gates_of(int kind) { return kind == LSTM ? 4 : kind == GRU ? 3 : 1; }

__device__ __forceinline__ float sigmoid(float x) { return 1.f / (1.f + expf(-x)); }
__device__ __forceinline__ double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }
__device__ __forceinline__ float hyperbolic(float x) { return tanhf(x); }
__device__ __forceinline__ double hyperbolic(double x) { return tanh(x); }

// A layer's arrays, those of one step: what every kernel takes.
template <class N>
struct Layer {
  N *acts, *before, *extra, *y, *last, *last_c;
  const N *b_ih, *b_hh;
  int H;
};
struct Step {
  int start, rows, next, stay;  // stay: rows that go on to the next step, whose first is `next`
};

// One row's unit: gates, from what the state gives, then the new state, which goes on to the next step or is the last.
template <int KIND, class N, class A>
__device__ __forceinline__ void cell(const Layer<N>& l, Step s, int row, int unit, A* v) {
  const int G = gates_of(KIND);
  int H = l.H;
  i64 at = (i64)(s.start + row) * H + unit, on = (i64)(s.next + row) * H + unit, end = (i64)row * H + unit;
  N* acts = l.acts + (i64)(s.start + row) * G * H + unit;
  A x[G], h, c = 0;
#pragma unroll
  for (int q = 0; q < G; q++) {
    x[q] = (A)acts[q * H] + (l.b_ih ? (A)l.b_ih[q * H + unit] : A(0));
    v[q] += l.b_hh ? (A)l.b_hh[q * H + unit] : A(0);
  }
  if constexpr (KIND == LSTM) {
    A i = sigmoid(x[0] + v[0]), f = sigmoid(x[1] + v[1]), g = hyperbolic(x[2] + v[2]), o = sigmoid(x[3] + v[3]);
    c = f * (A)l.extra[at] + i * g;
    h = o * hyperbolic(c);
    v[0] = i, v[1] = f, v[2] = g, v[3] = o;
  } else if constexpr (KIND == GRU) {
    A r = sigmoid(x[0] + v[0]), z = sigmoid(x[1] + v[1]), n = hyperbolic(x[2] + r * v[2]);
    l.extra[at] = (N)v[2];
    h = n + z * ((A)l.before[at] - n);
    v[0] = r, v[1] = z, v[2] = n;
  } else {
    A a = x[0] + v[0];
    h = v[0] = KIND == TANH ? hyperbolic(a) : a < 0 ? A(0) : a;
  }
#pragma unroll
  for (int q = 0; q < G; q++) acts[q * H] = (N)v[q];
  l.y[at] = (N)h;
  (row < s.stay ? l.before[on] : l.last[end]) = (N)h;
  if constexpr (KIND == LSTM) (row < s.stay ? l.extra[on] : l.last_c[end]) = (N)c;
}

// The gradients of a unit's gates: from dh, that of its new state, in dx (and GRU: in du), and in dh what goes on to the
// state before, past the gates.
template <int KIND, class N, class A>
__device__ __forceinline__ void cell_back(
    const N* acts, const N* before, const N* extra, N* dx, N* du, int H, i64 row, int unit, A& dh, A& dc) {
  const int G = gates_of(KIND);
  i64 at = row * H + unit, to = row * G * H + unit;
  A v[G];
#pragma unroll
  for (int q = 0; q < G; q++) v[q] = (A)acts[to + q * H];
  if constexpr (KIND == LSTM) {
    A i = v[0], f = v[1], g = v[2], o = v[3], c = (A)extra[at], t = hyperbolic(f * c + i * g);
    dc += dh * o * (1 - t * t);
    v[0] = dc * g * i * (1 - i), v[1] = dc * c * f * (1 - f), v[2] = dc * i * (1 - g * g), v[3] = dh * t * o * (1 - o);
    dc *= f;
    dh = 0;
  } else if constexpr (KIND == GRU) {
    A r = v[0], z = v[1], n = v[2], u = (A)extra[at], h = (A)before[at], dn = dh * (1 - z) * (1 - n * n);
    v[0] = dn * u * r * (1 - r), v[1] = dh * (h - n) * z * (1 - z), v[2] = dn;
    du[to] = (N)v[0], du[to + H] = (N)v[1], du[to + 2 * H] = (N)(dn * r);
    dh *= z;
  } else {
    v[0] = KIND == TANH ? dh * (1 - v[0] * v[0]) : v[0] > 0 ? dh : 0 * v[0];
    dh = 0;
  }
#pragma unroll
  for (int q = 0; q < G; q++) dx[to + q * H] = (N)v[q];
}

// A unit's share of one step back: `carry` is what the gates of the step after give to its state.  Rows that began with
// that step (from `rows` on) keep it: it is the gradient of the first state.
template <int KIND, class N, class A>
__device__ __forceinline__ void unit_back(
    A carry, const N* gy, const N* acts, const N* before, const N* extra, A* dh, A* dc, N* dx, N* du, int H, int start,
    int rows, int i) {
  int row = i / H, unit = i % H;
  A d = dh[i] + carry;
  if (row < rows) {
    A e = KIND == LSTM ? dc[i] : A(0);
    if (gy) d += (A)gy[(i64)(start + row) * H + unit];
    cell_back<KIND>(acts, before, extra, dx, du, H, start + row, unit, d, e);
    if (KIND == LSTM) dc[i] = e;
  }
  dh[i] = d;
}
