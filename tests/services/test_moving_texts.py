"""C2: an incident keeps its text of the law until somebody moves it, with a reason and an event."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from incident_app.domain.errors import BadInput, IllegalMove, NotFound
from incident_app.domain.vocabulary import DutyStatus
from incident_app.services import moving_texts, obligation_history, obligations, setup, timeline
from incident_app.services.closing import settle_and_close
from incident_app.services.incidents import IncidentView
from tests import builders
from tests.builders import NOW, SYSTEM, author, playbook_files

LATER = NOW + timedelta(hours=2)


@pytest.fixture
def leak(instance: Engine) -> IncidentView:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    return view


def load(engine: Engine, folder: Path, *, edited: bool = True, extra: bool = False) -> None:
    """Load the playbooks again: the privacy act with shorter periods, or a regime that nobody had before."""
    shipped = next(path for path in playbook_files("regimes") if path.name == "jp-appi.toml")
    text = shipped.read_text(encoding="utf-8").replace('version = "', 'version = "mine-', 1)
    changed = folder / "jp-appi.toml"
    changed.write_text(text.replace("amount = 60", "amount = 10"), encoding="utf-8")
    added = folder / "own-rule.toml"
    added.write_text(
        next(path for path in playbook_files("regimes") if path.name == "contract.toml")
        .read_text(encoding="utf-8")
        .replace('code = "contract"', 'code = "own-rule"', 1),
        encoding="utf-8",
    )

    def files(wanted: str) -> list[Path]:
        found = playbook_files(wanted)
        if wanted == "regimes":
            found = [changed if edited and path.name == changed.name else path for path in found]
            found += [added] if extra else []
        return found

    setup.load_playbooks(engine, files, policy="gpu-cloud-bygmo", actor=SYSTEM, now=NOW + timedelta(minutes=1))


def move(engine: Engine, view: IncidentView, code: str, reason: str = "施行された") -> moving_texts.OfferedText:
    return moving_texts.move_to_newest(engine, view.id, code, reason=reason, actor=author(engine).actor, now=LATER)


def test_nothing_is_offered_while_the_texts_are_the_newest(instance: Engine, leak: IncidentView) -> None:
    assert moving_texts.offered_texts(instance, leak.id) == []
    with pytest.raises(NotFound, match="newer text"):
        move(instance, leak, "jp-appi")


def test_a_newer_text_is_offered_and_changes_nothing_until_it_is_taken(
    instance: Engine, leak: IncidentView, tmp_path: Path
) -> None:
    before = obligations.list_obligations(instance, leak.id)
    load(instance, tmp_path)
    (offered,) = moving_texts.offered_texts(instance, leak.id)
    assert (offered.code, offered.newest) == ("jp-appi", f"mine-{offered.version}")
    obligations.derive_obligations(instance, leak.id, actor=author(instance).actor, now=LATER)
    assert obligations.list_obligations(instance, leak.id, superseded=True) == before
    with pytest.raises(BadInput, match="reason"):
        move(instance, leak, "jp-appi", " ")
    assert move(instance, leak, "jp-appi") == offered
    after = {row.rule: row for row in obligations.list_obligations(instance, leak.id)}
    old = {row.rule: row for row in before}
    assert after["jp-appi:definitive"].due_at < old["jp-appi:definitive"].due_at  # type: ignore[operator]
    assert after["eu-gdpr:authority"] == old["eu-gdpr:authority"]
    assert moving_texts.offered_texts(instance, leak.id) == []
    lives = {life.rule: life for life in obligation_history.duty_lives(instance, leak.id)}
    assert "→" in lives["jp-appi:definitive"].entries[-1].what_ja
    (entry,) = [row for row in timeline.entries(instance, leak.id) if row.kind == "playbook.moved"]
    assert "jp-appi" in entry.summary_en
    assert "mine-" in entry.summary_en


def test_what_was_settled_stays_settled_under_the_newer_text(
    instance: Engine, leak: IncidentView, tmp_path: Path
) -> None:
    found = next(row for row in obligations.list_obligations(instance, leak.id) if row.rule == "jp-appi:definitive")
    act = {"actor": author(instance).actor, "now": NOW}
    request = obligations.ask_waiver(instance, leak.id, found.id, reason="対象外", **act)
    builders.approvals.grant(instance, request, actor=builders.approver(instance).actor, now=NOW)
    obligations.waive(instance, leak.id, found.id, **act)
    load(instance, tmp_path)
    move(instance, leak, "jp-appi")
    kept = next(row for row in obligations.list_obligations(instance, leak.id) if row.rule == "jp-appi:definitive")
    assert (kept.id, kept.status) == (found.id, DutyStatus.WAIVED)


def test_a_regime_that_came_later_is_offered_as_new(instance: Engine, leak: IncidentView, tmp_path: Path) -> None:
    load(instance, tmp_path, edited=False, extra=True)
    (offered,) = moving_texts.offered_texts(instance, leak.id)
    assert (offered.code, offered.version) == ("own-rule", None)
    move(instance, leak, "own-rule")
    assert moving_texts.offered_texts(instance, leak.id) == []


def test_a_closed_incident_keeps_its_texts(instance: Engine, tmp_path: Path) -> None:
    view = builders.an_incident(instance)
    settle_and_close(instance, view.id, reason="誤報", actor=author(instance).actor, now=NOW)
    load(instance, tmp_path)
    with pytest.raises(IllegalMove):
        move(instance, view, "jp-appi")
