from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from notifications.dispatcher import Dispatcher
from notifications.journal import Fate, Journal, replay
from notifications.memory import MemoryOutbox, MemoryState
from notifications.sink import MailSink, SinkScript
from notifications.smtp import SmtpTransport
from tests.notifications.builders import PlainComposer, a_delivery, a_recipient, loopback, noon, quick_options

COUNT = 60
CONNECTIONS = quick_options().connections
ROOT = Path(__file__).parents[2]


class Killer:
    """Kills the child when the server has been asked `at` times at the watched step."""

    def __init__(self, at):
        self._at = at
        self._asked = 0
        self._child_is_known = threading.Event()
        self._child = None

    def watch(self, child):
        self._child = child
        self._child_is_known.set()

    def __call__(self, _address):
        self._asked += 1
        if self._asked == self._at:
            self._child_is_known.wait()
            os.kill(self._child.pid, signal.SIGKILL)
            self._child.wait()


def start_child(port, journal):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.notifications.sending_child", str(port), str(journal), str(COUNT)]
    return subprocess.Popen(command, env=environment, cwd=ROOT)


def resume(port, path):
    """Settle what the dead worker had leased by its journal, and send what it had never begun."""
    outbox = MemoryOutbox([a_delivery(number) for number in range(1, COUNT + 1)], clock=noon)
    outbox.claim(limit=COUNT, lease=timedelta(minutes=5))
    outbox.settle(replay(path))
    settled = outbox.states()

    async def scenario():
        with Journal.fresh(path) as journal:
            dispatcher = Dispatcher(
                outbox=outbox,
                composer=PlainComposer(),
                transport=SmtpTransport(loopback(port)),
                journal=journal,
                clock=noon,
                options=quick_options(),
            )
            await dispatcher.run(asyncio.Event(), until_empty=True)

    asyncio.run(scenario())
    return settled, outbox.states()


@pytest.mark.parametrize(
    ("step", "at"),
    [("sender", 1), ("recipient", 8), ("data", 20), ("content", 1), ("content", 25), ("content", 60), ("sender", 41)],
)
def test_after_a_kill_nobody_is_forgotten_and_nobody_is_told_twice(tmp_path, step, at):
    """F3: kill -9 at any moment, restart: nobody skipped, nobody mailed twice, uncertain ones listed."""
    path = tmp_path / "worker.journal"
    killer = Killer(at)
    with MailSink(script=SinkScript(**{step: killer})) as sink:
        child = start_child(sink.port, path)
        killer.watch(child)
        assert child.wait(timeout=60) == -signal.SIGKILL
        found = replay(path)
        fates = {number: found.fate_of(number, 1) for number in range(1, COUNT + 1)}
        settled, states = resume(sink.port, path)
        received = Counter(message.recipients[0] for message in sink.received)

    assert found.trustworthy
    assert len(found.open) <= CONNECTIONS
    assert all(settled[number] is MemoryState.ACCEPTED for number, fate in fates.items() if fate is Fate.ENDED)
    uncertain = {number for number, state in states.items() if state is MemoryState.UNCERTAIN}
    assert uncertain == {number for number, fate in fates.items() if fate is Fate.IN_DOUBT}
    assert {states[number] for number in states if number not in uncertain} == {MemoryState.ACCEPTED}
    for number in states:
        allowed = {0, 1} if number in uncertain else {1}
        assert received[a_recipient(number)] in allowed
