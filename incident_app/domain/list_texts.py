"""The text of a list that comes in: its encoding told or found on the whole stream, its lines one by one."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator

from incident_app.domain.customers import UnreadableFile
from incident_app.domain.errors import BadInput

Pieces = Callable[[], Iterable[bytes]]
"""Opens the stream at its beginning; each call reads it anew."""

ENCODINGS = {
    "utf-8": "utf-8-sig",
    "utf-16": "utf-16",
    "cp932": "cp932",
    "shift-jis": "cp932",
    "euc-jp": "euc_jp",
    "iso-2022-jp": "iso2022_jp",
}
"""What can be told -> the codec that reads it."""


_NOT_IN_CP932 = re.compile("[\x80\xa0\uf8f0-\uf8f3]")
"""What the codec makes of single bytes that CP932 leaves open."""


class EncodingUnknown(BadInput):
    """{field}: the encoding {name} is not known. Known: {known}."""

    ja = "{field}：文字コード「{name}」には対応していません。使えるもの：{known}。"


def text_lines(pieces: Pieces, told: str | None = None) -> Iterator[str]:
    """Yield the lines of a stream with their ends. Nothing is replaced: a byte that cannot be read refuses the file."""
    return _lines(_decoded(pieces(), find_codec(pieces, told)))


def find_codec(pieces: Pieces, told: str | None) -> str:
    """Return the codec of a stream: as told, by its byte order mark, UTF-8 when all of it is, else CP932."""
    if told is not None:
        codec = ENCODINGS.get(told.strip().lower().replace("_", "-"))
        if codec is None:
            raise EncodingUnknown(field="encoding", name=told, known=", ".join(ENCODINGS))
        _read_all(pieces, codec)
        return codec
    head = _head(pieces())
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        _read_all(pieces, "utf-16")
        return "utf-16"
    try:
        _read_all(pieces, "utf-8-sig")
    except UnreadableFile as fault:
        if head.startswith(codecs.BOM_UTF8) or fault.facts["byte"] == sum(map(len, pieces())):
            raise  # marked as UTF-8, or cut off within its last character
        try:
            _read_all(pieces, "cp932")
        except UnreadableFile:
            raise fault from None  # neither: the refusal names the first byte that is not UTF-8
        return "cp932"
    return "utf-8-sig"


def _head(pieces: Iterable[bytes]) -> bytes:
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= len(codecs.BOM_UTF8):  # the longest mark
            break
    return head


def _read_all(pieces: Pieces, codec: str) -> None:
    for _ in _decoded(pieces(), codec):
        pass


def _decoded(pieces: Iterable[bytes], codec: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(codec)()
    consumed = 0
    for piece in pieces:
        held = len(decoder.getstate()[0])
        try:
            text = decoder.decode(piece)
        except UnicodeDecodeError as fault:
            raise UnreadableFile(byte=consumed - held + fault.start + 1) from None
        if codec == "cp932" and (bad := _NOT_IN_CP932.search(text)):
            raise UnreadableFile(byte=consumed - held + len(text[: bad.start()].encode(codec)) + 1)
        consumed += len(piece)
        yield text
    try:
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise UnreadableFile(byte=consumed) from None


def _lines(texts: Iterable[str]) -> Iterator[str]:
    rest = ""
    for text in texts:
        rest += text
        held = "\r" if rest.endswith("\r") else ""  # its line feed may come with the next piece
        lines = rest.removesuffix(held).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        rest = lines.pop() + held
        yield from (line + "\n" for line in lines)
    if rest:
        yield rest
