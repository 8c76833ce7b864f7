"""Own keys of an instance: made once, readable by their owner only, safe when several processes start at once."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

KEY_BYTES = 32


class UnsafeKey(Exception):
    """A key file is readable by others or broken."""


def make_home(home: Path) -> None:
    """Create the home folder and its parts, closed to others."""
    for folder in (home, home / "keys", home / "journals", home / "uploads", home / "evidence"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def own_key(home: Path, name: str) -> bytes:
    """Return the key called `name`; make it first if there is none. The first of several processes wins."""
    path = home / "keys" / f"{name}.key"
    if not path.exists():
        draft = path.with_name(f".{name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its key counts
            os.link(draft, path)
        draft.unlink()
    if path.stat().st_mode & 0o077:
        raise UnsafeKey(f"{path} can be read by others. Run: chmod 600 {path}")
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise UnsafeKey(f"{path} is not a key of {KEY_BYTES} bytes. Restore it from your backup.")
    return key
