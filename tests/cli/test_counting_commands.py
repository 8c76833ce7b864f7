"""The commands count, merge and severity as scripts see them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.engine import Engine

from incident_app.cli.main import main
from tests import builders

AUTHOR = ("--as", "author@example.jp")
APPROVER = ("--as", "approver@example.jp")
TWINS = (
    "customer_number,kind,relation,language,jurisdiction,name,email,postal_address,phone\n"
    "T1,person,customer,ja,JP,双子 一郎,twin@example.jp,,\n"
    "T2,person,customer,ja,JP,双子　一郎,twin@example.jp,,\n"
)


@pytest.fixture
def run(instance_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("INCIDENT_APP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", instance_url)

    def command(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, list(words))
        assert result.exit_code == code, result.output
        return result

    return command


@pytest.fixture
def reference(instance: Engine) -> str:
    builders.with_customers(instance)
    builders.import_text(instance, TWINS)
    builders.import_text(instance, "customer_number,store,items\nT1,member-db,name email\nT2,member-db,name email\n")
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    return view.reference


def test_numbers_are_set_shown_and_listed(run: object, reference: str) -> None:
    value = ("--kind", "exact", "--value", "7", "--basis", "counted twice")
    assert json.loads(run("count", "set", reference, *value, "--json", *AUTHOR).stdout)["count_id"] > 0
    lower = ("--kind", "maximum", "--value", "6", "--basis", "log")
    refused = run("count", "set", reference, *lower, "--json", *AUTHOR, code=1)
    assert json.loads(refused.stdout)["refused"] == "CountDoubted"
    assert "below the exact number 7" in refused.stderr
    run("count", "set", reference, *lower, "--reason", "one was a test", *AUTHOR)
    shown = run("count", "show", reference, *AUTHOR).stdout
    assert "all: 6 maximum" in shown
    listed = run("count", "history", reference, "--subject", "all", *AUTHOR).stdout
    assert "reason: one was a test" in listed
    assert listed.count("\n") == 4
    run("count", "set", reference, "--kind", "about", "--value", "7", "--basis", "x", *AUTHOR, code=2)
    run("count", "set", reference, *value, *APPROVER, code=1)


def test_records_are_proposed_confirmed_and_undone(run: object, reference: str) -> None:
    assert json.loads(run("merge", "propose", "--json", *AUTHOR).stdout) == {
        "new": 1,
        "known": 0,
        "is_complete": True,
    }
    listed = run("merge", "list", *AUTHOR).stdout
    assert "双…" in listed
    assert "一郎" not in listed
    (proposal,) = json.loads(run("merge", "list", "--json", *AUTHOR).stdout)
    run("merge", "confirm", str(proposal["id"]), *APPROVER, code=1)
    confirmed = run("merge", "confirm", str(proposal["id"]), *AUTHOR).stdout
    assert f"{reference}: people before 7, after 6; notices before 7, after 6" in confirmed
    merge_id = json.loads(run("merge", "list", "--state", "confirmed", "--json", *AUTHOR).stdout)[0]["merge_id"]
    undone = json.loads(run("merge", "undo", str(merge_id), "--reason", "twins", "--json", *AUTHOR).stdout)
    assert undone["effects"][0]["people_after"] == 7
    assert "before 6, after 7" in run("count", "history", reference, *AUTHOR).stdout
    by_hand = run("merge", "propose", "--records", "C1", "C2", "--reason", "called us", "--json", *AUTHOR)
    run("merge", "dismiss", str(json.loads(by_hand.stdout)["proposal_id"]), "--reason", "no", *AUTHOR)
    run("merge", "propose", "--reason", "stray", *AUTHOR, code=1)
    run("merge", "list", *APPROVER, code=1)
    assert "No such proposal" in run("merge", "list", *AUTHOR).stdout


def test_severity_is_assessed_decided_and_verified(run: object, reference: str) -> None:
    assert "not assessed yet" in run("severity", "show", reference, *AUTHOR).stdout
    first = run("severity", "assess", reference, *AUTHOR).stdout
    assert "1.75 to 5.00 (low to very high)" in first
    assert "simple [NEEDS DECISION]" in first
    decisions = [f"--decide={entry}" for entry in ("simple=as_is", "credentials=financial", "identification=maximum")]
    run("severity", "assess", reference, *decisions, *AUTHOR, code=1)
    final = run("severity", "assess", reference, *decisions, "--reason", "read the data", *AUTHOR).stdout
    assert "4.00 (very high)" in final
    assert "read the data" in final
    assert json.loads(run("severity", "show", reference, "--json", *AUTHOR).stdout)["undecided"] == 0
    assert json.loads(run("severity", "verify", reference, "--json", *AUTHOR).stdout)["repeats"] is True
    for wrong in ("simple", "=as_is", "simple="):
        run("severity", "assess", reference, "--decide", wrong, "--reason", "x", *AUTHOR, code=1)
    twice = ("--decide", "simple=as_is", "--decide", "simple=profile")
    assert "twice" in run("severity", "assess", reference, *twice, "--reason", "x", *AUTHOR, code=1).stderr
    run("severity", "assess", reference, *APPROVER, code=1)
