"""Workers killed with SIGKILL at random moments, hundreds of times, on both databases; then rows against server.

`python -m benchmarks.chaos [--json] [--messages N] [--kills N] [--seed N]`. The mail server of this run refuses some
messages for now and some for good, keeps some and cuts the line without a word, and says 421 in the middle of a group.
What is printed is the reckoning: nobody lost, nobody told twice, and in doubt at most what was under way.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.dispatch import postgresql_waves, sqlite_waves
from benchmarks.measure import machine, show
from tests.killing import CONNECTIONS, Faults, Killer, LoggingSink

MESSAGES, KILLS = 6_000, 200
FAULTS = Faults(refused_for_now=0.03, refused_for_good=0.01, dropped_after_dot=0.002, closing=0.01)


def run(*, messages: int = MESSAGES, kills: int = KILLS, seed: int = 1) -> dict[str, Any]:
    """Kill and reckon on each database; what is wrong is an AssertionError, not a figure."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        waves = {
            "sqlite": stack.enter_context(sqlite_waves(folder, messages)),
            "postgresql": stack.enter_context(postgresql_waves(messages)),
        }
        for database, fresh in waves.items():
            with LoggingSink(seed=seed, pause_seconds=0.002, faults=FAULTS) as sink:
                found = Killer(fresh(), folder / f"journals-{database}", sink, seed=seed).run(kills=kills, patience=600)
                cut = sink.kept.total() - sink.told.total()
            assert (found.lost, found.twice, found.denied) == (0, 0, 0), found
            assert found.states["uncertain"] <= found.kills * CONNECTIONS + cut, found
            figures[database] = asdict(found) | {"kept without a word to the worker": cut, "states": dict(found.states)}
    return {"machine": machine(), "figures": figures, "ratios": {}, "skipped": {}}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    show(run(messages=told.messages, kills=told.kills, seed=told.seed))
