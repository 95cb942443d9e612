// What a convolution is: the same for every kernel of it.  Three dimensions, of which the first may be of size 1.
#pragma once
#include "common.cuh"

struct Geometry {
  int images, groups, channels, rows;  // channels: of a group, that are summed over; rows: of a group, that result
  int from[3], to[3];                  // the planes that are read and written
  int size[3], stride[3], padding[3], dilation[3];
  int transposed, aligned;  // aligned: 16 bytes can be copied at once, of weights (conv_pixels) or of u
  int plain;                // the plane is read as it is written, 16 bytes at once
  int splits;
};
