"""Who waits for SQLite's write lock says so, so that work in many turns can let others in between two of them.

SQLite itself has no queue: who finds the lock taken sleeps for growing times and misses a short gap. A file beside the
database stands for the line: whoever waits holds a shared lock on it, and who has just ended a turn waits until nobody
does. The file is empty; the system takes a lock back when its process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_COURTESY_SECONDS = 0.2
"""So long is everybody let in; where others come without end, the work goes on."""
_LOOK_AGAIN_SECONDS = 0.001


@contextmanager
def standing_in_line(database: str | None) -> Iterator[None]:
    """Say that somebody waits for the write lock of the database in this file."""
    line = _open_line(database)
    try:
        if line is not None:
            fcntl.flock(line, fcntl.LOCK_SH)
        yield
    finally:
        if line is not None:
            os.close(line)


def let_others_in(database: str | None) -> None:
    """Wait until nobody stands in line, who has ended one turn and will want the next."""
    line = _open_line(database)
    if line is None:
        return
    try:
        until = time.monotonic() + LONGEST_COURTESY_SECONDS
        while not _is_free(line) and time.monotonic() < until:
            time.sleep(_LOOK_AGAIN_SECONDS)
    finally:
        os.close(line)


def _open_line(database: str | None) -> int | None:
    """Return the open file of the line; None for a database without one, in memory or in a folder nobody may write."""
    if not database or database == ":memory:":
        return None
    try:
        return os.open(f"{database}-line", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None


def _is_free(line: int) -> bool:
    try:
        fcntl.flock(line, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(line, fcntl.LOCK_UN)
    return True
