"""Reports that programs write for programs: delivery status (RFC 3464), complaints (RFC 5965), receipts (RFC 8098)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from notifications.bounces.parts import Part, headers_of

MOST_RECIPIENTS = 1000
STATUS_PARTS = ("message/delivery-status", "message/global-delivery-status")
RECEIPT_PARTS = ("message/disposition-notification", "message/global-disposition-notification")
ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_REPLY = re.compile(r"(?<![\d.])([245])\d\d(?=[ -])")
_ADDRESS = re.compile(r"[^\s<>;,]{1,64}@[^\s<>;,]{1,255}")


class Action(StrEnum):
    """What a server says that it did with a mail for one recipient (RFC 3464, 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


ARRIVED = frozenset({Action.DELIVERED, Action.RELAYED, Action.EXPANDED})
_BY_CLASS = {"2": Action.DELIVERED, "4": Action.DELAYED, "5": Action.FAILED}


@dataclass(frozen=True, kw_only=True)
class RecipientReport:
    """What a delivery status notification says of one recipient."""

    recipient: str = field(repr=False)
    action: Action
    status: str | None
    permanent: bool
    """The failure is one that sending again would meet again."""


def recipient_reports(parts: Sequence[Part]) -> list[RecipientReport]:
    """Return what the delivery status parts of a mail say, recipient by recipient."""
    found = [
        report
        for part in parts
        if part.content_type in STATUS_PARTS
        for block in _blocks(part.text())
        if (report := _report(block)) is not None
    ]
    return found[:MOST_RECIPIENTS]


def complaint_of(parts: Sequence[Part]) -> tuple[str, tuple[str, ...]] | None:
    """Return the type of a feedback report and whom it names; None when there is no such report."""
    for part in parts:
        if part.content_type == "message/feedback-report":
            fields = headers_of(part.text().strip().encode("utf-8", "replace"))
            named = (*fields.get("original-rcpt-to", ()), *fields.get("removal-recipient", ()))
            kind = next(iter(fields.get("feedback-type", ())), "abuse").strip().lower()
            return kind, tuple(address for value in named if (address := address_in(value)))
    return None


def receipt_of(parts: Sequence[Part]) -> tuple[str, tuple[str, ...]] | None:
    """Return what a receipt says was done with a mail, and whom it names; None when there is no receipt."""
    for part in parts:
        if part.content_type in RECEIPT_PARTS:
            fields = headers_of(part.text().strip().encode("utf-8", "replace"))
            done = next(iter(fields.get("disposition", ())), "").rpartition(";")[2].strip().lower()
            named = (*fields.get("final-recipient", ()), *fields.get("original-recipient", ()))
            addresses = [address for value in named if (address := address_in(value))]
            return done.partition("/")[0].strip(), tuple(addresses[:1])
    return None


def status_in(text: str) -> str | None:
    """Return the first enhanced status code (RFC 3463) in a text."""
    found = ENHANCED.search(text)
    return found[0] if found else None


def reply_class(text: str) -> str | None:
    """Return the first digit of the first reply code of a mail server in a text."""
    found = _REPLY.search(text)
    return found[1] if found else None


def address_in(value: str) -> str | None:
    """Return the address that a field names, without its type and its brackets."""
    kind, semicolon, rest = value.partition(";")
    found = _ADDRESS.search(rest if semicolon else kind)
    return found[0].strip("\"'()[]") if found else None


def _blocks(text: str) -> Iterator[Mapping[str, tuple[str, ...]]]:
    """Yield the groups of fields; a further Final-Recipient begins one even where the empty line is missing."""
    for block in re.split(r"\n[ \t]*\n", text)[: MOST_RECIPIENTS + 1]:
        pieces = re.split(r"(?mi)^(?=Final-Recipient[ \t]*:)", block)
        whole = [pieces[0] + pieces[1], *pieces[2:]] if len(pieces) > 1 else pieces
        for piece in whole:
            yield headers_of(piece.strip("\n").encode("utf-8", "replace"))


def _report(fields: Mapping[str, tuple[str, ...]]) -> RecipientReport | None:
    first = {name: values[0] for name, values in fields.items()}
    if not {"original-recipient", "final-recipient", "action"} & set(first):
        return None
    # The original one is whom we wrote to; the final one may be where a forwarding took it.
    named = address_in(first.get("original-recipient", "")) or address_in(first.get("final-recipient", ""))
    diagnostic = first.get("diagnostic-code", "")
    status = status_in(first.get("status", "")) or status_in(diagnostic)
    severity = status[0] if status else reply_class(diagnostic)
    action = _action(first.get("action", ""), severity)
    if action is None:
        return None
    return RecipientReport(
        recipient=named or "",
        action=action,
        status=status,
        permanent=action is Action.FAILED and severity != "4",
    )


def _action(word: str, severity: str | None) -> Action | None:
    word = word.partition("(")[0].strip().lower()
    if word in set(Action):
        return Action(word)
    if word.startswith(("fail", "error", "undeliver")):
        return Action.FAILED
    return _BY_CLASS.get(severity or "")
