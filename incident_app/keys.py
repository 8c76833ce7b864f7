"""Own keys of an instance: made once, readable by their owner only, safe when several processes start at once."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

KEY_BYTES = 32


class UnsafeKey(Exception):
    """A key file or the home folder is readable by others, or a key is broken."""


def make_home(home: Path) -> None:
    """Create the home folder and its parts, and close them to others, also what an older start left open.

    Files made from here on are closed too. A folder that was there before and holds other things is not ours to
    close: it is refused.
    """
    os.umask(0o077)
    is_ours = not home.is_dir() or (home / "keys").is_dir() or not any(home.iterdir())
    if not is_ours and _is_open(home):
        raise UnsafeKey(
            f"{home} can be read by others and holds other things. "
            f"Set INCIDENT_APP_HOME to a folder of its own, or run: chmod 700 {home}"
        )
    parts = [home / "keys", home / "journals", home / "uploads", home / "evidence"]
    for folder in (home, *parts):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in (home, *parts, *home.glob("incident-app.db*")):
        _close(path)


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o077)


def _close(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # the database's write-ahead log comes and goes
        if _is_open(path):
            try:
                path.chmod(path.stat().st_mode & 0o700)
            except PermissionError:
                raise UnsafeKey(f"{path} can be read by others and belongs to somebody else.") from None


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
