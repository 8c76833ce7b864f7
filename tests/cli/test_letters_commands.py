"""Commands of the worklist of unreached people and of letters, from the list to the returned letter and back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import Standing
from incident_app.services import incidents, letters_shown
from tests import builders
from tests.builders import author
from tests.cli.conftest import Run
from tests.conftest import Clock
from tests.services.reaching import a_bounced_wave
from tests.services.returning import standing_of

AUTHOR = ("--as", "author@example.jp")
AUDITOR = ("--as", "auditor@example.jp")
BATCH = "2026-0001-001"


@pytest.fixture
def ref(instance: Engine, clock: Clock, tmp_path: Path) -> str:
    """An incident of whose people C1 bounced and C5 has no mail address."""
    a_bounced_wave(instance, tmp_path, clock)
    return incidents.list_incidents(instance, author(instance))[0].reference


def test_people_are_listed_called_and_put_back_by_commands(
    run: Run, instance: Engine, ref: str, tmp_path: Path
) -> None:
    shown = json.loads(run("person", "unreached", ref, "--json", *AUTHOR).stdout)
    assert shown["completion"]["by_channel"] == {"post": 2}
    assert [one["customer_number"] for one in shown["people"]] == ["C1", "C5"]
    text = run("person", "unreached", ref, "--because", "bounced", *AUTHOR).stdout
    assert "0 of 2 done" in text
    assert "C5" not in text
    out = tmp_path / "unreached.csv"
    run("person", "unreached", ref, "--out", str(out), *AUTHOR, code=1)  # without a purpose
    assert not out.exists()
    run("person", "unreached", ref, "--out", str(out), "--purpose", "電話", *AUTHOR)
    assert [row["customer_number"] for row in csv.DictReader(out.read_text("utf-8").splitlines())] == ["C1", "C5"]
    listed = tmp_path / "called.csv"
    listed.write_bytes("顧客番号,結果\nC1,済\nC9,済\n".encode("cp932"))
    words = ("person", "contacted", ref, "--way", "phone", "--list", str(listed))
    refused = run(*words, "--reason", "窓口", "--at", "2026-11-20T18:00+09:00", *AUTHOR, code=1)
    assert "line 3" in refused.stderr
    listed.write_bytes(b"C1\r\nC5\r\n")
    told = json.loads(run(*words, "--reason", "窓口", "--at", "2026-11-20T18:00+09:00", "--json", *AUTHOR).stdout)
    assert (told["people"], told["unchanged"]) == (2, 0)
    again = json.loads(run(*words, "--reason", "窓口", "--at", "2026-11-20T18:00+09:00", "--json", *AUTHOR).stdout)
    assert (again["people"], again["unchanged"]) == (0, 2)
    record = str(told["records"][0])
    assert record in run("person", "contacts", ref, *AUTHOR).stdout
    run("person", "take-back", ref, record, "C1", "--reason", "別の人", *AUTHOR)
    assert standing_of(instance, "C1") is Standing.NOT_REACHED
    assert standing_of(instance, "C5") is Standing.INFORMED_OTHERWISE
    assert "1 of 2 done" in run("person", "unreached", ref, *AUTHOR).stdout


def test_letters_go_out_and_come_back_by_commands(run: Run, instance: Engine, ref: str, tmp_path: Path) -> None:
    assert "No letters" in run("letters", "list", ref, *AUTHOR).stdout
    out = tmp_path / "print"
    made = json.loads(
        run("letters", "prepare", ref, "--date", "2026-11-20", "--out", str(out), "--json", *AUTHOR).stdout
    )
    assert [one["batch"] for one in made] == [BATCH]
    pdf = (out / f"{BATCH}.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert "髙橋 一郎 様" in (out / f"{BATCH}.csv").read_text("utf-8-sig")
    run("letters", "prepare", ref, *AUTHOR, code=1)
    again, house = tmp_path / "again.pdf", tmp_path / "house.csv"
    run("letters", "print", BATCH, "--out", str(again), "--purpose", "刷り直し", *AUTHOR)
    assert again.read_bytes() == pdf
    run("letters", "addresses", BATCH, "--encoding", "shift_jis", "--out", str(house), "--purpose", "印刷会社", *AUTHOR)
    assert "髙橋" in house.read_bytes().decode("cp932")
    shown = json.loads(run("letters", "show", BATCH, "--json", *AUTHOR).stdout)
    first, second = (letter["code"] for letter in shown["letters"])
    assert "customer C1" in run("letters", "find", first.replace("-", " "), *AUTHOR).stdout
    run("letters", "discard", BATCH, "--reason", "x", *AUDITOR, code=1)
    receipt = tmp_path / "receipt.pdf"
    receipt.write_bytes(b"receipt")
    over = ("letters", "handed-over", BATCH, "--date", "2026-11-20", "--receipt", str(receipt))
    assert "2 people told" in run(*over, *AUTHOR).stdout
    run(*over, *AUTHOR, code=1)
    codes = tmp_path / "codes.txt"
    codes.write_text(f"code\n{first}\n{second[:-1]}{'0' if second[-1] != '0' else '1'}\n", encoding="utf-8")
    refused = run("letters", "returned", "--codes", str(codes), *AUTHOR, code=1)
    assert "line 3 (the check character is wrong" in refused.stderr
    codes.write_text(f"code\n{first}\n", encoding="utf-8")
    back = json.loads(run("letters", "returned", "--codes", str(codes), "--json", *AUTHOR).stdout)
    assert back == {"letters": 1, "unchanged": 0, "people": 1}
    again_back = json.loads(run("letters", "returned", first, "--json", *AUTHOR).stdout)
    assert again_back == {"letters": 0, "unchanged": 1, "people": 0}
    assert standing_of(instance, "C1") is Standing.NOT_REACHED
    run("letters", "take-back-return", first, "--reason", "読み違い", *AUTHOR)
    assert standing_of(instance, "C1") is Standing.INFORMED_OTHERWISE
    run("letters", "take-back", BATCH, "--reason", "別の束", *AUTHOR)
    assert "prepared" in run("letters", "list", ref, *AUTHOR).stdout
    run("letters", "discard", BATCH, "--reason", "刷り直す", *AUTHOR)
    assert json.loads(run("letters", "list", ref, "--json", *AUTHOR).stdout)[0]["status"] == "discarded"


@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_a_batch_of_an_incident_that_somebody_does_not_belong_to_is_unknown_to_them(
    run: Run, instance: Engine, ref: str
) -> None:
    run("letters", "prepare", ref, *AUTHOR)
    for words in (("show", BATCH), ("show", "2026-0001-009")):
        run("letters", *words, *AUDITOR, code=1)
    code = letters_shown.list_letters(instance, BATCH)[0].code
    assert "no letter" in run("letters", "find", code, *AUDITOR, code=1).stderr


@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_the_text_of_a_notice_is_approved_by_itself(run: Run, instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    notice = builders.a_notice(instance, view.id)
    asked = run("approval", "request", view.reference, "notice", str(notice), "--json", *AUTHOR)
    number = str(json.loads(asked.stdout)["request_id"])
    assert f"notice {notice}" in run("approval", "list", view.reference, *AUTHOR).stdout
    run("approval", "grant", view.reference, number, *AUTHOR, code=1)
    run("approval", "grant", view.reference, number, "--as", "approver@example.jp")
