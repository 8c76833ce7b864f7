"""The real mail server: settings that refuse to be unsafe, and connections opened with aiosmtplib."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import cast

import aiosmtplib

from notifications import conversation, pipelining
from notifications.addresses import needs_smtputf8
from notifications.errors import CannotConnect, ConnectFault, SettingsRefused
from notifications.exchange import Exchange
from notifications.outcome import Outcome, RefusedForGood, without_addresses
from notifications.replies import ReplyLine
from notifications.transport import Envelope, Following

_LAST_PORT = 65535
_FAREWELL_SECONDS = 5.0
NOT_OFFERED = RefusedForGood(
    enhanced="5.6.7", text="the address is not ASCII, and the server does not offer SMTPUTF8: use another channel"
)
"""What is said of a recipient whom this server could never take: nothing of the message was handed over."""


class Security(StrEnum):
    """How the line to the server is protected."""

    TLS = "tls"
    STARTTLS = "starttls"
    PLAINTEXT_LOOPBACK_ONLY = "plaintext_loopback_only"


@dataclass(frozen=True, kw_only=True)
class SmtpSettings:
    """Where the mail server is and how to speak to it."""

    host: str
    port: int
    security: Security
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    timeout: float = 60.0
    ca_file: Path | None = None
    local_hostname: str | None = None
    messages_per_connection: int = 1000

    def __post_init__(self) -> None:
        if not self.host or not 0 < self.port <= _LAST_PORT:
            raise SettingsRefused("host and port must name a server")
        if self.timeout <= 0 or self.messages_per_connection < 1:
            raise SettingsRefused("timeout and messages_per_connection must be positive")
        if (self.username is None) != (self.password is None):
            raise SettingsRefused("username and password belong together")
        if self.security is Security.PLAINTEXT_LOOPBACK_ONLY and not _is_loopback(self.host):
            raise SettingsRefused("without TLS only this machine itself may be the mail server")


class SmtpConnection:
    """One open line; it retires after a number of messages or when it breaks."""

    def __init__(self, client: aiosmtplib.SMTP, *, messages: int, timeout: float) -> None:
        self._client = client
        self._transport = _transport_of(client)
        self._messages_left = messages
        self._unbroken = True
        self._eight_bit = client.supports_extension("8bitmime")
        self._wide_addresses = self._eight_bit and client.supports_extension("smtputf8")
        self._line: ReplyLine | None = None
        if client.supports_extension("pipelining") and self._transport is not None:
            self._line = ReplyLine(self._transport, timeout=timeout)

    @property
    def eight_bit(self) -> bool:
        """Tell whether the server takes 8-bit content."""
        return self._eight_bit

    @property
    def is_pipelined(self) -> bool:
        """Tell whether commands go out in groups on this line."""
        return self._line is not None

    @property
    def is_usable(self) -> bool:
        """Tell whether another message may be sent on this line."""
        return self._unbroken and self._messages_left > 0 and self._stands

    @property
    def _stands(self) -> bool:
        return self._client.is_connected if self._line is None else self._line.is_in_step()

    def refuses(self, envelope: Envelope) -> Outcome | None:
        """Tell what becomes of a message whose recipient this server could never take."""
        return NOT_OFFERED if needs_smtputf8(envelope.recipient) and not self._wide_addresses else None

    async def send(
        self, envelope: Envelope, *, before_data: Callable[[], None], following: Following | None = None
    ) -> Outcome | None:
        """Send one message and what follows it; a line on which one could not be finished counts as broken."""
        if (refused := self.refuses(envelope)) is not None:
            return refused
        self._messages_left -= 1
        self._unbroken = False
        exchange: Exchange | None
        if self._line is not None:
            exchange = await pipelining.send_all(
                self._line,
                envelope,
                eight_bit=self._eight_bit,
                before_data=before_data,
                following=following and _Counted(self, following),
            )
        else:
            exchange = await conversation.send_one(
                self._client, envelope, eight_bit=self._eight_bit, before_data=before_data
            )
        self._unbroken = exchange is None or exchange.connection_usable
        return None if exchange is None else exchange.outcome

    def one_more(self, following: Following) -> Envelope | None:
        """Return the next message if this line is to take another, and count it."""
        further = following.next() if self._messages_left > 0 else None
        self._messages_left -= further is not None
        return further

    async def close(self) -> None:
        """Say QUIT on a sound line and hang up."""
        if self._unbroken and self._stands:
            if self._line is not None:
                await pipelining.say_goodbye(self._line, seconds=_FAREWELL_SECONDS)
            else:
                with contextlib.suppress(aiosmtplib.SMTPException):
                    await self._client.execute_command(b"QUIT", timeout=_FAREWELL_SECONDS)
        await _hang_up(self._client, self._transport)


class _Counted:
    """Lets no more messages follow than the line is to take."""

    def __init__(self, connection: SmtpConnection, following: Following) -> None:
        self._connection = connection
        self._following = following
        self.ended = following.ended

    def next(self) -> Envelope | None:
        """Return the next message, as long as the line is to take one."""
        return self._connection.one_more(self._following)


class SmtpTransport:
    """Opens connections to the server of the settings."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._tls: ssl.SSLContext | None = None
        if settings.security is not Security.PLAINTEXT_LOOPBACK_ONLY:
            self._tls = ssl.create_default_context(cafile=settings.ca_file)

    async def connect(self) -> SmtpConnection:
        """Connect, secure, log in and greet; whatever goes wrong is one CannotConnect."""
        settings = self._settings
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            use_tls=settings.security is Security.TLS,
            start_tls=False,
            tls_context=self._tls,
            timeout=settings.timeout,
            local_hostname=settings.local_hostname,
        )
        line = None
        try:
            await client.connect()
            line = _transport_of(client)
            if settings.security is Security.STARTTLS:
                await client.starttls()
                line = _transport_of(client)
            await _greet(client)
            if settings.username is not None and settings.password is not None:
                await client.login(settings.username, settings.password)
        except (aiosmtplib.SMTPException, OSError) as failure:
            await _hang_up(client, line)
            raise _cannot_connect(failure) from failure
        return SmtpConnection(client, messages=settings.messages_per_connection, timeout=settings.timeout)


def _transport_of(client: aiosmtplib.SMTP) -> asyncio.Transport | None:
    """Return what carries the line; uvloop's is of no class of the standard library's."""
    return cast("asyncio.Transport | None", client.transport)


async def _greet(client: aiosmtplib.SMTP) -> None:
    if not client.is_ehlo_or_helo_needed:
        return
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        await client.helo()


async def _hang_up(client: aiosmtplib.SMTP, line: asyncio.Transport | None) -> None:
    """Close at once: a TLS line that says farewell would outlive the loop that is about to end."""
    if line is not None:
        line.abort()
    client.close()
    await asyncio.sleep(0)


def _cannot_connect(failure: Exception) -> CannotConnect:
    text = without_addresses(str(failure))
    if isinstance(failure, ssl.SSLError) or isinstance(failure.__cause__, ssl.SSLError):
        return CannotConnect(ConnectFault.NOT_TRUSTED, text)
    if isinstance(failure, aiosmtplib.SMTPAuthenticationError):
        return CannotConnect(ConnectFault.LOGIN_REFUSED, f"code {failure.code}")
    if isinstance(failure, aiosmtplib.SMTPResponseException):
        return CannotConnect(ConnectFault.TURNED_AWAY, text)
    if isinstance(failure, OSError):
        return CannotConnect(ConnectFault.UNREACHABLE, text)
    return CannotConnect(ConnectFault.NOT_OFFERED, text)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
