"""What every command shares: settings, engine, the person who acts, output as text or JSON, exit codes."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

import click
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput, IncidentAppError
from incident_app.keys import UnsafeKey, make_home, own_key
from incident_app.paths import files_in
from incident_app.persistence.database import make_engine
from incident_app.services import accounts, incidents
from incident_app.services.transaction import is_ready
from incident_app.settings import Settings, SettingsError

P = ParamSpec("P")
R = TypeVar("R")
JST = ZoneInfo("Asia/Tokyo")

DONE, REFUSED, WRONG_USAGE = 0, 1, 2


class World:
    """The instance a command works on, opened when first needed."""

    def __init__(self, *, as_json: bool, acting: str | None) -> None:
        self.as_json = as_json
        self.acting = acting

    @functools.cached_property
    def settings(self) -> Settings:
        return Settings.from_environment(os.environ)

    @functools.cached_property
    def raw_engine(self) -> Engine:
        """The database, whether or not it has its tables."""
        make_home(self.settings.home)
        return make_engine(self.settings.database_url, for_writing=True)

    def close(self) -> None:
        """Let go of the database, if it was opened."""
        if "raw_engine" in self.__dict__:
            self.raw_engine.dispose()

    @property
    def engine(self) -> Engine:
        if not is_ready(self.raw_engine):
            raise BadInput(field="database", problem="it has no tables yet; run `incident-app db upgrade` first")
        return self.raw_engine

    @property
    def address_key(self) -> bytes:
        return own_key(self.settings.home, "address")

    @property
    def evidence_folder(self) -> Path:
        """Where the bytes of evidence are kept, by their digest."""
        return self.settings.home / "evidence"

    def playbook_files(self, folder: str) -> list[Path]:
        """Return the playbook files of one folder, the company's own before the shipped ones."""
        return list(files_in("playbooks", folder, self.settings.home))

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def account(self, permission: Permission | None = None) -> accounts.Account:
        """Return the person named by --as; refuse when they lack the permission."""
        if self.acting is None:
            raise accounts.PersonNeeded
        account = accounts.get_account_by_email(self.engine, self.acting)
        if permission is not None:
            accounts.require(account, permission)
        return account

    def incident(
        self, reference: str, permission: Permission = Permission.INCIDENT_READ
    ) -> tuple[incidents.IncidentView, accounts.Account]:
        """Return an incident that this person may see, and the person."""
        account = self.account(permission)
        return incidents.get_incident(self.engine, reference, account), account

    def show(self, value: object, text: str | None = None) -> None:
        """Print one JSON document, or the text for people."""
        if self.as_json or text is None:
            click.echo(json.dumps(plain(value), ensure_ascii=False, indent=2))
        else:
            click.echo(text)


def plain(value: object) -> Any:  # noqa: ANN401 - JSON is what comes out
    """Turn values of the program into what JSON can hold; times are ISO 8601 with offset."""
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        entries = [plain(entry) for entry in value]
        return sorted(entries, key=str) if isinstance(value, (set, frozenset)) else entries
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


class Moment(click.ParamType[datetime]):
    """A time in ISO 8601 with an offset; a naive one is refused."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time like 2026-11-24T17:20+09:00", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no UTC offset; write it like 2026-11-24T17:20+09:00", param, ctx)
        return moment.astimezone(UTC)


MOMENT = Moment()
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Give a command --json and --as, the world as first argument, and the agreed exit codes."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
    @click.option("--as", "acting", metavar="EMAIL", help="The account that acts.")
    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        as_json, acting = bool(kwargs.pop("as_json")), kwargs.pop("acting")
        world = World(as_json=as_json, acting=None if acting is None else str(acting))
        try:
            return function(world, *args, **kwargs)  # type: ignore[arg-type] # the world is ours to add
        except (SettingsError, UnsafeKey) as problem:
            _refuse(world, str(problem), type(problem).__name__, WRONG_USAGE)
        except IncidentAppError as refusal:
            _refuse(world, refusal.message("en"), type(refusal).__name__, REFUSED)
        except OperationalError as problem:
            reason = str(problem.orig).splitlines()[0] if problem.orig else "no answer"
            _refuse(world, f"The database cannot be used: {reason}", "DatabaseUnavailable", REFUSED)
        finally:
            world.close()
        raise AssertionError  # _refuse never returns

    return run


def _refuse(world: World, message: str, kind: str, code: int) -> None:
    if world.as_json:
        click.echo(json.dumps({"refused": kind, "message": message}, ensure_ascii=False))
    click.echo(message, err=True)
    sys.exit(code)


def jst(moment: datetime | None) -> str:
    """Write a time for people in Japan; a dash for none."""
    return moment.astimezone(JST).strftime("%Y-%m-%d %H:%M JST") if moment else "-"
