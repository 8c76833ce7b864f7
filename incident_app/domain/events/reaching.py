"""Events of reaching people whom mail does not reach: contacts by hand, letters handed over and returned."""

from __future__ import annotations

from incident_app.domain.events.base import EventFacts, event


@event(
    "contacts.recorded",
    ja="メール以外で本人に連絡した結果を記録しました（{way}、{outcome} {people}人）",
    en="Contacts by hand recorded ({way}, {outcome}: {people} people)",
)
class ContactsRecorded(EventFacts):
    way: str
    outcome: str
    people: int
    digest: str
    reason_digest: str


@event(
    "contacts.retracted",
    ja="連絡の記録（{record}番）を {people}人分取り消しました",
    en="Contacts by hand taken back (record {record}, {people} people)",
)
class ContactsRetracted(EventFacts):
    record: int
    people: int
    digest: str
    reason_digest: str


@event(
    "letters.prepared",
    ja="書状の束 {batch} を用意しました（{letters}通、通知文 第{notice_version}版）",
    en="Letters prepared: batch {batch} ({letters} letters, notice version {notice_version})",
)
class LettersPrepared(EventFacts):
    batch: str
    letters: int
    notice_id: int
    notice_version: int
    approval_id: int
    content_digest: str
    pdf_digest: str


@event(
    "letters.posted",
    ja="書状の束 {batch} を {day} に差し出しました（{letters}通、これで知らせた人 {people}人）",
    en="Letters handed over on {day}: batch {batch} ({letters} letters, {people} people told by them)",
)
class LettersPosted(EventFacts):
    batch: str
    day: str
    letters: int
    people: int
    receipt_digest: str | None


@event(
    "letters.returned",
    ja="書状が戻りました（{letters}通、また知らせる必要のある人 {people}人）",
    en="Letters came back ({letters} letters, {people} people to be told again)",
)
class LettersReturned(EventFacts):
    letters: int
    people: int
    digest: str


@event(
    "letters.corrected",
    ja="書状の記録を正しました（{correction}、{letters}通）",
    en="Record of letters corrected ({correction}, {letters} letters)",
)
class LettersCorrected(EventFacts):
    correction: str
    letters: int
    digest: str
    reason_digest: str


@event(
    "letters.discarded",
    ja="書状の束 {batch} を破棄しました（{letters}通、差し出していません）",
    en="Letters discarded: batch {batch} ({letters} letters, never handed over)",
)
class LettersDiscarded(EventFacts):
    batch: str
    letters: int
    reason_digest: str
