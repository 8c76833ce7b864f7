"""Taking a returned mail apart, whatever it holds: bounded in depth, in parts and in what is looked at.

The standard library's parser calls itself for each level of nesting and its header classes take minutes for a header
of a megabyte; what comes back to a mailbox was written by anybody. This reader goes over the bytes a fixed number of
times and never fails.
"""

from __future__ import annotations

import binascii
import codecs
import email.header
import quopri
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.errors import HeaderParseError

LARGEST_MAIL = 32 * 1024 * 1024
"""Octets that are looked at; what comes after them is passed over."""
LARGEST_HEAD = 256 * 1024
LARGEST_VALUE = 8 * 1024
LARGEST_TEXT = 64 * 1024
MOST_HEADERS = 1000
MOST_PARTS = 200
DEEPEST = 8

_PARAMETER = re.compile(r';\s*([A-Za-z0-9-]{1,40})\s*=\s*(?:"((?:[^"\\]|\\.){0,1000})"|([^;\s"]{1,1000}))')
_CHARSETS = re.compile(
    r"utf-8|utf-16|ascii|iso8859-\d+|cp\d+|(?:iso2022|euc)_\w+|shift_jis\w*|gb\w+|big5\w*|koi8-\w|mac-\w+"
)
_HEADER = re.compile(r"([!-9;-~]{1,100})[ \t]*:(.*)", re.DOTALL)
_MBOX_LINE = re.compile(rb"\A(?:>?From [^\n]*\n)+")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a mail: its headers by lower-case name, and its content as it stands there."""

    headers: Mapping[str, tuple[str, ...]]
    content: bytes = field(repr=False)
    content_type: str
    parameters: Mapping[str, str]

    def header(self, name: str) -> str:
        """Return the first header of that name, decoded, or an empty text."""
        return next(iter(self.headers.get(name, ())), "")

    def text(self) -> str:
        """Return the beginning of the content as text; what is no text in its character set is replaced."""
        octets = _unwrapped(self.content[: 2 * LARGEST_TEXT], self.header("content-transfer-encoding"))
        return decoded(octets, self.parameters.get("charset", ""))[:LARGEST_TEXT]


def parts_of(raw: bytes) -> list[Part]:
    """Return a mail and the parts inside it in their order, at most MOST_PARTS; messages inside it stay closed."""
    plain = raw[:LARGEST_MAIL].replace(b"\0", b"").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    plain = _MBOX_LINE.sub(b"", plain.lstrip(b"\n"))
    found: list[Part] = []
    waiting = [(plain, 0)]
    while waiting and len(found) < MOST_PARTS:
        piece, depth = waiting.pop()
        part = part_of(piece)
        found.append(part)
        boundary = part.parameters.get("boundary", "")
        if part.content_type.startswith("multipart/") and boundary and depth < DEEPEST:
            inside = list(_between(part.content, boundary, MOST_PARTS - len(found)))
            waiting += [(inner, depth + 1) for inner in reversed(inside)]
    return found


def part_of(piece: bytes) -> Part:
    """Return one part: a head, an empty line, a content."""
    head, content = _cut(piece)
    headers = headers_of(head)
    content_type, parameters = _content_type(next(iter(headers.get("content-type", ())), ""))
    return Part(headers=headers, content=content, content_type=content_type, parameters=parameters)


def headers_of(head: bytes) -> dict[str, tuple[str, ...]]:
    """Return headers by lower-case name, unfolded and decoded; lines that are none are passed over."""
    found: dict[str, list[str]] = {}
    unfolded = re.sub(rb"\n[ \t]+", b" ", head[:LARGEST_HEAD])
    for line in unfolded.split(b"\n", MOST_HEADERS)[:MOST_HEADERS]:
        match = _HEADER.fullmatch(decoded(line[:LARGEST_VALUE], ""))
        if match:
            found.setdefault(match[1].lower(), []).append(_words(match[2].strip()))
    return {name: tuple(values) for name, values in found.items()}


def decoded(octets: bytes, charset: str) -> str:
    """Return octets as text: by their character set where it is one, else as UTF-8, else octet by octet."""
    name = "iso2022_jp_ext" if b"\x1b$" in octets else charset.strip().lower()
    if name and _is_charset(name):
        return octets.decode(name, "replace")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def _is_charset(name: str) -> bool:
    """Tell whether a name is one of a character set that mails are written in; the library knows stranger ones."""
    try:
        return bool(_CHARSETS.fullmatch(codecs.lookup(name).name))
    except (LookupError, UnicodeError, ValueError):
        return False


def _cut(piece: bytes) -> tuple[bytes, bytes]:
    if piece.startswith(b"\n"):
        return b"", piece[1:]
    end = piece.find(b"\n\n")
    return (piece, b"") if end < 0 else (piece[:end], piece[end + 2 :])


def _between(content: bytes, boundary: str, most: int) -> Iterator[bytes]:
    """Yield what stands between the lines of a boundary; one that is not closed ends with the content."""
    line = re.compile(rb"(?:\A|\n)--" + re.escape(boundary.encode("utf-8", "replace")) + rb"(--)?[ \t]*(?=\n|\Z)")
    start: int | None = None
    for match in line.finditer(content):
        if start is not None and most > 0:
            yield content[start : match.start()]
            most -= 1
        start = match.end() + 1
        if match[1] or most <= 0:
            return
    if start is not None and most > 0:
        yield content[start:]


def _content_type(value: str) -> tuple[str, dict[str, str]]:
    kind = value.partition(";")[0].strip().lower()
    parameters = {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        for name, quoted, plain in _PARAMETER.findall(value)
    }
    return kind if re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+", kind) else "text/plain", parameters


def _words(value: str) -> str:
    """Return a header with its encoded words read; one that is broken stays as it is."""
    if "=?" not in value:
        return value
    try:
        pieces = email.header.decode_header(value[:LARGEST_VALUE])
    except (HeaderParseError, UnicodeError, ValueError):
        return value
    return "".join(decoded(word, charset or "") if isinstance(word, bytes) else word for word, charset in pieces)


def _unwrapped(content: bytes, encoding: str) -> bytes:
    encoding = encoding.strip().lower()
    if encoding == "quoted-printable":
        return quopri.decodestring(content)
    if encoding == "base64":
        digits = re.sub(rb"[^A-Za-z0-9+/]", b"", content)
        try:
            return binascii.a2b_base64(digits[: len(digits) // 4 * 4] + _rest(digits))
        except binascii.Error:
            return content
    return content


def _rest(digits: bytes) -> bytes:
    left = digits[len(digits) // 4 * 4 :]
    return left + b"=" * (4 - len(left)) if len(left) > 1 else b""
