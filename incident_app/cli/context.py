"""What every command shares: settings, engine, the person who acts, output as text or JSON, exit codes."""

from __future__ import annotations

import dataclasses
import errno
import functools
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput, IncidentAppError
from incident_app.domain.zones import JST
from incident_app.keys import UnsafeKey, make_home, own_key
from incident_app.paths import files_in
from incident_app.persistence.database import make_engine
from incident_app.services import accounts, incidents
from incident_app.services.bounces import BounceTools
from incident_app.services.transaction import is_ready
from incident_app.settings import Settings, SettingsError
from notifications.bounces.verp import ReturnPath

P = ParamSpec("P")
R = TypeVar("R")

DONE, REFUSED, WRONG_USAGE = 0, 1, 2
BOUNCE_KEY = "bounce"
"""The name of the key that signs return addresses."""
HIGHEST_NUMBER = 2**63 - 1
"""The highest number that the databases can hold."""
EARLIEST_YEAR, LATEST_YEAR = 1900, 2999


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
    def bounce_tools(self) -> BounceTools:
        """What reading returned mail needs besides the database."""
        return BounceTools(
            folder=self.evidence_folder, address_key=self.address_key, return_path=return_path_of(self.settings)
        )

    @property
    def known_return_path(self) -> ReturnPath | None:
        """The signed return path, where there is one and its key was made: looking at mail makes no key."""
        settings = self.settings
        is_made = settings.bounce_mailbox is not None and (settings.home / "keys" / f"{BOUNCE_KEY}.key").exists()
        return return_path_of(settings) if is_made else None

    @property
    def evidence_folder(self) -> Path:
        """Where the bytes of evidence are kept, by their digest."""
        return self.settings.home / "evidence"

    @property
    def profile_folder(self) -> Path:
        """Where column profiles are kept, by name."""
        return self.settings.home / "profiles"

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

    def show_file(self, text: str, target: Path | None) -> None:
        """Print what was exported, or say in which file it is; with --json it stands in one document."""
        if target is not None:
            self.show({"file": str(target)}, f"Written to {target}.")
        elif not self.as_json:
            click.echo(text, nl=not text.endswith("\n"))
        else:
            self.show(_document(text))

    @contextmanager
    def file_for(self, target: Path | None) -> Iterator[Callable[[str], None]]:
        """Give a way to write a text to `target` that leaves no file, or the old one, when the block fails."""
        if target is None:
            yield _keep_nothing
        elif target.exists() and not target.is_file():  # a device or a pipe has no old content to spare
            yield functools.partial(_write, target)
        else:
            draft = target.with_name(f".{secrets.token_hex(8)}.part")
            try:
                yield functools.partial(_write, draft)
                draft.replace(target)
            finally:
                draft.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        if path.is_file():
            os.fsync(file.fileno())


def _keep_nothing(_text: str) -> None:
    """Write no file: the text goes to standard output once it is recorded."""


def _document(text: str) -> object:
    """Return a text that is one JSON document as that document, any other as {"text": ...}."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, (dict, list)) else {"text": text}


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
        if not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
            self.fail(f"{value!r} is not in the years {EARLIEST_YEAR} to {LATEST_YEAR}", param, ctx)
        return moment.astimezone(UTC)


def return_path_of(settings: Settings) -> ReturnPath:
    """Return the envelope senders of this instance: signed where a mailbox for returned mail is named."""
    if settings.bounce_mailbox is None:
        return ReturnPath(mailbox="bounce", domain=settings.bounce_domain)
    mailbox, _, domain = settings.bounce_mailbox.rpartition("@")
    return ReturnPath(mailbox=mailbox, domain=domain, key=own_key(settings.home, BOUNCE_KEY))


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
            _check_words({"as": acting, **kwargs})
            return function(world, *args, **kwargs)  # type: ignore[arg-type] # the world is ours to add
        except (SettingsError, UnsafeKey) as problem:
            _refuse(world, str(problem), type(problem).__name__, WRONG_USAGE)
        except IncidentAppError as refusal:
            _refuse(world, refusal.message("en"), type(refusal).__name__, REFUSED)
        except SQLAlchemyError as problem:
            _refuse(world, _database_trouble(problem), "DatabaseUnavailable", REFUSED)
        except OSError as problem:
            _refuse(world, _system_trouble(problem), "SystemRefused", REFUSED)
        except (UnicodeError, OverflowError, RecursionError) as problem:
            message = f"Something given is too large, too deep or no text ({type(problem).__name__}). Correct it."
            _refuse(world, message, type(problem).__name__, REFUSED)
        finally:
            world.close()
        raise AssertionError  # _refuse never returns

    return run


def _check_words(given: Mapping[str, object]) -> None:
    """Refuse words that are no text and numbers that no database holds, by the name of their option."""
    for name, value in given.items():
        for word in value if isinstance(value, tuple) else (value,):
            option = name.replace("_", "-")
            if isinstance(word, (str, Path)) and not _is_text(str(word)):
                raise click.BadParameter("this is not text in UTF-8", param_hint=option)
            if isinstance(word, int) and abs(word) > HIGHEST_NUMBER:
                raise click.BadParameter("this number is too large", param_hint=option)


def _is_text(word: str) -> bool:
    try:
        return "\0" not in word and word.encode() is not None
    except UnicodeEncodeError:
        return False


def _database_trouble(problem: SQLAlchemyError) -> str:
    """Say what the database said in its first line, which holds no values; other troubles by their kind only."""
    if not isinstance(problem, OperationalError):
        return f"The database refused this ({type(problem).__name__}). Run `incident-app db check`."
    reason = str(problem.orig).splitlines()[0] if problem.orig and str(problem.orig) else "no answer"
    return f"The database cannot be used: {reason}"


def _system_trouble(problem: OSError) -> str:
    place = f": {problem.filename}" if problem.filename else ""
    if problem.errno == errno.EADDRINUSE:
        return "Another program listens at this address already. Stop it, or set INCIDENT_APP_LISTEN_PORT."
    return f"The operating system refused this{place} ({problem.strerror or type(problem).__name__})."


def _refuse(world: World, message: str, kind: str, code: int) -> None:
    if world.as_json:
        click.echo(json.dumps({"refused": kind, "message": message}, ensure_ascii=False))
    click.echo(message, err=True)
    sys.exit(code)


def jst(moment: datetime | None) -> str:
    """Write a time for people in Japan; a dash for none."""
    return moment.astimezone(JST).strftime("%Y-%m-%d %H:%M JST") if moment else "-"
