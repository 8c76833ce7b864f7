"""Every command runs as it is written: with its own defaults, as text and as JSON, and refuses with a reason."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import click
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from sqlalchemy.engine import Engine

from incident_app.cli.main import main
from incident_app.persistence.outbox import DeliveryRow
from incident_app.services import canaries, dispatch, obligations, steps
from incident_app.services.incidents import IncidentView
from incident_app.services.transaction import recording
from tests import builders
from tests.builders import NOW, ROOT, SYSTEM, author
from tests.cli.conftest import Run

AUTHOR = ("--as", "author@example.jp")
APPROVER = ("--as", "approver@example.jp")
RUN_FOR_EVER = {"serve", "worker"}


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, noun in main.commands.items():
        if isinstance(noun, click.Group):
            for verb, found in noun.commands.items():
                yield (name, verb), found
        else:
            yield (name,), noun


def test_every_default_of_a_choice_is_one_of_its_words() -> None:
    """`person told` named the members of an enumeration, so that its own default was refused."""
    for words, found in commands():
        for parameter in found.params:
            if isinstance(parameter.type, click.Choice):
                choices = [*parameter.type.choices]
                assert all(type(choice) is str for choice in choices), words
                if isinstance(parameter.default, str):
                    assert parameter.default in choices, words


def test_every_command_is_run_by_some_test() -> None:
    """A command that no test runs may fail with its own defaults and nobody knows."""
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    missing = [
        " ".join(words)
        for words, _ in commands()
        if words[0] not in RUN_FOR_EVER and not re.search(r",\s*".join(f'"{word}"' for word in words), text)
    ]
    assert missing == []


@pytest.fixture
def incident(instance: Engine) -> IncidentView:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    return view


def test_a_person_told_by_telephone_settles_the_promise_and_the_incident_closes(
    run: Run, instance: Engine, incident: IncidentView
) -> None:
    ref = incident.reference
    refused = run("incident", "close", ref, *AUTHOR, code=1)
    assert "still open" in refused.stderr
    people = ("C1", "C2", "C3", "C4", "C5")
    told = run("person", "told", ref, *people, "--how", "phone", "--reason", "電話で伝えた", "--json", *AUTHOR)
    assert json.loads(told.stdout) == {"people": 5}
    settled = json.loads(run("commitment", "settle", ref, "--json", *AUTHOR).stdout)
    assert settled["fulfilled"] >= 3
    assert "quick_and_proper" in {row["part"] for row in settled["left"]}
    run("commitment", "confirm", ref, "staff", "supervision", "--note", "研修を行った", *AUTHOR)
    shown = run("commitment", "show", ref, *AUTHOR).stdout
    assert "[x] staff/supervision: Confirmed: 研修を行った" in shown
    assert "[x] leak-response/to_the_people" in shown
    run("commitment", "confirm", ref, "staff", "supervision", "--note", "未実施", "--not-kept", *AUTHOR)
    assert "[ ] staff/supervision" in run("commitment", "show", ref, *AUTHOR).stdout
    run("commitment", "confirm", ref, "staff", "nothing", "--note", "x", *AUTHOR, code=1)
    run("step", "start", ref, "stop-the-spread", *AUTHOR)
    for step in steps.list_steps(instance, incident.id):
        run("step", "skip", ref, step.code, "--reason", "訓練", *AUTHOR)
    run("obligations", "waive", ref, "1", *AUTHOR, code=1)  # nobody has asked, nobody has granted
    live = [duty for duty in obligations.list_obligations(instance, incident.id) if duty.is_live]
    for duty in sorted(live, key=lambda duty: duty.regime != "policy"):
        asked = run("obligations", "ask-waiver", ref, str(duty.id), "--reason", "不要", "--json", *AUTHOR)
        request = str(json.loads(asked.stdout)["request_id"])
        assert request in run("approval", "list", ref, *AUTHOR).stdout
        run("approval", "grant", ref, request, *APPROVER)
        run("obligations", "waive", ref, str(duty.id), *AUTHOR)
        if duty.stage == "quick_and_proper":  # dated duties are open, and a second person judged it not required
            assert "[-] leak-response/quick_and_proper" in run("commitment", "show", ref, *AUTHOR).stdout
            exported = run("commitment", "export", ref, "--format", "csv", "--purpose", "振り返り", *AUTHOR).stdout
            assert ",waived," in exported
    assert "is closed" in run("incident", "close", ref, *AUTHOR).stdout
    assert json.loads(run("incident", "show", ref, "--json", *AUTHOR).stdout)["phase"] == "closed"


def test_a_report_goes_from_its_form_to_the_authority_by_commands(
    run: Run, instance: Engine, incident: IncidentView, tmp_path: Path
) -> None:
    ref = incident.reference
    assert "jp-telecom-detailed" in run("report", "forms").stdout
    fields = run("report", "forms", "jp-telecom-first").stdout
    assert re.search(r"registration +registration_number", fields)
    run("report", "forms", "nothing", code=1)
    wrong = run("report", "draft", ref, "jp-telecom-first", "--fact", "registration=1", *AUTHOR, code=1)
    assert "registration_number" in wrong.stderr
    run("report", "draft", ref, "jp-telecom-first", "--gap", "nonsense=1", *AUTHOR, code=1)
    duty = next(d for d in obligations.list_obligations(instance, incident.id) if d.form == "jp-appi-preliminary")
    options = ("--obligation", str(duty.id), *AUTHOR)
    drafted = json.loads(run("report", "draft", ref, duty.form or "", "--json", *options).stdout)
    number = str(drafted["id"])
    refused = run("approval", "request", ref, "report", number, *AUTHOR, code=1)
    assert "no reason is given" in refused.stderr
    gaps = [
        part
        for field in drafted["filled"]["fields"]
        if field["state"] == "gap"
        for part in ("--gap", f"{field['code']}=調査中")
    ]
    told = run("report", "draft", ref, duty.form or "", "--report", number, *gaps, *AUTHOR)
    assert "Gaps without reason: 0" in told.stdout
    run("report", "check", ref, number, *AUTHOR)
    request = json.loads(run("approval", "request", ref, "report", number, "--json", *AUTHOR).stdout)["request_id"]
    run("approval", "reject", ref, str(request), "--reason", "書き直し", *APPROVER)
    request = json.loads(run("approval", "request", ref, "report", number, "--json", *AUTHOR).stdout)["request_id"]
    run("approval", "grant", ref, str(request), *APPROVER)
    run("report", "export", ref, number, "--format", "html", "--to", str(tmp_path / "report.html"), *AUTHOR)
    assert duty.addressee_ja in (tmp_path / "report.html").read_text(encoding="utf-8")
    future = run("report", "filed", ref, number, "--channel", "web", "--at", "2099-01-01T00:00Z", *AUTHOR, code=1)
    assert "future" in future.stderr
    run("report", "filed", ref, number, "--channel", "web", "--receipt", "R-1", *AUTHOR)


def test_a_wave_is_paused_resumed_settled_and_cancelled_by_commands(
    run: Run, instance: Engine, incident: IncidentView
) -> None:
    ref = incident.reference
    wave = builders.a_wave(instance, incident.id, builders.a_notice(instance, incident.id)).filled
    number = str(wave.campaign_id)
    dispatch.start_campaign(instance, wave.campaign_id, typed_count=wave.planned, actor=author(instance).actor, now=NOW)
    with recording(instance) as session:
        first = session.query(DeliveryRow).order_by(DeliveryRow.id).first()
        assert first is not None
        first.state, delivery = "uncertain", first.id
    run("dispatch", "pause", ref, number, "--reason", "確認", *AUTHOR)
    run("dispatch", "resume", ref, number, *AUTHOR)
    run("dispatch", "resolve", ref, str(delivery), "accepted", "--reason", "相手に確認した", *AUTHOR)
    run("dispatch", "verify", ref, number, *AUTHOR)
    cancelled = run("dispatch", "cancel", ref, number, "--reason", "文面の誤り", "--json", *AUTHOR)
    assert json.loads(cancelled.stdout)["unsent"] == wave.planned - 1


def test_a_wave_with_a_canary_is_held_shown_and_let_go_by_commands(
    run: Run, instance: Engine, incident: IncidentView
) -> None:
    ref = incident.reference
    wave = builders.a_wave(instance, incident.id, builders.a_notice(instance, incident.id)).filled
    number = str(wave.campaign_id)
    run("dispatch", "start", ref, number, "--count", str(wave.planned), "--canary", str(wave.planned), *AUTHOR, code=1)
    run("dispatch", "start", ref, number, "--count", str(wave.planned), "--canary", "1", *AUTHOR)
    run("dispatch", "go", ref, number, *AUTHOR, code=1)
    with recording(instance) as session:
        first = session.query(DeliveryRow).order_by(DeliveryRow.id).first()
        assert first is not None
        first.state, first.attempt_count = "accepted", 1
    canaries.hold_sent_canaries(instance, actor=SYSTEM, now=NOW)
    shown = run("dispatch", "status", ref, *AUTHOR).stdout
    assert "1 accepted, 0 refused, 0 in doubt" in shown
    assert f"dispatch go REFERENCE {number}" in shown
    (listed,) = json.loads(run("dispatch", "status", ref, "--json", *AUTHOR).stdout)
    assert listed["campaign"]["canary"]["accepted"] == 1
    assert (listed["forecast"]["basis"], listed["forecast"]["left"]) == ("configured", wave.planned - 1)
    assert re.search(r"left at 6,000 a minute \(configured\): ends about \d{4}-\d\d-\d\d \d\d:\d\d JST", shown)
    assert "look, then go on" in listed["campaign"]["stop"]["summary_en"]
    run("dispatch", "resume", ref, number, *AUTHOR, code=1)
    run("dispatch", "go", ref, number, *AUTHOR)
    (listed,) = json.loads(run("dispatch", "status", ref, "--json", *AUTHOR).stdout)
    assert (listed["campaign"]["status"], listed["campaign"]["canary"]) == ("running", None)


def test_the_record_of_the_signing_key_is_shown_for_whoever_keeps_the_domain(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("dispatch", "dkim", *AUTHOR, code=1)
    key = ed25519.Ed25519PrivateKey.generate()
    (tmp_path / "dkim.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    monkeypatch.setenv("INCIDENT_APP_DKIM_KEY_FILE", str(tmp_path / "dkim.pem"))
    monkeypatch.setenv("INCIDENT_APP_SENDER_ADDRESS", "notice@mail.example.jp")
    shown = json.loads(run("dispatch", "dkim", "--json", *AUTHOR).stdout)
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    assert shown == {
        "name": "incident._domainkey.mail.example.jp",
        "type": "TXT",
        "record": f"v=DKIM1; k=ed25519; p={public}",
    }


def test_looking_things_up_by_commands(run: Run, instance: Engine, incident: IncidentView, tmp_path: Path) -> None:
    ref = incident.reference
    inventory = ROOT / "playbooks/inventories/gpu-cloud-example.toml"
    run("inventory", "import", str(inventory), *AUTHOR)
    assert "member-db" in run("inventory", "list").stdout
    assert "author@example.jp" in run("user", "list", *AUTHOR).stdout
    assert "jp-appi" in run("deadlines", "rules").stdout
    assert "what_happened" in run("notice", "facts", "leak_notice").stdout
    assert "member-db" in run("scope", "show", ref, *AUTHOR).stdout
    run("scope", "add-party", ref, "mailing-house", *AUTHOR)
    run("impact", "determine", ref, *AUTHOR)
    assert "ersion" in run("impact", "show", ref, *AUTHOR).stdout
    run("impact", "diff", ref, "1", "2", *AUTHOR)
    assert ref in run("incident", "list", *AUTHOR).stdout
    assert "block-logins" in run("step", "list", ref, *AUTHOR).stdout
    policy = run("policy", "show").stdout
    assert "Not a leak: disclosure required by an order of a court" in policy
    assert "uncertain (the published list is open-ended)" in policy
    assert "fee: 5,400 yen" in policy
    assert "power of attorney" in policy
    assert "not taken by telephone, fax" in policy
    assert json.loads(run("policy", "show", "--json").stdout)["procedures"][0]["fee_jpy"] == 5400
    assert "opened" in run("timeline", "list", ref, *AUTHOR).stdout
    run("timeline", "anchor", "--where", "公証", *AUTHOR)


def test_a_designated_operator_is_told_of_its_duty_when_the_impact_is_determined_and_when_the_clock_moves(
    run: Run, instance: Engine, incident: IncidentView, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = json.loads(run("obligations", "list", incident.reference, "--json", *AUTHOR).stdout)
    assert not [duty for duty in found if "user-information" in duty["rule"]]
    lines = [f"K{n},person,customer,ja,JP,試験 {n},k{n}@example.jp,,\n" for n in range(1001)]
    builders.import_text(
        instance, builders.CUSTOMERS.splitlines(keepends=True)[0] + "".join(lines), now=NOW + timedelta(hours=1)
    )
    holdings = "".join(f"K{n},member-db,name email line-contract\n" for n in range(1001))
    builders.import_text(instance, "customer_number,store,items\n" + holdings, now=NOW + timedelta(hours=2))
    monkeypatch.setenv("INCIDENT_APP_DESIGNATED_OPERATOR", "yes")

    def statuses() -> dict[str, str]:
        listed = json.loads(run("obligations", "list", incident.reference, "--json", *AUTHOR).stdout)
        return {duty["rule"]: duty["status"] for duty in listed if "user-information" in duty["rule"]}

    wanted = {f"jp-telecom:user-information-{stage}": "open" for stage in ("first", "detailed")}
    run("impact", "determine", incident.reference, *AUTHOR)
    assert statuses() == wanted
    times = ("--aware-at", "2026-11-20T16:10+09:00", "--reason", "記録を確かめた")
    run("clock", "start", incident.reference, *times, *AUTHOR)
    assert statuses() == wanted
