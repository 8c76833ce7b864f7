"""Importing people: refused lines are named, nothing is half-done, the same file twice changes nothing."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.customers import MissingColumns, NoKnownColumn, RowsRefused, UnknownColumns
from incident_app.domain.encodings import UnreadableFile
from incident_app.domain.vocabulary import Channel, ImportStatus
from incident_app.persistence.customers import Customer, CustomerContact, Holding, Import
from incident_app.services import customers, loading
from incident_app.services.customers import NEXT_MOMENT
from incident_app.services.transaction import reading
from tests import builders
from tests.builders import NOW, import_text

HEAD = "customer_number,kind,relation,language,jurisdiction,name,email,postal_address,phone\n"


def count(engine: Engine, table: type) -> int:
    with reading(engine) as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def test_the_same_file_twice_changes_nothing(instance: Engine) -> None:
    first = import_text(instance, builders.CUSTOMERS)
    second = import_text(instance, builders.CUSTOMERS, now=NOW + timedelta(days=1))
    assert (first.rows_kept, first.unchanged) == (6, False)
    assert second.unchanged
    assert second.import_id == first.import_id
    assert count(instance, Customer) == 6


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("C1,person,customer,ja,JP,二度目,x@example.jp,,", "duplicate of line 2"),
        ("C9,person,customer,ja,Japan,国 名,x@example.jp,,", "jurisdiction"),
        ("C9,robot,customer,ja,JP,種 類,x@example.jp,,", "kind must be one of person, organisation"),
        ("C9,person,neighbour,ja,JP,関 係,x@example.jp,,", "relation must be one of"),
        ("C9,person,customer,ja,JP,,x@example.jp,,", "name is empty"),
        (",person,customer,ja,JP,番 号,x@example.jp,,", "customer_number"),
        ("C9,person,customer", "3 values for 9 columns"),
    ],
)
def test_a_bad_row_refuses_the_whole_file_and_is_named_by_line_without_its_content(
    instance: Engine, row: str, reason: str
) -> None:
    text = HEAD + "C1,person,customer,ja,JP,良 い,good@example.jp,,\n" + row + "\n"
    with pytest.raises(RowsRefused, match="line 3") as refusal:
        import_text(instance, text)
    assert reason in str(refusal.value)
    assert "example.jp" not in str(refusal.value)
    assert count(instance, Customer) == 0
    assert count(instance, Import) == 0


def test_keeping_the_good_rows_lists_the_others(instance: Engine) -> None:
    text = HEAD + "C1,person,customer,ja,JP,良 い,good@example.jp,,\nC1,person,customer,ja,JP,重 複,a@example.jp,,\n"
    result = import_text(instance, text, keep_good=True)
    assert (result.rows_read, result.rows_kept) == (2, 1)
    assert [(refusal.line, refusal.person_kept) for refusal in result.refusals] == [(3, False)]


def test_a_person_with_a_bad_mail_address_is_kept_without_it(instance: Engine) -> None:
    result = import_text(instance, HEAD + "C1,person,customer,ja,JP,宛先 不正,no-at-sign.example.jp,試験町1,\n")
    assert result.rows_kept == 1
    assert [(refusal.line, refusal.person_kept) for refusal in result.refusals] == [(2, True)]
    with reading(instance) as session:
        assert session.scalars(sa.select(CustomerContact.channel)).all() == [Channel.POST]


def test_an_address_that_a_carrier_really_issued_is_kept(instance: Engine) -> None:
    import_text(instance, HEAD + "C1,person,customer,ja,JP,山﨑 花子,hana..ko.@keitai.example,,\n")
    with reading(instance) as session:
        assert session.scalars(sa.select(CustomerContact.address)).one() == "hana..ko.@keitai.example"


def test_a_file_without_a_header_is_refused_without_repeating_a_person(instance: Engine) -> None:
    row = "C1,person,customer,ja,JP,髙橋 一郎,ichiro@example.jp,東京都渋谷区試験町1-1,050-0000-0001"
    with pytest.raises(NoKnownColumn) as refused:
        import_text(instance, row + "\n")
    said = f"{refused.value} {refused.value.message('ja')}"
    assert "customer_number" in said
    assert not [person for person in row.split(",")[5:] if person in said]


def test_unknown_and_missing_columns_and_other_encodings_are_refused_clearly(instance: Engine) -> None:
    with pytest.raises(UnknownColumns, match="nickname"):
        import_text(instance, "customer_number,name,nickname\nC1,a,b\n")
    with pytest.raises(MissingColumns, match="name"):
        import_text(instance, "customer_number,email\nC1,a@example.jp\n")
    with pytest.raises(UnreadableFile, match="cut off"):
        customers.import_file(
            instance,
            "customer_number,name\nC1,髙橋".encode("cp932")[:-1],
            address_key=builders.KEY,
            keep_good=True,
            actor=builders.SYSTEM,
            now=NOW,
        )


def test_a_holding_names_a_known_customer_store_item_and_an_aware_time(instance: Engine) -> None:
    import_text(instance, builders.CUSTOMERS)
    text = (
        "customer_number,store,items,held_from\n"
        "C1,member-db,name,\n"
        "C8,member-db,name,\n"
        "C1,nowhere,name,\n"
        "C1,billing-db,passport-copy,\n"
        "C2,member-db,name,2026-01-01T00:00\n"
    )
    result = import_text(instance, text, keep_good=True)
    reasons = [refusal.reason for refusal in result.refusals]
    assert result.rows_kept == 1
    assert "customer_number is not known" in reasons[0]
    assert "store is not in the inventory" in reasons[1]
    assert "passport-copy" in reasons[2]
    assert "UTC offset" in reasons[3]


def test_a_changed_address_closes_the_old_one_and_keeps_it(instance: Engine) -> None:
    import_text(instance, HEAD + "C1,person,customer,ja,JP,転 居,old@example.jp,,\n")
    later = NOW + timedelta(days=1)
    import_text(instance, HEAD + "C1,person,customer,ja,JP,転 居,new@example.jp,,\n", now=later)
    with reading(instance) as session:
        contacts = session.execute(
            sa.select(CustomerContact.address, CustomerContact.valid_until).order_by(CustomerContact.id)
        ).all()
    assert [tuple(row) for row in contacts] == [("old@example.jp", later), ("new@example.jp", None)]


def test_new_knowledge_retracts_the_old_holding_and_says_when_it_ended(instance: Engine) -> None:
    import_text(instance, builders.CUSTOMERS)
    import_text(instance, "customer_number,store,items\nC1,member-db,name email\n")
    later = NOW + timedelta(days=1)
    import_text(instance, "customer_number,store,items\nC1,member-db,name email phone\n", now=later)
    with reading(instance) as session:
        rows = session.execute(
            sa.select(Holding.recorded_at, Holding.held_until, Holding.retracted_at).order_by(
                Holding.recorded_at, Holding.held_until
            )
        ).all()
    assert (NOW + NEXT_MOMENT, None, later) in [tuple(row) for row in rows]
    assert sorted((row.held_until is None, row.retracted_at is None) for row in rows) == [
        (False, True),
        (True, False),
        (True, True),
    ]


def test_an_import_cut_off_by_a_crash_is_taken_up_again_by_the_same_file(
    instance: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loading.Loader.load_customers

    def crash(*_arguments: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(loading.Loader, "load_customers", crash)
    with pytest.raises(ConnectionError):
        import_text(instance, builders.CUSTOMERS)
    monkeypatch.setattr(loading.Loader, "load_customers", real)
    result = import_text(instance, builders.CUSTOMERS, now=NOW + timedelta(hours=1))
    assert (result.rows_kept, result.unchanged) == (6, False)
    with reading(instance) as session:
        assert session.scalars(sa.select(Import.status)).all() == [ImportStatus.SEALED]
    assert count(instance, Customer) == 6
