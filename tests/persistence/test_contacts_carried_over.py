"""Who was told by other means before there were records of it keeps that when the records come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import Standing
from incident_app.persistence import schema
from incident_app.persistence.letters import ContactByHand
from incident_app.services import people
from incident_app.services.transaction import reading
from tests.builders import NOW, author
from tests.services.reaching import to_inform


def test_people_told_before_the_records_have_one_of_their_own(instance: Engine) -> None:
    incident = to_inform(instance)
    people.record_told(
        instance,
        incident,
        ["C1", "C5"],
        standing=Standing.INFORMED_OTHERWISE,
        how="来店",
        reason="店頭で伝えた",
        actor=author(instance).actor,
        now=NOW,
    )
    with instance.begin() as connection:
        config = schema.alembic_config(connection)
        before = ScriptDirectory.from_config(config).get_revision("0019").down_revision
        command.downgrade(config, str(before))
    schema.upgrade(instance)
    assert schema.schema_faults(instance) == []
    with reading(instance) as session:
        rows = session.scalars(sa.select(ContactByHand).order_by(ContactByHand.person_id)).all()
        assert [(row.record, row.way, row.outcome, row.undone_at) for row in rows] == [(0, "来店", "told", None)] * 2
        assert all(row.reason_text_id for row in rows)
