"""Interleaved rounds, ratios inside a round, and the document that every benchmark prints."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Contestant = Callable[[], None]


def interleaved(ours: Contestant, peer: Contestant, *, rounds: int) -> dict[str, list[float]]:
    """Run ours and the peer in turn; return the seconds of each."""
    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(rounds):
        for name, contestant in (("ours", ours), ("peer", peer)):
            start = time.perf_counter()
            contestant()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def beside_others(
    work: Callable[..., None], told: Sequence[object], write: Callable[[], object]
) -> tuple[Any, dict[str, float]]:
    """Let a process of its own do `work(*told, answers)` while `write` is done again and again; report the waits.

    The work puts something into `answers` when it is about to begin, and its result, which is returned, at the end.
    """
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    child = context.Process(target=work, args=(*told, answers))
    child.start()
    answers.get()
    waits = []
    while child.is_alive() and answers.empty():
        waits.append(timed(write))
        time.sleep(0.005)
    result = answers.get()
    child.join()
    waits.sort()
    return result, {
        "writes of others": len(waits),
        "others' writes p99 ms": round(waits[int(0.99 * (len(waits) - 1))] * 1000, 1),
        "others' longest wait ms": round(waits[-1] * 1000, 1),
    }


def timed(act: Callable[[], object]) -> float:
    """Return the seconds that an act takes."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def machine() -> str:
    """Return what the figures were taken on."""
    return f"{os.cpu_count()} cores, {platform.platform(terse=True)}, Python {platform.python_version()}"


def option(name: str, default: int) -> int:
    """Return a number given on the command line like --customers=1000000 or --customers 1000000."""
    for position, word in enumerate(sys.argv):
        if word == name and position + 1 < len(sys.argv):
            return int(sys.argv[position + 1])
        if word.startswith(f"{name}="):
            return int(word.partition("=")[2])
    return default


def ratio(ours: list[float], peer: list[float], *, goal: float) -> dict[str, Any]:
    """Return the ratio of times, ours / peer, inside each round."""
    ratios = [mine / theirs for mine, theirs in zip(ours, peer, strict=True)]
    return {
        "median": round(statistics.median(ratios), 4),
        "min": round(min(ratios), 4),
        "max": round(max(ratios), 4),
        "rounds": len(ratios),
        "goal": goal,
    }


def document(name: str, seconds: Mapping[str, list[float]], *, goal: float, per: int) -> dict[str, Any]:
    """Return one benchmark's document: machine, figures, and the ratio of times, ours / peer, inside each round."""
    return {
        "machine": machine(),
        "figures": {f"{who} per second": round(per / statistics.median(values)) for who, values in seconds.items()},
        "ratios": {name: ratio(seconds["ours"], seconds["peer"], goal=goal)},
    }


def as_markdown(documents: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the documents as a table."""
    lines = [
        "# Benchmarks",
        "",
        "Ratios of times, ours / peer, taken inside interleaved rounds; smaller is better.",
        "Those of dispatch are ratios of rates.",
        "",
    ]
    for name, found in documents.items():
        lines += [f"## {name}", "", f"Machine: {found['machine']}.", ""]
        lines += [f"- {figure}: {value:,}" for figure, value in found["figures"].items()]
        lines += [f"- not measured: {peer} ({reason})" for peer, reason in found.get("skipped", {}).items()]
        lines += ["", "| Ratio | Median | Min | Max | Rounds | Goal |", "|---|---|---|---|---|---|"]
        for ratio, values in found["ratios"].items():
            cells = " | ".join(str(values[key]) for key in ("median", "min", "max", "rounds", "goal"))
            lines.append(f"| {ratio} | {cells} |")
        lines.append("")
    return "\n".join(lines)


def show(found: Mapping[str, Any]) -> None:
    """Print one document, as JSON when asked for."""
    print(json.dumps(found, ensure_ascii=False, indent=2) if "--json" in sys.argv else as_markdown({"result": found}))
