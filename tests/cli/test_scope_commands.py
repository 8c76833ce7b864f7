"""The commands of a scope: versions that explain themselves, lists, people outside, evidence."""

import json
import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from sqlalchemy.engine import Engine

from incident_app.cli.main import main
from incident_app.domain.vocabulary import Medium
from incident_app.persistence.inventory import DataStore
from incident_app.services.transaction import recording
from tests import builders

AUTHOR = ("--as", "author@example.jp")


@pytest.fixture
def run(instance_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("INCIDENT_APP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", instance_url)

    def command(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, [*words, *AUTHOR])
        assert result.exit_code == code, result.output
        return result

    return command


@pytest.fixture
def reference(run: object, tmp_path: Path) -> str:
    for name, text in (("customers", builders.CUSTOMERS), ("holdings", builders.HOLDINGS)):
        file = tmp_path / f"{name}.csv"
        file.write_text(text, encoding="utf-8")
        run("customers", "import", str(file))
    opened = run(
        *("incident", "open", "--kind", "unauthorised-access", "--title", "sign-ins", "--json"),
        *("--detected-at", "2026-11-20T16:00+09:00", "--aware-at", "2026-11-20T16:00+09:00"),
    )
    return str(json.loads(opened.stdout)["reference"])


def test_a_version_says_what_it_leaves_out_and_why_and_the_difference_to_another(run: object, reference: str) -> None:
    assert "No scope was set yet" in run("scope", "show", reference).stdout
    refused = run(
        "scope", "add-store", reference, "control-panel", "--certainty", "confirmed", "--without", "password", code=1
    )
    assert "say why" in refused.stderr
    run(
        *("scope", "add-store", reference, "control-panel", "--certainty", "confirmed", "--without", "password"),
        *("--reason", "hashes lie elsewhere", "--from", "2026-11-01T00:00+09:00"),
    )
    run(
        "scope",
        "add-store",
        reference,
        "billing-db",
        "--certainty",
        "assumed",
        "--category",
        "transactions",
        "--reason",
        "the customer table was not read",
    )
    shown = run("scope", "show", reference).stdout
    assert "left out: password" in shown
    assert "reason: hashes lie elsewhere" in shown
    assert "2026-11-01 00:00 JST to -" in shown
    assert "left out: name, customer-number" in shown
    run("scope", "remove-store", reference, "control-panel", code=2)
    run("scope", "remove-store", reference, "control-panel", "--reason", "it was another panel")
    assert "it was another panel" in run("scope", "show", reference).stdout
    assert "control-panel" in run("scope", "show", reference, "--version", "2").stdout
    different = run("scope", "diff", reference, "2", "3").stdout
    assert different.startswith("- store control-panel: confirmed")
    assert run("scope", "diff", reference, "3", "3").stdout == "Both versions say the same.\n"
    document = json.loads(run("scope", "show", reference, "--version", "1", "--json").stdout)
    assert [item["code"] for item in document["entries"][0]["left_out"]] == ["password"]
    run("scope", "show", reference, "--version", "9", code=1)


def test_a_party_is_shown_with_both_tables_and_its_maximum_in_words(run: object, reference: str) -> None:
    run("scope", "add-party", reference, "payment-gateway")
    shown = run("scope", "show", reference).stdout
    assert "via payment-gateway: published bank-account-holder, " in shown
    assert "(none on record); used: published" in shown
    assert "at most 1 people (a maximum, not a count)" in shown
    assert "used: published" in run("scope", "party", "payment-gateway").stdout
    run("scope", "party", "nobody", code=1)


def test_an_input_page_a_dump_and_its_unmatched_rows(run: object, reference: str, tmp_path: Path) -> None:
    run(
        *("scope", "add-store", reference, "billing-db", "--certainty", "confirmed", "--acquiring"),
        *("--item", "card-number", "--reason", "the form asks for the card only"),
    )
    assert "people unknown: a list of those who used it is needed" in run("scope", "show", reference).stdout
    dump = tmp_path / "dump.txt"
    dump.write_text("ichiro@example.jp:4111\nnobody@example.jp:4222\n", encoding="utf-8")
    words = ("scope", "add-list", reference, str(dump), "--source", "dump", "--no-header", "--store")
    assert "nowhere" in run(*words, "nowhere", "--column", "1=email", code=1).stderr
    assert run("scope", "lists", reference).stdout.startswith("No list was loaded")
    loaded = run(*words, "billing-db", "--column", "1=email", "--column", "2=:card-number", "--json")
    assert "1 lines match no customer: 2" in loaded.stderr
    assert json.loads(loaded.stdout)["list"]["matched_by"] == {"email": 1}
    assert "people unknown" not in run("scope", "show", reference).stdout
    assert "email 1" in run("scope", "lists", reference).stdout
    out = tmp_path / "unmatched.csv"
    assert "1 rows" in run("scope", "list-unmatched", reference, "1", "--out", str(out)).stdout
    assert out.read_text(encoding="utf-8").splitlines()[1].startswith("2,no_match,yes,")
    assert run("scope", "list-unmatched", reference, "1").stdout == out.read_text(encoding="utf-8")
    run("scope", "list-unmatched", reference, "2", code=1)
    run("scope", "remove-list", reference, "1", "--reason", "a dump of another company")
    assert "billing-db: confirmed" in run("scope", "show", reference).stdout


def test_people_outside_are_counted_again_and_told_by_hand(run: object, reference: str, tmp_path: Path) -> None:
    run("scope", "add-store", reference, "member-db", "--certainty", "confirmed")
    run("impact", "determine", reference)
    add = ("scope", "add-person", reference, "--role", "affected", "--name", "外部 花子", "--contact", "050-0000-0009")
    run(*add, "--items", "name")
    assert (
        "1 people outside the inventory were added since; determine again." in run("impact", "show", reference).stdout
    )
    assert json.loads(run("impact", "show", reference, "--json").stdout)["outside_not_counted"] == 1
    assert "not counted yet" in run("scope", "people", reference).stdout
    run("impact", "determine", reference)
    shown = run("impact", "show", reference).stdout
    assert "added since" not in shown
    assert "1 people outside the inventory are to be told by hand" in shown
    out = tmp_path / "calls.csv"
    assert "花子" not in run("person", "to-tell", reference, "--purpose", "calls", "--out", str(out)).stdout
    assert "1,外部 花子,phone,050-0000-0009,name" in out.read_text(encoding="utf-8")
    told = ("person", "told", reference, "--how", "phone", "--reason", "called")
    run(*told, code=1)
    run(*told, "--outside", "7", code=1)
    run(*told, "--outside", "1")
    assert json.loads(run("impact", "show", reference, "--json").stdout)["outside_left_to_tell"] == 0
    assert "informed_otherwise" in run("scope", "people", reference).stdout


def test_a_list_that_rules_out_and_bad_options(run: object, reference: str, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("customer_number\nC2\n", encoding="utf-8")
    run("scope", "add-store", reference, "member-db", "--certainty", "assumed")
    words = ("scope", "add-list", reference, str(file), "--source", "log")
    run(*words, "--relation", "rules-out")
    assert "rules_out, ruled_out: 1 people" in run("scope", "show", reference).stdout
    assert "NAME=KEY" in run(*words, "--column", "x", code=1).stderr
    assert "one character" in run(*words, "--delimiter", "ab", code=1).stderr
    assert "cp932" in run(*words, "--encoding", "morse", code=1).stderr
    assert "rules_out" in run(*words, "--certainty", "ruled_out", code=1).stderr
    file.write_text("customer_number\nC9\n", encoding="utf-8")
    assert "--allow-empty" in run(*words, code=1).stderr


def test_an_input_page_is_acquiring_unless_told_otherwise(run: object, reference: str, instance: Engine) -> None:
    with recording(instance) as session:
        session.execute(sa.update(DataStore).where(DataStore.code == "billing-db").values(medium=Medium.INPUT_PAGE))
    add = ("scope", "add-store", reference, "billing-db", "--certainty", "confirmed")
    run(*add)
    assert "data taken while typed in" in run("scope", "show", reference).stdout
    run(*add, "--stored", "--reason", "what it kept")
    assert "data taken while typed in" not in run("scope", "show", reference).stdout


def test_a_list_is_read_by_a_saved_profile(run: object, reference: str, tmp_path: Path) -> None:
    profile, file = tmp_path / "crm.toml", tmp_path / "list.csv"
    profile.write_text('kind = "customers"\n[columns]\ncustomer_number = "会員"\nname = "氏名"\n', encoding="utf-8")
    file.write_bytes("会員;氏名\nC1;見本\n".encode("cp932"))
    run("customers", "profile", "add", "crm", str(profile))
    words = ("scope", "add-list", reference, str(file), "--source", "crm", "--encoding", "cp932", "--profile")
    assert "no column profile called other" in run(*words, "other", code=1).stderr
    assert json.loads(run(*words, "crm", "--json").stdout)["list"]["matched"] == 1


def test_people_outside_evidence_and_the_confirmation_of_the_stranger(
    run: object, reference: str, instance: Engine, tmp_path: Path
) -> None:
    added = run(
        *("scope", "add-person", reference, "--role", "affected", "--name", "外部 花子", "--json"),
        *("--contact", "hanako@example.org", "--items", "name,phone"),
    )
    assert json.loads(added.stdout) == {"person": 1}
    run("scope", "add-person", reference, "--role", "received_the_data", "--contact", "stranger@example.org")
    run("scope", "add-person", reference, "--role", "affected", "--name", "x", "--items", "shoe", code=1)
    shown = run("scope", "people", reference).stdout
    assert "外●●● h●●●@example.org; name phone" in shown
    assert "deletion NOT confirmed yet" in shown
    letter = tmp_path / "letter.pdf"
    letter.write_bytes(b"deleted")
    assert json.loads(run("scope", "evidence", "add", reference, str(letter), "--json").stdout) == {"evidence": 1}
    run("scope", "confirm-deletion", reference, "2", code=1)
    run("scope", "confirm-deletion", reference, "2", "--evidence", "1")
    assert re.search(r"deletion confirmed \d{4}-", run("scope", "people", reference).stdout)
    run("scope", "erase-person", reference, "1")
    assert "affected: erased" in run("scope", "people", reference).stdout
    run("scope", "add-store", reference, "member-db", "--certainty", "ruled_out", code=1)
    run("scope", "add-store", reference, "member-db", "--certainty", "ruled_out", "--evidence", "1")
    shown = run("scope", "show", reference).stdout
    assert "(evidence 1)" in shown
    assert "outside the inventory: 1 people affected" in shown
    assert "whole" in run("scope", "evidence", "verify", reference).stdout
    assert "bytes" in run("scope", "evidence", "list", reference).stdout
    next((tmp_path / "home" / "evidence").rglob("?" * 64)).write_bytes(b"deleted!")
    assert "altered" in run("scope", "evidence", "verify", reference, code=1).stdout
    assert json.loads(run("timeline", "verify", "--json").stdout)["whole"] is True


def test_cause_and_harm_are_enough_where_only_outsiders_are_affected(run: object, reference: str) -> None:
    said = ("scope", "set", reference, "--cause", "misdirected", "--harm", "confidentiality")
    assert "person outside the register" in run(*said, code=1).stderr
    run(
        *("scope", "add-person", reference, "--role", "affected", "--name", "外部 花子"),
        *("--contact", "050-0000-0009", "--items", "name"),
    )
    run(*said)
    assert json.loads(run("impact", "determine", reference, "--json").stdout)["version"] == 1
    assert "1 people outside the inventory are to be told by hand" in run("impact", "show", reference).stdout
    run("scope", "set", reference, "--cause", "unknown", "--harm", "availability", "--reason", "read again")
    shown = json.loads(run("scope", "show", reference, "--json").stdout)
    assert (shown["scope"]["cause"], shown["scope"]["harms"]) == ("unknown", ["availability"])
