"""Results of attempts by the hundred: what was heard of each message, and what that makes of it and of its people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.brake import AttemptOutcome
from incident_app.domain.delivery import DeliveryState, Standing
from incident_app.persistence.bulk import insert_many, key_list, one_of, stored_moment
from incident_app.persistence.outbox import DeliveryAttempt, DeliveryRow
from notifications.outbox import Attempt
from notifications.outcome import Accepted, RefusedForGood, RefusedForNow, Unknown

UNKNOWN = AttemptOutcome.UNKNOWN.value
WORDS = {
    Accepted: AttemptOutcome.ACCEPTED.value,
    RefusedForNow: AttemptOutcome.REFUSED_FOR_NOW.value,
    RefusedForGood: AttemptOutcome.REFUSED_FOR_GOOD.value,
    Unknown: UNKNOWN,
}
_COLUMNS = (
    "delivery_id",
    "number",
    "finished_at",
    "outcome",
    "reply_code",
    "enhanced_code",
    "reply_text",
    "content_digest",
)


class Leased(NamedTuple):
    """A message that a worker holds."""

    attempt_count: int
    first_attempt_at: int | None


def leased_rows(session: Session, ids: Sequence[int], owner: str) -> Mapping[int, Leased]:
    """Return those of the messages that are still leased to `owner`, and keep others from moving them meanwhile."""
    lock = " FOR UPDATE" if session.get_bind().dialect.name == "postgresql" else ""
    # An owner stands on a row exactly while it is being sent. Naming the state as well would lead PostgreSQL to the
    # index of rows being sent, which is full of those that no longer are.
    found = session.execute(
        sa.text(
            f"SELECT id, attempt_count, first_attempt_at FROM deliveries "  # noqa: S608 - names of ours
            f"WHERE {one_of(session, 'id', 'ids')} AND lease_owner = :owner{lock}"
        ),
        {"ids": key_list(session, ids), "owner": owner},
    )
    return {key: Leased(count, first) for key, count, first in found}


def insert_attempts(session: Session, attempts: Sequence[Attempt]) -> None:
    """Write down attempts, each with its result."""
    insert_many(
        session,
        DeliveryAttempt,
        _COLUMNS,
        [
            (
                attempt.delivery_id,
                attempt.number,
                stored_moment(session, attempt.finished_at),
                WORDS[type(attempt.outcome)],
                attempt.outcome.code,
                attempt.outcome.enhanced,
                attempt.outcome.text[:500],
                attempt.content_digest or None,
            )
            for attempt in attempts
        ],
    )


def settle(session: Session, ids: Sequence[int], state: DeliveryState, owner: str) -> None:
    """End the leases of messages whose last word is known."""
    session.execute(
        sa.text(
            "UPDATE deliveries SET state = :state, lease_owner = NULL, lease_until = NULL "  # noqa: S608 - names of ours
            f"WHERE {one_of(session, 'id', 'ids')} AND lease_owner = :owner"
        ),
        {"ids": key_list(session, ids), "owner": owner, "state": state.value},
    )


def queue_again(session: Session, later: Mapping[int, int], owner: str) -> None:
    """End the leases of messages that are to be tried again, each at its time."""
    session.execute(
        sa.text(
            "UPDATE deliveries SET state = 'queued', lease_owner = NULL, lease_until = NULL, next_attempt_at = :again "
            "WHERE id = :id AND lease_owner = :owner"
        ),
        [{"id": key, "again": again, "owner": owner} for key, again in later.items()],
    )


_TOLD = ", told_item_set_id = inside.item_set_id"
_NOT_OTHERWISE_TOLD = " AND standing IN ('to_inform', 'not_reached', 'informed')"


def move_people(session: Session, delivery_ids: Sequence[int], standing: Standing, *, at: datetime) -> None:
    """Move the people of settled deliveries: told of the items of that message, or not reached.

    Who was told before by another way stays told when a mail fails. A person is in at most one open delivery of a
    purpose, so that none is moved twice.
    """
    told = standing is Standing.INFORMED
    values = {
        "ids": key_list(session, delivery_ids),
        "standing": standing.value,
        "at": stored_moment(session, at),
    }
    condition = one_of(session, "delivery_id", "ids")
    session.execute(
        sa.text(
            f"UPDATE people_to_inform SET standing = :standing, standing_since = :at, how = 'mail'{_TOLD if told else ''} "  # noqa: S608, E501
            "FROM delivery_people inside "
            f"WHERE people_to_inform.id = inside.person_id AND inside.{condition}{'' if told else _NOT_OTHERWISE_TOLD}"
        ),
        values,
    )
    session.execute(
        sa.text(f"UPDATE delivery_people SET open = FALSE WHERE {condition}"),  # noqa: S608 - names of ours
        {"ids": values["ids"]},
    )


LOOKED_BACK = 50_000
"""So many attempts of all waves are looked through, so that a slow wave beside a fast one costs little."""


def newest_of_wave(session: Session, campaign_id: int, *, after: int) -> sa.Select[DeliveryAttempt]:
    """Return the question for the newest attempts of a wave behind the attempt `after`, newest first.

    Asked this way round, both databases walk back over the newest attempts and stop when there are enough.
    """
    newest = session.scalar(sa.select(sa.func.max(DeliveryAttempt.id))) or 0
    of_wave = sa.select(DeliveryRow.campaign_id).where(DeliveryRow.id == DeliveryAttempt.delivery_id).scalar_subquery()
    return (
        sa.select(DeliveryAttempt)
        .where(DeliveryAttempt.id > max(after, newest - LOOKED_BACK), of_wave == campaign_id)
        .order_by(DeliveryAttempt.id.desc())
    )


LINES_AT_ONCE = 5_000
_LINES = """
SELECT attempt.id, attempt.delivery_id || '|' || attempt.number || '|' || %finished_at% || '|' || attempt.outcome
    || '|' || coalesce(CAST(attempt.reply_code AS TEXT), 'None') || '|' || coalesce(attempt.content_digest, 'None')
FROM delivery_attempts attempt JOIN deliveries ON deliveries.id = attempt.delivery_id
WHERE deliveries.campaign_id = :campaign AND attempt.id > :after AND attempt.id <= :through
ORDER BY attempt.id
"""
_FINISHED_AT = {
    "sqlite": "replace(attempt.finished_at, ' ', 'T') || 'Z'",
    "postgresql": """to_char(attempt.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24\\:MI\\:SS.US"Z"')""",
}


def attempt_lines(session: Session, campaign_id: int, *, after: int, through: int) -> Iterator[tuple[int, bytes]]:
    """Write the attempts of a wave as lines, a few thousand at a time, each time with the id of the last.

    A line is delivery, number, time in UTC with microseconds, outcome, code and digest of the content. The database
    writes it: a million of them are read at every pause and at the end.
    """
    question = sa.text(_LINES.replace("%finished_at%", _FINISHED_AT[session.get_bind().dialect.name]))
    found = session.execute(
        question.execution_options(yield_per=LINES_AT_ONCE),
        {"campaign": campaign_id, "after": after, "through": through},
    )
    for rows in found.partitions():
        yield rows[-1][0], ("\n".join([line for _, line in rows]) + "\n").encode()
