"""`deadlines compute` and `deadlines rules`: what scripts rely on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.builders import playbook_files

AT = ("--aware-at", "2026-11-20T17:20+09:00")
KEYS = {"due_at", "state", "explanation", "rule", "source", "confidence", "provisional"}
REPORTS = {
    "policy": {"people"},
    "jp-appi": {"preliminary", "definitive", "people", "entrusting_party"},
    "jp-mynumber": {"preliminary", "definitive", "people", "entrusting_party"},
    "jp-telecom": {"first", "detailed"},
    "jp-cyber-response": {"preliminary", "definitive"},
    "jp-privacymark": {"preliminary", "definitive"},
    "card-brands": {"first", "notification", "detailed", "final"},
    "eu-gdpr": {"authority", "people", "entrusting_party"},
    "uk-gdpr": {"authority", "people", "entrusting_party"},
    "eu-nis2": {"early_warning", "notification", "final"},
    "us-california": {"authority", "people"},
    "us-hipaa": {"authority", "people", "media"},
    "us-sec": {"authority"},
    "contract": {"entrusting_party"},
}


def test_every_regime_and_report_answers_in_the_agreed_form(run: object) -> None:
    for regime, reports in REPORTS.items():
        for report in sorted(reports):
            found = json.loads(
                run("deadlines", "compute", "--regime", regime, "--report", report, *AT, "--json").stdout
            )
            assert set(found) == KEYS
            assert set(found["explanation"]) == {"ja", "en"}
            assert found["explanation"]["ja"]
            assert found["rule"].partition(":")[0] == regime
            assert found["confidence"] in {"found", "reading", "unverified"}
            assert (found["due_at"] is not None) == (found["state"] == "dated")
            assert found["source"]


def test_the_rules_list_every_regime_with_source_confidence_and_dates(run: object) -> None:
    found = json.loads(run("deadlines", "rules", "--json").stdout)
    by_regime: dict[str, set[str]] = {}
    for rule in found:
        by_regime.setdefault(rule["regime"], set()).add(rule["report"])
        assert rule["source"]
        assert rule["confidence"]
        assert {"valid_from", "valid_until", "clock", "counted_en", "facts"} <= rule.keys()
    assert by_regime == REPORTS
    off = {rule["regime"]: rule["only_for"] for rule in found if not rule["is_on"]}
    assert off["us-sec"] == ["sec_registrant"]
    assert not {"policy", "jp-appi", "jp-telecom", "eu-gdpr", "contract"} & {
        rule["regime"] for rule in found if not rule["is_on"] and rule["report"] not in {"first", "detailed"}
    }
    text = run("deadlines", "rules").stdout
    assert "off: sec_registrant" in text
    assert "to be stated in the policy: privacymark_holder" in text  # the shipped policy does not speak of it
    assert {rule["regime"] for rule in found if rule["is_unsaid"]} == {"jp-privacymark", "card-brands"}
    assert "no number (promptly)" in text


def test_a_designation_by_setting_shows_as_on(run: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_on() -> bool:
        found = json.loads(run("deadlines", "rules", "--json").stdout)
        return next(rule["is_on"] for rule in found if rule["entry"] == "user-information-first")

    assert is_on() is False
    monkeypatch.setenv("INCIDENT_APP_DESIGNATED_OPERATOR", "yes")
    assert is_on() is True


def test_facts_choose_the_date_and_an_open_one_is_named(run: object) -> None:
    words = ("deadlines", "compute", "--regime", "jp-appi", "--report", "definitive", *AT)
    longer = json.loads(run(*words, "--fact", "improper_purpose=yes", "--json").stdout)
    assert (longer["state"], longer["due_at"]) == ("dated", "2027-01-18T14:59:59+00:00")
    text = run(*words, "--fact", "people=1001").stdout
    assert "needs_decision" in text
    assert "open: an act of improper purpose" in text
    none = json.loads(run(*words, "--fact", "our_roles=cloud_not_handling", "--json").stdout)
    assert (none["state"], none["due_at"]) == ("not_started", None)


def test_our_role_chooses_between_entries_of_one_word(run: object) -> None:
    words = ("deadlines", "compute", "--regime", "jp-appi", *AT, "--json")

    def rule(report: str, role: str) -> str:
        return str(json.loads(run(*words, "--report", report, "--fact", f"our_roles={role}").stdout)["rule"])

    assert rule("preliminary", "own_controller") == "jp-appi:preliminary"
    assert rule("preliminary", "processor") == "jp-appi:preliminary-as-processor"
    assert rule("entrusting_party", "processor") == "jp-appi:tenant"
    assert rule("entrusting_party", "cloud_not_handling") == "jp-appi:tenant-not-handling"


def test_the_promise_of_the_policy_has_a_target_that_is_no_deadline(run: object) -> None:
    for report in ("people", "promptly"):
        found = json.loads(run("deadlines", "compute", "--regime", "policy", "--report", report, *AT, "--json").stdout)
        assert (found["state"], found["due_at"]) == ("no_fixed_deadline", None)
        assert "社内目標は 2026年11月23日(月) 17:20（72時間）です。期限ではありません。" in found["explanation"]["ja"]
    run("deadlines", "compute", "--regime", "policy", "--report", "first", *AT, code=1)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--regime", "jp-none", "--report", "first"), "no regime called jp-none"),
        (("--regime", "jp-appi", "--report", "third"), "no report called jp-appi third"),
        (("--regime", "jp-appi", "--report", "people", "--situation", "item-9"), "no situation called item-9"),
        (("--regime", "jp-appi", "--report", "people", "--fact", "people"), "name=value"),
        (("--regime", "jp-appi", "--report", "people", "--fact", "colour=red"), "there is no fact colour"),
        (("--regime", "jp-appi", "--report", "people", "--fact", "people=1", "--fact", "people=2"), "contradict"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_reason(run: object, words: tuple[str, ...], told: str) -> None:
    refused = run("deadlines", "compute", *words, *AT, "--json", code=1)
    assert told in json.loads(refused.stdout)["message"]


def test_nothing_is_computed_from_law_of_another_time(run: object) -> None:
    words = ("deadlines", "compute", "--regime", "jp-cyber-response", "--report", "definitive", "--json")
    refused = run(*words, "--aware-at", "2026-09-30T23:59+09:00", code=1)
    assert "was not in force on 2026-09-30" in json.loads(refused.stdout)["message"]
    assert "2026-10-01" in refused.stderr
    assert json.loads(run(*words, "--aware-at", "2026-10-01T00:00+09:00").stdout)["state"] == "dated"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('form = "card-acquirer"', 'form = "card-aquirer"', "reports.form: first is written on 'card-aquirer'"),
        ('code = "card-brands"', 'code = "cards"', "code: 'cards' would take the place of 'card-brands'"),
        ('code = "card-brands"', 'code = "policy"', "code: 'policy'"),
    ],
)
def test_an_own_file_with_a_slip_is_refused_with_file_and_key(
    run: object, tmp_path: Path, before: str, after: str, told: str
) -> None:
    shipped = next(path for path in playbook_files("regimes") if path.name == "card-brands.toml")
    own = tmp_path / "home" / "playbooks" / "regimes" / shipped.name
    own.parent.mkdir(parents=True)
    text = shipped.read_text(encoding="utf-8").replace('version = "', 'version = "mine-', 1)
    own.write_text(text.replace(before, after, 1), encoding="utf-8")
    refused = run("db", "upgrade", code=1)
    assert "card-brands.toml" in refused.output
    assert told in refused.output
    own.write_text(text, encoding="utf-8")
    run("db", "upgrade")
