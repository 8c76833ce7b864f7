"""Evidence: files kept by their digest under the home folder, so that a later change of their bytes is found (A7)."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.errors import BadInput, IncidentAppError
from incident_app.domain.events import EvidenceAdded
from incident_app.domain.ids import Actor, IncidentId
from incident_app.persistence.incidents import Evidence
from incident_app.services.transaction import Transaction, reading, transaction

PIECE = 1 << 18
LONGEST_SUFFIX = 10

Source: TypeAlias = bytes | Path
"""A file, or its content."""


class EvidenceAltered(IncidentAppError):
    """The copy of this file under evidence/{digest} was changed. Keep it, find out why, then restore the folder."""

    ja = "このファイルの保管分（evidence/{digest}）が書き換えられています。原因を調べ、控えから戻してください。"


class FileChanged(IncidentAppError):
    """The file changed while it was read. Nothing was stored; hand it in again."""

    ja = "読み込みの途中でファイルが変わりました。何も保存していません。もう一度読み込んでください。"


class Condition(StrEnum):
    """What became of the bytes of a piece of evidence."""

    WHOLE = "whole"
    ALTERED = "altered"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True)
class EvidenceView:
    """A piece of evidence, and whether its bytes are what they were."""

    id: int
    sha256: str
    size: int
    media_type: str
    stored_at: datetime
    condition: Condition | None = None


def pieces_of(source: Source) -> Iterator[bytes]:
    """Yield the bytes of a file or of content, piece by piece."""
    if isinstance(source, bytes):
        for start in range(0, len(source), PIECE):
            yield source[start : start + PIECE]
        return
    with source.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def measure(source: Source) -> tuple[str, int]:
    """Return the SHA-256 and the length of a file."""
    digest, size = hashlib.sha256(), 0
    for piece in pieces_of(source):
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size


def keep_file(folder: Path, source: Source, *, digest: str) -> None:
    """Copy a file under its digest, readable by its owner only; a file that is there already stays as it is."""
    path = path_of(folder, digest)
    if path.exists():
        if measure(path)[0] != digest:
            raise EvidenceAltered(digest=digest[:12])
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{digest[:12]}.{secrets.token_hex(8)}")
    try:
        written = _write(draft, pieces_of(source))
        if written != digest:
            raise FileChanged
        with contextlib.suppress(FileExistsError):  # another process was first: it kept the same bytes
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def path_of(folder: Path, digest: str) -> Path:
    """Return where a file of that digest lies."""
    return folder / digest[:2] / digest


def _write(draft: Path, pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def add_evidence(
    engine: Engine,
    incident_id: IncidentId,
    source: Source,
    *,
    folder: Path,
    file_name: str,
    actor: Actor,
    now: datetime,
) -> int:
    """Keep a file as evidence of an incident; return its number. The same file again returns the earlier number."""
    digest, size = measure(source)
    if not size:
        raise BadInput(field="file", problem="the file is empty")
    keep_file(folder, source, digest=digest)
    with reading(engine) as session:
        known = session.scalar(evidence_number(incident_id, digest))
    if known is not None:
        return known
    with transaction(engine, actor=actor, now=now) as act:
        return record_evidence(act, incident_id, digest, size, file_name=_bare(file_name))


def _bare(file_name: str) -> str:
    """Return a name that says no more than the kind of file: names of files may name people."""
    suffix = Path(file_name).suffix.lower()
    plain = suffix[1:].isascii() and suffix[1:].isalnum() and len(suffix) <= LONGEST_SUFFIX
    return f"evidence{suffix}" if plain else "evidence"


def record_evidence(
    act: Transaction,
    incident_id: IncidentId,
    digest: str,
    size: int,
    *,
    file_name: str,
    media_type: str = "application/octet-stream",
) -> int:
    """Say inside a larger act that a file is evidence of an incident; once per incident and file."""
    known = act.session.scalar(evidence_number(incident_id, digest))
    if known is not None:
        return known
    evidence = Evidence(
        incident_id=incident_id,
        file_name=file_name,
        media_type=media_type,
        size=size,
        sha256=digest,
        stored_at=act.now,
        added_by=act.actor,
    )
    act.session.add(evidence)
    act.session.flush()
    act.record(EvidenceAdded(evidence_id=evidence.id, sha256=digest, size=size), incident=incident_id)
    return evidence.id


def evidence_number(incident_id: IncidentId, digest: str) -> sa.Select[int]:
    """Return the query for the number that a file bears as evidence of an incident."""
    return (
        sa.select(Evidence.id)
        .where(Evidence.incident_id == incident_id, Evidence.sha256 == digest)
        .order_by(Evidence.id)
        .limit(1)
    )


def list_evidence(engine: Engine, incident_id: IncidentId, *, folder: Path | None = None) -> list[EvidenceView]:
    """Return the evidence of an incident; with a folder, recompute the digest of each and compare."""
    with reading(engine) as session:
        rows = session.scalars(
            sa.select(Evidence).where(Evidence.incident_id == incident_id).order_by(Evidence.id),
        ).all()
        views = [
            EvidenceView(
                id=row.id, sha256=row.sha256, size=row.size, media_type=row.media_type, stored_at=row.stored_at
            )
            for row in rows
        ]
    if folder is None:
        return views
    return [_checked(view, folder) for view in views]


def _checked(view: EvidenceView, folder: Path) -> EvidenceView:
    path = path_of(folder, view.sha256)
    if not path.exists():
        condition = Condition.MISSING
    else:
        condition = Condition.WHOLE if measure(path) == (view.sha256, view.size) else Condition.ALTERED
    return EvidenceView(
        id=view.id,
        sha256=view.sha256,
        size=view.size,
        media_type=view.media_type,
        stored_at=view.stored_at,
        condition=condition,
    )
