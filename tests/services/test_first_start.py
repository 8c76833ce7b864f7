"""The first start: several processes may load policy and playbooks at once, and none of them fails."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.persistence.playbooks import PlaybookVersion
from incident_app.services import playbooks, setup, timeline
from incident_app.services.playbooks import PlaybookKind, SameVersionOtherText
from tests.builders import NOW, SYSTEM, playbook_files


def test_processes_that_load_the_playbooks_at_once_all_succeed(engine: Engine) -> None:
    start = Barrier(4)

    def load(_number: int) -> int:
        start.wait()
        return setup.load_playbooks(engine, playbook_files, policy="gpu-cloud-bygmo", actor=SYSTEM, now=NOW)

    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(load, range(4)))
    with engine.connect() as connection:
        stored = connection.execute(sa.select(PlaybookVersion.kind, PlaybookVersion.code)).all()
    assert len(stored) == len(set(stored)) >= max(loaded) > 0
    assert timeline.verify_timeline(engine).broken is None


def test_who_comes_second_with_the_same_text_changes_nothing_and_with_another_is_refused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def store(content: str) -> playbooks.Playbook | None:
        return playbooks.store_playbook(
            engine, PlaybookKind.CLOSURE, code="x", version="1", content=content, actor=SYSTEM, now=NOW
        )

    assert store("one") is not None
    real = playbooks.is_stored
    blind = iter([False])
    monkeypatch.setattr(
        playbooks, "is_stored", lambda *given, **facts: next(blind, None) is None and real(*given, **facts)
    )
    assert store("one") is None  # it looked before the other had committed
    monkeypatch.undo()
    with pytest.raises(SameVersionOtherText):
        store("two")
