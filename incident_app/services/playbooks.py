"""Playbooks: loading versions of policy, regimes, responses and closures, and pinning them to an incident."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import digest_of
from incident_app.domain.errors import IncidentAppError, NotFound
from incident_app.domain.events import PlaybookLoaded, PlaybookPinned
from incident_app.domain.ids import Actor, IncidentId
from incident_app.persistence.playbooks import IncidentPlaybook, PlaybookVersion
from incident_app.services.transaction import Transaction, reading, transaction


class PlaybookKind(StrEnum):
    """What a playbook file can be."""

    POLICY = "policy"
    REGIME = "regime"
    RESPONSE = "response"
    CLOSURE = "closure"
    SEVERITY = "severity"


class SameVersionOtherText(IncidentAppError):
    """{kind} {code} version {version} was loaded before with another text. Raise the version in the file."""

    ja = "{kind} {code} の版 {version} は、別の内容で読み込み済みです。ファイルの版を上げてください。"


class AlreadyStored(IncidentAppError):
    """{kind} {code} version {version} is stored already."""

    ja = "{kind} {code} の版 {version} は読み込み済みです。"


@dataclass(frozen=True, kw_only=True)
class Playbook:
    """One stored version of a playbook file."""

    id: int
    kind: PlaybookKind
    code: str
    version: str
    digest: str
    content: str


def store_playbook(
    engine: Engine, kind: PlaybookKind, *, code: str, version: str, content: str, actor: Actor, now: datetime
) -> Playbook | None:
    """Store a version of a playbook that was read without fault; None when exactly this text is stored already."""
    with reading(engine) as session:
        if is_stored(session, kind, code=code, version=version, content=content):
            return None
    try:
        with transaction(engine, actor=actor, now=now) as act:
            return add_version(act, kind, code=code, version=version, content=content)
    except AlreadyStored:  # by another process that started at the same time
        return None


def is_stored(session: Session, kind: PlaybookKind, *, code: str, version: str, content: str) -> bool:
    """Tell whether exactly this text is stored; the same version with another text is refused."""
    known = session.scalars(
        sa.select(PlaybookVersion.digest).where(
            PlaybookVersion.kind == kind, PlaybookVersion.code == code, PlaybookVersion.version == version
        ),
    ).one_or_none()
    if known is not None and known != digest_of([kind, content]):
        raise SameVersionOtherText(kind=kind, code=code, version=version)
    return known is not None


def add_version(act: Transaction, kind: PlaybookKind, *, code: str, version: str, content: str) -> Playbook:
    """Store a version inside a larger act; AlreadyStored ends the act when another one was faster."""
    if is_stored(act.session, kind, code=code, version=version, content=content):
        raise AlreadyStored(kind=kind, code=code, version=version)
    row = PlaybookVersion(
        kind=kind,
        code=code,
        version=version,
        digest=digest_of([kind, content]),
        content=content,
        loaded_at=act.now,
    )
    act.session.add(row)
    act.session.flush()
    act.record(PlaybookLoaded(playbook_kind=kind, code=code, version=version, digest=row.digest))
    return _playbook(row)


def newest(session: Session, kind: PlaybookKind) -> list[Playbook]:
    """Return the newest version of each playbook of a kind, by code."""
    rows = session.scalars(
        sa.select(PlaybookVersion).where(PlaybookVersion.kind == kind).order_by(PlaybookVersion.id),
    )
    found = {row.code: _playbook(row) for row in rows}
    return [found[code] for code in sorted(found)]


def get_newest(session: Session, kind: PlaybookKind, code: str) -> Playbook:
    """Return the newest version of one playbook; NotFound otherwise."""
    for playbook in newest(session, kind):
        if playbook.code == code:
            return playbook
    raise NotFound(what=kind, name=code)


def pin_playbooks(act: Transaction, incident_id: IncidentId, *, response: str) -> list[Playbook]:
    """Pin to an incident what it is judged by: the policy, regimes, closures, methods and its response (C2, D8)."""
    wanted = [
        *newest(act.session, PlaybookKind.POLICY),
        *newest(act.session, PlaybookKind.REGIME),
        *newest(act.session, PlaybookKind.CLOSURE),
        *newest(act.session, PlaybookKind.SEVERITY),
        get_newest(act.session, PlaybookKind.RESPONSE, response),
    ]
    for playbook in wanted:
        pin(act, incident_id, playbook)
    return wanted


def add_pin(act: Transaction, incident_id: IncidentId, playbook: Playbook) -> None:
    """Pin one version inside a larger act that records it."""
    act.session.add(
        IncidentPlaybook(incident_id=incident_id, playbook_version_id=playbook.id, pinned_at=act.now),
    )


def pin(act: Transaction, incident_id: IncidentId, playbook: Playbook) -> None:
    """Pin one version to an incident."""
    add_pin(act, incident_id, playbook)
    act.record(
        PlaybookPinned(code=playbook.code, version=playbook.version, digest=playbook.digest), incident=incident_id
    )


def pinned(session: Session, incident_id: IncidentId, kinds: Iterable[PlaybookKind]) -> list[Playbook]:
    """Return the versions that an incident is judged by, in order of pinning."""
    rows = session.scalars(
        sa.select(PlaybookVersion)
        .join(IncidentPlaybook, IncidentPlaybook.playbook_version_id == PlaybookVersion.id)
        .where(
            IncidentPlaybook.incident_id == incident_id,
            IncidentPlaybook.unpinned_at.is_(None),
            PlaybookVersion.kind.in_(list(kinds)),
        )
        .order_by(IncidentPlaybook.id),
    )
    return [_playbook(row) for row in rows]


def _playbook(row: PlaybookVersion) -> Playbook:
    return Playbook(
        id=row.id,
        kind=PlaybookKind(row.kind),
        code=row.code,
        version=row.version,
        digest=row.digest,
        content=row.content,
    )
