"""Item sets: few distinct sets of data items, found or made by their digest."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.digests import digest_of
from incident_app.persistence.bulk import insert_new
from incident_app.persistence.customers import ItemSet


def item_set_id(session: Session, codes: Iterable[str]) -> int:
    """Return the id of the set with exactly these items; make it if it is new."""
    wanted = sorted(set(codes))
    digest = digest_of(wanted)
    insert_new(session, ItemSet, [{"digest": digest, "item_codes": wanted}])
    return session.scalars(sa.select(ItemSet.id).where(ItemSet.digest == digest)).one()


def item_codes(session: Session, set_ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """Return the items of each set."""
    wanted = sorted(set(set_ids))
    if not wanted:
        return {}
    rows = session.execute(sa.select(ItemSet.id, ItemSet.item_codes).where(ItemSet.id.in_(wanted)))
    return {set_id: tuple(codes) for set_id, codes in rows}
