"""Where templates and playbooks lie: the company's own folder first, then the installed ones, then the checkout's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from incident_app.domain.errors import FaultyFile

_PACKAGE = Path(__file__).resolve().parent


def search_path(kind: str, home: Path) -> tuple[Path, ...]:
    """Return the existing folders for `kind` ("templates" or "playbooks"), the strongest first."""
    return tuple(folder for folder in (home / kind, *_shipped(kind)) if folder.is_dir())


def _shipped(kind: str) -> tuple[Path, ...]:
    return (_PACKAGE / "_shipped" / kind, _PACKAGE.parent / kind)


def shipped_files(kind: str, folder: str, *, suffix: str = ".toml") -> Iterator[Path]:
    """Yield the files of one folder that came with the program, also those that a company's own file hides."""
    for root in _shipped(kind):
        if (root / folder).is_dir():
            yield from sorted((root / folder).glob(f"*{suffix}"))
            return


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


def read_text(path: Path) -> str:
    """Read a text file that a person wrote; one that is not UTF-8 is a faulty file, named with the line."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise FaultyFile(file=path.name, faults=[f"line {line}: not text in UTF-8; save the file as UTF-8"]) from None
