"""Settings: read once from the environment, every problem named at once, no unsafe default."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from notifications.dkim import SELECTOR, read_key
from notifications.errors import SettingsRefused

PREFIX = "INCIDENT_APP_"
SECURITY_WORDS = ("tls", "starttls", "plaintext_loopback_only")
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,200}}\Z)(?:{_LABEL}\.)+(?!\d+\Z){_LABEL}")
"""Short enough for a return address with its token in front: an address holds 254 characters."""
_ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LAST_PORT = 65_535
_LOCAL_PART = re.compile(rf"(?=.{{1,64}}\Z){_ATOM}(?:\.{_ATOM})*")

_MAILBOX = re.compile(r"(?=.{1,29}\Z)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")


class SettingsError(Exception):
    """The settings cannot be used; lists every problem."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("The settings cannot be used:\n" + "\n".join(f"  - {problem}" for problem in problems))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set, with the embedded defaults. Field names are the variables in lower case."""

    home: Path
    database_url: str
    listen_host: str
    listen_port: int
    proxy_hops: int
    smtp_host: str
    smtp_port: int
    smtp_fallback: tuple[tuple[str, int], ...]
    smtp_security: str
    smtp_username: str | None
    smtp_password: str | None
    smtp_ca_file: Path | None
    smtp_connections: int
    smtp_per_second: int
    dkim_key_file: Path | None
    dkim_selector: str
    brake_attempts: int
    brake_minutes: int
    brake_percent: int
    brake_at_least: int
    sender_address: str
    bounce_domain: str
    bounce_mailbox: str | None
    policy: str
    designated_operator: bool
    session_hours: int

    @property
    def is_embedded(self) -> bool:
        """True when the database is the SQLite file in the home folder."""
        return self.database_url.startswith("sqlite")

    @property
    def is_reached_from_outside(self) -> bool:
        """True when the web server listens beyond this machine."""
        return not is_loopback(self.listen_host)

    def __repr__(self) -> str:
        """Leave secrets out of logs."""
        shown = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in {"smtp_password", "database_url"}
        }
        return f"Settings({shown})"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; raise SettingsError listing every missing, malformed or unsafe value."""
        reader = _Reader(environment)
        home = reader.path("HOME", default_home(environment))
        settings = cls(
            home=home,
            database_url=reader.database_url(home),
            listen_host=reader.text("LISTEN_HOST", "127.0.0.1"),
            listen_port=reader.number("LISTEN_PORT", 8000, low=0, high=LAST_PORT),
            proxy_hops=reader.number("PROXY_HOPS", 0, low=0, high=5),
            smtp_host=reader.text("SMTP_HOST", "localhost"),
            smtp_port=reader.number("SMTP_PORT", 587, low=1, high=LAST_PORT),
            smtp_fallback=reader.servers("SMTP_FALLBACK"),
            smtp_security=reader.word("SMTP_SECURITY", "starttls", SECURITY_WORDS),
            smtp_username=reader.optional("SMTP_USERNAME"),
            smtp_password=reader.secret("SMTP_PASSWORD"),
            smtp_ca_file=reader.certificates("SMTP_CA_FILE"),
            smtp_connections=reader.number("SMTP_CONNECTIONS", 5, low=1, high=100),
            smtp_per_second=reader.number("SMTP_PER_SECOND", 100, low=1, high=100_000),
            dkim_key_file=reader.signing_key("DKIM_KEY_FILE"),
            dkim_selector=reader.text("DKIM_SELECTOR", "incident"),
            brake_attempts=reader.number("BRAKE_ATTEMPTS", 200, low=1, high=10_000),
            brake_minutes=reader.number("BRAKE_MINUTES", 10, low=1, high=1440),
            brake_percent=reader.number("BRAKE_PERCENT", 10, low=0, high=100),
            brake_at_least=reader.number("BRAKE_AT_LEAST", 20, low=1, high=10_000),
            sender_address=reader.address("SENDER_ADDRESS", "notice@incident-app.example"),
            bounce_domain=reader.domain("BOUNCE_DOMAIN", "incident-app.example"),
            bounce_mailbox=reader.mailbox("BOUNCE_MAILBOX"),
            policy=reader.text("POLICY", "gpu-cloud-bygmo"),
            designated_operator=reader.yes_or_no("DESIGNATED_OPERATOR", default=False),
            session_hours=reader.number("SESSION_HOURS", 12, low=1, high=72),
        )
        reader.problems += _unsafe(settings)
        reader.refuse_unknown(cls)
        if reader.problems:
            raise SettingsError(reader.problems)
        return settings


def default_home(environment: Mapping[str, str]) -> Path:
    """Return the user's data directory for this program: never inside the package or a virtual environment."""
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "incident-app"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "incident-app"
    return Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "incident-app"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _unsafe(settings: Settings) -> list[str]:
    problems = []
    if settings.is_reached_from_outside and settings.proxy_hops == 0:
        problems.append(
            f"{PREFIX}LISTEN_HOST: {settings.listen_host} is reached from outside, but no TLS proxy is declared. "
            f"Put a proxy that speaks HTTPS in front and set {PREFIX}PROXY_HOPS=1, or listen on 127.0.0.1.",
        )
    servers = [("SMTP_HOST", settings.smtp_host), *(("SMTP_FALLBACK", host) for host, _ in settings.smtp_fallback)]
    if settings.smtp_security == "plaintext_loopback_only":
        problems += [
            f"{PREFIX}SMTP_SECURITY: plaintext_loopback_only is for a mail server on this machine, "
            f"but {PREFIX}{name} is {host}. Use starttls or tls."
            for name, host in servers
            if not is_loopback(host)
        ]
    if not SELECTOR.fullmatch(settings.dkim_selector):
        problems.append(
            f"{PREFIX}DKIM_SELECTOR: {settings.dkim_selector!r} is not a selector. Write it in small letters, digits, "
            "hyphens and dots.",
        )
    if (settings.smtp_username is None) != (settings.smtp_password is None):
        problems.append(f"{PREFIX}SMTP_USERNAME and {PREFIX}SMTP_PASSWORD: set both or neither.")
    if settings.brake_at_least > settings.brake_attempts:
        problems.append(
            f"{PREFIX}BRAKE_AT_LEAST: {settings.brake_at_least} attempts never stand among the last "
            f"{settings.brake_attempts} of {PREFIX}BRAKE_ATTEMPTS, so the brake would never act.",
        )
    return problems


class _Reader:
    """Takes values out of the environment and collects what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.problems: list[str] = []

    def optional(self, name: str) -> str | None:
        return self.environment.get(PREFIX + name) or None

    def text(self, name: str, default: str) -> str:
        return self.optional(name) or default

    def path(self, name: str, default: Path) -> Path:
        return Path(self.optional(name) or default).expanduser().absolute()

    def number(self, name: str, default: int, *, low: int, high: int) -> int:
        found = self.optional(name)
        if found is None:
            return default
        if not found.isascii() or not found.isdigit() or not low <= int(found) <= high:
            self.problems.append(f"{PREFIX}{name}: {found!r} is not a whole number from {low} to {high}.")
            return default
        return int(found)

    def word(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        found = self.text(name, default)
        if found not in allowed:
            self.problems.append(f"{PREFIX}{name}: {found!r} is not one of {', '.join(allowed)}.")
            return default
        return found

    def domain(self, name: str, default: str) -> str:
        """Read a domain that mail can come from; a fault in it would fail every message of every wave."""
        found = self.text(name, default)
        if not _DOMAIN.fullmatch(found):
            self.problems.append(
                f"{PREFIX}{name}: {found!r} is not a mail domain. Write it in letters, digits, hyphens and dots, "
                "such as mail.example.jp; a Japanese one in its xn-- form.",
            )
            return default
        return found

    def address(self, name: str, default: str) -> str:
        found = self.text(name, default)
        local_part, _, domain = found.rpartition("@")
        if not _LOCAL_PART.fullmatch(local_part) or not _DOMAIN.fullmatch(domain):
            self.problems.append(
                f"{PREFIX}{name}: {found!r} is not a mail address. Write one such as notice@mail.example.jp.",
            )
            return default
        return found

    def mailbox(self, name: str) -> str | None:
        """Read the mailbox for returned mail: short enough for a token and its signature behind a plus sign."""
        found = self.optional(name)
        if found is None:
            return None
        local_part, _, domain = found.rpartition("@")
        if not _MAILBOX.fullmatch(local_part) or not _DOMAIN.fullmatch(domain):
            self.problems.append(
                f"{PREFIX}{name}: {found!r} is not a mailbox for returned mail. Write one such as "
                "bounces@mail.example.jp, with at most 29 letters, digits, dots, hyphens and underscores before the @.",
            )
            return None
        return found

    def yes_or_no(self, name: str, *, default: bool) -> bool:
        return self.word(name, "yes" if default else "no", ("yes", "no")) == "yes"

    def existing_file(self, name: str) -> Path | None:
        found = self.optional(name)
        if found is not None and not Path(found).is_file():
            self.problems.append(f"{PREFIX}{name}: there is no file {found}.")
        return Path(found) if found else None

    def servers(self, name: str) -> tuple[tuple[str, int], ...]:
        """Read mail servers written host:port, host:port in the order of their preference."""
        found = []
        for entry in (self.optional(name) or "").split(","):
            host, colon, port = entry.strip().rpartition(":")
            if not entry.strip():
                continue
            if not colon or not host or not (port.isascii() and port.isdigit() and 0 < int(port) <= LAST_PORT):
                self.problems.append(
                    f"{PREFIX}{name}: {entry.strip()!r} is not a server. Write host:port, several with commas between."
                )
                continue
            found.append((host.strip("[]"), int(port)))
        return tuple(found)

    def signing_key(self, name: str) -> Path | None:
        """Read the name of a key file, and whether mail can be signed with what it holds."""
        file = self.existing_file(name)
        if file is not None and file.is_file():
            try:
                read_key(file.read_bytes())
            except (OSError, SettingsRefused) as fault:
                problem = fault if isinstance(fault, SettingsRefused) else "it cannot be read"
                self.problems.append(f"{PREFIX}{name}: {file}: {problem}.")
        return file

    def certificates(self, name: str) -> Path | None:
        """Read the name of a file of certificates, and whether it holds any: sending would fail on it much later."""
        file = self.existing_file(name)
        if file is not None and file.is_file():
            try:
                ssl.create_default_context(cafile=file)
            except (OSError, ValueError):  # ssl.SSLError is an OSError
                self.problems.append(f"{PREFIX}{name}: {file} holds no certificate in PEM form.")
        return file

    def secret(self, name: str) -> str | None:
        """Read a secret from the variable itself or, better, from the file that NAME_FILE names."""
        file = self.existing_file(f"{name}_FILE")
        if file is not None and file.is_file():
            try:
                return file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                self.problems.append(f"{PREFIX}{name}_FILE: {file} cannot be read as text in UTF-8.")
                return None
        return self.optional(name)

    def database_url(self, home: Path) -> str:
        found = self.environment.get("DATABASE_URL")
        if not found:
            return f"sqlite:///{home / 'incident-app.db'}"
        for scheme in ("postgresql+psycopg://", "postgresql://", "postgres://"):
            if found.startswith(scheme):
                return "postgresql+psycopg://" + found.removeprefix(scheme)
        if not found.startswith("sqlite:///"):
            self.problems.append("DATABASE_URL: must start with postgresql:// or sqlite:///.")
        return found

    def refuse_unknown(self, settings_class: Callable[..., Any]) -> None:
        """Name misspelt variables: a setting that is silently ignored is an unsafe one."""
        known = {PREFIX + field.name.upper() for field in fields(settings_class)}  # type: ignore[arg-type]
        known |= {PREFIX + "SMTP_PASSWORD_FILE"}
        for name in sorted(set(self.environment) - known):
            if name.startswith(PREFIX):
                self.problems.append(f"{name}: there is no such setting.")


def read_settings() -> Settings:
    """Read the settings of this process."""
    return Settings.from_environment(os.environ)
