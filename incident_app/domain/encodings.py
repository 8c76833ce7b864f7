"""Encodings of files that come in: told or detected on the whole stream, decoded exactly or refused by byte and line.

Usage: `found = detect(pieces, told)`, then `decoded(pieces(), found)` piece by piece, or `decode(content, told)` for
content that is small. `pieces` opens the stream anew, because detection reads it before decoding does. No character is
ever replaced by another.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from incident_app.domain.errors import IncidentAppError
from incident_app.domain.japanese_codes import EUC_WITH_VENDOR_ROWS, BrokenEscape, Iso2022Jp

PIECE = 1 << 18
Pieces = Callable[[], Iterable[bytes]]
"""Opens the stream at its beginning; each call reads it anew."""


class Encoding(StrEnum):
    """How characters are written as bytes."""

    UTF_8 = "utf-8"
    UTF_16_LE = "utf-16-le"
    UTF_16_BE = "utf-16-be"
    CP932 = "cp932"
    EUC_JP = "euc-jp"
    EUC_JIS_2004 = "euc-jis-2004"
    ISO_2022_JP = "iso-2022-jp"


_OTHER_NAMES = {
    "utf8": Encoding.UTF_8,
    "utf-8-sig": Encoding.UTF_8,
    "shift-jis": Encoding.CP932,
    "sjis": Encoding.CP932,
    "ms932": Encoding.CP932,
    "windows-31j": Encoding.CP932,
    "eucjp": Encoding.EUC_JP,
    "eucjp-ms": Encoding.EUC_JP,
    "jis": Encoding.ISO_2022_JP,
    "iso-2022-jp-ext": Encoding.ISO_2022_JP,
    "iso-2022-jp-2004": Encoding.ISO_2022_JP,
}
_MARKS = (
    (codecs.BOM_UTF8, Encoding.UTF_8),
    (codecs.BOM_UTF16_LE, Encoding.UTF_16_LE),
    (codecs.BOM_UTF16_BE, Encoding.UTF_16_BE),
)
_CODECS = {
    Encoding.UTF_8: ("utf-8", "strict"),
    Encoding.UTF_16_LE: ("utf-16-le", "strict"),
    Encoding.UTF_16_BE: ("utf-16-be", "strict"),
    Encoding.CP932: ("cp932", "strict"),
    Encoding.EUC_JP: ("euc_jp", EUC_WITH_VENDOR_ROWS),
    Encoding.EUC_JIS_2004: ("euc_jis_2004", "strict"),
}


class UnknownEncoding(IncidentAppError):
    """The encoding {name} is not known. Known: {known}."""

    ja = "文字コード「{name}」には対応していません。使えるもの：{known}。"


class UnreadableFile(IncidentAppError):
    """The file is not valid {encoding}: see byte {byte} (line {line}). Save it anew as UTF-8, or name its encoding."""

    ja = "{encoding} として読めません（{byte}バイト目、{line}行目）。UTF-8 で保存するか、文字コードを指定してください。"


class FileCutOff(UnreadableFile):
    """The file ends within a character of {encoding}: byte {byte} (line {line}). It looks cut off: get it again."""

    ja = "{encoding} の文字の途中で終わっています（{byte}バイト目、{line}行目）。ファイルを取り直してください。"


class ZeroByte(UnreadableFile):
    """Byte {byte} (line {line}) is zero. If the file is UTF-16 without a mark, name it: utf-16-le or utf-16-be."""

    ja = "{byte}バイト目（{line}行目）がゼロです。BOM のない UTF-16 なら utf-16-le か utf-16-be と指定してください。"


class MixedEncodings(IncidentAppError):
    """The file mixes encodings: line {line} is UTF-8, line {other} is not. Save the whole file in one encoding."""

    ja = "文字コードが混ざっています（{line}行目は UTF-8、{other}行目は別）。一つの文字コードで保存し直してください。"


@dataclass(frozen=True, kw_only=True)
class Detected:
    """What encoding a stream is in, and what else it could have been."""

    encoding: Encoding
    mark: int = 0
    """Length of the byte order mark."""
    also_valid: tuple[Encoding, ...] = ()
    """Other encodings in which every byte is valid; the one above makes the more plausible text."""


def encoding_named(name: str) -> Encoding:
    """Return the encoding of that name; UnknownEncoding lists the known ones."""
    plain = name.strip().lower().replace("_", "-")
    try:
        return _OTHER_NAMES.get(plain) or Encoding(plain)
    except ValueError:
        raise UnknownEncoding(name=name, known=", ".join(Encoding)) from None


def decode(content: bytes, told: str | None = None) -> str:
    """Return the text of content that fits into memory."""
    found = detect(lambda: [content], told)
    return "".join(decoded([content], found))


def detect(pieces: Pieces, told: str | None = None) -> Detected:
    """Say what encoding a stream is in. A byte order mark and what the caller told go before looking at the bytes.

    Order: mark; escapes of ISO-2022-JP in a stream of seven bits; UTF-8, if all of it is valid; then CP932 and EUC-JP,
    by validity of the whole stream and, when both are valid, by how plausible the Japanese text is.
    """
    head = _head(pieces())
    mark, marked = next(((len(mark), encoding) for mark, encoding in _MARKS if head.startswith(mark)), (0, None))
    if told is not None:
        wanted = marked if told.lower() in {"utf-16", "utf16"} and marked else encoding_named(told)
        return Detected(encoding=wanted, mark=mark if wanted is marked else 0)
    if marked is not None:
        return Detected(encoding=marked, mark=mark)
    if b"\x00" in head[:4]:
        # Later in a file a zero byte is a character of one row, which is refused by itself.
        at = head.index(b"\x00")
        raise ZeroByte(byte=at + 1, line=1 + head[:at].count(b"\n"))
    if _has_escapes(pieces()):
        return Detected(encoding=Encoding.ISO_2022_JP)
    fault = _fault_in_utf8(pieces())
    return _detect_japanese(pieces, fault) if fault else Detected(encoding=Encoding.UTF_8)


def _head(pieces: Iterable[bytes]) -> bytes:
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= 4:  # noqa: PLR2004 - no mark is longer
            break
    return head[:PIECE]


def _has_escapes(pieces: Iterable[bytes]) -> bool:
    found, tail = False, b""
    for piece in pieces:
        if not piece.isascii():
            return False
        found = found or (b"\x1b" in tail + piece and bool(re.search(rb"\x1b[$(]", tail + piece)))
        tail = piece[-1:]
    return found


def _detect_japanese(pieces: Pieces, fault_in_utf8: UnreadableFile) -> Detected:
    _refuse_mixture(pieces())
    faults = [fault_in_utf8]
    valid: dict[Encoding, float] = {}
    for encoding in (Encoding.EUC_JP, Encoding.EUC_JIS_2004, Encoding.CP932):
        if encoding is Encoding.EUC_JIS_2004 and valid:
            continue
        try:
            valid[encoding] = _plausibility(decoded(pieces(), Detected(encoding=encoding)), encoding)
        except UnreadableFile as fault:
            faults.append(fault)
    if not valid:
        raise max(faults, key=lambda fault: int(str(fault.facts["byte"])))
    best = max(valid, key=lambda encoding: valid[encoding])
    return Detected(encoding=best, also_valid=tuple(encoding for encoding in valid if encoding is not best))


def _fault_in_utf8(pieces: Iterable[bytes]) -> UnreadableFile | None:
    """Return what keeps a stream from being UTF-8. Japanese text cut within a character is raised at once."""
    japanese, tail = False, ""
    try:
        for text in decoded(pieces, Detected(encoding=Encoding.UTF_8)):
            japanese = japanese or (not text.isascii() and bool(_KANA_OR_KANJI.search(tail + text)))
            tail = text[-1:] or tail
    except UnreadableFile as fault:
        if japanese and isinstance(fault, FileCutOff):
            raise
        return fault
    return None


_KANJI_OF_LEVEL_1 = "".join(
    bytes((row, cell)).decode("euc_jp", "ignore") for row in range(0xB0, 0xD0) for cell in range(0xA1, 0xFF)
)
_COMMON = f"{_KANJI_OF_LEVEL_1}ぁ-んァ-ヶー々・、。０-９Ａ-Ｚａ-ｚ　（）"
_PLAUSIBLE = re.compile(f"[{_COMMON}]")
_PLAUSIBLE_WITH_HALF_WIDTH = re.compile(f"[{_COMMON}｡-ﾟ]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def _plausibility(pieces: Iterable[str], encoding: Encoding) -> float:
    """Return the share of characters outside ASCII that are common in Japanese: kana, kanji of level 1.

    Half-width kana count for EUC-JP only, where each takes two bytes: EUC-JP that is read as CP932 is full of them.
    """
    common = _PLAUSIBLE if encoding is Encoding.CP932 else _PLAUSIBLE_WITH_HALF_WIDTH
    plausible = all_of_them = 0
    for piece in pieces:
        plausible += len(common.findall(piece))
        all_of_them += len(_NOT_ASCII.findall(piece))
    return plausible / all_of_them if all_of_them else 0.0


_KANA_OR_KANJI = re.compile("[\u3041-\u30ff\u4e00-\u9fff\uff01-\uff5e]{2}")


def _refuse_mixture(pieces: Iterable[bytes]) -> None:
    """Refuse a stream of which some lines are Japanese in UTF-8 and others are not UTF-8 at all."""
    as_utf8 = other = None
    for number, line in enumerate(_lines(pieces), start=1):
        if line.isascii():
            continue
        try:
            text = line.decode()
        except UnicodeDecodeError:
            other = other or number
        else:
            as_utf8 = as_utf8 or (number if _KANA_OR_KANJI.search(text) else None)
        if as_utf8 and other:
            raise MixedEncodings(line=as_utf8, other=other)


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    yield rest


def decoded(pieces: Iterable[bytes], found: Detected) -> Iterator[str]:
    """Yield the text of a stream, piece by piece; UnreadableFile names the byte and the line that break it."""
    turn = _translator(found.encoding, found.mark)
    skip, lines = found.mark, 1
    for piece in pieces:
        text = turn(piece[skip:], False, lines)
        skip = max(0, skip - len(piece))
        lines += _line_ends(text)
        yield text
    if rest := turn(b"", True, lines):
        yield rest


def _line_ends(text: str) -> int:
    return text.count("\n") or text.count("\r")


def _translator(encoding: Encoding, mark: int) -> Callable[[bytes, bool, int], str]:
    return _of_iso_2022() if encoding is Encoding.ISO_2022_JP else _of_codec(encoding, mark)


def _of_iso_2022() -> Callable[[bytes, bool, int], str]:
    decoder = Iso2022Jp()
    consumed = 0

    def turn(piece: bytes, last: bool, lines: int) -> str:  # noqa: FBT001 - called in one place
        nonlocal consumed
        try:
            text = decoder.decode(piece, last=last)
        except BrokenEscape as fault:
            line = lines + piece[: max(0, fault.at - consumed)].count(b"\n")
            raise _unreadable(Encoding.ISO_2022_JP, fault.at, line, cut=last) from None
        consumed += len(piece)
        return text

    return turn


def _of_codec(encoding: Encoding, mark: int) -> Callable[[bytes, bool, int], str]:
    codec, rule = _CODECS[encoding]
    decoder = codecs.getincrementaldecoder(codec)(rule)
    consumed, held = mark, 0

    def turn(piece: bytes, last: bool, lines: int) -> str:  # noqa: FBT001 - called in one place
        nonlocal consumed, held
        try:
            text = decoder.decode(piece, last)
        except UnicodeDecodeError as fault:
            before = fault.object[: fault.start].decode(codec, "ignore")
            cut = last and any(word in fault.reason for word in ("end", "incomplete", "truncated"))
            at = consumed - held + fault.start
            raise _unreadable(encoding, at, lines + _line_ends(before), cut=cut) from None
        if encoding is Encoding.CP932 and (bad := _NOT_IN_CP932.search(text)):
            before = text[: bad.start()]
            at = consumed - held + len(before.encode("cp932"))
            raise _unreadable(encoding, at, lines + _line_ends(before), cut=False)
        consumed += len(piece)
        held = len(decoder.getstate()[0])
        return text

    return turn


_NOT_IN_CP932 = re.compile("[\x80\xa0\uf8f0-\uf8f3]")
"""What Python makes of single bytes that CP932 leaves open."""


def _unreadable(encoding: Encoding, at: int, line: int, *, cut: bool) -> UnreadableFile:
    kind = FileCutOff if cut else UnreadableFile
    return kind(encoding=encoding.upper(), byte=at + 1, line=line)


def lines_of(pieces: Iterable[str]) -> Iterator[str]:
    """Yield lines with their ends: LF, CR or CRLF, and nothing else (a form feed ends no line)."""
    return chain.from_iterable(lists_of_lines(pieces))


def lists_of_lines(pieces: Iterable[str]) -> Iterator[list[str]]:
    """Yield the lines of `lines_of` as they come: a list per piece, which may be empty."""
    rest = ""
    for piece in pieces:
        text = rest + piece
        held = "\r" if text.endswith("\r") else ""  # its LF may come with the next piece
        lines = list(io.StringIO(text[: len(text) - len(held)], newline=""))
        rest = (lines.pop() if lines and not lines[-1].endswith(("\n", "\r")) else "") + held
        yield lines
    if rest:
        yield [rest]
