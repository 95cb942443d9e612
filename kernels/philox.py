"""Random numbers from a counter, by formulas that give the same bits on every machine and device.

They use only operations that IEEE 754 rounds exactly, and hold for numbers and for arrays: CPU
kernels compile them, the bodies of the operations apply them to arrays of any library.
"""

import numpy as np


def philox(seed, block):
    """The four words, as uint64, of block number `block` (uint64) of the stream of `seed` (uint64).

    Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): ten rounds
    of multiplication, each with its key. A block depends on nothing but its number and the seed.
    """
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    k0, k1 = seed & low, seed >> half
    c0, c1, c2, c3 = block & low, block >> half, np.uint64(0), np.uint64(0)
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = b >> half ^ c1 ^ k0, b & low, a >> half ^ c3 ^ k1, a & low
        k0, k1 = k0 + np.uint64(0x9E3779B9) & low, k1 + np.uint64(0xBB67AE85) & low
    return c0, c1, c2, c3


def bits53(high, low):
    """53 random bits from two words."""
    return (high >> np.uint64(5) << np.uint64(26)) + (low >> np.uint64(6))


def minus_log(m):
    """-log((2**53 - m) / 2**53) for 53 random bits m: fdlibm's e_log.c (1993), within 1 ulp."""
    x = (np.uint64(2**53) - m) * 2.0**-53
    # x becomes 2**k times itself, sqrt(1/2) <= x < sqrt(2); factors of two round nothing
    k = 0.0
    for bits in (32.0, 16.0, 8.0, 4.0, 2.0, 1.0):
        small = (x < 2.0**-bits) * 1.0
        x = x * (1.0 + small * (2.0**bits - 1.0))
        k = k + small * bits
    small = (x < 0.7071067811865476) * 1.0
    f = x * (1.0 + small) - 1.0
    k = k + small
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (0.3999999999940942 + w * (0.22222198432149784 + w * 0.15313837699209373))
    odd = 0.2857142874366239 + w * (0.1818357216161805 + w * 0.14798198605116586)
    series = z * (0.6666666666666735 + w * odd) + even
    half = 0.5 * f * f
    tail = s * (half + series) - k * 1.9082149292705877e-10
    return k * 0.6931471803691238 + ((half - tail) - f)


def cos_sin(m):
    """cos and sin of a fraction m / 2**53 of a turn: fdlibm's k_cos.c and k_sin.c, within 1 ulp.

    The nearest quarter of a turn is split off in integers, so that nothing is lost.
    """
    shifted = m + np.uint64(2**50)
    quarter = shifted >> np.uint64(51)
    rest = (shifted & np.uint64(2**51 - 1)) * 1.0 - 2.0**50
    x = rest * 2.0**-51 * 1.5707963267948966
    z = x * x
    s = -2.5050760253406863e-08 + z * 1.58969099521155e-10
    s = -1.9841269829857949e-04 + z * (2.7557313707070068e-06 + z * s)
    s = -1.6666666666666632e-01 + z * (8.3333333333224895e-03 + z * s)
    s = x + x * z * s
    c = 2.0875723212981748e-09 + z * -1.1359647557788195e-11
    c = 2.4801587289476729e-05 + z * (-2.7557314351390663e-07 + z * c)
    c = 4.1666666666666602e-02 + z * (-1.3888888888874110e-03 + z * c)
    c = 1.0 - (0.5 * z - z * z * c)
    # a quarter turn takes (c, s) to (-s, c); factors 0, 1 and -1 round nothing
    swap = (quarter & np.uint64(1)) * 1.0
    keep = 1.0 - swap
    sign_c = 1.0 - (quarter + np.uint64(1) & np.uint64(2)) * 1.0
    sign_s = 1.0 - (quarter & np.uint64(2)) * 1.0
    return sign_c * (keep * c + swap * s), sign_s * (keep * s + swap * c)
