"""The register of duties, clocks, newer texts and other companies at a shell."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy.engine import Engine

from incident_app.services import obligations, parties, setup
from incident_app.services.incidents import IncidentView
from tests import builders
from tests.builders import NOW, SYSTEM, playbook_files
from tests.cli.conftest import Run

AUTHOR = ("--as", "author@example.jp")
AT = (NOW - timedelta(minutes=30)).isoformat()


@pytest.fixture
def leak(instance: Engine) -> IncidentView:
    builders.with_tenants(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("tenant-volumes"))
    return view


def test_entrusting_customers_are_listed_told_and_settled_by_commands(
    run: Run, instance: Engine, leak: IncidentView
) -> None:
    ref = leak.reference
    assert "No messages yet" in run("parties", "list", ref, *AUTHOR).stdout
    listed = json.loads(run("parties", "customers", ref, "--json", *AUTHOR).stdout)
    assert [(row["customer_number"], row["our_roles"], row["told"]) for row in listed] == [
        ("T1", ["processor"], False),
        ("T2", ["processor"], False),
        ("C1", ["processor"], False),  # a natural person: a pack, and no duty of its own
    ]
    run("parties", "contract", ref, "T1", "--hours", "24", "--reference", "K-7", *AUTHOR)
    run("parties", "contract", ref, "T1", *AUTHOR, code=2)
    run("parties", "contract", ref, "T1", "--hours", "0", *AUTHOR, code=1)
    pack = json.loads(run("parties", "pack", ref, "T1", "--offer-to-report", "--json", *AUTHOR).stdout)
    assert [item["item"] for item in pack["items"]] == list("123456789")
    assert pack["estimated_preliminary_deadline"]["is_estimate"] is True
    assert pack["contract"] == {"notice_hours": 24, "reference": "K-7"}
    text = run("parties", "pack", ref, "T1", *AUTHOR).stdout
    assert "ESTIMATED (as if told now)" in text
    assert "not known yet" in text
    sheet = ("tenant_data_sheet", "--direction", "outgoing", "--at", AT, "--customer", "T1")
    recorded = json.loads(run("parties", "record", ref, *sheet, "--item", "2", "--json", *AUTHOR).stdout)
    assert recorded == {"message_id": 1}
    assert "tenant_data_sheet" in run("parties", "list", ref, *AUTHOR).stdout
    assert "told" in run("parties", "customers", ref, *AUTHOR).stdout
    contract = json.loads(run("obligations", "list", ref, "--regime", "contract", "--json", *AUTHOR).stdout)
    assert [(duty["addressee_en"], duty["status"]) for duty in contract] == [
        ("customer T2", "to_decide"),  # nobody has recorded what that contract says
        ("customer T1", "fulfilled"),
    ]
    unknown = run("obligations", "list", ref, "--regime", "jp-nothing", "--json", *AUTHOR, code=1)
    assert json.loads(unknown.stdout)["message"] == "There is no regime called jp-nothing."
    roles = json.loads(run("obligations", "roles", ref, "--json", *AUTHOR).stdout)
    assert [(row["store"], row["our_role"]) for row in roles] == [("tenant-volumes", "processor")]
    assert "jp-appi notice to the tenant" in run("obligations", "roles", ref, *AUTHOR).stdout
    history = run("obligations", "history", ref, *AUTHOR).stdout
    assert "Fulfilled: word to the recipient (message:1)" in history
    refused = run("parties", "record", ref, *sheet, "--item", "7", "--json", *AUTHOR, code=1)
    assert "not known yet" in json.loads(refused.stdout)["message"]


def test_a_first_report_starts_the_clock_and_a_threshold_is_corrected(
    run: Run, instance: Engine, leak: IncidentView
) -> None:
    ref = leak.reference
    party = parties.parties_of(instance)[0][0]
    told_at = (NOW - timedelta(hours=20)).isoformat()
    first = ("first_report", "--direction", "incoming", "--at", told_at, "--party", party, "--starts-clock")
    run("parties", "record", ref, *first, *AUTHOR, code=1)  # awareness is corrected: say why
    run("parties", "record", ref, *first, "--text", "請求担当が聞いていた", *AUTHOR)
    for value in ("900", "1200"):
        run(
            *("count", "set", ref, "--value", value, "--kind", "exact", "--basis", "台帳"),
            *("--reason", "数え直し", *AUTHOR),
        )
    shown = run("clock", "show", ref, *AUTHOR).stdout
    assert "told_by_party" in shown
    assert "passed:people:1000" in shown
    when = NOW.isoformat()
    run("clock", "correct", ref, "passed:people:7", "--at", when, "--reason", "x", *AUTHOR, code=1)
    run("clock", "correct", ref, "passed:people:1000", "--at", when, "--reason", "ログを見直した", *AUTHOR)
    entries = json.loads(run("clock", "show", ref, "--json", *AUTHOR).stdout)
    assert [entry["counts"] for entry in entries][-2:] == [False, True]
    assert "staff/supervision" in run("commitment", "history", ref, *AUTHOR).stdout


def test_a_newer_text_is_listed_and_adopted_with_a_reason(
    run: Run, instance: Engine, leak: IncidentView, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ref = leak.reference
    assert "newest texts" in run("obligations", "texts", ref, *AUTHOR).stdout
    shipped = next(path for path in playbook_files("regimes") if path.name == "jp-appi.toml")
    newer = tmp_path_factory.mktemp("law") / shipped.name
    newer.write_text(shipped.read_text(encoding="utf-8").replace('version = "', 'version = "mine-', 1), "utf-8")
    setup.load_playbooks(
        instance,
        lambda wanted: [newer if path.name == newer.name else path for path in playbook_files(wanted)],
        policy="gpu-cloud-bygmo",
        actor=SYSTEM,
        now=NOW,
    )
    before = obligations.list_obligations(instance, leak.id)
    assert "regime jp-appi" in run("obligations", "texts", ref, *AUTHOR).stdout
    assert obligations.list_obligations(instance, leak.id) == before
    run("obligations", "adopt", ref, "no-such-law", "--reason", "x", *AUTHOR, code=1)
    adopted = json.loads(run("obligations", "adopt", ref, "jp-appi", "--reason", "施行", "--json", *AUTHOR).stdout)
    assert adopted["newest"].startswith("mine-")
