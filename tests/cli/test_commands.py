"""The command line as scripts see it: exit codes, JSON alone on standard output, clear refusals."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy.engine import Engine

from incident_app.cli.main import main
from tests import builders

AUTHOR = ("--as", "author@example.jp")


def test_the_flow_from_file_to_timeline_by_commands(run: object, instance: Engine, tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text(builders.CUSTOMERS, encoding="utf-8")
    (tmp_path / "holdings.csv").write_text(builders.HOLDINGS, encoding="utf-8")
    (tmp_path / "list.csv").write_text("customer_number,items\nC1,name email\nC99,name\n", encoding="utf-8")
    facts = tmp_path / "facts.toml"
    facts.write_text(
        "\n".join(
            f"[{language}]\n" + "\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items())
            for language, values in builders.sample_facts().items()
        ),
        encoding="utf-8",
    )
    run("customers", "import", str(tmp_path / "customers.csv"), *AUTHOR)
    again = run("customers", "import", str(tmp_path / "customers.csv"), *AUTHOR)
    assert "nothing was changed" in again.stdout
    run("customers", "import", str(tmp_path / "holdings.csv"), *AUTHOR)
    opened = run(
        *("incident", "open", "--kind", "unauthorised-access", "--title", "sign-ins", "--json", *AUTHOR),
        *("--detected-at", "2026-11-20T16:00+09:00", "--aware-at", "2026-11-20T16:00+09:00"),
    )
    reference = json.loads(opened.stdout)["reference"]
    listed = run("scope", "add-list", reference, str(tmp_path / "list.csv"), "--source", "log", *AUTHOR)
    assert "1 lines match no customer: 3" in listed.stderr
    run("scope", "add-store", reference, "member-db", "--certainty", "assumed", "--cause", "malware", *AUTHOR)
    determined = json.loads(run("impact", "determine", reference, "--json", *AUTHOR).stdout)
    assert determined["by_certainty"] == {"assumed": 4, "confirmed": 1}
    explained = run("impact", "explain", reference, "C1", *AUTHOR).stdout
    assert "C1: confirmed" in explained
    assert "lay protected: password (hashed)" in explained
    assert "list 1 comes from: log" in explained
    as_json = run("impact", "explain", reference, "C1", "--json", *AUTHOR)
    assert json.loads(as_json.stdout)["lists"] == [{"number": 1, "source": "log"}]
    duties = json.loads(run("obligations", "list", reference, "--json", *AUTHOR).stdout)
    assert {duty["rule"] for duty in duties} >= {"jp-appi:preliminary", "policy:leak-response"}
    run("obligations", "decide", reference, "communications_secrecy", "no", "--reason", "none", *AUTHOR)
    run("incident", "member", reference, "approver@example.jp", *AUTHOR)
    notice = json.loads(run("notice", "draft", reference, str(facts), "--json", *AUTHOR).stdout)["notice_id"]
    assert "髙橋 一郎 様" in run("notice", "preview", reference, str(notice), "C1", *AUTHOR).stdout
    filled = json.loads(run("dispatch", "fill", reference, str(notice), "--json", *AUTHOR).stdout)
    wave = str(filled["campaign_id"])
    request = json.loads(run("approval", "request", reference, "campaign", wave, "--json", *AUTHOR).stdout)[
        "request_id"
    ]
    own = run("approval", "grant", reference, str(request), "--json", *AUTHOR, code=1)
    assert json.loads(own.stdout)["refused"] in {"OwnWork", "Forbidden"}
    run("approval", "grant", reference, str(request), "--as", "approver@example.jp")
    run("dispatch", "start", reference, wave, "--count", "1", *AUTHOR, code=1)
    run("dispatch", "start", reference, wave, "--count", str(filled["planned"]), *AUTHOR)
    totals = json.loads(run("dispatch", "status", reference, "--json", *AUTHOR).stdout)[0]["totals"]
    assert totals["planned"] == totals["waiting"] == 4
    run("dispatch", "pause", reference, wave, *AUTHOR)
    report = run("report", "draft", reference, "jp-appi-preliminary", "--json", *AUTHOR)
    run("report", "check", reference, str(json.loads(report.stdout)["id"]), *AUTHOR, code=1)
    run("step", "finish", reference, "block-logins", "--result", "done", *AUTHOR)
    run("timeline", "add", reference, "電話で相談した", "--at", "2026-11-20T17:00+09:00", *AUTHOR)
    exported = run("timeline", "export", reference, "--format", "json", "--purpose", "review", *AUTHOR)
    assert "電話で相談した" in json.loads(exported.stdout)["events"][-1]["summary_ja"]
    assert "leak-response/the_facts" in run("commitment", "show", reference, *AUTHOR).stdout
    outcomes = run("dispatch", "outcomes", reference, wave, "--purpose", "proof", *AUTHOR).stdout
    assert "C1" in outcomes
    assert "example" in outcomes
    assert "ichiro" not in outcomes
    assert json.loads(run("timeline", "verify", "--json").stdout)["whole"] is True
    assert "whole" in run("db", "check").stdout
    assert json.loads(run("impact", "verify", reference, "--json", *AUTHOR).stdout)["repeats"] is True


def test_refusals_wrong_usage_and_missing_people_have_their_codes(run: object) -> None:
    unknown = run("incident", "show", "INC-2026-0404", "--json", *AUTHOR, code=1)
    assert json.loads(unknown.stdout)["refused"] == "NotAMember"
    run("incident", "list", code=1)
    run("incident", "open", "--kind", "general", code=2)
    naive = run(
        "incident", "open", "--kind", "general", "--title", "x", "--detected-at", "2026-11-20T16:00", *AUTHOR, code=2
    )
    assert "UTC offset" in naive.stderr


def test_a_faulty_policy_is_told_by_line_and_a_good_one_passes(run: object, tmp_path: Path) -> None:
    shipped = builders.ROOT / "playbooks/policies/gpu-cloud-bygmo.toml"
    assert "No fault" in run("policy", "check", str(shipped)).stdout
    mine = tmp_path / "mine.toml"
    mine.write_text(
        shipped.read_text(encoding="utf-8").replace('category = "usage"', 'category = "use"'), encoding="utf-8"
    )
    refused = run("policy", "check", str(mine), code=1)
    assert "category 'use' is not defined in this file" in refused.stderr
    assert "(line " in refused.stderr


def test_a_deadline_is_computed_and_told_in_words(run: object) -> None:
    words = ("deadlines", "compute", "--regime", "jp-appi", "--report", "definitive", "--json")
    found = json.loads(run(*words, "--aware-at", "2026-10-25T12:00+09:00").stdout)
    assert found["due_at"] == "2026-11-24T14:59:59+00:00"
    assert found["state"] == "dated"
    assert any("祝" in line or "休み" in line for line in found["explanation"]["ja"])
    longer = json.loads(run(*words, "--aware-at", "2026-10-25T12:00+09:00", "--situation", "item-3").stdout)
    assert longer["due_at"] > found["due_at"]
    run(*words[:4], "--report", "nothing", "--aware-at", "2026-10-25T12:00+09:00", code=1)


def test_bad_settings_end_with_usage_and_name_every_problem(run: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCIDENT_APP_LISTEN_HOST", "0.0.0.0")
    monkeypatch.setenv("INCIDENT_APP_SMTP_PORT", "none")
    refused = run("db", "check", code=2)
    assert "LISTEN_HOST" in refused.stderr
    assert "SMTP_PORT" in refused.stderr


def test_an_empty_database_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCIDENT_APP_HOME", str(tmp_path / "fresh"))
    refused = CliRunner().invoke(main, ["user", "list"])
    assert refused.exit_code == 1
    assert "db upgrade" in refused.stderr
    assert CliRunner().invoke(main, ["db", "upgrade"]).exit_code == 0
    added = CliRunner().invoke(
        main,
        ["user", "add", "first@example.jp", "--name", "F", "--role", "admin", "--password", "a long enough one"],
    )
    assert added.exit_code == 0, added.output
    second = CliRunner().invoke(
        main, ["user", "add", "b@example.jp", "--name", "B", "--role", "admin", "--password", "a long enough one"]
    )
    assert second.exit_code == 1
