"""Events of proving: public notice, whom it covers, addresses that were corrected, notices that hold no longer."""

from __future__ import annotations

from incident_app.domain.events.base import EventFacts, event


@event("publication.added", ja="公表 第{version}号を記録しました", en="Publication {version} recorded")
class PublicationAdded(EventFacts):
    publication_id: int
    version: int
    place_digest: str
    text_digest: str
    has_desk: bool


@event(
    "publication.retracted",
    ja="公表 第{version}号を取り下げました（未達に戻る人 {people}人）",
    en="Publication {version} withdrawn ({people} people are not reached again)",
)
class PublicationRetracted(EventFacts):
    publication_id: int
    version: int
    people: int
    reason_digest: str


@event(
    "people.covered",
    ja="公表 第{version}号を、{people}人への通知に代えました（{cover_rule}）",
    en="Publication {version} covers {people} people ({cover_rule})",
)
class PeopleCovered(EventFacts):
    publication_id: int
    version: int
    cover_rule: str
    people: int
    people_digest: str
    reason_digest: str


@event(
    "addresses.corrected",
    ja="宛先を {people}人分 訂正しました（出どころ：{known_from}）",
    en="Addresses of {people} people corrected (source: {known_from})",
)
class AddressesCorrected(EventFacts):
    people: int
    known_from: str
    complaints: int
    file_digest: str | None
    reason_digest: str


@event(
    "notice.retracted",
    ja="通知文 第{version}版を取り下げました",
    en="Notice version {version} withdrawn: it holds no longer",
)
class NoticeRetracted(EventFacts):
    notice_id: int
    version: int
    reason_digest: str
