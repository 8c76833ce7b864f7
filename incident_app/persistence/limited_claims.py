"""Claiming under limits: what may leave now of each wave and domain, so that no other waits for one that may not.

Messages to a domain that has a limit wait in a queue of their own. They are moved there when a claim first meets them
in the queue of their wave; afterwards a claim that may not write to that domain never reads them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.sending_hours import SendingHours, opens_at
from incident_app.persistence.bulk import key_list, one_of
from incident_app.persistence.claims import COLUMNS, IN_TURN, QUEUED, TABLES, Due, RunningWave, locking, running_waves
from incident_app.persistence.pacing import (
    OVERALL,
    Limits,
    bucket_of_domain,
    bucket_of_wave,
    per_hour,
    store_buckets,
    take_buckets,
)
from notifications.throttle import MICROSECONDS, SharedRate

MOVED_AT_ONCE = 1_000
"""So many messages are looked at in one turn while some may have to wait elsewhere or for their hours."""
SOON = 5 * MICROSECONDS
"""Who has to wait no longer than that stays connected."""
LOOK_AGAIN = MICROSECONDS // 5
"""How soon a domain is asked again whose messages under way are as many as it takes at once."""
_WITH_PLACE = (
    f"SELECT {COLUMNS}, waiting.domain_id, whose.jurisdiction {TABLES}"
    "JOIN customers whose ON whose.id = contact.customer_id "
)
_PACED = (
    "waiting.campaign_id = :campaign AND waiting.domain_id = :domain AND waiting.state = 'queued' AND waiting.paced "
)
_START = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(kw_only=True)
class Claim:
    """What a claim found."""

    due: list[Due] = field(default_factory=list)
    moved: int = 0
    """How many messages were put where they must wait; there may be others behind them."""
    opens_at: int | None = None
    """When the next of what waits for a limit may leave, if that is soon."""


class LimitedClaim:
    """One claim, while the moments of all limits it may touch are kept from other workers."""

    def __init__(self, session: Session, limits: Limits, campaigns: Iterable[int], now: int) -> None:
        self._session, self._limits, self._now = session, limits, now
        self.waves = running_waves(session, list(campaigns))
        self._rates = _rates_of(limits, self.waves)
        self._free_at = take_buckets(session, self._rates)
        self._under_way = _under_way(session) if any(one.connections for one in limits.domains.values()) else {}
        self._taken: Counter[str] = Counter()
        self._openings: dict[tuple[SendingHours, str], int] = {}
        self._domain_of: dict[int, int] = {}
        self.found = Claim()

    def collect(self, limit: int) -> Claim:
        """Find up to `limit` messages that may leave now, those of limited domains first: they are few."""
        for wave in self.waves:
            if not self._is_open_anywhere(wave):
                continue
            others_first = self._room(wave, limit) == 1 and self._now % 2 == 1  # one cannot be halved: by chance
            if others_first:
                self._fetch(wave, 1)
            for domain_id in self._in_turn():
                half = -(-self._room(wave, limit) // 2)  # a long queue of one domain leaves the others their part
                self._fetch(wave, min(half, self._left_of_domain(domain_id)), domain_id)
            if not others_first:
                self._fetch(wave, self._room(wave, limit))
        return self.found

    def _room(self, wave: RunningWave, limit: int) -> int:
        return max(0, min(limit - len(self.found.due), self._left(*OVERALL, bucket_of_wave(wave.id))))

    def charge(self, taken: Sequence[Due]) -> None:
        """Note what is taken against every limit it falls under; called before the claim is saved."""
        numbers = Counter(chain.from_iterable(self._names(row) for row in taken))
        for name, number in numbers.items():
            self._free_at[name] = self._rates[name].charged(self._free_at[name], self._now, number)
        store_buckets(self._session, {name: self._free_at[name] for name in numbers})
        self.found.opens_at = None if taken else self._opens_at()

    def _names(self, row: Due) -> list[str]:
        """Name every limit that a message falls under."""
        of_row = (*OVERALL, bucket_of_wave(row.campaign_id), bucket_of_domain(self._domain_of[row.id]))
        return [name for name in of_row if name in self._rates]

    def _left(self, *names: str) -> int:
        limited = [name for name in names if name in self._rates]
        left = (self._rates[name].allowed(self._free_at[name], self._now) - self._taken[name] for name in limited)
        return min(left, default=MOVED_AT_ONCE)

    def _left_of_domain(self, domain_id: int) -> int:
        limit = self._limits.domains[domain_id]
        if limit.paused_until is not None and _microseconds(limit.paused_until) > self._now:
            return 0
        left = self._left(bucket_of_domain(domain_id))
        if limit.connections is not None:
            left = min(left, limit.connections - self._under_way.get(domain_id, 0))
        return left

    def _in_turn(self) -> list[int]:
        """Return the limited domains, beginning with another one each second, so that each has its turn."""
        domains = sorted(self._limits.domains)
        start = self._now // MICROSECONDS % max(1, len(domains))
        return domains[start:] + domains[:start]

    def _fetch(self, wave: RunningWave, most: int, domain_id: int | None = None) -> None:
        """Keep up to `most` that are due and may leave, and move away what may not; then look once or twice further."""
        for size in (most, MOVED_AT_ONCE, MOVED_AT_ONCE):
            if most <= 0:
                return
            moved = self.found.moved
            most -= self._sort(wave, self._rows(wave, size, domain_id), most, domain_id)
            if self.found.moved == moved:
                return

    def _rows(self, wave: RunningWave, size: int, domain_id: int | None) -> Sequence[Sequence[Any]]:
        canary_only, within = wave.canary
        return self._session.execute(
            sa.text(
                f"{_WITH_PLACE}WHERE {QUEUED if domain_id is None else _PACED}"
                f"AND waiting.next_attempt_at <= :now {canary_only}{IN_TURN}{locking(self._session)}"
            ),
            {"campaign": wave.id, "now": self._now, "most": size, **within}
            | ({} if domain_id is None else {"domain": domain_id}),
        ).all()

    def _sort(self, wave: RunningWave, rows: Sequence[Sequence[Any]], most: int, domain_id: int | None) -> int:
        """Take what may leave, at most so many, and return their number."""
        to_own_queue: list[int] = []
        to_later: dict[int, list[int]] = {}
        taken = 0
        for found in rows:
            row, place, country = Due(*found[:-2]), found[-2], found[-1]
            later = self._later(wave, country)
            if later is not None:
                to_later.setdefault(later, []).append(row.id)
            elif domain_id is None and place in self._limits.domains:
                to_own_queue.append(row.id)
            elif taken < most and row.id not in self._domain_of:
                taken += 1
                self._take(row, place)
        self._move(to_own_queue, to_later)
        return taken

    def _take(self, row: Due, domain_id: int) -> None:
        self.found.due.append(row)
        self._domain_of[row.id] = domain_id
        self._taken.update(self._names(row))
        self._under_way[domain_id] = self._under_way.get(domain_id, 0) + 1

    def _move(self, to_own_queue: Sequence[int], to_later: Mapping[int, Sequence[int]]) -> None:
        changes = [("paced = TRUE", 0, to_own_queue)]
        changes += [("next_attempt_at = :at", at, ids) for at, ids in to_later.items()]
        for change, at, ids in changes:
            if ids:
                self._session.execute(
                    sa.text(f"UPDATE deliveries SET {change} WHERE {one_of(self._session, 'id', 'ids')}"),  # noqa: S608
                    {"ids": key_list(self._session, ids)} | ({"at": at} if at else {}),
                )
                self.found.moved += len(ids)

    def _later(self, wave: RunningWave, country: str) -> int | None:
        """Return when people there may be written to; None when they may be now."""
        if wave.hours_from is None or wave.hours_until is None:
            return None
        key = (SendingHours(begin=wave.hours_from, end=wave.hours_until), country)
        if key not in self._openings:
            self._openings[key] = _microseconds(opens_at(*key, _moment(self._now)))
        return self._openings[key] if self._openings[key] > self._now else None

    def _is_open_anywhere(self, wave: RunningWave) -> bool:
        countries = wave.countries if isinstance(wave.countries, list) else []
        return not countries or any(self._later(wave, str(country)) is None for country in countries)

    def _opens_at(self) -> int | None:
        """Return when to look again, if that is soon and something is due that waits for a limit only."""
        waiting: list[tuple[int, RunningWave, int | None]] = []
        for wave in self.waves:
            if not self._is_open_anywhere(wave):
                continue
            shared = max(map(self._opening_of, (*OVERALL, bucket_of_wave(wave.id))))
            if shared > self._now and shared <= self._now + SOON:
                waiting.append((shared, wave, None))
            for domain_id in self._limits.domains:
                opening = max(shared, self._opening_of_domain(domain_id))
                if self._now < opening <= self._now + SOON:
                    waiting.append((opening, wave, domain_id))
        for at, of_wave, of_domain in sorted(waiting, key=lambda entry: entry[0]):
            if self._anything_due(of_wave, of_domain):
                return at
        return None

    def _opening_of(self, name: str) -> int:
        return self._rates[name].opens_at(self._free_at[name]) if name in self._rates else 0

    def _opening_of_domain(self, domain_id: int) -> int:
        limit = self._limits.domains[domain_id]
        opening = self._opening_of(bucket_of_domain(domain_id))
        if limit.connections is not None and self._under_way.get(domain_id, 0) >= limit.connections:
            opening = max(opening, self._now + LOOK_AGAIN)
        return max(opening, _microseconds(limit.paused_until) if limit.paused_until else 0)

    def _anything_due(self, wave: RunningWave, domain_id: int | None) -> bool:
        canary_only, within = wave.canary
        found = self._session.execute(
            sa.text(
                f"SELECT 1 FROM deliveries waiting WHERE {QUEUED if domain_id is None else _PACED}"  # noqa: S608
                f"AND waiting.next_attempt_at <= :now {canary_only}LIMIT 1"
            ),
            {"campaign": wave.id, "now": self._now, **within} | ({} if domain_id is None else {"domain": domain_id}),
        )
        return found.first() is not None


def bring_forward(session: Session, campaign_id: int, now: int, most: int) -> int:
    """Queue for now what was never tried and waits for hours that no longer hold; return how many that were.

    Both queues are read from their times on; what is tried again keeps its time.
    """
    moved = 0
    for queue in ("paced IS NULL", "paced"):
        found = session.execute(
            sa.text(
                "UPDATE deliveries SET next_attempt_at = :now WHERE id IN (SELECT id FROM deliveries "  # noqa: S608
                f"WHERE campaign_id = :campaign AND state = 'queued' AND {queue} AND next_attempt_at > :now "
                "AND attempt_count = 0 LIMIT :most) AND state = 'queued' RETURNING id"
            ),
            {"now": now, "campaign": campaign_id, "most": most},
        )
        moved += len(found.all())
    return moved


def _rates_of(limits: Limits, waves: Sequence[RunningWave]) -> dict[str, SharedRate]:
    rates = dict(limits.overall)
    rates |= {bucket_of_domain(key): limit.rate for key, limit in limits.domains.items() if limit.rate is not None}
    ceilings = {bucket_of_wave(wave.id): per_hour(wave.per_hour) for wave in waves}
    return rates | {name: rate for name, rate in ceilings.items() if rate is not None}


def _under_way(session: Session) -> dict[int, int]:
    rows = session.execute(
        sa.text("SELECT domain_id, count(*) FROM deliveries WHERE state = 'sending' AND paced GROUP BY domain_id")
    )
    return dict(rows.all())


def _microseconds(moment: datetime) -> int:
    return (moment - _START) // timedelta(microseconds=1)


def _moment(microseconds: int) -> datetime:
    return _START + timedelta(microseconds=microseconds)
