#pragma once
static inline unsigned short emu_bf16_rn(float f) {
  unsigned u = __float_as_uint(f);
  if (f != f) return 0x7FFF;
  return (u + 0x7FFF + (u >> 16 & 1)) >> 16;
}
struct __nv_bfloat16 {
  unsigned short b;
  __nv_bfloat16() = default;
  __nv_bfloat16(float f) : b(emu_bf16_rn(f)) {}
  operator float() const { return __uint_as_float((unsigned)b << 16); }
};
struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};
static inline __nv_bfloat16 __float2bfloat16(float f) { return __nv_bfloat16(f); }
static inline float __bfloat162float(__nv_bfloat16 h) { return (float)h; }
