"""Where templates and playbooks lie: the company's own folder first, then the installed ones, then the checkout's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def search_path(kind: str, home: Path) -> tuple[Path, ...]:
    """Return the existing folders for `kind` ("templates" or "playbooks"), the strongest first."""
    candidates = (home / kind, _PACKAGE / "_shipped" / kind, _PACKAGE.parent / kind)
    return tuple(folder for folder in candidates if folder.is_dir())


def find_file(kind: str, relative: str, home: Path) -> Path | None:
    """Return the strongest file of that name, or None."""
    for folder in search_path(kind, home):
        if (folder / relative).is_file():
            return folder / relative
    return None


def files_in(kind: str, folder: str, home: Path, *, suffix: str = ".toml") -> Iterator[Path]:
    """Yield the files of one folder, by name; a company's own file hides the shipped one of the same name."""
    found: dict[str, Path] = {}
    for root in reversed(search_path(kind, home)):
        for path in sorted((root / folder).glob(f"*{suffix}")):
            found[path.name] = path
    yield from (found[name] for name in sorted(found))


def static_folder() -> Path:
    """Return the folder of style sheet and icons."""
    return _PACKAGE / "static"
