"""What every conversation with a mail server has in common: the bytes of a message, and what a refusal means."""

from __future__ import annotations

import re
from dataclasses import dataclass

from notifications.addresses import needs_smtputf8
from notifications.outcome import Outcome, RefusedForGood, RefusedForNow, enhanced_code, outcome_of_reply
from notifications.transport import Envelope

GO_AHEAD = 354
CLOSING = 421
NO_ANSWER, LINE_LOST, NO_REPLY = "no answer in time", "connection lost", "the answer was no SMTP reply"
_ABOUT_US = frozenset({530, 534, 535, 538})
"""RFC 4954, 6: who has not signed in, or not well enough, may send to nobody."""
_LONE_LINE_ENDS = re.compile(rb"\r\n|\r|\n")
_LEADING_DOTS = re.compile(rb"(?m)^\.")


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What came of one message, and whether the connection can take another."""

    outcome: Outcome
    connection_usable: bool


def is_about_us(command: str, code: int) -> bool:
    """Tell whether a refusal of `command` judges the sender, so that it would have been the same for anybody."""
    # MAIL names only the sender: whoever refuses it would refuse it for every recipient.
    return command == "MAIL" or code in _ABOUT_US


def refusal(code: int, words: str, *, about_us: bool) -> Outcome:
    """Judge a reply to MAIL, RCPT or DATA that is not the one hoped for: the message was never handed over."""
    kind = RefusedForGood if code // 100 == 5 else RefusedForNow  # noqa: PLR2004 - 5yz is "never"
    return kind(code=code, enhanced=enhanced_code(words), text=words, about_us=about_us)


def is_refusal(code: int) -> bool:
    """Tell whether a reply is a refusal that leaves client and server in step; whatever else leaves them out of it."""
    return code // 100 in {4, 5} and code != CLOSING


def final_word(code: int, words: str) -> Exchange:
    """Judge the reply to a whole message."""
    outcome = outcome_of_reply(code, words)
    return Exchange(outcome=outcome, connection_usable=code != CLOSING and code // 100 in {2, 4, 5})


def mail_options(envelope: Envelope, *, eight_bit: bool) -> tuple[bytes, ...]:
    """Return what MAIL says besides the sender."""
    options = (b"BODY=8BITMIME",) if eight_bit and not envelope.content.isascii() else ()
    return (*options, b"SMTPUTF8") if needs_smtputf8(envelope.recipient) else options


def on_the_wire(content: bytes, *, plain_lines: bool = False) -> bytes:
    """End every line with CRLF, double leading dots and add the end mark (RFC 5321, 4.5.2)."""
    if plain_lines:
        return content + b".\r\n"
    whole = content.count(b"\r\n")
    if content.count(b"\n") != whole or content.count(b"\r") != whole:
        content = _LONE_LINE_ENDS.sub(b"\r\n", content)
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    if content.startswith(b".") or b"\n." in content:
        content = _LEADING_DOTS.sub(b"..", content)
    return content + b".\r\n"
