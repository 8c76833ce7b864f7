"""A message compiled once for everybody who gets it: filling it for one person joins octets and builds nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import NamedTuple

from notifications.addresses import Address
from notifications.errors import HeaderRefused
from notifications.headers import mailbox_header
from notifications.message import (
    LONGEST_LINE,
    Message,
    boundary_for,
    check_message_id,
    constant_head,
    encoded_part,
    multipart,
    with_network_line_ends,
)

Piece = tuple[str, str | None]
"""Text that is the same for everybody, and the name of the value that stands behind it; None at the end."""


class Value(NamedTuple):
    """What stands in one place of one person's copy."""

    octets: bytes
    longest_line: int
    has_dots: bool
    """Whether a line of it begins with a dot."""


def value_of(text: str) -> Value:
    """Write a value for the wire; ContentRefused when UTF-8 cannot."""
    octets = with_network_line_ends(text)
    longest = max(map(len, octets.split(b"\r\n"))) if b"\n" in octets else len(octets)
    return Value(octets, longest, octets.startswith(b".") or b"\n." in octets)


class Copy(NamedTuple):
    """One person's copy of a message."""

    octets: bytes
    plain_lines: bool
    """Whether no line can begin with a dot, so that none needs to be looked for."""


class _Part:
    """One of the texts of a message: octets, and between them the places of values."""

    def __init__(self, subtype: bytes, pieces: Sequence[bytes], names: Sequence[str]) -> None:
        self._subtype = subtype
        self._pieces = tuple(pieces)
        self._names = tuple(names)
        self._longest_line = max(map(len, b"".join(pieces).split(b"\r\n")))
        # A piece that begins with a dot may stand behind a value that ends a line.
        self.has_dots = any(piece.startswith(b".") or b"\n." in piece for piece in pieces)

    @classmethod
    def of(cls, subtype: bytes, pieces: Sequence[Piece]) -> _Part:
        """Write the texts between the places for the wire."""
        literals, names = [b""], []
        for literal, name in pieces:
            literals[-1] += with_network_line_ends(literal)
            if name is not None:
                names.append(name)
                literals.append(b"")
        return cls(subtype, literals, names)

    def given(self, values: Mapping[str, Value]) -> _Part:
        """Return the part with these values in their places, and the other places still open."""
        literals, names = [self._pieces[0]], []
        for name, literal in zip(self._names, self._pieces[1:], strict=True):
            if name in values:
                literals[-1] += values[name].octets + literal
            else:
                names.append(name)
                literals.append(literal)
        return _Part(self._subtype, literals, names)

    def filled(self, values: Mapping[str, Value], *, eight_bit: bool) -> tuple[bytes, bool]:
        """Write the part, and tell whether a line of it may begin with a dot."""
        longest, has_dots = self._longest_line, self.has_dots
        joined = [self._pieces[0]]
        for name, literal in zip(self._names, self._pieces[1:], strict=True):
            octets, more, dots = values[name]
            joined += (octets, literal)
            longest += more
            has_dots = has_dots or dots
        # At most all values stand in the longest line; only then is it worth looking at each.
        part = encoded_part(
            self._subtype, b"".join(joined), eight_bit=eight_bit, lines_are_short=longest <= LONGEST_LINE
        )
        return part, has_dots


class Skeleton:
    """The same message to many people.

    `pattern` says what is the same for all: sender, subject, language, reply address and further headers. The octets
    are those that `to_bytes` writes of the same message.
    """

    def __init__(self, head: tuple[bytes, bytes, bytes], plain: _Part, rich: _Part | None) -> None:
        self._head = head
        self._plain = plain
        self._rich = rich

    @classmethod
    def of(cls, pattern: Message, *, text: Sequence[Piece], html: Sequence[Piece] | None) -> Skeleton:
        """Compile a message whose texts are cut at the places of their values."""
        rich = None if html is None else _Part.of(b"html", html)
        return cls(constant_head(pattern), _Part.of(b"plain", text), rich)

    def given(self, *, text: Mapping[str, Value], html: Mapping[str, Value]) -> Skeleton:
        """Return the message to those of whom these values are the same; only the others are still to be filled in."""
        rich = None if self._rich is None else self._rich.given(html)
        return Skeleton(self._head, self._plain.given(text), rich)

    def fill(
        self,
        *,
        recipient: Address,
        message_id: str,
        date: datetime,
        text: Mapping[str, Value],
        html: Mapping[str, Value],
        eight_bit: bool = True,
    ) -> Copy:
        """Write one person's copy; KeyError names a value that is missing."""
        check_message_id(message_id)
        sender, subject, rest = self._head
        head = b"%b%b%bDate: %b\r\nMessage-ID: %b\r\n%b" % (
            sender,
            mailbox_header("To", "", recipient),
            subject,
            _date(date.replace(microsecond=0)),
            message_id.encode("ascii"),
            rest,
        )
        plain, dots = self._plain.filled(text, eight_bit=eight_bit)
        if self._rich is None:
            return Copy(head + plain, not dots)
        rich, more_dots = self._rich.filled(html, eight_bit=eight_bit)
        return Copy(head + multipart(boundary_for(message_id, plain, rich), plain, rich), not (dots or more_dots))


@lru_cache(maxsize=16)
def _date(second: datetime) -> bytes:
    if second.tzinfo is None:
        raise HeaderRefused("Date")
    return format_datetime(second).encode("ascii")
