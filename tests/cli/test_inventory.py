"""The register at the command line: out, in, gaps, what was disclosed, readiness."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy.engine import Engine

from tests.builders import with_customers

AUTHOR = ("--as", "author@example.jp")


def told(result: Result) -> object:
    return json.loads(result.stdout)


@pytest.mark.parametrize("name", ["r.json", "r.zip", "folder"])
def test_an_export_is_imported_again_and_changes_nothing(run: object, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    run("inventory", "export", str(path), *AUTHOR)
    first = {file.name: file.read_bytes() for file in ([path] if path.is_file() else path.iterdir())}
    again = told(run("inventory", "import", str(path), "--json", *AUTHOR))
    assert again["changes"] == []
    assert "nothing was changed" in run("inventory", "import", str(path), *AUTHOR).stdout
    run("inventory", "export", str(path), *AUTHOR)
    assert {file.name: file.read_bytes() for file in ([path] if path.is_file() else path.iterdir())} == first


def test_a_preview_changes_nothing_and_an_import_does(run: object, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    run("inventory", "export", str(path), *AUTHOR)
    path.write_text(path.read_text(encoding="utf-8").replace("billing team", "night shift"), encoding="utf-8")
    preview = run("inventory", "import", str(path), "--preview", *AUTHOR).stdout
    assert "stores: billing-db (owner)" in preview
    assert "Nothing was stored yet. It would be: 0 added, 2 changed, 0 retracted." in preview
    loaded = told(run("inventory", "import", str(path), "--json", *AUTHOR))
    assert (loaded["changed"], loaded["counts"]) == (2, {"added": 0, "changed": 2, "retracted": 0})
    assert told(run("inventory", "import", str(path), "--json", *AUTHOR))["changed"] == 0


def test_a_faulty_file_is_refused_with_every_fault(run: object, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    run("inventory", "export", str(path), *AUTHOR)
    text = path.read_text(encoding="utf-8").replace('"medium": "log"', '"medium": "tape"').replace('"JP"', '"Japan"')
    path.write_text(text, encoding="utf-8")
    refused = run("inventory", "import", str(path), "--json", *AUTHOR, code=1)
    assert told(refused)["refused"] == "FaultyFile"
    assert "medium: 'tape' is not one of" in refused.stderr
    assert "country: must be a country code" in refused.stderr
    run("inventory", "import", str(tmp_path / "missing.json"), *AUTHOR, code=2)
    run("inventory", "import", str(path), "--as", "auditor@example.jp", code=1)


def test_an_export_that_cannot_be_written_is_refused(run: object, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    run("inventory", "export", str(tmp_path / "taken" / "r.json"), *AUTHOR, code=1)
    run("inventory", "export", str(tmp_path / "taken"), *AUTHOR, code=1)


def test_what_a_party_really_received_is_recorded_and_then_differs_from_what_is_published(run: object) -> None:
    before = run("inventory", "gaps").stdout
    assert "credentials: administrator account, password. Really?" in before
    words = ("--item", "name", "--category", "usage", "--basis", "actual", "--role", "processor", "--legal-basis", "c")
    recorded = told(run("inventory", "disclose", "debt-collector", *words, "--json", *AUTHOR))
    assert recorded["counts"]["added"] == 1
    assert "nothing was changed" in run("inventory", "disclose", "debt-collector", *words, *AUTHOR).stdout
    gaps = told(run("inventory", "gaps", "--json"))
    codes = {gap["code"] for gap in gaps if gap["subject"] == "debt-collector"}
    assert "published_not_actual" in codes
    assert "published_credentials" not in codes
    run("inventory", "disclose", "debt-collector", "--item", "x", "--role", "processor", *AUTHOR, code=1)
    run("inventory", "disclose", "debt-collector", "--role", "processor", *AUTHOR, code=1)
    run("inventory", "disclose", "debt-collector", "--item", "name", *AUTHOR, code=2)


def test_gaps_follow_the_months_and_numbers_are_written_for_a_purpose(run: object, instance: Engine) -> None:
    with_customers(instance)
    few = told(run("inventory", "gaps", "--json", "--months", "120"))
    many = told(run("inventory", "gaps", "--json", "--months", "1"))
    assert len(many) > len(few)
    run("inventory", "gaps", "--months", "0", code=2)
    written = run("inventory", "gaps", "--numbers", "email", "--purpose", "letters", *AUTHOR).stdout
    assert written.split() == ["customer_number", "C5"]
    assert told(run("inventory", "gaps", "--numbers", "email", "--purpose", "x", "--json", *AUTHOR))["numbers"] == [
        "C5"
    ]
    run("inventory", "gaps", "--numbers", "email", *AUTHOR, code=1)


def test_readiness_is_shown_and_recorded(run: object) -> None:
    shown = told(run("readiness", "show", "--json"))
    assert shown["history"] == []
    recorded = told(run("readiness", "record", "--json", *AUTHOR))
    assert recorded["value"] == shown["now"]["value"]
    assert len(told(run("readiness", "show", "--json"))["history"]) == 1
    assert run("readiness", "show").stdout.startswith(f"Readiness: {recorded['value']} of 100.")
    run("readiness", "record", "--as", "auditor@example.jp", code=1)
