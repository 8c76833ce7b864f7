"""Readiness: gaps and score as they are now, recording a score, and its history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import ContentDigest, digest_of, digest_of_bytes
from incident_app.domain.errors import BadInput, IncidentAppError
from incident_app.domain.events import ExportMade, ReadinessRecorded
from incident_app.domain.gaps import MONTHS, Gap, PeopleCounts, StoreFacts, all_gaps, register_gaps
from incident_app.domain.ids import Actor
from incident_app.domain.readiness import Fact, Score, facts_from, facts_of, score
from incident_app.domain.responses import read_response
from incident_app.domain.vocabulary import Channel, PersonKind
from incident_app.domain.zones import JST
from incident_app.persistence.customers import Customer
from incident_app.persistence.readiness import (
    ReadinessScore,
    count_people,
    roles_held,
    store_facts,
    without_contact,
)
from incident_app.rendering.tabular import csv_text
from incident_app.services.inventory import current_inventory
from incident_app.services.playbooks import PlaybookKind, newest
from incident_app.services.transaction import reading, transaction

NUMBERS_AT_ONCE = 5_000


MOST_IN_A_PAGE = 500_000
"""Counting takes about three seconds for so many customers with three holdings each; a page must not wait longer."""


class TooManyForAPage(IncidentAppError):
    """There are too many customers to count while a page waits. Run `incident-app readiness record`, once a week."""

    ja = "お客様が多く、画面では数えられません。週に一度 incident-app readiness record を実行してください。"


class Lacking(StrEnum):
    """Whose customer numbers can be written out."""

    CONTACT = "contact"
    EMAIL = "email"


@dataclass(frozen=True, kw_only=True)
class RecordedScore:
    """One score as it was recorded."""

    at: datetime
    value: int
    rules_version: int
    facts: tuple[Fact, ...]
    people: PeopleCounts
    stores: Mapping[str, StoreFacts]

    @property
    def score(self) -> Score:
        """Return the score with what lowered it."""
        return score(self.facts)


@dataclass(frozen=True, kw_only=True)
class GapsShown:
    """The gaps as a page shows them: the register as it is now, people and holdings as they were counted last."""

    gaps: tuple[Gap, ...]
    counted_at: datetime | None


def list_gaps(engine: Engine, *, now: datetime, months: int = MONTHS) -> tuple[Gap, ...]:
    """List every gap: of the register, of the holdings, and of the people (B12)."""
    _check_months(months)
    with reading(engine) as session:
        inventory, today = current_inventory(session), _day(now)
        facts = store_facts(session, inventory, today=today)
        return all_gaps(inventory, count_people(session), facts, today=today, months=months)


def shown_gaps(engine: Engine, *, now: datetime) -> GapsShown:
    """List the gaps without counting people anew: a page must not wait for ten million rows."""
    last = next(iter(list_scores(engine, newest_first=1)), None)
    with reading(engine) as session:
        inventory = current_inventory(session)
    if last is None:
        return GapsShown(gaps=register_gaps(inventory, today=_day(now)), counted_at=None)
    gaps = all_gaps(inventory, last.people, last.stores, today=_day(now))
    return GapsShown(gaps=gaps, counted_at=last.at)


def measure(engine: Engine, *, now: datetime) -> Score:
    """Return the score as it is now; nothing is stored."""
    with reading(engine) as session:
        return score(_count(session, now).facts)


def record_score(engine: Engine, *, actor: Actor, now: datetime) -> Score:
    """Take the score and keep it, so that the team sees it move from week to week."""
    with reading(engine) as session:
        counted = _count(session, now)
    found, content = score(counted.facts), counted.content
    with transaction(engine, actor=actor, now=now) as act:
        act.session.add(
            ReadinessScore(at=now, value=found.value, facts=content, rules_version=found.rules_version, actor=actor),
        )
        act.record(
            ReadinessRecorded(value=found.value, rules_version=found.rules_version, digest=digest_of(content)),
        )
    return found


def fits_a_page(engine: Engine) -> bool:
    """Tell whether the people are few enough to be counted while a page waits."""
    with reading(engine) as session:
        return (session.scalar(sa.select(sa.func.max(Customer.id))) or 0) <= MOST_IN_A_PAGE


def record_score_in_page(engine: Engine, *, actor: Actor, now: datetime) -> Score:
    """Take the score for a page that waits; refuse where that would take too long."""
    if not fits_a_page(engine):
        raise TooManyForAPage
    return record_score(engine, actor=actor, now=now)


def list_scores(engine: Engine, *, newest_first: int = 52) -> list[RecordedScore]:
    """Return the scores recorded last, the newest first."""
    rows = sa.select(ReadinessScore).order_by(ReadinessScore.at.desc(), ReadinessScore.id.desc()).limit(newest_first)
    with reading(engine) as session:
        return [_recorded(row) for row in session.scalars(rows)]


def export_numbers(
    engine: Engine, lacking: Lacking, *, purpose: str, actor: Actor, now: datetime
) -> tuple[str, ContentDigest]:
    """Write the numbers of customers without contact or e-mail address: no names; the purpose is kept."""
    if not purpose.strip():
        raise BadInput(field="purpose", problem="say what the list is for; it is kept on the timeline")
    with reading(engine) as session:
        numbers = [number for part in _numbers(session, lacking) for number in part]
    text = csv_text(("customer_number",), ((number,) for number in numbers))
    digest = digest_of_bytes(text.encode())
    with transaction(engine, actor=actor, now=now) as act:
        kept = act.keep_text(purpose)
        what = f"customers without {lacking}"
        act.record(ExportMade(what=what, rows=len(numbers), digest=digest, purpose_digest=kept.digest))
    return text, digest


def _numbers(session: Session, lacking: Lacking) -> Iterator[Sequence[str]]:
    if lacking is Lacking.EMAIL:
        wanted = without_contact(Channel.EMAIL)
    else:
        wanted = sa.and_(Customer.kind == PersonKind.ORGANISATION, without_contact(*Channel))
    found = (
        sa.select(Customer.customer_number)
        .where(Customer.erased_at.is_(None), wanted)
        .order_by(Customer.customer_number)
        .execution_options(yield_per=NUMBERS_AT_ONCE)
    )
    yield from session.scalars(found).partitions()


@dataclass(frozen=True, kw_only=True)
class _Counted:
    facts: tuple[Fact, ...]
    people: PeopleCounts
    stores: Mapping[str, StoreFacts]

    @property
    def content(self) -> dict[str, Any]:
        """Return what is kept with a score: JSON that `_recorded` reads back."""
        stores = {
            code: {**asdict(facts), "unknown_items": sorted(facts.unknown_items)} for code, facts in self.stores.items()
        }
        return {"facts": [asdict(fact) for fact in self.facts], "people": asdict(self.people), "stores": stores}


def _count(session: Session, now: datetime) -> _Counted:
    inventory, people, today = current_inventory(session), count_people(session), _day(now)
    facts = facts_of(
        inventory, people, roles_needed=_roles_needed(session), roles_held=roles_held(session), today=today
    )
    return _Counted(facts=facts, people=people, stores=store_facts(session, inventory, today=today))


def _recorded(row: ReadinessScore) -> RecordedScore:
    content = row.facts if isinstance(row.facts, Mapping) else {}
    return RecordedScore(
        at=row.at,
        value=row.value,
        rules_version=row.rules_version,
        facts=facts_from(content["facts"]),
        people=PeopleCounts(**content["people"]),
        stores={
            code: StoreFacts(**{**facts, "unknown_items": frozenset(facts["unknown_items"])})
            for code, facts in content["stores"].items()
        },
    )


def _roles_needed(session: Session) -> frozenset[str]:
    playbooks = newest(session, PlaybookKind.RESPONSE)
    responses = [read_response(playbook.content, file=playbook.code) for playbook in playbooks]
    return frozenset(str(step.owner_role) for response in responses for step in response.steps)


def _day(now: datetime) -> date:
    return now.astimezone(JST).date()


def _check_months(months: int) -> None:
    if not 1 <= months <= 120:  # noqa: PLR2004 - ten years
        raise BadInput(field="months", problem="must be between 1 and 120")
