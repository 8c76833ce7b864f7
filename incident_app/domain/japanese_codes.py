"""Japanese character codes as they are in use: EUC-JP with vendors' rows, and ISO-2022-JP with all its escapes.

Python's own `euc_jp` and `iso2022_jp` know the national standards only; files from real systems also hold the rows that
vendors added (①, ㈱, 髙), so the rows that are missing there are added here.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

EUC_WITH_VENDOR_ROWS = "incident-app-vendor-rows"
"""Name of the error rule that fills in what `euc_jp` lacks."""

_IBM_EXTENSIONS = (
    "\u2170\u2171\u2172\u2173\u2174\u2175\u2176\u2177\u2178\u2179\u2160\u2161\u2162\u2163\u2164\u2165\u2166"
    "\u2167\u2168\u2169\uff07\uff02\u3231\u2116\u2121\u70bb\u4efc\u50f4\u51ec\u5307\u5324\ufa0e\u548a\u5759"
    "\ufa0f\ufa10\u589e\u5bec\u5cf5\u5d53\ufa11\u5fb7\u6085\u6120\u654e\u663b\u6665\ufa12\uf929\u6801\ufa13"
    "\ufa14\u6a6b\u6ae2\u6df8\u6df2\u7028\ufa15\ufa16\u7501\u7682\u769e\ufa17\u7930\ufa18\ufa19\ufa1a\ufa1b"
    "\u7ae7\ufa1c\ufa1d\u7da0\u7dd6\ufa1e\u8362\ufa1f\u85b0\ufa20\ufa21\u8807\ufa22\u8b7f\u8cf4\u8d76\ufa23"
    "\ufa24\ufa25\u90de\ufa26\u9115\ufa27\ufa28\u9592\uf9dc\ufa29\u973b\u974d\u9751\ufa2a\ufa2b\ufa2c\u999e"
    "\u9ad9\u9b72\ufa2d\u9ed1"
)
"""What eucJP-ms holds from 0x8FF3F3 to 0x8FF4FE, in order."""

_ROW_LENGTH = 94
_FIRST = 0xA1
_THIRD_SET = 0x8F
_VENDOR_ROWS = frozenset({13, 89, 90, 91, 92})


def _vendor_character(code: bytes) -> tuple[str, int] | None:
    """Return the character that vendors put at this code, and how many bytes it takes."""
    if len(code) >= 3 and code[0] == _THIRD_SET:  # noqa: PLR2004 - three bytes of one character
        place = (code[1] - 0xF3) * _ROW_LENGTH + code[2] - 0xF3
        return (_IBM_EXTENSIONS[place], 3) if 0 <= place < len(_IBM_EXTENSIONS) and code[2] >= _FIRST else None
    if len(code) >= 2 and code[0] - 0xA0 in _VENDOR_ROWS and code[1] >= _FIRST:  # noqa: PLR2004
        try:
            return _as_shift_jis(code[0] & 0x7F, code[1] & 0x7F).decode("cp932"), 2
        except UnicodeDecodeError:
            return None
    return None


def _as_shift_jis(row: int, cell: int) -> bytes:
    """Move a JIS code (two bytes of 0x21 to 0x7E) to its place in Shift_JIS."""
    first = (row - 0x21) // 2 + 0x81
    first += 0x40 if first > 0x9F else 0  # noqa: PLR2004 - the gap of half-width kana
    second = cell + 0x7E if row % 2 == 0 else cell + 0x1F + (cell >= 0x60)  # noqa: PLR2004
    return bytes((first, second))


def _fill_in(fault: UnicodeError) -> tuple[str, int]:
    if isinstance(fault, UnicodeDecodeError) and (
        found := _vendor_character(fault.object[fault.start : fault.start + 3])
    ):
        return found[0], fault.start + found[1]
    raise fault


codecs.register_error(EUC_WITH_VENDOR_ROWS, _fill_in)


class BrokenEscape(ValueError):
    """What is wrong in ISO-2022-JP, and at which byte of the input."""

    def __init__(self, at: int) -> None:
        self.at = at
        super().__init__(at)


_ESCAPE = re.compile(rb"\x1b(?:\$[@B]|\$\([DOPQ]|\([BJI])")
_DOUBLE_BYTE = {b"$@": b"", b"$B": b"", b"$(D": b"\x8f", b"$(O": b"", b"$(Q": b"", b"$(P": b"\x8f"}
_OF_2004 = frozenset({b"$(O", b"$(P", b"$(Q"})
_LONGEST_ESCAPE = 4
_NOT_IN = {
    b"(B": re.compile(rb"[\x1b\x80-\xff]"),
    b"(J": re.compile(rb"[\x1b\x80-\xff]"),
    b"(I": re.compile(rb"[^\x21-\x5f]"),
}
_ROMAN = {0x5C: "\u00a5", 0x7E: "\u203e"}


class Iso2022Jp:
    """Decodes ISO-2022-JP piece by piece: what an escape switches on lasts until the next escape.

    A line that ends within double-byte text is broken: the standard returns to ASCII before every line end.
    """

    def __init__(self) -> None:
        self._mode = b"(B"
        self._rest = b""
        self._position = 0  # of the first byte in `rest`

    def decode(self, piece: bytes, *, last: bool = False) -> str:
        """Return the text of `piece`; BrokenEscape names the byte, counted from the start of the input."""
        content = self._rest + piece
        end = len(content)
        if not last and (cut := content.rfind(b"\x1b", max(0, end - _LONGEST_ESCAPE + 1))) >= 0:
            end = cut if not _ESCAPE.match(content, cut) else end
        return "".join(self._segments(content, end, last=last))

    def _segments(self, content: bytes, end: int, *, last: bool) -> Iterator[str]:
        start = 0
        for escape in _ESCAPE.finditer(content, 0, end):
            yield self._segment(content[start : escape.start()], start)
            self._mode, start = escape[0][1:], escape.end()
        tail = content[start:end]
        odd = len(tail) % 2 if self._mode in _DOUBLE_BYTE and not last else 0
        yield self._segment(tail[: len(tail) - odd], start)
        if last and self._mode in _DOUBLE_BYTE:
            raise BrokenEscape(self._position + end)
        self._rest = content[end - odd :]
        self._position += end - odd

    def _segment(self, segment: bytes, start: int) -> str:
        if not segment:
            return ""
        if self._mode in _DOUBLE_BYTE:
            return self._double_byte(segment, start)
        if bad := _NOT_IN[self._mode].search(segment):
            raise BrokenEscape(self._position + start + bad.start())
        if self._mode == b"(I":
            return _with_high_bits(segment).decode("cp932")
        text = segment.decode("ascii")
        return text.translate(_ROMAN) if self._mode == b"(J" else text

    def _double_byte(self, segment: bytes, start: int) -> str:
        bad = re.search(rb"[^\x21-\x7e]", segment)
        if bad or len(segment) % 2:
            raise BrokenEscape(self._position + start + (bad.start() if bad else len(segment) - 1))
        prefix = _DOUBLE_BYTE[self._mode]
        pairs = _with_high_bits(segment)
        if prefix:
            pairs = b"".join(prefix + pairs[place : place + 2] for place in range(0, len(pairs), 2))
        codec, rule = ("euc_jis_2004", "strict") if self._mode in _OF_2004 else ("euc_jp", EUC_WITH_VENDOR_ROWS)
        try:
            return pairs.decode(codec, rule)
        except UnicodeDecodeError as fault:
            raise BrokenEscape(self._position + start + fault.start * 2 // (2 + len(prefix))) from None


def _with_high_bits(segment: bytes) -> bytes:
    return bytes(byte | 0x80 for byte in segment)
