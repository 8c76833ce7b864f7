"""`incident-app report` at a shell: versions that keep what was said, and every output as a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from incident_app.services import reports
from incident_app.services.incidents import IncidentView
from tests import builders
from tests.cli.conftest import Run

AUTHOR = ("--as", "author@example.jp")


@pytest.fixture
def incident(instance: Engine) -> IncidentView:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    return view


def test_a_new_version_by_command_keeps_what_the_last_one_said(
    run: Run, instance: Engine, incident: IncidentView
) -> None:
    draft = ("report", "draft", incident.reference, "jp-appi-preliminary", *AUTHOR)
    number = json.loads(run(*draft, "--fact", "contact=管理室", "--gap", "cause=調査中", "--json").stdout)["id"]
    again = (*draft, "--report", str(number))
    run(*again, "--fact", "found_by=自社", "--fact", "contact.en=office")
    kept = reports.get_report(instance, incident.id, number)
    assert kept.given_facts == {"contact": "管理室", "found_by": "ourselves", "contact.en": "office"}
    assert kept.stated_gaps == {"cause": "調査中"}
    run(*again, "--fact", "contact=", "--fact", "contact.en=")
    assert "contact" not in reports.get_report(instance, incident.id, number).given_facts
    refused = run(*again, "--fact", "found_by=通行人", code=1)
    assert "found-by" in refused.stderr


def export_pdf(incident: IncidentView, number: str, folder: Path) -> tuple[str, ...]:
    target = str(folder / "report.pdf")
    return ("report", "export", incident.reference, number, "--format", "pdf", "--to", target, *AUTHOR)


def test_a_report_is_written_as_every_kind_of_file(run: Run, incident: IncidentView, tmp_path: Path) -> None:
    drafted = run("report", "draft", incident.reference, "public-faq", "--json", *AUTHOR)
    number = str(json.loads(drafted.stdout)["id"])
    for form, start in (("json", b"{"), ("html", b"<!doctype html>"), ("pdf", b"%PDF-1.7"), ("docx", b"PK")):
        target = tmp_path / f"report.{form}"
        run("report", "export", incident.reference, number, "--format", form, "--to", str(target), *AUTHOR)
        assert target.read_bytes().startswith(start)
    unnamed = run("report", "export", incident.reference, number, "--format", "pdf", *AUTHOR, code=1)
    assert "--to" in unnamed.stderr
    unnamed = run("report", "export", incident.reference, number, "--format", "pdf", *AUTHOR, code=1)
    assert "--to" in unnamed.stderr
    run(
        "report",
        "draft",
        incident.reference,
        "public-faq",
        "--report",
        number,
        "--fact",
        "who_is_concerned=会員😀",
        *AUTHOR,
    )
    refused = run(*export_pdf(incident, number, tmp_path), code=1)
    assert "lacks 😀 (U+1F600)" in refused.stderr


def test_the_word_template_is_taken_out_and_a_spoilt_one_is_refused_by_name(
    run: Run, incident: IncidentView, tmp_path: Path
) -> None:
    own = tmp_path / "home" / "templates" / "reports" / "report.docx"
    own.parent.mkdir(parents=True)
    run("report", "word-template", "--to", str(own))
    drafted = run("report", "draft", incident.reference, "jp-telecom-first", "--json", *AUTHOR)
    export = ("report", "export", incident.reference, str(json.loads(drafted.stdout)["id"]), "--format", "docx")
    run(*export, "--to", str(tmp_path / "x.docx"), *AUTHOR)
    own.write_bytes(b"spoilt")
    refused = run(*export, "--to", str(tmp_path / "y.docx"), *AUTHOR, code=1)
    assert "report.docx" in refused.stderr
    assert not (tmp_path / "y.docx").exists()
    run("report", "word-template", "--letter", "--to", str(tmp_path / "letter.docx"))


def test_the_fields_of_a_form_are_listed_with_their_answers_and_conditions(run: Run) -> None:
    text = run("report", "forms", "jp-appi-definitive").stdout
    assert "one of: ourselves, processor, business-partner, card-company, person, other" in text
    assert "(required when cause-kind is unauthorised-access or malware)" in text


def test_versions_differences_and_gaps_are_told_by_command(run: Run, incident: IncidentView, tmp_path: Path) -> None:
    draft = ("report", "draft", incident.reference, "jp-telecom-first", *AUTHOR)
    number = str(json.loads(run(*draft, "--json").stdout)["id"])
    run(*draft, "--report", number, "--fact", "registration_number=A-1")
    listed = json.loads(run("report", "versions", incident.reference, number, "--json", *AUTHOR).stdout)
    assert [one["version"] for one in listed] == [2, 1]
    assert "gaps" in run("report", "versions", incident.reference, number, *AUTHOR).stdout
    told = run("report", "diff", incident.reference, number, *AUTHOR).stdout
    assert "2 registration (added)" in told
    assert "+ A-1" in told
    same = ("report", "diff", incident.reference, number, "--against", number, "--against-version", "2", *AUTHOR)
    assert "They say the same" in run(*same).stdout
    run("report", "diff", incident.reference, number, "--version", "1", *AUTHOR, code=1)
    old = tmp_path / "old.json"
    export = ("report", "export", incident.reference, number, "--version", "1", "--to", str(old), *AUTHOR)
    run(*export)
    assert json.loads(old.read_text(encoding="utf-8"))["version"] == 1
    gaps = json.loads(run(*draft, "--report", number, "--json").stdout)["filled"]["fields"]
    stated = [part for one in gaps if one["state"] == "gap" for part in ("--gap", f"{one['code']}=調査中")]
    run(*draft, "--report", number, *stated)
    ready = json.loads(run("report", "check", incident.reference, number, "--json", *AUTHOR).stdout)
    assert ready["ready"] is True
    assert set(ready["stated_gaps"].values()) == {"調査中"}


def test_contradictions_are_told_by_command_with_their_reasons(run: Run, incident: IncidentView) -> None:
    ref = incident.reference
    assert "All papers say the same" in run("report", "consistency", ref, *AUTHOR).stdout
    run("report", "draft", ref, "jp-telecom-first", "--fact", "people=9", *AUTHOR)
    told = json.loads(run("report", "consistency", ref, "--json", *AUTHOR, code=1).stdout)
    assert told["agree"] is False
    (found,) = told["open"]
    assert (found["question"], found["papers"]) == ("people", ["report:1"])
    assert "本人の数：記録は 5人" in found["words"]["ja"]
    run("report", "explain", ref, "f" * 64, "--reason", "推計のため", *AUTHOR, code=1)
    run("report", "explain", ref, found["digest"][:12], "--reason", "推計のため", *AUTHOR)
    agreed = run("report", "consistency", ref, *AUTHOR).stdout
    assert "Reason: 推計のため" in agreed
