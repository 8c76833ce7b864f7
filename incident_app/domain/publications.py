"""Public notice: what was published where, and who may be covered by it because nothing else reaches them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from urllib.parse import urlsplit

from incident_app.domain.errors import BadInput, IncidentAppError
from incident_app.domain.lengths import check_length

LONGEST_URL = 500
LONGEST_PHONE = 60


class DeskMissing(IncidentAppError):
    """This publication names no desk with telephone, hours and last day, so that it covers nobody.

    The law takes public notice for telling people only where they can ask whether they are among those affected.
    """

    ja = (
        "この公表には、窓口の電話番号・受付時間・最終日がそろっていないため、本人への通知に代えることはできません。"
        "法令は、本人が自分のデータが対象かを確認できる窓口があることを求めています。"
    )


class DeskClosed(IncidentAppError):
    """The desk of this publication was open until {until}. Publish one that is open, then cover people by it."""

    ja = "この公表の窓口は {until} までで終わっています。開いている窓口を公表してから、対象にしてください。"


class PublicationWithdrawn(IncidentAppError):
    """This publication was withdrawn. It covers nobody any more."""

    ja = "この公表は取り下げられています。本人への通知に代えることはできません。"


class NobodyToCover(IncidentAppError):
    """Nobody is to be covered: everybody was told, is being written to, or can be reached by another way."""

    ja = "対象になる人がいません。すでに知らせたか、送信中か、ほかの方法で連絡できる人だけです。"


class CoverReason(StrEnum):
    """Why nothing but public notice reaches a person."""

    NO_CONTACT = "no_contact"
    MAIL_RETURNED = "mail_returned"
    MAIL_FAILED = "mail_failed"
    ADDRESS_CLOSED = "address_closed"
    NAMED = "named"
    """Somebody named the person, with a reason of their own."""


class CoverRule(StrEnum):
    """Who is covered."""

    UNREACHABLE = "unreachable"
    LIST = "list"


class MailWay(StrEnum):
    """What is known of a mail address of a person."""

    OPEN = "open"
    RETURNED = "returned"
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where people can ask whether they are among those affected."""

    phone: str = ""
    hours: str = ""
    until: date | None = None

    @property
    def is_given(self) -> bool:
        """True when people know where to call, at which hours, and how long."""
        return bool(self.phone and self.hours and self.until)


@dataclass(frozen=True, kw_only=True)
class Published:
    """What was published: where, when, and with which desk."""

    place: str
    url: str
    published_at: datetime
    desk: Desk


def check_published(published: Published, *, now: datetime) -> None:
    """Refuse a publication without a place, with an address that nobody can open, or of the future."""
    if not published.place.strip():
        raise BadInput(field="place", problem="say where it was published")
    check_length(published.place, field="place")
    check_length(published.url, field="url", longest=LONGEST_URL)
    if published.url and not _is_web_address(published.url):
        raise BadInput(field="url", problem="write the whole address, beginning with https:// or http://")
    if published.published_at > now:
        raise BadInput(field="published_at", problem="what is not published yet is recorded once it is")
    check_length(published.desk.phone, field="phone", longest=LONGEST_PHONE)
    check_length(published.desk.hours, field="hours")


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not any(map(str.isspace, url))


def check_may_cover(desk: Desk, *, is_withdrawn: bool, today: date) -> None:
    """Refuse to take a publication for telling people unless it stands and they can still ask (APPI art. 26(2))."""
    if is_withdrawn:
        raise PublicationWithdrawn
    if not desk.is_given or desk.until is None:
        raise DeskMissing
    if desk.until < today:
        raise DeskClosed(until=desk.until)


def reason_to_cover(*, by_hand: bool, mail: Collection[MailWay]) -> CoverReason | None:
    """Tell why only public notice is left for a person; None when they can be reached.

    `by_hand` says that post or telephone may still reach them, `mail` what is known of each mail address.
    """
    if by_hand or MailWay.OPEN in mail:
        return None
    for way, reason in _BECAUSE:
        if way in mail:
            return reason
    return CoverReason.NO_CONTACT


_BECAUSE = (
    (MailWay.RETURNED, CoverReason.MAIL_RETURNED),
    (MailWay.FAILED, CoverReason.MAIL_FAILED),
    (MailWay.CLOSED, CoverReason.ADDRESS_CLOSED),
)
