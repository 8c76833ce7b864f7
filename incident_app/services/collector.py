"""The collector of reference cycles runs seldom while rows go by: they form no cycles, and it looks at each of them.

Looking took a tenth of the time of an import. It still runs, so whatever else this process does is cleaned up.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

SELDOM = (50_000, 20, 50)
"""The thresholds of `gc` meanwhile: new objects, then collections of the younger generation."""
_lock = Lock()
_ordinary: list[tuple[int, int, int]] = []
"""What stood there before, once for everybody inside: the thresholds belong to the whole process."""


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Let the collector run seldom within the block; the last one to leave sets it as it was."""
    with _lock:
        _ordinary.append(_ordinary[0] if _ordinary else gc.get_threshold())
        gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        with _lock:
            before = _ordinary.pop()
            if not _ordinary:
                gc.set_threshold(*before)
