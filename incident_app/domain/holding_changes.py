"""What new rows about one person in one store do to what was known: which rows are retracted, which are recorded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Held(NamedTuple):
    """A set of items that a store holds of a person; times in microseconds, 0 for none."""

    item_set: int
    start: int
    end: int


class Change(NamedTuple):
    """What to do: rows to retract, and rows to record."""

    retracted: list[Held]
    recorded: list[Held]


def settle(known: Iterable[Held], named: Iterable[Held], *, at: int) -> Change:
    """Return what a file that names this person and this store changes.

    A row that says the same again changes nothing. One with another end replaces what it corrects. What was open and is
    no longer named ended when the next named period began, at the latest at `at`: until then it stays true, because a
    category that is left out is a customer who is not warned.
    """
    wanted = {(held.item_set, held.start): held for held in named}
    starts = sorted(held.start for held in wanted.values() if held.start)
    change = Change([], [])
    for held in known:
        same = wanted.get((held.item_set, held.start))
        if same == held:
            del wanted[held.item_set, held.start]
        elif same is not None:
            change.retracted.append(held)
        elif not held.end:
            end = next((start for start in starts if start > held.start), at)
            change.retracted.append(held)
            change.recorded.append(held._replace(end=max(end, held.start + 1)))
    change.recorded.extend(wanted.values())
    return change
