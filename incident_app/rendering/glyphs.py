"""Which characters the embedded font has: whatever it lacks would be an empty box on paper, and nobody would notice."""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.resources import files

FONT_PACKAGE = "noto_cjk_sans_jp_regular"
"""A package that brings nothing but the font and its licence (SIL Open Font License 1.1)."""
_FONT = ".otf"
_TABLE = struct.Struct(">4sLLL")
_ENCODING = struct.Struct(">HHL")
_GROUP = struct.Struct(">LLL")
_FULL_UNICODE = 12
"""The format of the table of characters that covers all of Unicode."""
_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Mn"})
"""Characters that are not drawn by themselves."""


@lru_cache(maxsize=1)
def characters_of_font() -> frozenset[int]:
    """Return the code points that the embedded font draws, read from its table of characters."""
    folder = files(FONT_PACKAGE)
    font = next(entry for entry in sorted(folder.iterdir(), key=lambda entry: entry.name) if entry.name.endswith(_FONT))
    return frozenset(_characters(font.read_bytes()))


def _characters(font: bytes) -> Iterator[int]:
    (number,) = struct.unpack_from(">H", font, 4)
    tables = (_TABLE.unpack_from(font, 12 + _TABLE.size * position) for position in range(number))
    start = next(offset for tag, _, offset, _ in tables if tag == b"cmap")
    (number,) = struct.unpack_from(">H", font, start + 2)
    encodings = [_ENCODING.unpack_from(font, start + 4 + _ENCODING.size * position) for position in range(number)]
    for offset in sorted({start + offset for _, _, offset in encodings}):
        if struct.unpack_from(">H", font, offset) == (_FULL_UNICODE,):
            (groups,) = struct.unpack_from(">L", font, offset + 12)
            for position in range(groups):
                first, last, glyph = _GROUP.unpack_from(font, offset + 16 + _GROUP.size * position)
                yield from range(first + (glyph == 0), last + 1)  # glyph 0 is the empty box itself


def missing_glyphs(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the characters of texts that the embedded font does not draw, each once, in their order."""
    known = characters_of_font()
    found = dict.fromkeys(character for text in texts for character in text if ord(character) not in known)
    return tuple(character for character in found if unicodedata.category(character) not in _INVISIBLE)


def named_glyphs(characters: Iterable[str]) -> str:
    """Name characters so that anybody can find them in a text: the sign and its code point."""
    return ", ".join(f"{character} (U+{ord(character):04X})" for character in characters)
