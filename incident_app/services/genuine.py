"""Pages that confirm a notice, written as a folder of files that any web server hands out (K10).

They say what was sent, when, with which subject and from which domain, and what a genuine notice never asks. Codes are
shown without their last group: see decision 0048.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import ContentDigest
from incident_app.domain.errors import BadInput, IncidentAppError, NotFound
from incident_app.domain.events import ExportMade, NoticeRetracted
from incident_app.domain.genuine import CodeGroup, Desk, SentNotice, Site, depth_for, prefix_of, shown_code
from incident_app.domain.ids import Actor, IncidentId, NoticeId
from incident_app.domain.vocabulary import Language, Relation
from incident_app.domain.zones import JST
from incident_app.persistence.genuine import SentMessage, sent_messages
from incident_app.persistence.notices import Notice, NoticeVersion, NoticeWithdrawal
from incident_app.persistence.outbox import Campaign
from incident_app.rendering.genuine import LANGUAGES, STYLE, GenuinePages, page_of
from incident_app.services.policies import any_policy
from incident_app.services.transaction import reading_one_moment, transaction
from notifications.addresses import domain_of

MARK = "genuine.json"
"""Stands in every folder that was written by this: nothing else is ever replaced."""
_PURPOSE = "pages by which people confirm that a notice is genuine"


class FolderInUse(IncidentAppError):
    """The folder holds files that are not pages of this kind. Name an empty folder, or one written before."""

    ja = "このフォルダーには別のファイルがあります。空のフォルダーか、前に書き出したフォルダーを指定してください。"


class NothingSent(IncidentAppError):
    """No approved notice was sent yet, so that there is nothing to confirm."""

    ja = "承認された通知はまだ送られていないため、確かめるものがありません。"


class AlreadyRetracted(IncidentAppError):
    """This version of the notice was withdrawn already."""

    ja = "この版の通知文は、すでに取り下げられています。"


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was written."""

    notices: int
    codes: int
    files: int
    largest_file: int
    digest: ContentDigest


Kind = tuple[int, int]
"""One text as one wave sent it: wave and version."""


def write_genuine_pages(engine: Engine, folder: Path, pages: GenuinePages, *, actor: Actor, now: datetime) -> Written:
    """Write the pages into a folder; an earlier one is replaced at once, and only when all of the new one is there."""
    _check_folder(folder)
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    draft.mkdir(parents=True)
    try:
        with reading_one_moment(engine) as session:
            written = _write(session, draft, pages, now)
        with transaction(engine, actor=actor, now=now) as act:
            purpose = act.keep_text(_PURPOSE)
            act.record(
                ExportMade(
                    what="genuine_pages", rows=written.codes, digest=written.digest, purpose_digest=purpose.digest
                )
            )
        _put_in_place(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return written


def _check_folder(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARK).is_file())):
        raise FolderInUse


def _put_in_place(draft: Path, folder: Path) -> None:
    aside = draft.with_name(f"{draft.name}.old")
    with contextlib.suppress(FileNotFoundError):
        folder.rename(aside)
    draft.rename(folder)
    shutil.rmtree(aside, ignore_errors=True)


def _write(session: Session, folder: Path, pages: GenuinePages, now: datetime) -> Written:
    """Read what was sent twice: once to know the notices and how many codes there are, once to write them."""
    days: dict[Kind, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    prefixes: set[str] = set()
    for messages in sent_messages(session):
        for message in messages:
            days[_kind(message)][_day(message)] += 1
            prefixes.add(prefix_of(message.token, 2))
    if not days:
        raise NothingSent
    codes = sum(sum(numbers.values()) for numbers in days.values())
    depth = depth_for(codes)
    notices = _notices(session, days)
    shown = tuple(sorted({prefix[:depth] for prefix in prefixes}))
    files = _Files(folder)
    sites = {language: _site(session, notices, shown, language, now) for language in LANGUAGES}
    _write_frame(files, pages, sites)
    for prefix, groups in _groups(sent_messages(session), notices, depth):
        for language, site in sites.items():
            files.put(f"{language}/{page_of(prefix)}", pages.codes(site, language, prefix, groups))
    listed = len(set(notices.values()))
    files.put(MARK, json.dumps({"notices": listed, "codes": codes, "made_at": now.isoformat()}) + "\n")
    return Written(notices=listed, codes=codes, files=files.count, largest_file=files.largest, digest=files.digest)


def _write_frame(files: _Files, pages: GenuinePages, sites: Mapping[str, Site]) -> None:
    files.put(STYLE, pages.style())
    files.put("index.html", pages.start({language: site.company for language, site in sites.items()}))
    for language, site in sites.items():
        files.put(f"{language}/index.html", pages.index(site, language))


class _Files:
    """The files of a folder as they are written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hash = hashlib.sha256()
        self.count = 0
        self.largest = 0

    @property
    def digest(self) -> ContentDigest:
        """Return the digest over names and contents in the order in which they were written."""
        return ContentDigest(self._hash.hexdigest())

    def put(self, name: str, text: str) -> None:
        """Write one file."""
        content = text.encode()
        path = self._folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        path.parent.chmod(0o755)  # whatever this program's own files are kept to, these are for everybody
        path.chmod(0o644)
        self._hash.update(f"{name}\n{hashlib.sha256(content).hexdigest()}\n".encode())
        self.count += 1
        self.largest = max(self.largest, len(content))


def _kind(message: SentMessage) -> Kind:
    return message.campaign_id, message.notice_version_id


def _day(message: SentMessage) -> date:
    return message.sent_at.astimezone(JST).date()


def _groups(
    pages: Iterator[Sequence[SentMessage]], notices: Mapping[Kind, SentNotice], depth: int
) -> Iterator[tuple[str, list[CodeGroup]]]:
    """Yield the codes that begin alike, by notice and day; no more than those of one page are held."""
    prefix: str | None = None
    held: dict[tuple[int, date], list[str]] = defaultdict(list)
    by_number = {notice.number: notice for notice in notices.values()}
    for messages in pages:
        for message in messages:
            if (begins := prefix_of(message.token, depth)) != prefix:
                if prefix is not None:
                    yield prefix, _grouped(held, by_number)
                prefix, held = begins, defaultdict(list)
            held[notices[_kind(message)].number, _day(message)].append(shown_code(message.token))
    if prefix is not None:
        yield prefix, _grouped(held, by_number)


def _grouped(held: Mapping[tuple[int, date], list[str]], notices: Mapping[int, SentNotice]) -> list[CodeGroup]:
    return [
        CodeGroup(notice=notices[number], sent_on=day, codes=tuple(held[number, day])) for number, day in sorted(held)
    ]


def _notices(session: Session, days: Mapping[Kind, Mapping[date, int]]) -> dict[Kind, SentNotice]:
    """Return each text as it was sent, one number for the same text in several waves of one sender."""
    found: dict[Kind, tuple[NoticeVersion, Campaign]] = {
        (wave, version): (session.get_one(NoticeVersion, version), session.get_one(Campaign, wave))
        for wave, version in days
    }
    alike: dict[tuple[int, str], list[Kind]] = defaultdict(list)
    for kind, (version, campaign) in found.items():
        alike[version.id, campaign.sender_address].append(kind)
    ordered = sorted(alike.values(), key=lambda kinds: (min(min(days[kind]) for kind in kinds), min(kinds)))
    notices: dict[Kind, SentNotice] = {}
    for number, kinds in enumerate(ordered, start=1):
        sent = [day for kind in kinds for day in days[kind]]
        version, campaign = found[kinds[0]]
        notice = SentNotice(
            number=number,
            subject=version.subject,
            language=version.language,
            company=_name(campaign.sender_name, version.language),
            domain=domain_of(campaign.sender_address),
            first_on=min(sent),
            last_on=max(sent),
            messages=sum(sum(days[kind].values()) for kind in kinds),
            withdrawn_on=_withdrawn_on(session, version),
        )
        notices |= dict.fromkeys(kinds, notice)
    return notices


def _name(names: object, language: str) -> str:
    return str(names.get(language, "")) if isinstance(names, dict) else ""


def _withdrawn_on(session: Session, version: NoticeVersion) -> date | None:
    at = session.scalar(
        sa.select(NoticeWithdrawal.withdrawn_at).where(
            NoticeWithdrawal.notice_id == version.notice_id, NoticeWithdrawal.version == version.version
        ),
    )
    return at.astimezone(JST).date() if at else None


def _site(
    session: Session, notices: Mapping[Kind, SentNotice], prefixes: tuple[str, ...], language: str, now: datetime
) -> Site:
    policy = any_policy(session)
    desk, company, read_in = policy.desk_for(Relation.CUSTOMER), policy.ourselves, Language(language)
    return Site(
        company=company.name_ja if language == "ja" else company.name_en,
        desk=Desk(
            name=desk.name.in_(read_in), phone=desk.phone, hours=desk.hours.in_(read_in), note=desk.note.in_(read_in)
        ),
        notices=tuple(sorted(set(notices.values()), key=lambda notice: notice.number)),
        prefixes=prefixes,
        made_at=now,
    )


def retract_notice(
    engine: Engine,
    incident_id: IncidentId,
    notice_id: NoticeId,
    version: int,
    *,
    reason: str,
    actor: Actor,
    now: datetime,
) -> None:
    """Say that a version of a notice holds no longer: no wave sends it any more, and the public page says so."""
    if not reason.strip():
        raise BadInput(field="reason", problem="say why it was withdrawn")
    with transaction(engine, actor=actor, now=now) as act:
        notice = act.session.get(Notice, notice_id, with_for_update=True)
        if notice is None or notice.incident_id != incident_id or not 1 <= version <= notice.current_version:
            raise NotFound(what="notice", name=notice_id)
        known = sa.select(NoticeWithdrawal.id).where(
            NoticeWithdrawal.notice_id == notice_id, NoticeWithdrawal.version == version
        )
        if act.session.scalar(known) is not None:
            raise AlreadyRetracted
        text = act.keep_text(reason)
        act.session.add(
            NoticeWithdrawal(
                notice_id=notice_id, version=version, reason_text_id=text.id, withdrawn_at=now, withdrawn_by=actor
            )
        )
        act.record(
            NoticeRetracted(notice_id=notice_id, version=version, reason_digest=text.digest), incident=incident_id
        )
