"""Anomaly mode: every node remembers the line that made it, and NaN is refused where it arises."""

from __future__ import annotations

import sys
import traceback

from .mode import state


class set_detect_anomaly:
    """Switch anomaly mode on or off for this thread, at once; as a context, until its end."""

    def __init__(self, mode: bool, check_nan: bool = True):
        self.before = state.anomaly
        state.anomaly = bool(mode) and bool(check_nan)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        state.anomaly = self.before


class detect_anomaly(set_detect_anomaly):
    """Within it, the first result or gradient with NaN raises, and names the line of the forward that made it.

    Slow: for hunting an error only.
    """

    def __init__(self, check_nan: bool = True):
        super().__init__(True, check_nan)


def forward_line() -> str:
    """The innermost lines outside the package of the code that is running now, as a traceback shows them."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("tinydl."):
        frame = frame.f_back
    if frame is None:
        return "  (inside tinydl)"
    return "".join(traceback.format_list(traceback.extract_stack(frame, limit=2))).rstrip()
