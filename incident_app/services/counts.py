"""Putting numbers of people on record: those of a determination, and any other, with where it comes from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict

from incident_app.domain.events import PeopleCounted
from incident_app.domain.ids import DeterminationId, IncidentId
from incident_app.domain.impact_summary import Summary
from incident_app.domain.person_counts import Composition, CountOrigin
from incident_app.domain.vocabulary import Certainty, CountKind, ItemFlag
from incident_app.domain.words import Words
from incident_app.persistence.impact import PersonCount
from incident_app.persistence.person_counts import PersonCountOrigin
from incident_app.services.transaction import Transaction

ALL = "all"
CARD = "card"


def record_counts(
    act: Transaction,
    incident_id: IncidentId,
    determination_id: DeterminationId,
    summary: Summary,
    compositions: Mapping[str, Composition] | None = None,
    *,
    subjects: Collection[str] = (ALL, CARD),
) -> None:
    """Put the numbers of a determination on record: an exact one when all are confirmed, else a maximum."""
    assumed = summary["by_certainty"].get(Certainty.ASSUMED, 0)
    confirmed = summary["by_certainty"].get(Certainty.CONFIRMED, 0)
    cards = summary["by_flag"].get(ItemFlag.CARD_NUMBER, 0)
    sure_cards = summary["confirmed_by_flag"].get(ItemFlag.CARD_NUMBER, 0)
    for subject, sure, possible in ((ALL, confirmed, assumed), (CARD, sure_cards, cards - sure_cards)):
        if subject not in subjects:
            continue
        composition = (compositions or {}).get(subject) or Composition(rows=sure + possible)
        basis = determined_basis(sure, possible, composition)
        keep_count(
            act,
            PersonCount(
                incident_id=incident_id,
                determination_id=determination_id,
                subject=subject,
                kind=CountKind.MAXIMUM if possible else CountKind.EXACT,
                value=composition.natural_persons,
                basis_ja=basis.ja,
                basis_en=basis.en,
                at=act.now,
                by=act.actor,
            ),
            CountOrigin.DETERMINATION,
            composition=composition,
        )


def determined_basis(sure: int, possible: int, composition: Composition) -> Words:
    """Say what a number of a determination rests on."""
    made_of = composition.words()
    return Words(
        ja=f"影響の判定（確定 {sure:,}、推定 {possible:,}）による。{made_of.ja}",
        en=f"by the determination of impact ({sure:,} confirmed, {possible:,} assumed): {made_of.en}",
    )


def keep_count(
    act: Transaction,
    row: PersonCount,
    origin: CountOrigin,
    *,
    composition: Composition | None = None,
    replaces_id: int | None = None,
    reason: str | None = None,
) -> int:
    """Put one number of people on record with where it comes from; return its id, by which papers quote it."""
    act.session.add(row)
    act.session.flush()
    text = act.keep_text(reason) if reason else None
    act.session.add(
        PersonCountOrigin(
            count_id=row.id,
            origin=origin,
            composition=asdict(composition) if composition else None,
            replaces_id=replaces_id,
            reason_text_id=text.id if text else None,
        ),
    )
    act.record(
        PeopleCounted(
            count_id=row.id,
            subject=row.subject,
            count_kind=row.kind,
            value=row.value,
            origin=origin,
            reason_digest=text.digest if text else None,
        ),
        incident=IncidentId(row.incident_id),
    )
    return row.id
