"""The catalogue of the pages: one key per phrase, Japanese and English."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """Return every phrase by key, in both languages."""
    content = tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))
    return {f"{group}.{key}": words for group, entries in content.items() for key, words in entries.items()}


def phrase(key: str, language: str, **values: object) -> str:
    """Return a phrase; a missing key is an error, never a silent fallback."""
    return catalogue()[key][language].format(**values)
