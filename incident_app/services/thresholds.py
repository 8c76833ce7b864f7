"""The day a number passes a threshold is remembered as the beginning of a clock (Guideline 3-5-3-1)."""

from __future__ import annotations

from incident_app.domain.events import ThresholdPassed
from incident_app.domain.ids import IncidentId
from incident_app.domain.regimes import read_regime
from incident_app.domain.thresholds import find_crossing, thresholds_of
from incident_app.domain.vocabulary import ClockSource
from incident_app.services.incidents import newest_clocks, start_clock
from incident_app.services.person_counts import counts_of
from incident_app.services.playbooks import PlaybookKind, pinned
from incident_app.services.transaction import Transaction


def remember_crossings(act: Transaction, incident_id: IncidentId) -> None:
    """Start the clock of each threshold that was passed and not remembered yet; the first passing counts for ever.

    What was remembered wrongly is corrected by a later row with a reason, never taken back.
    """
    texts = pinned(act.session, incident_id, [PlaybookKind.REGIME])
    known = newest_clocks(act.session, incident_id)
    for threshold in thresholds_of(read_regime(text.content, file=text.code) for text in texts):
        if threshold.clock in known:
            continue
        passed = find_crossing(counts_of(act.session, incident_id, threshold.subject), threshold.number)
        if passed is None:
            continue
        act.record(
            ThresholdPassed(threshold=threshold.number, value=passed.value), incident=incident_id, occurred_at=passed.at
        )
        start_clock(act, incident_id, threshold.clock, passed.at, ClockSource.THRESHOLD_PASSED)
