"""What a returned mail is: a bounce, a delay, an answer that nobody wrote, a complaint, a success, or none of these."""

from __future__ import annotations

import email
import email.policy
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from flufl.bounce import all_failures

from notifications.bounces import wordings
from notifications.bounces.parts import LARGEST_TEXT, MOST_PARTS, Part, part_of, parts_of
from notifications.bounces.reports import (
    ARRIVED,
    Action,
    RecipientReport,
    address_in,
    complaint_of,
    receipt_of,
    recipient_reports,
    reply_class,
    status_in,
)
from notifications.bounces.verp import ReturnPath

MOST_NAMED = 100
LARGEST_FOR_THE_LIBRARY = 256 * 1024
RECEIVED_AS = (
    "to",
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "x-forwarded-to",
    "x-rcpt-to",
    "apparently-to",
    "resent-to",
    "cc",
)
"""Where the address stands that a mail came back to."""
RETURNED_PARTS = (
    "message/rfc822",
    "message/global",
    "text/rfc822-headers",
    "message/rfc822-headers",
    "message/global-headers",
)
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_PERMANENT = {"4": False, "5": True}
_READ = frozenset({"displayed", "dispatched", "processed"})
logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)  # it would write down what a mail holds


class ReturnedKind(StrEnum):
    """What a returned mail is."""

    BOUNCE = "bounce"
    DELAY = "delay"
    AUTOREPLY = "autoreply"
    COMPLAINT = "complaint"
    SUCCESS = "success"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class ReturnedMail:
    """What is known of one returned mail."""

    kind: ReturnedKind
    permanent: bool | None = None
    """Of a bounce: whether sending again would meet it again. Of a delay: False."""
    status: str | None = None
    """The enhanced status code (RFC 3463)."""
    recipients: tuple[str, ...] = field(default=(), repr=False)
    sender: str = field(default="", repr=False)
    """Who wrote it: of a mail that names nobody, all there is to go by."""
    received_as: tuple[str, ...] = field(default=(), repr=False)
    """Where our return address may stand, the surest place first."""

    @property
    def concerned(self) -> tuple[str, ...]:
        """Whose mail this may be about: whom it names, else who wrote it."""
        return self.recipients or ((self.sender,) if self.sender else ())

    def token(self, return_path: ReturnPath) -> str | None:
        """Return the token of the message that this mail is about, by its genuine return address."""
        return return_path.token_of(self.received_as)


def read_returned(raw: bytes) -> ReturnedMail:
    """Judge a mail that came back; whatever its bytes are, there is an answer and no failure."""
    parts = parts_of(raw)
    return_path = _received_as(parts)
    verdict = _judge(parts, raw)
    return ReturnedMail(
        kind=verdict.kind,
        permanent=verdict.permanent,
        status=verdict.status,
        recipients=tuple(dict.fromkeys(address for address in verdict.recipients if address))[:MOST_NAMED],
        sender=next(iter(_sender(parts[0])), ""),
        received_as=return_path,
    )


def _judge(parts: Sequence[Part], raw: bytes) -> ReturnedMail:
    if reports := recipient_reports(parts):
        return _of_reports(reports)
    if complaint := complaint_of(parts):
        kind, named = complaint
        is_one = kind not in {"not-spam", "auth-failure", "dmarc"}
        return ReturnedMail(
            kind=ReturnedKind.COMPLAINT if is_one else ReturnedKind.OTHER, recipients=named or _returned_to(parts)
        )
    if receipt := receipt_of(parts):
        done, named = receipt
        return ReturnedMail(kind=ReturnedKind.SUCCESS if done in _READ else ReturnedKind.OTHER, recipients=named)
    top = parts[0]
    if original := top.header("x-hmxmroriginalrecipient"):  # a provider's complaints come in no report
        return ReturnedMail(kind=ReturnedKind.COMPLAINT, recipients=(address_in(original) or "",))
    if failed := top.header("x-failed-recipients"):
        return _of_text(parts, named=[address for one in failed.split(",") if (address := address_in(one))])
    answer = _unwritten(parts)
    subject = top.header("subject")
    says_returned = bool(wordings.RETURNED.search(subject)) and not wordings.ANSWERED.match(subject)
    if wordings.DAEMON.search(top.header("from")[:500]) or (says_returned and _is_by_program(parts, answer)):
        if _names_a_failure(parts):
            return _of_text(parts)
        return _by_library(parts, raw) or (_of_text(parts) if says_returned else answer)
    return answer


def _is_by_program(parts: Sequence[Part], answer: ReturnedMail) -> bool:
    """Tell whether a program wrote a mail that speaks of a return: people too write that something came back."""
    text = _written(parts)
    return answer.kind is ReturnedKind.AUTOREPLY or bool(status_in(text) or reply_class(text))


def _of_reports(reports: Sequence[RecipientReport]) -> ReturnedMail:
    """Judge by the worst that a report says of anybody, and name those of whom it says so."""
    failed = [report for report in reports if report.action is Action.FAILED]
    delayed = [report for report in reports if report.action is Action.DELAYED]
    chosen = failed or delayed or [report for report in reports if report.action in ARRIVED]
    for_good = [report for report in failed if report.permanent]
    permanent = bool(for_good) if failed else False if delayed else None
    kind = ReturnedKind.BOUNCE if failed else ReturnedKind.DELAY if delayed else ReturnedKind.SUCCESS
    return ReturnedMail(
        kind=kind,
        permanent=permanent,
        status=next((report.status for report in [*for_good, *chosen] if report.status), None),
        recipients=tuple(report.recipient for report in chosen),
    )


def _of_text(parts: Sequence[Part], *, named: Sequence[str] = ()) -> ReturnedMail:
    """Judge a bounce that was written for people only."""
    text = _written(parts)
    status, reply = status_in(text), reply_class(text)
    severity = status[0] if status else reply
    recipients = tuple(named) or _named_in(text, parts[0])
    if wordings.STILL_TRYING.search(text) and severity != "5" and not wordings.FOR_GOOD.search(text):
        return ReturnedMail(kind=ReturnedKind.DELAY, permanent=False, status=status, recipients=recipients)
    if severity is None and wordings.FOR_GOOD.search(text):
        severity = "5"
    elif severity is None and wordings.FOR_NOW.search(text):
        severity = "4"
    return ReturnedMail(
        kind=ReturnedKind.BOUNCE, permanent=_PERMANENT.get(severity or ""), status=status, recipients=recipients
    )


def _unwritten(parts: Sequence[Part]) -> ReturnedMail:
    """Tell answers that nobody wrote (RFC 3834, out of office, challenges) from everything else."""
    top = parts[0]
    subject, automatic = top.header("subject"), top.header("auto-submitted").strip().lower()
    by_header = (
        (automatic != "" and not automatic.startswith("no"))
        or any(name in top.headers for name in (*wordings.ANSWER_HEADERS, *wordings.CHALLENGE_HEADERS))
        or top.header("precedence").strip().lower() in {"auto_reply", "auto-reply"}
        or "autorespond" in top.header("x-post-messageclass").lower()
        or "autorespond" in top.header("delivered-to").lower()
        or top.header("return-path").strip() == "<>"
    )
    if by_header or wordings.AWAY.search(subject) or wordings.CHALLENGE.search(subject):
        return ReturnedMail(kind=ReturnedKind.AUTOREPLY, recipients=_sender(top))
    return ReturnedMail(kind=ReturnedKind.OTHER, recipients=())


def _by_library(parts: Sequence[Part], raw: bytes) -> ReturnedMail | None:
    """Ask the library that knows the odd formats of many servers; mails of unusual shape are not given to it."""
    plain = raw[: LARGEST_FOR_THE_LIBRARY + 1].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if len(plain) > LARGEST_FOR_THE_LIBRARY or plain.count(b"\n--") > MOST_PARTS:
        return None
    try:
        message = email.message_from_bytes(plain, policy=email.policy.compat32)
        temporary, permanent = all_failures(message)
    except Exception:  # noqa: BLE001 - a library of seventeen readers of anybody's mail: none of them may stop ours
        return None
    if not temporary and not permanent:
        return None
    text = _written(parts)
    named = tuple(sorted(address.decode("utf-8", "replace") for address in permanent or temporary))
    return ReturnedMail(
        kind=ReturnedKind.BOUNCE if permanent else ReturnedKind.DELAY,
        permanent=bool(permanent),
        status=status_in(text),
        recipients=named,
    )


def _names_a_failure(parts: Sequence[Part]) -> bool:
    text = _written(parts)
    words = (wordings.FOR_GOOD, wordings.FOR_NOW, wordings.STILL_TRYING)
    return bool(reply_class(text) or status_in(text) or any(one.search(text) for one in words))


def _written(parts: Sequence[Part]) -> str:
    """Return the subject and what the mail itself says, without the message that it returns."""
    texts = [part.text() for part in parts if part.content_type == "text/plain"][:3]
    if not texts:
        texts = [re.sub(r"<[^<>@]{0,500}>", " ", part.text()) for part in parts if part.content_type == "text/html"][:1]
    written = "\n".join([parts[0].header("subject"), *texts])[:LARGEST_TEXT]
    return re.split(r"(?mi)^[-= >]*(?:original message|this is a copy of|below this line|元のメール)[^\n]*$", written)[
        0
    ]


def _named_in(text: str, top: Part) -> tuple[str, ...]:
    """Return the first address in a text that is neither that of the server nor ours."""
    ours = " ".join(top.header(name) for name in ("from", *RECEIVED_AS)).lower()
    for address in _ADDRESS.findall(text):
        if address.lower() not in ours and not wordings.DAEMON.search(address):
            return (address,)
    return ()


def _sender(top: Part) -> tuple[str, ...]:
    found = _ADDRESS.findall(top.header("from")[:1000])
    return tuple(found[-1:])


def _returned_to(parts: Sequence[Part]) -> tuple[str, ...]:
    """Return whom the message inside was written to."""
    for part in parts:
        if part.content_type in RETURNED_PARTS:
            return tuple(_ADDRESS.findall(part_of(part.content.lstrip(b"\n")).header("to"))[:1])
    return ()


def _received_as(parts: Sequence[Part]) -> tuple[str, ...]:
    """Return where our return address may stand: what the mail came back to, then what it says was returned."""
    top = parts[0]
    places = [" ".join(value for name in RECEIVED_AS for value in top.headers.get(name, ()))]
    places.append(" ".join(top.headers.get("received", ()))[:LARGEST_TEXT])
    for part in parts:
        if part.content_type in RETURNED_PARTS:
            inner = part_of(part.content.lstrip(b"\n"))
            places += inner.headers.get("return-path", ())
        if part.content_type == "message/feedback-report":
            places.append(" ".join(re.findall(r"(?mi)^Original-Mail-From:[^\n]*", part.text())))
    return tuple(place for place in places if place)
