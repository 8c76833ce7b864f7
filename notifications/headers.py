"""Header lines: encoded by RFC 2047, folded, and never with a line break that the sender did not mean."""

from __future__ import annotations

import base64
import re
from functools import lru_cache

from notifications.addresses import Address, wire_form
from notifications.errors import HeaderRefused

_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,70}")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LINE = 76
_LONGEST_WORD = 900
_PREFIX, _SUFFIX = "=?utf-8?b?", "?="


@lru_cache(maxsize=512)
def text_header(name: str, value: str) -> bytes:
    """Return the line of a header whose value is free text."""
    check_header(name, value)
    if _needs_encoding(value):
        return _line(name, _encoded_words(value, room=_LINE - len(name) - 2))
    return _line(name, _folded(value, room=_LINE - len(name) - 2))


def mailbox_header(name: str, display_name: str, address: Address) -> bytes:
    """Return the line of a header that holds one mailbox."""
    check_header(name, display_name)
    if not display_name:
        return _line(name, wire_form(address))
    phrase = _phrase(name, display_name)
    separator = " " if len(name) + len(phrase) + len(address) + 7 <= _LINE else "\r\n "
    return _line(name, f"{phrase}{separator}<{wire_form(address)}>")


def check_header(name: str, value: str) -> None:
    """Refuse a name that is no header name and a value that would break the line or is not text."""
    if not _NAME.fullmatch(name) or _FORBIDDEN.search(value):
        raise HeaderRefused(name)


@lru_cache(maxsize=512)
def _phrase(name: str, display_name: str) -> str:
    room = _LINE - len(name) - 2
    if _needs_encoding(display_name) or len(display_name) + 2 > room:
        return _encoded_words(display_name, room=room)
    if _ATOMS.fullmatch(display_name):
        return display_name
    return '"' + re.sub(r'(["\\])', r"\\\1", display_name) + '"'


def _needs_encoding(value: str) -> bool:
    words = value.split(" ")
    return (
        not value.isascii()
        or "=?" in value
        or (value != "" and not all(words))
        or any(len(word) > _LONGEST_WORD for word in words)
    )


def _line(name: str, value: str) -> bytes:
    # Free text is encoded words by now; only the address of a recipient of SMTPUTF8 is not ASCII (RFC 6532, 3.2).
    return f"{name}: {value}\r\n".encode()


def _folded(value: str, *, room: int) -> str:
    lines: list[str] = []
    line = ""
    for word in value.split(" "):
        if line and len(line) + 1 + len(word) > room:
            lines.append(line)
            line, room = word, _LINE - 1
        else:
            line = f"{line} {word}" if line else word
    return "\r\n ".join([*lines, line])


def _encoded_words(value: str, *, room: int) -> str:
    words: list[str] = []
    chunk = b""
    octets = _octets_in(room)
    for character in value:
        encoded = character.encode()
        if len(chunk) + len(encoded) > octets:
            words.append(_encoded_word(chunk))
            chunk, octets = b"", _octets_in(_LINE - 1)
        chunk += encoded
    return "\r\n ".join([*words, _encoded_word(chunk)])


def _encoded_word(chunk: bytes) -> str:
    return f"{_PREFIX}{base64.b64encode(chunk).decode('ascii')}{_SUFFIX}"


def _octets_in(room: int) -> int:
    """Return how many octets fit into one encoded word of at most `room` and 75 characters."""
    return max((min(room, 75) - len(_PREFIX) - len(_SUFFIX)) // 4 * 3, 6)
