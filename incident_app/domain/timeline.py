"""The chain of events: how an entry is hashed, and how the first altered, removed or reordered one is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from incident_app.domain.digests import ContentDigest, canonical_text

GENESIS = ContentDigest("0" * 64)
"""The hash before the first event."""


@dataclass(frozen=True, kw_only=True)
class ChainedEvent:
    """One stored event: its columns repeat what its body says."""

    sequence: int
    incident_id: int | None
    kind: str
    actor: str
    occurred_at: datetime | None
    recorded_at: datetime | None
    """None when what is stored is no time: then the columns differ from what was hashed."""
    body: str
    previous_hash: str
    hash: str


class Damage(StrEnum):
    """What can be wrong with a stored chain."""

    ALTERED = "altered"
    COLUMNS_DIFFER = "columns_differ"
    REMOVED = "removed"
    REORDERED = "reordered"
    CUT_OFF = "cut_off"
    HEAD_DIFFERS = "head_differs"


@dataclass(frozen=True, kw_only=True)
class Break:
    """The first place where the chain does not hold."""

    sequence: int
    damage: Damage
    ja: str
    en: str


def event_body(
    *,
    sequence: int,
    incident_id: int | None,
    kind: str,
    actor: str,
    occurred_at: datetime | None,
    recorded_at: datetime | None,
    facts: Mapping[str, object],
) -> str:
    """Write the canonical text of an event: what is hashed."""
    return canonical_text(
        {
            "sequence": sequence,
            "incident_id": incident_id,
            "kind": kind,
            "actor": actor,
            "occurred_at": occurred_at,
            "recorded_at": recorded_at,
            "facts": facts,
        },
    )


def event_hash(previous_hash: str, body: str) -> ContentDigest:
    """Return SHA-256(previous hash, line feed, body)."""
    return ContentDigest(hashlib.sha256(f"{previous_hash}\n{body}".encode()).hexdigest())


def first_break(
    events: Iterable[ChainedEvent], *, head: tuple[int, str] | None, anchors: Iterable[tuple[int, str]] = ()
) -> Break | None:
    """Walk the chain in order of sequence; return the first place where it does not hold, or None.

    `head` is the stored (sequence, hash) of the newest event, None when it is lost; `anchors` are (sequence, hash)
    pairs written down earlier; every one of them must hold, so that a later, forged one cannot hide a true one.
    """
    expected, previous = 1, str(GENESIS)
    anchored: dict[int, set[str]] = {}
    for sequence, written_down in anchors:
        anchored.setdefault(sequence, set()).add(written_down)
    for entry in events:
        found = _break_at(entry, expected, previous) or _anchor_break(entry, anchored)
        if found:
            return found
        expected, previous = expected + 1, entry.hash
    last = expected - 1
    if head is None:
        return _broken(last, Damage.HEAD_DIFFERS, "末尾の控えが失われています", "the stored head is missing")
    beyond = [sequence for sequence in anchored if sequence > last]
    if head[0] > last or beyond:
        return _broken(last + 1, Damage.CUT_OFF, "この記録より後が失われています", "everything from here on is missing")
    if head != (last, previous):
        return _broken(last, Damage.HEAD_DIFFERS, "末尾の記録が控えと違います", "the end differs from the stored head")
    return None


def _break_at(entry: ChainedEvent, expected: int, previous: str) -> Break | None:
    if entry.sequence != expected:
        return _broken(expected, Damage.REMOVED, "この番号の記録がありません", "this event is missing")
    if entry.previous_hash != previous:
        return _broken(
            entry.sequence, Damage.REORDERED, "前の記録とつながっていません", "it does not follow the one before it"
        )
    if event_hash(previous, entry.body) != entry.hash:
        return _broken(entry.sequence, Damage.ALTERED, "内容が書き換えられています", "its content was altered")
    if not _columns_agree(entry):
        return _broken(
            entry.sequence, Damage.COLUMNS_DIFFER, "列の値が本文と違います", "its columns differ from what was hashed"
        )
    return None


def _columns_agree(entry: ChainedEvent) -> bool:
    """Tell whether the body says what the columns say, by writing it again from them."""
    try:
        body = json.loads(entry.body)
        return isinstance(body, dict) and entry.body == event_body(
            sequence=entry.sequence,
            incident_id=entry.incident_id,
            kind=entry.kind,
            actor=entry.actor,
            occurred_at=entry.occurred_at,
            recorded_at=entry.recorded_at,
            facts=body.get("facts", {}),
        )
    except (ValueError, TypeError, RecursionError):
        return False  # no JSON, or a value that no event can hold: a forged body is a finding, not a crash


def _anchor_break(entry: ChainedEvent, anchored: Mapping[int, AbstractSet[str]]) -> Break | None:
    if anchored.get(entry.sequence, {entry.hash}) != {entry.hash}:
        return _broken(entry.sequence, Damage.ALTERED, "控えと違います", "it differs from the anchor written down then")
    return None


def _broken(sequence: int, damage: Damage, ja: str, en: str) -> Break:
    return Break(sequence=sequence, damage=damage, ja=f"{sequence}件目：{ja}。", en=f"Event {sequence}: {en}.")
