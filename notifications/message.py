"""A message and its bytes: the same message always gives the same bytes."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime

from notifications.addresses import Address
from notifications.errors import ContentRefused, HeaderRefused
from notifications.headers import check_header, mailbox_header, text_header

LONGEST_LINE = 998
"""Octets without the line's end: RFC 5322, 2.1.1."""

_LINE_ENDS = re.compile(r"\r\n|\r|\n")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+>")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_OWN_HEADERS = frozenset(
    {"from", "to", "cc", "bcc", "sender", "reply-to", "subject", "date", "message-id", "mime-version", "return-path"},
)


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message to one recipient."""

    sender: Address
    sender_name: str = field(repr=False)
    recipient: Address
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str | None = field(default=None, repr=False)
    message_id: str
    date: datetime
    reply_to: Address | None = None
    language: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Further headers such as Auto-Submitted; none that names a recipient or belongs to the message itself."""


def message_id(token: str, domain: str) -> str:
    """Return the Message-ID that every attempt of one delivery bears."""
    made = f"<{token}@{domain}>"
    if not _MESSAGE_ID.fullmatch(made):
        raise HeaderRefused("Message-ID")
    return made


def to_bytes(message: Message, *, eight_bit: bool = True) -> bytes:
    """Write a message for the wire, without dot stuffing."""
    text = _part(b"plain", message.text, eight_bit=eight_bit)
    if message.html is None:
        return _head(message) + text
    html = _part(b"html", message.html, eight_bit=eight_bit)
    return _head(message) + multipart(boundary_for(message.message_id, text, html), text, html)


def multipart(boundary: bytes, text: bytes, html: bytes) -> bytes:
    """Join the two forms of one text."""
    encoding = b"7bit" if text.isascii() and html.isascii() else b"8bit"
    return b"".join(
        (
            b'Content-Type: multipart/alternative;\r\n boundary="%b"\r\n' % boundary,
            b"Content-Transfer-Encoding: %b\r\n\r\n" % encoding,
            b"--%b\r\n%b\r\n--%b\r\n%b\r\n--%b--\r\n" % (boundary, text, boundary, html, boundary),
        ),
    )


def check_message_id(message_id: str) -> None:
    """Refuse what is no Message-ID."""
    if not _MESSAGE_ID.fullmatch(message_id):
        raise HeaderRefused("Message-ID")


def constant_head(message: Message) -> tuple[bytes, bytes, bytes]:
    """Return the header lines that do not depend on the recipient: before To, between To and Date, after Message-ID."""
    if not _LANGUAGE.fullmatch(message.language):
        raise HeaderRefused("Content-Language")
    rest = []
    if message.reply_to is not None:
        rest.append(mailbox_header("Reply-To", "", message.reply_to))
    rest.extend(_further_header(name, value) for name, value in message.headers.items())
    rest.append(b"MIME-Version: 1.0\r\nContent-Language: %b\r\n" % message.language.encode("ascii"))
    return (
        mailbox_header("From", message.sender_name, message.sender),
        text_header("Subject", message.subject),
        b"".join(rest),
    )


def _head(message: Message) -> bytes:
    check_message_id(message.message_id)
    if message.date.tzinfo is None:
        raise HeaderRefused("Date")
    sender, subject, rest = constant_head(message)
    recipient = mailbox_header("To", "", message.recipient)
    date, token = format_datetime(message.date).encode("ascii"), message.message_id.encode("ascii")
    return b"%b%b%bDate: %b\r\nMessage-ID: %b\r\n%b" % (sender, recipient, subject, date, token, rest)


def _further_header(name: str, value: str) -> bytes:
    check_header(name, value)
    if name.lower() in _OWN_HEADERS or name.lower().startswith(("content-", "resent-")):
        raise HeaderRefused(name)
    return text_header(name, value)


def _part(subtype: bytes, text: str, *, eight_bit: bool) -> bytes:
    return encoded_part(subtype, with_network_line_ends(text), eight_bit=eight_bit)


def encoded_part(subtype: bytes, body: bytes, *, eight_bit: bool, lines_are_short: bool = False) -> bytes:
    """Write one text with its headers; `lines_are_short` spares looking at every line."""
    if not body.endswith(b"\r\n"):
        body += b"\r\n"
    encoding = b"7bit" if body.isascii() else b"8bit" if eight_bit else b"base64"
    if b"\0" in body or not (lines_are_short or max(map(len, body.split(b"\r\n"))) <= LONGEST_LINE):
        encoding = b"base64"
    if encoding == b"base64":
        body = base64.encodebytes(body).replace(b"\n", b"\r\n")
    return (
        b'Content-Type: text/%b; charset="utf-8"\r\nContent-Transfer-Encoding: %b\r\n\r\n' % (subtype, encoding) + body
    )


def with_network_line_ends(text: str) -> bytes:
    """Encode a text, every line ended by CRLF; ContentRefused when UTF-8 cannot write it."""
    text = _LINE_ENDS.sub("\r\n", text) if "\r" in text else text.replace("\n", "\r\n")
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise ContentRefused("a character that UTF-8 cannot write") from None


def boundary_for(seed: str, *parts: bytes) -> bytes:
    """Return a boundary that stands in none of the parts, the same for the same message."""
    digest = hashlib.sha256(seed.encode())
    boundary = b"=_%b" % digest.hexdigest()[:32].encode("ascii")
    while any(boundary in part for part in parts):
        digest.update(boundary)
        boundary = b"=_%b" % digest.hexdigest()[:32].encode("ascii")
    return boundary
