"""Fast paths of operations, one folder a device: array functions that know nothing of tensors or gradients.

The contract of a kernel:

- It has the name and the parameters of the operation whose body it replaces, takes arrays and returns fresh arrays.
- The operation has checked shapes and types; a kernel only decides whether it serves the case. If it
  does not, it returns `NotImplemented` (here called declining) and the body of the operation runs.
- Loops live in jitted functions that get C-contiguous arrays, of few types, and write into arrays
  that the wrapper allocated: no checks, no Python objects, one compiled version for each dtype.
- The result is the same at every number of threads: work is shared out by outputs, never by sums.

`load(name)` of each device's package gives the kernel of that name, or None.
"""
