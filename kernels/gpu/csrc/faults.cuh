// Bad values that nobody but a kernel sees: it notes which, and the next synchronisation raises (../faults.py).
#pragma once

enum Fault { NONE, INDEX, GATHER, SCATTER, TARGET, UNPOOL };

// Whether an index lies in [0, n); what does not is noted.
__device__ bool inside(long long index, long long n, int* fault, Fault kind) {
  bool good = (unsigned long long)index < (unsigned long long)n;
  if (!good) *fault = kind;
  return good;
}
