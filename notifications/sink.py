"""A local mail server that keeps everything and forwards nothing, for demonstrations, rehearsals and tests."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, AnyStr, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, TLSSetupException

DROP = "drop"
"""A scripted answer: cut the line."""
SILENCE = "silence"
"""A scripted answer: never answer."""

Answer = Callable[[str], str | None]
"""From the recipient (or sender) to an SMTP reply; None is the ordinary friendly one."""


def _friendly(_address: str) -> str | None:
    return None


@dataclass(frozen=True, kw_only=True)
class SinkScript:
    """What the sink answers at each step of a message."""

    sender: Answer = _friendly
    recipient: Answer = _friendly
    data: Answer = _friendly
    """To the DATA command itself."""
    content: Answer = _friendly
    """After the whole message has come."""
    reset: Answer = _friendly
    """To RSET, with an empty address."""


@dataclass(frozen=True, kw_only=True)
class ReceivedMessage:
    """A message as it came."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)
    over_tls: bool


class MailSink:
    """An SMTP server on 127.0.0.1 in a thread of its own, on a port that the kernel chooses."""

    def __init__(
        self,
        *,
        script: SinkScript | None = None,
        maildir: Path | None = None,
        tls: ssl.SSLContext | None = None,
        tls_from_the_start: bool = False,
        login: tuple[str, str] | None = None,
        eight_bit: bool = True,
        pipelining: bool = True,
        smtputf8: bool = False,
    ) -> None:
        self.script = script or SinkScript()
        self.port = 0
        self._maildir = maildir
        self._tls = tls
        self._tls_from_the_start = tls_from_the_start
        self._login = login
        self.eight_bit = eight_bit
        self.pipelining = pipelining
        self._smtputf8 = smtputf8
        self._received: list[ReceivedMessage] = []
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mail-sink", daemon=True)
        self.sessions: set[_Session] = set()
        self.connections = 0

    @property
    def received(self) -> tuple[ReceivedMessage, ...]:
        """Return the messages that came so far."""
        with self._lock:
            return tuple(self._received)

    def __enter__(self) -> Self:
        # The server library logs envelopes at lower levels, and those are personal data.
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        if self._maildir is not None:
            for folder in ("tmp", "new", "cur"):
                (self._maildir / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Cut every line and stop listening; once is enough."""
        if self._thread.is_alive() and self._loop is not None and self._over is not None:
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def keep(self, message: ReceivedMessage) -> None:
        """Store a message in memory and, if wished, as a file whose name says nothing of it."""
        with self._lock:
            self._received.append(message)
            number = len(self._received)
        if self._maildir is not None:
            name = f"{number:08d}.{os.getpid()}.sink"
            unfinished = self._maildir / "tmp" / name
            envelope = f"Return-Path: <{message.sender}>\r\nDelivered-To: {', '.join(message.recipients)}\r\n"
            unfinished.write_bytes(envelope.encode() + message.content)
            unfinished.chmod(0o600)
            unfinished.replace(self._maildir / "new" / name)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        server = await self._loop.create_server(
            self._session,
            host="127.0.0.1",
            port=0,
            ssl=self._tls if self._tls_from_the_start else None,
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        while self.sessions:
            for session in tuple(self.sessions):
                session.cut()
            await asyncio.sleep(0)

    def _session(self) -> _Session:
        self.connections += 1
        return _Session(
            self,
            loop=self._loop,
            hostname="sink.test",
            tls_context=None if self._tls_from_the_start else self._tls,
            require_starttls=self._tls is not None and not self._tls_from_the_start,
            auth_required=self._login is not None,
            authenticator=self._authenticate,
            enable_SMTPUTF8=self._smtputf8,
        )

    def _authenticate(self, *arguments: Any) -> AuthResult:  # noqa: ANN401 - five arguments, only the last counts
        given = arguments[-1]
        is_right = (
            self._login is not None
            and isinstance(given, LoginPassword)
            and (given.login.decode(), given.password.decode()) == self._login
        )
        return AuthResult(success=is_right, handled=False)


class _Session(SMTP):
    """One client's session, answering by the sink's script."""

    def __init__(self, sink: MailSink, **options: Any) -> None:  # noqa: ANN401 - passed through as they are
        self._sink = sink
        self.recipient_as_said = ""
        super().__init__(_Steps(sink), **options)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._sink.sessions.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._sink.sessions.discard(self)
        super().connection_lost(error)

    @property
    def is_secured(self) -> bool:
        """Tell whether the line is encrypted."""
        return self.transport is not None and self.transport.get_extra_info("ssl_object") is not None

    def cut(self) -> None:
        """Hang up without a word."""
        for transport in (self.transport, self._original_transport):
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802 - the server library finds commands by these names
        try:
            await super().smtp_STARTTLS(arg)
        except TLSSetupException:
            self.cut()
            self._sink.sessions.discard(self)
            raise asyncio.CancelledError from None  # the client did not trust us and has left

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        self.recipient_as_said = (arg or "").partition("<")[2].rpartition(">")[0]
        await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        recipients = self.envelope.rcpt_tos if self.envelope is not None else []
        reply = await _scripted(self, self._sink.script.data, recipients[0]) if recipients else None
        if reply is None:
            await super().smtp_DATA(arg)
        else:
            await self.push(reply)

    async def push(self, status: AnyStr) -> None:
        await super().push(status)
        if status[:3] in {"421", b"421"} and self.transport is not None:
            self.transport.close()


class _Steps:
    """The hooks that the server library calls."""

    def __init__(self, sink: MailSink) -> None:
        self._sink = sink

    async def handle_EHLO(  # noqa: N802 - the server library finds its hooks by these names
        self, _server: _Session, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        said = [line for line in responses if self._sink.eight_bit or "8BITMIME" not in line]
        return [*said[:-1], "250-PIPELINING", said[-1]] if self._sink.pipelining else said

    async def handle_MAIL(  # noqa: N802
        self, server: _Session, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        reply = await _scripted(server, self._sink.script.sender, address)
        if reply is None:
            envelope.mail_from = address
        return reply or "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: _Session, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        reply = await _scripted(server, self._sink.script.recipient, address)
        if reply is None:
            envelope.rcpt_tos.append(server.recipient_as_said)
        return reply or "250 2.1.5 OK"

    async def handle_DATA(self, server: _Session, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        reply = await _scripted(server, self._sink.script.content, envelope.rcpt_tos[0])
        if reply is None:
            self._sink.keep(
                ReceivedMessage(
                    sender=envelope.mail_from or "",
                    recipients=tuple(envelope.rcpt_tos),
                    content=envelope.original_content or b"",
                    over_tls=server.is_secured,
                ),
            )
        return reply or "250 2.0.0 kept"

    async def handle_RSET(self, server: _Session, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        return await _scripted(server, self._sink.script.reset, "") or "250 2.0.0 OK"


async def _scripted(session: _Session, answer: Answer, address: str) -> str | None:
    reply = answer(address)
    if reply in {DROP, SILENCE}:
        if reply == DROP:
            session.cut()
        await asyncio.Event().wait()  # ends when the line does
    return reply
