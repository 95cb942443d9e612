"""Where time and memory go, operation by operation.

with tinydl.profiler.profile() as p:
    step(batch)
print(p.table())
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field

from .autograd import engine


@dataclass
class Row:
    """One operation, summed over its calls."""

    name: str
    device: str
    calls: int = 0
    seconds: float = 0.0
    bytes: int = 0  # of all its results
    served: int = 0  # calls that a kernel ran
    declined: int = 0  # calls that a kernel was there for and left to the body
    reasons: set = field(default_factory=set)


class profile:
    """A context that counts what every operation costs: calls, seconds, bytes of results, kernel or body.

    Operations are those that ran, gradients included, under their own names; what a composite spends outside its
    operations is not seen.  On a GPU each operation is waited for, so the total is longer than without profiling.
    """

    def __init__(self):
        self.rows: dict[tuple[str, str], Row] = {}

    def __enter__(self):
        engine.observers.append(self)
        return self

    def __exit__(self, *exc):
        engine.observers.remove(self)

    def ran(self, name, device, arrays, out, seconds, served, declined):
        """Told by the engine of each operation."""
        row = self.rows.setdefault((name, str(device)), Row(name, str(device)))
        row.calls += 1
        row.seconds += seconds
        if out is not NotImplemented:
            row.bytes += sum(a.nbytes for a in (out if isinstance(out, tuple) else (out,)))
        row.served += served
        row.declined += declined
        if declined:
            row.reasons.add(describe(arrays))

    def sorted_rows(self) -> list[Row]:
        """The rows, the most expensive first."""
        return sorted(self.rows.values(), key=lambda r: -r.seconds)

    def table(self, most: int = 30) -> str:
        """A table for reading: the operations that took longest, then what kernels declined."""
        total = sum(r.seconds for r in self.rows.values()) or 1.0
        lines = [f"{'operation':<24}{'device':<8}{'calls':>7}{'ms':>10}{'share':>8}{'MB':>10}  ran by"]
        for r in self.sorted_rows()[:most]:
            by = "kernel" if r.served == r.calls else "body" if not r.served else f"kernel {r.served}x"
            lines.append(
                f"{r.name:<24}{r.device:<8}{r.calls:>7}{1e3 * r.seconds:>10.2f}{r.seconds / total:>8.1%}"
                f"{r.bytes / 1e6:>10.1f}  {by}"
            )
        lines.append(f"{'total':<32}{sum(r.calls for r in self.rows.values()):>7}{1e3 * total:>10.2f}")
        declined = [r for r in self.sorted_rows() if r.declined]
        if declined:
            lines.append("declined by their kernel, and so run by the body:")
            for r in declined:
                lines.append(f"  {r.name}: {r.declined} of {r.calls} calls, e.g. {min(r.reasons)}")
        return "\n".join(lines)

    __str__ = table


def describe(arrays) -> str:
    """Types and shapes of operands, in a few words."""
    return ", ".join(f"{a.dtype} {tuple(a.shape)}" if hasattr(a, "dtype") else repr(a) for a in arrays if a is not None)


class _Trace:
    """TINYDL_TRACE=1: each call that a kernel declined, on stderr, once for each kind of operands."""

    def __init__(self):
        self.told = set()

    def ran(self, name, device, arrays, out, seconds, served, declined):
        if declined and (line := f"tinydl: {device} kernel {name} declined {describe(arrays)}") not in self.told:
            self.told.add(line)
            print(line, file=sys.stderr)


if os.environ.get("TINYDL_TRACE") == "1":
    engine.observers.append(_Trace())
