"""Imports in bulk: cut off and resumed, abandoned, in any order, of many periods, by profile, from Parquet."""

import csv
import io
import itertools
import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from incident_app.domain.column_profiles import ColumnProfile, read_profile
from incident_app.domain.customers import RowsRefused
from incident_app.domain.holding_changes import Held, settle
from incident_app.domain.vocabulary import ImportStatus
from incident_app.persistence.customers import (
    Customer,
    CustomerChange,
    CustomerContact,
    Holding,
    Import,
)
from incident_app.services.customers import ImportUnderWay, RefusedTo
from incident_app.services.sources import EmptyFile
from incident_app.services.spools import Spool
from incident_app.services.transaction import reading
from tests import builders
from tests.builders import NOW, ROOT, import_text
from tests.services.importing import HEAD, imported, visible


def test_an_import_that_was_killed_is_finished_by_the_same_file_as_if_nothing_had_happened(
    instance: Engine, instance_url: str, tmp_path: Path
) -> None:
    people = HEAD + "".join(f"K{n:02},名前 {n},p{n}@example.jp\n" for n in range(10)) + "K03,二重,x@example.jp\n"
    file = tmp_path / "people.csv"
    file.write_text(people, encoding="utf-8")
    command = [sys.executable, "-m", "tests.services.importing_child", instance_url, str(file), "2"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
    with reading(instance) as session:
        assert session.scalars(sa.select(Import.status)).all() == [ImportStatus.BUILDING]
        assert session.scalar(sa.select(sa.func.count()).select_from(Customer)) == 7
    with pytest.raises(ImportUnderWay, match="under way"):
        import_text(instance, HEAD + "X1,別,y@example.jp\n")
    result = imported(instance, file, keep_good=True)
    assert (result.rows_kept, result.rows_refused, result.unchanged) == (10, 1, False)
    wanted = {("K" + f"{n:02}", "email", f"名前 {n}", f"p{n}@example.jp") for n in range(10)}
    assert wanted <= visible(instance)
    with reading(instance) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(CustomerContact)) == 10


def test_two_imports_never_have_one_moment(instance: Engine) -> None:
    builders.with_customers(instance)
    with reading(instance) as session:
        first, second = session.scalars(sa.select(Import.at).order_by(Import.id))
    assert first < second


def test_several_periods_of_one_person_in_one_store_are_all_kept(instance: Engine) -> None:
    import_text(instance, builders.CUSTOMERS)
    text = (
        "customer_number,store,items,held_from,held_until\n"
        "C1,member-db,name,2020-01-01T00:00Z,2021-01-01T00:00Z\n"
        "C1,member-db,name,2022-01-01T00:00Z,\n"
        "C1,member-db,name email,2022-01-01T00:00Z,\n"
    )
    assert import_text(instance, text).rows_kept == 3
    with reading(instance) as session:
        assert session.scalar(sa.select(sa.func.count()).where(Holding.retracted_at.is_(None))) == 3
    import_text(instance, text.replace("name,2022-01-01T00:00Z,\n", "name,2022-01-01T00:00Z,2023-01-01T00:00Z\n", 1))
    with reading(instance) as session:
        rows = session.execute(sa.select(Holding.held_until).where(Holding.retracted_at.is_(None))).all()
        assert sorted(row[0].year if row[0] else 0 for row in rows) == [0, 2021, 2023]
        assert session.scalar(sa.select(sa.func.count()).where(Holding.retracted_at.is_not(None))) == 1


def test_attributes_that_change_are_kept_as_they_were(instance: Engine) -> None:
    import_text(instance, "customer_number,kind,language\nC1,person,ja\nC2,person,ja\n")
    later = NOW + timedelta(days=1)
    import_text(instance, "customer_number,kind,language\nC1,organisation,en\nC2,person,ja\n", now=later)
    with reading(instance) as session:
        (change,) = session.scalars(sa.select(CustomerChange)).all()
        assert (change.changed_at, change.kind, change.language) == (later, "person", "ja")
        assert session.scalar(sa.select(sa.func.count()).select_from(CustomerContact)) == 0


def test_one_address_of_two_people_is_remarked_on_and_both_are_kept(instance: Engine) -> None:
    import_text(instance, HEAD + "A1,一,same@example.jp\n")
    result = import_text(instance, HEAD + "A2,二,SAME@Example.jp\nA3,三,other@example.jp\nA4,四,other@example.jp\n")
    assert (result.rows_kept, result.rows_refused) == (3, 0)
    remarks = {refusal.line: refusal.reason for refusal in result.refusals}
    assert "same as that of customer id" in remarks[2]
    assert "same as in line 3" in remarks[4]
    assert all(refusal.person_kept for refusal in result.refusals)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1.00E+05,名,a@example.jp", "spreadsheet"),
        ("1E+05,名,a@example.jp", "spreadsheet"),
        ("C9,名\x00前,a@example.jp", "name has a control character"),
        ("C9,名\x1b[31m,a@example.jp", "name has a control character"),
        ('C9,"名\n前",a@example.jp', "name has a control character or a line break"),
        ("C9,名\ufffd,a@example.jp", "replacement character"),
        ("C9," + "名" * 301 + ",a@example.jp", "name has 301 characters; at most 300"),
        ("C9,名", "2 values for 3 columns"),
        ("C9,名,a@example.jp,", "4 values for 3 columns"),
        ('C9,"名"x,a@example.jp', "broken quotes"),
    ],
)
@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_a_bad_row_at_the_end_leaves_nothing_behind(instance: Engine, row: str, reason: str) -> None:
    with pytest.raises(RowsRefused, match="line 4") as refusal:
        import_text(instance, HEAD + "C1,良,g@example.jp\nC2,良,h@example.jp\n" + row + "\n")
    assert reason in str(refusal.value)
    with reading(instance) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Customer)) == 0
        assert session.scalar(sa.select(sa.func.count()).select_from(Import)) == 0


@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_names_are_kept_as_written(instance: Engine) -> None:
    names = ["髙﨑①㈱", "𠮷野 ﾊﾅｺ", "=cmd|'/c calc'!A1", "葛󠄀城　太郎", "a\u202eb"]
    text = HEAD + "".join(f"C{n},{name},c{n}@example.jp\n" for n, name in enumerate(names))
    result = import_text(instance, text)
    assert [(note.line, note.person_kept) for note in result.refusals] == [(6, True)]
    with reading(instance) as session:
        assert session.scalars(sa.select(CustomerContact.name).order_by(CustomerContact.id)).all() == names


@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_line_ends_delimiters_and_breaks_in_an_address_are_read(instance: Engine) -> None:
    for number, (mark, end) in enumerate([(",", "\r\n"), ("\t", "\r"), (";", "\n")]):
        row = [f"D{number}", "名", '"東京都\n渋谷区"']
        text = mark.join(["customer_number", "name", "postal_address"]) + end + mark.join(row) + end
        assert import_text(instance, text).rows_kept == 1
    with reading(instance) as session:
        assert set(session.scalars(sa.select(CustomerContact.address))) == {"東京都\n渋谷区"}


PROFILE = """
kind = "holdings"
encoding = "cp932"
date_format = "%Y/%m/%d"
zone = "Asia/Tokyo"
ignore_others = true
[columns]
customer_number = "お客様番号"
items = "項目"
held_from = "登録日"
[constants]
store = "member-db"
[items]
"氏名" = "name"
"メール" = "email"
"""


@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_a_profile_reads_the_file_of_another_system(instance: Engine) -> None:
    import_text(instance, builders.CUSTOMERS)
    content = "お客様番号,項目,登録日,備考\r\nC1,氏名 メール,2024/04/01,x\r\n".encode("cp932")
    profile = read_profile(PROFILE, file="crm.toml")
    assert imported(instance, content, profile=profile).rows_kept == 1
    assert ("C1", "member-db", "['email', 'name']", "2024-03-31 15:00:00+00:00", "None") in visible(instance)
    assert imported(instance, content, profile=profile).unchanged


@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_refused_rows_are_listed_without_personal_data_unless_asked_for(instance: Engine, tmp_path: Path) -> None:
    text = HEAD + "C1,良,g@example.jp\nC1,=重複,h@example.jp\n"
    out = tmp_path / "refused.csv"
    out.write_text("older", encoding="utf-8")
    for with_rows in (False, True):
        with pytest.raises(RowsRefused):
            imported(instance, text.encode(), refused_to=RefusedTo(path=out, rows=with_rows))
        rows = list(csv.reader(io.StringIO(out.read_text(encoding="utf-8"))))
        assert rows[1][:2] == ["3", "duplicate of line 2"]
        assert rows[1][2:] == (["C1", "'=重複", "h@example.jp"] if with_rows else [])
        assert out.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_parquet_is_read_like_csv(instance: Engine, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    file = tmp_path / "people.parquet"
    parquet.write_table(pa.table({"customer_number": ["P1", "P2", "P1"], "name": ["髙橋", None, "二重"]}), file)
    result = imported(instance, file, keep_good=True)
    assert (result.rows_kept, result.encoding) == (1, "parquet")
    assert [(note.line, note.reason) for note in result.refusals] == [(3, "name is empty"), (4, "duplicate of line 2")]


@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_a_file_in_no_order_finds_doubles_that_stand_far_apart(
    instance: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Spool.__init__, "__kwdefaults__", {"run": 7})
    lines = [f"R{number:03},名,r{number}@example.jp\n" for number in range(100)]
    random.Random(5).shuffle(lines)  # noqa: S311 - an order that repeats
    again = lines.index("R050,名,r50@example.jp\n") + 2
    result = import_text(instance, HEAD + "".join(lines) + "R050,名,other@example.jp\n", keep_good=True)
    assert result.rows_kept == 100
    assert [(note.line, note.reason) for note in result.refusals] == [(102, f"duplicate of line {again}")]


PEOPLE_PARTS = [HEAD + "C1,一,c1@example.jp\n", HEAD + "C2,二,c2@example.jp\nC3,三,c3@example.jp\n"]
HOLDING_PARTS = [
    "customer_number,store,items\nC1,member-db,name\nC2,member-db,name email\n",
    "customer_number,store,items,held_from\nC1,billing-db,card-number,2020-01-01T00:00Z\n",
    "customer_number,store,items\nC3,member-db,name\nC3,billing-db,card-number\n",
]


@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_the_order_of_imports_that_do_not_conflict_does_not_matter(instance: Engine, tmp_path: Path) -> None:
    from incident_app.persistence.database import make_engine

    states = []
    raw = instance.raw_connection()
    for number, (people, holdings) in enumerate(
        itertools.product(itertools.permutations(PEOPLE_PARTS), itertools.permutations(HOLDING_PARTS))
    ):
        copy = tmp_path / f"copy{number}.db"
        raw.driver_connection.execute(f"VACUUM INTO '{copy}'")
        engine = make_engine(f"sqlite:///{copy}")
        for text in (*people, *holdings):
            import_text(engine, text)
        states.append(visible(engine))
        engine.dispose()
    raw.close()
    assert all(state == states[0] for state in states)
    assert len(states[0]) == 3 + 3 + 5


HELD = st.builds(Held, st.integers(1, 3), st.integers(0, 4), st.just(0) | st.integers(5, 9))


@given(known=st.lists(HELD, unique_by=lambda held: held[:2]), named=st.lists(HELD, unique_by=lambda held: held[:2]))
def test_after_a_change_everything_named_is_known_and_nothing_open_is_left_unnamed(
    known: list[Held], named: list[Held]
) -> None:
    change = settle(known, named, at=100)
    after = {held for held in known if held not in change.retracted} | set(change.recorded)
    assert set(named) <= after
    keys = {held[:2] for held in named}
    assert all(held.end for held in after if held[:2] not in keys)
    assert {held[:2] for held in known} <= {held[:2] for held in after}
    again = settle(after, named, at=200)
    assert (again.retracted, again.recorded) == ([], [])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(st.text("ab\u3042", max_size=3), st.integers(0, 9))), run=st.integers(1, 5))
def test_rows_come_back_sorted_and_certainty_about_doubles_is_true(rows: list[tuple[str, int]], run: int) -> None:
    with Spool(None, key=lambda row: row[0], run=run) as spool:
        for row in rows:
            spool.add(row)
        doubled = spool.may_hold_doubles
        assert list(spool.rows()) == sorted(rows)
    assert doubled or len({row[0] for row in rows}) == len(rows)


def test_the_empty_profile_has_no_digest() -> None:
    assert ColumnProfile().digest == ""
    assert read_profile(PROFILE, file="crm.toml").digest


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\n", b",,\n"])
@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_an_empty_file_is_called_empty(instance: Engine, content: bytes) -> None:
    with pytest.raises(EmptyFile):
        imported(instance, content)


@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_one_odd_row_among_thousands_changes_no_other(instance: Engine) -> None:
    rows = [f"C{number:05},名前,p{number}@example.jp\n" for number in range(2_500)]
    rows[1_700] = 'C01700,"名,前",P..1700.@Example.JP\n'
    rows[2_000] = "C02000,,x@example.jp\n"
    result = imported(instance, (HEAD + "".join(rows)).encode(), keep_good=True)
    assert [(note.line, note.person_kept) for note in result.refusals] == [(1_702, True), (2_002, False)]
    with reading(instance) as session:
        people = session.execute(
            sa.select(Customer.customer_number, CustomerContact.name, CustomerContact.address).join(
                CustomerContact, CustomerContact.customer_id == Customer.id
            )
        )
        found = {number: (name, address) for number, name, address in people}
    wanted = {f"C{number:05}": ("名前", f"p{number}@example.jp") for number in range(2_500)}
    del wanted["C02000"]
    assert found == wanted | {"C01700": ("名,前", "P..1700.@example.jp")}
