// Runs an unmodified CUDA kernel source on the CPU, for tests.  Included before the source; see
// ../__init__.py.
#pragma once
#define TINYDL_CUDA_EMU 1
#include "signature.h"
#include "device_functions.h"
