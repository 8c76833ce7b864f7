"""Proof at a shell: public notice, outcomes with their manifest, corrected addresses, pages that confirm notices."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy.engine import Engine

from incident_app.cli.main import main
from incident_app.domain.access import PERMISSIONS, Permission, Role
from incident_app.domain.delivery import Standing
from incident_app.persistence.timeline import EventRow
from incident_app.services import incidents
from tests.builders import author
from tests.cli.conftest import Run
from tests.conftest import Clock
from tests.services.returning import ICHIRO, JUERGEN, bounce, count, read, sent_wave, standing_of

AUTHOR = ("--as", "author@example.jp")


@pytest.fixture
def reference(instance: Engine, clock: Clock, tmp_path: Path, run: Run) -> str:
    _, senders = sent_wave(instance, tmp_path / "work", clock)
    read(instance, tmp_path / "work", bounce(senders[ICHIRO]), bounce(senders[JUERGEN], JUERGEN))
    return incidents.list_incidents(instance, author(instance))[0].reference


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()


def test_a_publication_covers_and_is_withdrawn(run: Run, instance: Engine, reference: str, tmp_path: Path) -> None:
    text = tmp_path / "statement.txt"
    text.write_text("お知らせ", encoding="utf-8")
    desk = ("--desk-phone", "0120-000-000", "--desk-hours", "9-17", "--desk-until", "2199-12-31")
    bare = run("publications", "add", reference, "--place", "HP", "--text", str(text), *AUTHOR).stdout
    assert "covers nobody" in bare
    run("publications", "cover", reference, "1", "--unreachable", "--reason", "x", *AUTHOR, code=1)
    added = run("publications", "add", reference, "--place", "HP", "--text", str(text), *desk, "--json", *AUTHOR)
    assert json.loads(added.stdout)["may_cover"] is True
    both = run("publications", "cover", reference, "2", "C3", "--unreachable", "--reason", "x", *AUTHOR, code=1)
    assert "name people, or choose everybody" in both.stderr
    done = run("publications", "cover", reference, "2", "--unreachable", "--reason", "x", "--json", *AUTHOR)
    assert json.loads(done.stdout) == {"people": 1, "because": {"mail_returned": 1}, "left_out": 0}
    listed = tmp_path / "numbers.txt"
    listed.write_text("C1\nC2\n")
    more = run("publications", "cover", reference, "2", "--list", str(listed), "--reason", "x", *AUTHOR).stdout
    assert "covers 1 people (named 1)" in more
    assert "1 who were told already" in more
    shown = run("publications", "list", reference, *AUTHOR).stdout
    assert "covers 2 people now" in shown
    gone = run("publications", "withdraw", reference, "2", "--reason", "x", "--json", *AUTHOR).stdout
    assert json.loads(gone)["not_reached_again"] == 2
    assert standing_of(instance, "C1") is Standing.NOT_REACHED


def test_outcomes_go_to_a_file_that_only_its_owner_reads_with_a_manifest(
    run: Run, reference: str, tmp_path: Path
) -> None:
    out = tmp_path / "outcomes.csv"
    words = ("dispatch", "outcomes", reference, "--purpose", "監査", "--out", str(out), "--addresses", "full")
    shown = json.loads(run(*words, "--json", *AUTHOR).stdout)
    manifest = json.loads((tmp_path / "outcomes.csv.manifest.json").read_text())
    assert shown["manifest"] == manifest
    assert manifest["file_sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert manifest["waves"] == [
        {"wave": 1, "planned": 4, "sent": 4, "failed": 0, "skipped": 0, "in_doubt": 0, "waiting": 0, "agrees": True}
    ]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert ICHIRO in out.read_text(encoding="utf-8")
    assert "planned 4 = sent 4 + failed 0" in run(*words, *AUTHOR).stdout
    assert sorted(path.name for path in tmp_path.glob(".*.part")) == []


def test_outcomes_on_standard_output_are_csv_or_one_json_document(run: Run, reference: str) -> None:
    words = ("dispatch", "outcomes", reference, "--purpose", "監査", *AUTHOR)
    plain = run(*words)
    assert len(list(csv.DictReader(io.StringIO(plain.stdout)))) == 5
    assert "planned 4" in plain.stderr
    document = json.loads(run(*words, "--json").stdout)
    assert len(document["rows"]) == 5
    one = json.loads(run(*words[:3], "1", *words[3:], "--json", "--items", "digest").stdout)
    assert len(one["rows"]) == 4


def test_a_failed_export_leaves_the_old_file_as_it_was(run: Run, reference: str, tmp_path: Path) -> None:
    out = tmp_path / "outcomes.csv"
    out.write_text("old")
    run("dispatch", "outcomes", reference, "--purpose", " ", "--out", str(out), *AUTHOR, code=1)
    assert out.read_text() == "old"
    assert not out.with_name("outcomes.csv.manifest.json").exists()
    assert list(tmp_path.glob(".*.part")) == []


def test_full_addresses_need_both_permissions(
    run: Run, instance: Engine, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = PERMISSIONS[Role.PRIVACY_OFFICER] - {Permission.DISPATCH_RUN}
    monkeypatch.setitem(PERMISSIONS, Role.PRIVACY_OFFICER, held)
    before = count(instance, EventRow)
    words = ("dispatch", "outcomes", reference, "--purpose", "監査", *AUTHOR)
    assert ICHIRO not in run(*words, "--addresses", "full", code=1).output
    assert count(instance, EventRow) == before
    assert "i●●●@example.jp" in run(*words).stdout


def test_an_address_is_corrected_and_asked_for_when_it_is_not_given(run: Run, reference: str, tmp_path: Path) -> None:
    words = ["addresses", "correct", reference, "C1", "--source", "told_by_person", "--reason", "x", *AUTHOR]
    asked = CliRunner().invoke(main, [*words, "--json"], input="new@example.net\n")
    assert asked.exit_code == 0, asked.output
    assert json.loads(asked.stdout) == {"people": 1, "unchanged": 0, "complaints": 0}
    run(*words, "--address", "new@example.net", code=1)
    listed = tmp_path / "list.csv"
    listed.write_text("customer_number,email\nC1,new@example.net\nC3,other@example.net\n")
    loaded = run("addresses", "load", reference, str(listed), "--source", "own_records", "--reason", "x", *AUTHOR)
    assert "Corrected the addresses of 1 people; 1 had theirs already." in loaded.stdout
    history = run("addresses", "list", reference, *AUTHOR).stdout
    assert "C3 j●●●@example.com -> o●●●@example.net" in history


def test_the_pages_that_confirm_notices_are_written_and_withdrawal_is_said(
    run: Run, reference: str, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    words = ("notice", "verify-page", "--out", str(site))
    run(*words, code=1)
    written = json.loads(run(*words, "--json", *AUTHOR).stdout)
    assert (written["notices"], written["codes"]) == (2, 4)
    run("notice", "withdraw", reference, "1", "1", "--reason", "x", *AUTHOR)
    assert "取り下げ" not in (site / "ja/index.html").read_text(encoding="utf-8")
    run(*words, *AUTHOR)
    assert "取り下げ" in (site / "ja/index.html").read_text(encoding="utf-8")
    run("notice", "withdraw", reference, "1", "1", "--reason", "x", *AUTHOR, code=1)
