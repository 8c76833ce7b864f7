"""The copy of a wave that a rehearsal sends: a database of its own that holds this wave and nothing else of anybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.delivery import CampaignStatus
from incident_app.domain.timeline import GENESIS
from incident_app.persistence.bulk import chunks
from incident_app.persistence.outbox import Campaign, DeliveryPerson, DeliveryRow
from incident_app.persistence.tables import Base
from incident_app.persistence.timeline import ChainHead

AT_ONCE = 1_000
WHOLE = (
    "item_sets",
    "data_categories",
    "data_items",
    "third_parties",
    "data_stores",
    "playbook_versions",
)
"""Small tables that the texts of a notice are made with, and that name nobody."""
OF_INCIDENT = ("notices", "impact_determinations", "incident_scopes", "incident_playbooks")
BELOW = {
    "notice_versions": ("notice_id", "notices"),
    "scope_stores": ("scope_id", "incident_scopes"),
    "scope_lists": ("scope_id", "incident_scopes"),
}
UNLIMITED = dict.fromkeys(("per_minute", "connections", "paused_until", "paced"))


def copy_wave(
    session: Session, open_copy: Callable[[], AbstractContextManager[Session]], campaign_id: int, *, now: datetime
) -> None:
    """Copy a wave into an empty database, as it is but for its state: it runs there, at once and without limits.

    `open_copy` opens sessions that are saved, without foreign keys: what the copy leaves out nobody needs who sends.
    """
    campaign = session.get_one(Campaign, campaign_id)
    with open_copy() as copy:
        Base.metadata.create_all(copy.connection())
        copy.execute(sa.insert(ChainHead).values(id=1, sequence=0, hash=GENESIS))
        for name in WHOLE:
            _copy(session, copy, name, sa.true())
        _copy(session, copy, "incidents", _table("incidents").c.id == campaign.incident_id)
        for name in OF_INCIDENT:
            _copy(session, copy, name, _table(name).c.incident_id == campaign.incident_id)
        for name, (column, parent) in BELOW.items():
            of_parent = sa.select(_table(parent).c.id).where(_table(parent).c.incident_id == campaign.incident_id)
            _copy(session, copy, name, _table(name).c[column].in_(of_parent))
        _copy(session, copy, "campaigns", _table("campaigns").c.id == campaign_id, _as_running(campaign, now))
    for ids in _deliveries(session, campaign_id):
        with open_copy() as copy:
            _copy_messages(session, copy, ids)


def _as_running(campaign: Campaign, now: datetime) -> dict[str, object]:
    cleared = ("hours_from", "hours_until", "per_hour_ceiling", "canary_size", "canary_from", "canary_through")
    return {
        **dict.fromkeys(cleared),
        "status": CampaignStatus.RUNNING,
        "approved_digest": campaign.approved_digest or "",
        "started_at": now,
    }


def _deliveries(session: Session, campaign_id: int) -> Iterator[Sequence[int]]:
    ids = sa.select(DeliveryRow.id).where(DeliveryRow.campaign_id == campaign_id).order_by(DeliveryRow.id)
    after = 0
    while found := session.scalars(ids.where(DeliveryRow.id > after).limit(AT_ONCE)).all():
        yield found
        after = found[-1]


def _copy_messages(session: Session, copy: Session, ids: Sequence[int]) -> None:
    at_once = {"next_attempt_at": 0, "paced": None}
    messages = _copy(session, copy, "deliveries", DeliveryRow.id.in_(ids), at_once)
    contact_ids, domain_ids = ({row[name] for row in messages} for name in ("contact_id", "domain_id"))
    _copy(session, copy, "customer_contacts", _table("customer_contacts").c.id.in_(contact_ids))
    _copy(session, copy, "mail_domains", _table("mail_domains").c.id.in_(domain_ids), UNLIMITED)
    inside = _copy(session, copy, "delivery_people", DeliveryPerson.delivery_id.in_(ids))
    person_ids = {row["person_id"] for row in inside}
    people = _copy(session, copy, "people_to_inform", _table("people_to_inform").c.id.in_(person_ids))
    customers = {row["customer_id"] for row in people if row["customer_id"] is not None}
    contacts = sa.select(_table("customer_contacts").c.customer_id).where(
        _table("customer_contacts").c.id.in_(contact_ids)
    )
    table = _table("customers").c
    _copy(session, copy, "customers", sa.or_(table.id.in_(customers), table.id.in_(contacts)))


def _copy(
    session: Session,
    copy: Session,
    name: str,
    condition: sa.ColumnElement[bool],
    changes: Mapping[str, object] | None = None,
) -> list[dict[str, object]]:
    """Copy the rows of a table that the condition names; what is there already is left as it is."""
    rows = [{**row, **(changes or {})} for row in session.execute(sa.select(_table(name)).where(condition)).mappings()]
    for part in chunks(rows, AT_ONCE):
        copy.execute(sa.insert(_table(name)).prefix_with("OR IGNORE"), part)
    return rows


def _table(name: str) -> sa.Table:
    return Base.metadata.tables[name]
