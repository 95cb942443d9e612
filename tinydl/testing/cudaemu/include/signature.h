// What a kernel's parameters are, told to Python, and how its arguments come in.
#pragma once
#include "launch.h"

namespace emu {
template <class T>
struct Code {
  static std::string s() {
    return std::is_floating_point<T>::value ? "f" + std::to_string(sizeof(T))
           : std::is_same<T, bool>::value   ? "b1"
           : std::is_integral<T>::value ? (std::is_signed<T>::value ? "i" : "u") + std::to_string(sizeof(T))
                                        : "V" + std::to_string(sizeof(T));
  }
};
template <class T>
struct Code<const T> : Code<T> {};
template <>
struct Code<void> {
  static std::string s() { return "V0"; }
};
template <class T>
struct Code<T*> {
  static std::string s() {
    return std::string(std::is_const<T>::value ? "p" : "P") + Code<std::remove_cv_t<T>>::s();
  }
};
template <class... A>
std::string sig(void (*)(A...)) {
  std::string r;
  ((r += Code<std::remove_cv_t<A>>::s() + " "), ...);
  return r;
}
template <class... A, size_t... I>
static inline void call(void (*k)(A...), void** a, std::index_sequence<I...>) {
  k(*(std::remove_cv_t<A>*)a[I]...);
}
template <auto K>
struct Caller {
  static void go(void** a) { go_(K, a); }
  template <class... A>
  static void go_(void (*)(A...), void** a) {
    call<A...>(K, a, std::index_sequence_for<A...>{});
  }
};
}  // namespace emu

#define EMU_EXPORT(i, ...)                                                                             \
  extern "C" __attribute__((visibility("default"))) const char* emu_sig_##i() {                        \
    static std::string s = emu::sig(__VA_ARGS__);                                                      \
    return s.c_str();                                                                                  \
  }                                                                                                    \
  extern "C" __attribute__((visibility("default"))) const char* emu_run_##i(                           \
      void** a, const unsigned* g, const unsigned* b, unsigned dyn, int coop, const emu::Options* o) { \
    emu::opt = *o;                                                                                     \
    return emu::launch(&emu::Caller<__VA_ARGS__>::go, a, g, b, dyn, coop);                             \
  }
