"""An import that was cut off is abandoned: nothing of it stays visible, and nobody waits for it."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.vocabulary import ImportStatus
from incident_app.persistence.customers import (
    Holding,
    Import,
)
from incident_app.services.abandoning import NotUnderWay, abandon_import
from incident_app.services.transaction import reading
from tests import builders
from tests.builders import NOW, SYSTEM, import_text
from tests.services.importing import HEAD, cut_off, imported, visible


def test_an_abandoned_import_leaves_what_was_visible_before(instance: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    builders.with_customers(instance)
    before = visible(instance)
    later = NOW + timedelta(days=1)
    head = "customer_number,kind,name,email\n"
    changed = (
        head + "C1,organisation,改名,new@example.jp\nC2,person,改名,n2@example.jp\n" + "N1,person,新,n@example.jp\n"
    )
    number = cut_off(instance, changed + "N2,person,新,n3@example.jp\n", monkeypatch, after=2, now=later)
    assert visible(instance) != before
    assert abandon_import(instance, number, actor=SYSTEM, now=later) == 0
    assert visible(instance) == before
    with pytest.raises(NotUnderWay, match="abandoned"):
        abandon_import(instance, number, actor=SYSTEM, now=later)
    held = "customer_number,store,items\nC1,member-db,name\nC2,member-db,name\nC3,member-db,name\n"
    number = cut_off(instance, held, monkeypatch, after=1, now=later)
    assert visible(instance) != before
    assert abandon_import(instance, number, actor=SYSTEM, now=later) > 0
    assert visible(instance) == before
    assert imported(instance, held.encode(), now=later).rows_kept == 3


def test_nobody_waits_while_an_import_that_is_abandoned_looks_for_its_rows(
    instance: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.with_customers(instance)
    held = "customer_number,store,items\nC1,member-db,name\nC2,member-db,name\nC3,member-db,name\n"
    number = cut_off(instance, held, monkeypatch, after=1)
    searched: list[bool] = []

    def note(connection: sa.Connection, _cursor: object, statement: str, *_told: object) -> None:
        if statement.startswith("SELECT") and "FROM holdings" in statement:
            searched.append(bool(connection.get_execution_options().get("for_reading")))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        assert abandon_import(instance, number, actor=SYSTEM, now=NOW) > 0
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert len(searched) > 2
    assert all(searched)


def test_a_determination_at_any_moment_does_not_see_an_abandoned_import(
    instance: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.with_customers(instance)
    held = "customer_number,store,items\nC1,member-db,name\nC2,member-db,name\nC3,member-db,name\n"
    number = cut_off(instance, held, monkeypatch, after=1)
    abandon_import(instance, number, actor=SYSTEM, now=NOW)
    import_text(instance, HEAD + "Z1,後,z@example.jp\n")
    with reading(instance) as session:
        for known_at in session.scalars(
            sa.select(Import.at).where(Import.status == ImportStatus.SEALED).order_by(Import.at)
        ):
            seen = sa.select(sa.func.count()).where(
                Holding.recorded_at <= known_at,
                sa.or_(Holding.retracted_at.is_(None), Holding.retracted_at > known_at),
            )
            assert session.scalar(seen) in ({0} if known_at == NOW else {7})


def test_a_transfer_list_that_was_abandoned_is_still_missing(instance: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows stay in the table; taken for a list, they would say that nobody is affected at the party."""
    builders.with_customers(instance)
    rows = "".join(f"C{number},at-mailing-house,name\n" for number in range(1, 5))
    number = cut_off(instance, f"customer_number,store,items\n{rows}", monkeypatch, after=2)
    abandon_import(instance, number, actor=SYSTEM, now=NOW)
    view = builders.an_incident(instance)
    builders.import_text(instance, HEAD + "Z1,後,z@example.jp\n")
    found = builders.determined(instance, view.id, builders.a_scope("at-mailing-house"))
    assert found.by_certainty["assumed"] == 5  # every customer of ours may be on their list
