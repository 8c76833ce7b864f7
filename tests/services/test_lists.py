"""Lists from evidence: matched by every key, loaded once, shared between incidents, nothing left half-done."""

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.column_profiles import read_profile
from incident_app.domain.digests import keyed_digest
from incident_app.domain.encodings import UnknownEncoding, UnreadableFile
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.ids import IncidentId
from incident_app.domain.lists import Reading, by_profile, column_use
from incident_app.domain.vocabulary import BuildStatus, Channel, ImportStatus, RowRemark
from incident_app.persistence.customers import Customer, CustomerContact, Import
from incident_app.persistence.incidents import CustomerList, CustomerListMember, CustomerListRemark, Evidence
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.timeline import EventRow
from incident_app.services import abandoning, customers, evidence, list_views, lists
from incident_app.services.lists import ItemsUnknown, ListMatchesNobody, LoadedList
from incident_app.services.transaction import reading, recording
from tests import builders
from tests.builders import KEY, NOW, author

LATER = NOW + timedelta(hours=2)


@pytest.fixture
def incident(instance: Engine) -> IncidentId:
    builders.with_customers(instance)
    return builders.an_incident(instance).id


def load(engine: Engine, incident: IncidentId, text: str | bytes | Path, **changes: object) -> LoadedList:
    content = text.encode() if isinstance(text, str) else text
    values = {"source": "test", "address_key": KEY, "actor": author(engine).actor, "now": LATER, **changes}
    return lists.load_list(engine, incident, content, **values)  # type: ignore[arg-type]


def people(engine: Engine, list_id: int) -> dict[str, tuple[str, ...] | None]:
    with reading(engine) as session:
        rows = session.execute(
            sa.select(Customer.customer_number, CustomerListMember.item_set_id)
            .join(Customer, Customer.id == CustomerListMember.customer_id)
            .where(CustomerListMember.list_id == list_id),
        ).all()
        sets = item_codes(session, {set_id for _, set_id in rows if set_id})
        return {number: sets[set_id] if set_id else None for number, set_id in rows}


def remarks(engine: Engine, list_id: int) -> dict[int, RowRemark]:
    with reading(engine) as session:
        found = sa.select(CustomerListRemark.line_number, CustomerListRemark.remark)
        return dict(session.execute(found.where(CustomerListRemark.list_id == list_id)).all())


def rows_in(engine: Engine, *tables: type) -> list[int]:
    with reading(engine) as session:
        return [session.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in tables]


def add_contact(engine: Engine, number: str, channel: Channel, key: str, *, ended: bool = False) -> None:
    with recording(engine) as session:
        customer = session.scalars(sa.select(Customer.id).where(Customer.customer_number == number)).one()
        session.add(
            CustomerContact(
                customer_id=customer,
                channel=channel,
                name="x",
                address="x",
                address_digest=keyed_digest(KEY, key),
                valid_from=NOW - timedelta(days=9),
                valid_until=NOW - timedelta(days=1) if ended else None,
            ),
        )


def test_a_leaked_dump_is_matched_by_number_address_and_telephone_and_shows_items(
    instance: Engine, incident: IncidentId
) -> None:
    add_contact(instance, "C4", Channel.PHONE, "0312345678")
    add_contact(instance, "C3", Channel.EMAIL, "old@example.com", ended=True)
    dump = (
        "uid\tmail\ttel\tpw\n"
        "c1\tICHIRO@example.jp\t\thunter2\n"  # another capital, same person by both keys
        "\thana..ko@KEITAI.example\t\t\n"
        "999\tjuergen@example.com\t\tsecret\n"  # the number is of another system
        "\t\t+81 3-1234-5678\t\n"
        "\told@example.com\t\t\n"
        "C5\tinfo@works.example\t\t\n"  # two different people
        "\tnobody@example.jp\t\t\n"
        "\t\t\tonly-a-password\n"
    )
    how = Reading(
        columns=tuple(
            column_use(text) for text in ("uid=customer_number", "mail=email:email", "tel=phone", "pw=:password")
        )
    )
    loaded = load(instance, incident, dump, how=how)
    assert people(instance, loaded.list_id) == {
        "C1": ("email", "password"),
        "C2": ("email",),
        "C3": ("email", "password"),
        "C4": None,
    }
    assert remarks(instance, loaded.list_id) == {
        4: RowRemark.NUMBER_UNKNOWN,
        7: RowRemark.CONTRADICTION,
        8: RowRemark.NO_MATCH,
        9: RowRemark.NO_KEY,
    }
    assert (loaded.rows_read, loaded.matched, loaded.unmatched_lines) == (8, 4, (7, 8, 9))
    assert loaded.matched_by == {"number": 1, "email": 3, "phone": 1, "former_contact": 1}


def test_a_list_out_of_another_system_is_read_by_its_saved_profile_and_is_a_list_of_its_own(
    instance: Engine, incident: IncidentId
) -> None:
    text = 'encoding = "cp932"\nkind = "customers"\n[columns]\ncustomer_number = "会員"\n[items]\n"氏名" = "name"\n'
    content = "会員,items\nC1,氏名\nC2,\nC9,\n".encode("cp932")
    how = by_profile(Reading(), read_profile(text, file="crm.toml"))
    loaded = load(instance, incident, content, how=how)
    assert people(instance, loaded.list_id) == {"C1": ("name",), "C2": None}
    assert load(instance, incident, content, how=how).unchanged
    no_codes = by_profile(Reading(), read_profile(text.replace("氏名", "住所"), file="crm.toml"))
    with pytest.raises(ItemsUnknown):
        load(instance, incident, content, how=no_codes)


def test_a_telephone_kept_as_it_was_written_is_still_matched(instance: Engine, incident: IncidentId) -> None:
    loaded = load(instance, incident, "phone\n050-0000-0001\n")
    assert set(people(instance, loaded.list_id)) == {"C1"}


def test_whom_an_abandoned_import_named_is_matched_by_nothing(instance: Engine, incident: IncidentId) -> None:
    with recording(instance) as session:
        session.execute(sa.update(Customer).where(Customer.customer_number == "C1").values(erased_at=NOW))
    loaded = load(instance, incident, "customer_number,email,phone\nC1,,\n,ichiro@example.jp,\n,,050-0000-0001\nC2,,\n")
    assert set(people(instance, loaded.list_id)) == {"C2"}
    assert set(remarks(instance, loaded.list_id).values()) == {RowRemark.NO_MATCH}


class Killed(Exception):
    pass


def test_an_import_that_is_under_way_names_nobody_yet_and_has_ended_nothing(
    instance: Engine, incident: IncidentId, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise Killed

    text = builders.CUSTOMERS.replace("ichiro@example.jp", "moved@example.jp").replace("050-0000-0001", "")
    text += "C7,person,customer,ja,JP,新 規子,new@example.jp,,050-0000-0007\n"
    of_the_import = ["C7,,", ",new@example.jp,", ",,050-0000-0007", ",moved@example.jp,"]
    rows = [*of_the_import, ",ichiro@example.jp,", ",,050-0000-0001"]
    with monkeypatch.context() as patched:
        patched.setattr(customers._Loading, "_advance", die)
        with pytest.raises(Killed):
            builders.import_text(instance, text, now=LATER)
    before = load(instance, incident, "\n".join(["customer_number,email,phone", *rows]))
    assert set(people(instance, before.list_id)) == {"C1"}
    assert before.unmatched_lines == (2, 3, 4, 5)
    assert before.matched_by == {"email": 1, "phone": 1}, "an address that the import has closed is still the person's"
    builders.import_text(instance, text, now=LATER)
    after = load(instance, incident, "\n".join(["customer_number,email,phone", *reversed(rows)]))
    assert set(people(instance, after.list_id)) == {"C1", "C7"}
    assert after.unmatched == 0
    assert after.matched_by == {"number": 1, "email": 3, "phone": 2, "former_contact": 2}


def test_an_address_that_only_an_abandoned_import_named_is_nobodys(
    instance: Engine, incident: IncidentId, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(customers._Loading, "_advance", die)
        with pytest.raises(Killed):
            builders.import_text(instance, builders.CUSTOMERS.replace("ichiro@", "wrong@"), now=LATER)
    with reading(instance) as session:
        under_way = session.scalars(sa.select(Import.id).where(Import.status == ImportStatus.BUILDING)).one()
    abandoning.abandon_import(instance, under_way, actor=builders.SYSTEM, now=LATER)
    loaded = load(instance, incident, "email\nwrong@example.jp\nichiro@example.jp\n")
    assert set(people(instance, loaded.list_id)) == {"C1"}
    assert loaded.unmatched_lines == (2,)
    assert loaded.matched_by == {"email": 1}


def test_a_person_is_found_by_the_second_address_of_a_row_too(instance: Engine, incident: IncidentId) -> None:
    columns = (column_use("mail1=email"), column_use("mail2=email"), column_use("tel1=phone"), column_use("tel2=phone"))
    text = (
        "mail1,mail2,tel1,tel2\n"
        "nobody@example.jp,ichiro@example.jp,,\n"
        "juergen@example.com,hana..ko@keitai.example,,\n"
        ",,000,+81-50-0000-0001\n"
    )
    loaded = load(instance, incident, text, how=Reading(columns=columns))
    assert set(people(instance, loaded.list_id)) == {"C1", "C2", "C3"}
    assert loaded.unmatched == 0
    assert remarks(instance, loaded.list_id) == {3: RowRemark.SEVERAL_PEOPLE}


def test_several_people_with_one_address_are_all_taken_with_a_remark(instance: Engine, incident: IncidentId) -> None:
    add_contact(instance, "C2", Channel.EMAIL, "ichiro@example.jp")
    loaded = load(instance, incident, "email,items\nichiro@example.jp,name\n")
    assert people(instance, loaded.list_id) == {"C1": ("name",), "C2": ("name",)}
    assert remarks(instance, loaded.list_id) == {2: RowRemark.SEVERAL_PEOPLE}
    assert loaded.unmatched == 0


def test_rows_of_one_person_add_up_also_when_they_stand_far_apart(
    instance: Engine, incident: IncidentId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "ROWS_AT_ONCE", 2)
    text = "customer_number,items\nC1,name\nC2,name\nC1,email\nC3,\nC1,\nC2,name\nC3,phone\n"
    loaded = load(instance, incident, text)
    assert people(instance, loaded.list_id) == {"C1": ("email", "name"), "C2": ("name",), "C3": ("phone",)}
    assert (loaded.matched, loaded.rows_read, loaded.matched_by) == (3, 7, {"number": 7})


def test_an_unknown_item_refuses_the_whole_list_and_names_the_line(instance: Engine, incident: IncidentId) -> None:
    text = "customer_number,items\n" + "C1,name\n" * 6_000 + "C2,name shoe-size\n"
    with pytest.raises(ItemsUnknown, match=r"Line 6002.*shoe-size"):
        load(instance, incident, text)
    with pytest.raises(NotFound, match="shoe-size"):
        load(instance, incident, "a,b\nC1,x\n", how=Reading(columns=(column_use("a=customer_number:shoe-size"),)))
    assert rows_in(instance, CustomerList, CustomerListMember, Evidence) == [0, 0, 0]


def test_a_list_that_matches_nobody_is_refused_and_nothing_of_it_is_kept(
    instance: Engine, incident: IncidentId, tmp_path: Path
) -> None:
    text = "customer_number\nC77\nC78\n"
    with pytest.raises(ListMatchesNobody, match="None of the 2 rows"):
        load(instance, incident, text, evidence_folder=tmp_path / "evidence")
    assert rows_in(instance, CustomerList, CustomerListRemark, Evidence) == [0, 0, 0]
    assert not (tmp_path / "evidence").exists()
    loaded = load(instance, incident, text, allow_empty=True)
    assert (loaded.matched, loaded.unmatched, loaded.unmatched_lines) == (0, 2, (2, 3))


def test_a_list_needs_a_source(instance: Engine, incident: IncidentId) -> None:
    with pytest.raises(BadInput, match="source"):
        load(instance, incident, "customer_number\nC1\n", source=" ")


def test_two_incidents_share_one_list_and_each_has_the_file_as_its_own_evidence(
    instance: Engine, incident: IncidentId, tmp_path: Path
) -> None:
    other = builders.an_incident(instance).id
    text = "customer_number\nC1\nC99\n"
    first = load(instance, incident, text, evidence_folder=tmp_path)
    again = load(instance, incident, text, evidence_folder=tmp_path)
    shared = load(instance, other, text, evidence_folder=tmp_path)
    assert (again.unchanged, again.evidence_id) == (True, first.evidence_id)
    assert (shared.list_id, shared.unchanged, shared.unmatched_lines) == (first.list_id, True, (3,))
    assert shared.evidence_id != first.evidence_id
    assert rows_in(instance, CustomerList, CustomerListMember, Evidence) == [1, 1, 2]
    with reading(instance) as session:
        loads = sa.select(EventRow.incident_id).where(EventRow.kind == "list.loaded").order_by(EventRow.sequence)
        assert list(session.scalars(loads)) == [incident, other]
    for one in (incident, other):
        assert [view.condition for view in evidence.list_evidence(instance, one, folder=tmp_path)] == ["whole"]
    assert [view.id for view in list_views.lists_of(instance, other)] == [first.list_id]


def test_the_same_file_read_in_another_way_is_another_list(instance: Engine, incident: IncidentId) -> None:
    text = "customer_number,mail\nC1,hana..ko@keitai.example\n"
    by_number = load(instance, incident, text, how=Reading(columns=(column_use("mail=:email"),)))
    by_mail = load(
        instance, incident, text, how=Reading(columns=(column_use("mail=email"), column_use("customer_number=:name")))
    )
    assert by_number.list_id != by_mail.list_id
    assert people(instance, by_number.list_id) == {"C1": ("email",)}
    assert people(instance, by_mail.list_id) == {"C2": ("name",)}
    assert by_number.evidence_id == by_mail.evidence_id


def test_people_imported_after_a_list_are_found_when_it_is_matched_again(
    instance: Engine, incident: IncidentId
) -> None:
    text = "customer_number\nC1\nC7\n"
    first = load(instance, incident, text)
    assert not first.known_more_since
    more = builders.CUSTOMERS.splitlines()[0] + "\nC7,person,customer,ja,JP,後 から,late@example.jp,,\n"
    builders.import_text(instance, more, now=NOW + timedelta(hours=1))
    same = load(instance, incident, text)
    assert (same.unchanged, same.known_more_since, same.list_id) == (True, True, first.list_id)
    anew = load(instance, incident, text, match_again=True)
    assert anew.list_id != first.list_id
    assert set(people(instance, anew.list_id)) == {"C1", "C7"}
    assert set(people(instance, first.list_id)) == {"C1"}
    assert load(instance, incident, text, match_again=True).list_id == anew.list_id


def test_a_load_that_was_cut_off_begins_anew(
    instance: Engine, incident: IncidentId, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "customer_number\nC1\nC99\nC2\n"
    monkeypatch.setattr(lists, "ROWS_AT_ONCE", 1)

    def cut(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(lists, "_seal", cut)
        with pytest.raises(KeyboardInterrupt):
            load(instance, incident, text)
    with reading(instance) as session:
        assert session.scalars(sa.select(CustomerList.status)).all() == [BuildStatus.BUILDING]
    assert list_views.lists_of(instance, incident) == []
    loaded = load(instance, incident, text)
    assert set(people(instance, loaded.list_id)) == {"C1", "C2"}
    assert rows_in(instance, CustomerList, CustomerListMember, CustomerListRemark) == [1, 2, 1]


def test_unmatched_rows_are_exported_by_line_and_reason_never_with_their_content(
    instance: Engine, incident: IncidentId
) -> None:
    loaded = load(instance, incident, 'customer_number,email\nC1,\n,secret@example.jp\nC1,x,y\n"C1"x,\n')
    text = "".join(list_views.unmatched_csv(instance, incident, loaded.list_id))
    lines = text.splitlines()
    assert lines[0] == "line_number,remark,names_nobody,meaning_ja,meaning_en"
    assert [line.split(",")[:3] for line in lines[1:]] == [
        ["3", "no_match", "yes"],
        ["4", "broken", "yes"],
        ["5", "broken", "yes"],
    ]
    assert "secret" not in text
    with pytest.raises(NotFound):
        list_views.unmatched_csv(instance, builders.an_incident(instance).id, loaded.list_id)


def test_a_list_says_how_it_was_matched_and_which_versions_use_it(instance: Engine, incident: IncidentId) -> None:
    listed = builders.a_list(instance, incident, "customer_number\nC1\nC99\n")
    builders.determined(instance, incident, builders.a_scope(lists=[listed]))
    (view,) = list_views.lists_of(instance, incident)
    assert (view.people, view.unmatched, view.rows_read, view.in_versions) == (1, 1, 2, (1,))
    assert (view.matched_by, view.remarks) == ({"number": 1}, {"no_match": 1})
    assert list_views.sources(instance, [view.id]) == {view.id: "test"}


@pytest.mark.parametrize("codec", ["cp932", "utf-16"])
def test_a_list_in_another_encoding_is_read(instance: Engine, incident: IncidentId, codec: str, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes("customer_number,氏名\r\nC1,髙橋\r\n".encode(codec))
    loaded = load(instance, incident, file, how=Reading(columns=(column_use("氏名=:name"),)))
    assert people(instance, loaded.list_id) == {"C1": ("name",)}


def test_a_list_that_is_cut_off_within_a_character_leaves_nothing(instance: Engine, incident: IncidentId) -> None:
    content = ("customer_number,氏名\n" + "C1,髙橋\n" * 9_000).encode()[:-2]
    with pytest.raises(UnreadableFile, match="line 9001"):
        load(instance, incident, content, how=Reading(columns=(column_use("氏名=:name"),)))
    with pytest.raises(UnknownEncoding, match="cp932"):
        load(instance, incident, "customer_number\nC1\n", how=Reading(encoding="morse"))
    assert rows_in(instance, CustomerList, CustomerListMember, Evidence) == [0, 0, 0]
