"""What is known about one message after an attempt to hand it over."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LONGEST_TEXT = 500

_ADDRESS_LIKE = re.compile(
    r"""(?:"(?:[^"\\]|\\.)*"|[^\s<>()\[\]{}"',;:]+)[@＠](?:\[[^\]\s]*\]|[^\s<>()\[\]{}"',;:]+)""",
)
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?![\d.])")


@dataclass(frozen=True, kw_only=True)
class _Known:
    code: int | None = None
    enhanced: str | None = None
    text: str = field(default="")
    about_us: bool = False
    """The reply judges the sender, not the recipient: it would have been the same for anybody."""


class Accepted(_Known):
    """The server took the message and answers for it."""


class RefusedForNow(_Known):
    """The message was not taken; a later attempt may succeed."""


class RefusedForGood(_Known):
    """The message was not taken and will not be."""


class Unknown(_Known):
    """The message was handed over and no answer came: it may or may not have arrived."""


Outcome = Accepted | RefusedForNow | RefusedForGood | Unknown


def outcome_of_reply(code: int | None, text: str = "") -> Outcome:
    """Judge the server's last word on a message that was handed over completely."""
    enhanced = enhanced_code(text)
    match (code or 0) // 100:
        case 2:
            return Accepted(code=code, enhanced=enhanced, text=text)
        case 4:
            return RefusedForNow(code=code, enhanced=enhanced, text=text)
        case 5:
            return RefusedForGood(code=code, enhanced=enhanced, text=text)
    return Unknown(code=code, enhanced=enhanced, text=text)


def enhanced_code(text: str) -> str | None:
    """Return the enhanced status code (RFC 3463) with which a reply begins."""
    found = _ENHANCED.match(text)
    return found[1] if found else None


def without_addresses(text: str, *known: str) -> str:
    """Return a server's words on one line with every address, and the local part of each `known` one, removed."""
    printable = _UNPRINTABLE.sub(" ", text.encode("utf-8", "replace").decode()).strip()
    cleaned = _ADDRESS_LIKE.sub("[address]", printable) if "@" in printable or "＠" in printable else printable
    folded = cleaned.casefold()
    for address in known:
        local_part = address.rpartition("@")[0].strip('"')
        if local_part and local_part.casefold() in folded:  # most replies name nobody: no pattern is made for them
            cleaned = re.sub(rf"(?<!\w){re.escape(local_part)}(?!\w)", "[address]", cleaned, flags=re.IGNORECASE)
    return cleaned[:LONGEST_TEXT]
