"""The companies that a determination concerns: stored with it, read back, and compared when it is verified."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.affected_parties import AffectedPartyFinding
from incident_app.domain.vocabulary import DisclosureBasis, PartyRole
from incident_app.persistence.bulk import insert_new
from incident_app.persistence.impact import AffectedParty
from incident_app.persistence.inventory import ThirdParty

Names = Mapping[str, tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class AffectedPartyView:
    """One company in one role, by what we published or by what is known."""

    code: str
    name_ja: str
    name_en: str
    role: PartyRole
    basis: DisclosureBasis
    items_ja: tuple[str, ...]
    items_en: tuple[str, ...]
    uncertain_ja: tuple[str, ...]
    uncertain_en: tuple[str, ...]
    only_here_ja: tuple[str, ...]
    only_here_en: tuple[str, ...]
    """Items that the other basis does not name, where both speak of this role: published and actual differ."""
    reason_ja: str
    reason_en: str


def store_parties(session: Session, determination_id: int, found: Iterable[AffectedPartyFinding]) -> None:
    """Store the companies below a determination that is being built."""
    ids = dict(session.execute(sa.select(ThirdParty.code, ThirdParty.id)).all())
    rows = [
        {
            "determination_id": determination_id,
            "party_id": ids[finding.party],
            "role": finding.role,
            "basis": finding.basis,
            "item_codes": sorted(finding.items),
            "uncertain_codes": sorted(finding.uncertain),
            "reason_ja": finding.reason.ja,
            "reason_en": finding.reason.en,
        }
        for finding in found
    ]
    insert_new(session, AffectedParty, rows)


def are_stored(session: Session, determination_id: int, found: Iterable[AffectedPartyFinding]) -> bool:
    """Tell whether exactly these companies are stored; versions from before they were kept have none at all."""
    stored = {
        (code, row.role, row.basis, tuple(row.item_codes), tuple(row.uncertain_codes), row.reason_ja, row.reason_en)
        for row, code in _rows(session, determination_id)
    }
    wanted = {
        (
            finding.party,
            finding.role,
            finding.basis,
            tuple(sorted(finding.items)),
            tuple(sorted(finding.uncertain)),
            finding.reason.ja,
            finding.reason.en,
        )
        for finding in found
    }
    return not stored or stored == wanted


def parties_of(session: Session, determination_id: int, names: Names) -> tuple[AffectedPartyView, ...]:
    """Return the companies of a version, by name of the company; `names` are those of the items."""
    rows = _rows(session, determination_id)
    known = {(row.party_id, row.role, row.basis): {*row.item_codes, *row.uncertain_codes} for row, _ in rows}
    parties = {row.id: row for row in session.scalars(sa.select(ThirdParty))}
    views = []
    for row, code in rows:
        other = known.get((row.party_id, row.role, _OTHER[row.basis]))
        only_here = [] if other is None else [item for item in row.item_codes if item not in other]
        views.append(
            AffectedPartyView(
                code=code,
                name_ja=parties[row.party_id].name_ja,
                name_en=parties[row.party_id].name_en,
                role=row.role,
                basis=row.basis,
                items_ja=_named(names, row.item_codes, 0),
                items_en=_named(names, row.item_codes, 1),
                uncertain_ja=_named(names, row.uncertain_codes, 0),
                uncertain_en=_named(names, row.uncertain_codes, 1),
                only_here_ja=_named(names, only_here, 0),
                only_here_en=_named(names, only_here, 1),
                reason_ja=row.reason_ja,
                reason_en=row.reason_en,
            ),
        )
    return tuple(views)


_OTHER = {
    DisclosureBasis.PUBLISHED: DisclosureBasis.ACTUAL,
    DisclosureBasis.ACTUAL: DisclosureBasis.PUBLISHED,
}


def _rows(session: Session, determination_id: int) -> list[tuple[AffectedParty, str]]:
    found = session.execute(
        sa.select(AffectedParty, ThirdParty.code)
        .join(ThirdParty, ThirdParty.id == AffectedParty.party_id)
        .where(AffectedParty.determination_id == determination_id)
        .order_by(ThirdParty.code, AffectedParty.role, AffectedParty.basis),
    )
    return [(row, code) for row, code in found]


def _named(names: Names, codes: Iterable[str], language: int) -> tuple[str, ...]:
    return tuple(names.get(code, (code, code))[language] for code in codes)
