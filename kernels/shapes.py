"""Shapes as kernels see them: dimensions that lie together as one."""


def three(shape, kept):
    """(A, K, B) if dimensions are summed, kept, summed, any of these of none; else None."""
    runs = []
    for n, k in zip(shape, kept):
        if n == 1:
            continue
        if runs and runs[-1][0] == (k == n):
            runs[-1][1] *= n
        else:
            runs.append([k == n, n])
    if runs and runs[0][0]:
        runs.insert(0, [False, 1])
    sizes = [n for _, n in runs]
    return (*sizes, *[1] * (3 - len(sizes))) if len(sizes) <= 3 else None
