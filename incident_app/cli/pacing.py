"""What `dispatch fill`, `start` and `pace` share: hours and ceiling as options, and how they read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from incident_app.domain.sending_hours import Pace
from incident_app.services.paces import CallCentre, pace_of


class Hours(click.ParamType[tuple[int, int]]):
    """Two full hours such as 8-20."""

    name = "hours"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:  # noqa: ANN401
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(\d{1,2})-(\d{1,2})", str(value))
        if found is None:
            self.fail(f"{value!r} is not a pair of full hours like 8-20", param, ctx)
        return int(found[1]), int(found[2])


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The pace that was asked for on the command line."""

    pace: Pace
    calls: CallCentre | None

    @property
    def is_any(self) -> bool:
        """True when any of the options was given."""
        return self.pace != Pace()

    @property
    def text(self) -> str:
        """Say it in one line."""
        hours, ceiling = self.pace.hours, self.pace.per_hour
        parts = [f"sent from {hours.begin}:00 to {hours.end}:00 where the recipient is"] if hours else []
        parts += [f"at most {ceiling:,} an hour"] if ceiling else []
        return ", ".join(parts) or "no hours and no ceiling"


_OPTIONS = (
    click.option("--hours", type=Hours(), help="Send only within these full hours where the recipient is, like 8-20."),
    click.option("--per-hour", type=int, help="Messages an hour at most."),
    click.option("--calls-per-hour", type=int, help="Instead: calls that the call centre takes an hour."),
    click.option(
        "--percent-who-call", type=int, default=5, show_default=True, help="Of a hundred told, how many call."
    ),
)


def paced(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a pace."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def asked(
    hours: tuple[int, int] | None, per_hour: int | None, calls_per_hour: int | None, percent_who_call: int
) -> Asked:
    """Return the pace that these options ask for."""
    calls = None
    if calls_per_hour is not None:
        calls = CallCentre(calls_per_hour=calls_per_hour, percent_who_call=percent_who_call)
    return Asked(pace=pace_of(hours=hours, per_hour=per_hour, calls=calls), calls=calls)
