"""The sink of a rehearsal: a mail server on this machine that keeps count, plays faults and forwards nothing."""

from __future__ import annotations

import re
import threading
from collections import Counter
from pathlib import Path

from incident_app.domain.rehearsal import Fault, fault_of
from notifications.sink import DROP, SILENCE, MailSink, ReceivedMessage, SinkScript

SHOWN = 3
_TOKEN = re.compile(rb"^Message-ID: <([^@>]+)@", re.MULTILINE)
_REPLIES = {
    Fault.REFUSED_FOR_NOW: "451 4.7.1 rehearsal: try again later",
    Fault.REFUSED_FOR_GOOD: "550 5.1.1 rehearsal: no such mailbox",
    Fault.CLOSED: "421 4.3.2 rehearsal: closing",
}
_AFTER_THE_TEXT = {Fault.DROPPED: DROP, Fault.SILENT: SILENCE}


class TallySink(MailSink):
    """Keeps what it took by the token of each message, and the first few as they came."""

    def __init__(self, *, maildir: Path | None = None) -> None:
        super().__init__(script=SinkScript(recipient=self._at_recipient, content=self._after_text), maildir=maildir)
        self.taken: Counter[str] = Counter()
        self.first: list[ReceivedMessage] = []
        self.played: Counter[Fault] = Counter()
        self._plan: dict[str, Fault | None] = {}
        self._seen = 0
        self._counting = threading.Lock()

    @property
    def total(self) -> int:
        """Return how many messages were taken so far."""
        with self._counting:
            return self.taken.total()

    def keep(self, message: ReceivedMessage) -> None:
        """Count a message; a million of them do not fit in memory."""
        found = _TOKEN.search(message.content[:8192])
        with self._counting:
            self.taken[found[1].decode("ascii") if found else ""] += 1
            if len(self.first) < SHOWN:
                self.first.append(message)

    def _at_recipient(self, address: str) -> str | None:
        if address not in self._plan:
            self._seen += 1
            if (fault := fault_of(self._seen)) is None:
                return None
            self._plan[address] = fault
        fault = self._plan[address]
        if fault in _REPLIES:
            self.played[fault] += 1
            if fault is not Fault.REFUSED_FOR_GOOD:  # once is enough
                self._plan[address] = None
            return _REPLIES[fault]
        return None

    def _after_text(self, address: str) -> str | None:
        fault = self._plan.get(address)
        if fault not in _AFTER_THE_TEXT:
            return None
        self.played[fault] += 1
        self._plan[address] = None
        return _AFTER_THE_TEXT[fault]
