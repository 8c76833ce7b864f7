"""Column profiles as files in the home folder: kept, listed, read, removed."""

from __future__ import annotations

import os
from pathlib import Path

from incident_app.domain.column_profiles import ColumnProfile, check_profile_name, read_profile
from incident_app.domain.errors import NotFound

ENDING = ".toml"


def keep_profile(folder: Path, name: str, text: str) -> ColumnProfile:
    """Check a profile and keep it under a name; one that has faults is not kept."""
    profile = read_profile(text, file=f"{check_profile_name(name)}{ENDING}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    waiting = folder / f".{name}.new"
    waiting.write_text(text, encoding="utf-8")
    os.replace(waiting, folder / f"{name}{ENDING}")  # noqa: PTH105 - replaces in one step, whole or not at all
    return profile


def profile_names(folder: Path) -> list[str]:
    """Return the names of the profiles that are kept."""
    return sorted(path.stem for path in folder.glob(f"*{ENDING}")) if folder.is_dir() else []


def profile_text(folder: Path, name: str) -> str:
    """Return a profile as it was written."""
    path = folder / f"{check_profile_name(name)}{ENDING}"
    if not path.is_file():
        raise NotFound(what="column profile", name=name)
    return path.read_text(encoding="utf-8")


def get_profile(folder: Path, name: str) -> ColumnProfile:
    """Return a profile that is kept; FaultyFile names what somebody broke in it since."""
    return read_profile(profile_text(folder, name), file=f"{name}{ENDING}")


def remove_profile(folder: Path, name: str) -> None:
    """Remove a profile; imports that were made by it stay."""
    profile_text(folder, name)
    (folder / f"{name}{ENDING}").unlink()
