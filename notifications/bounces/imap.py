"""Returned mail in a mailbox on a server: read over TLS, and nothing in it is changed."""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from notifications.bounces.sources import LARGEST_KEPT, FoundMail
from notifications.errors import MailerError

IMAPS = 993
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UID = re.compile(rb"[0-9]{1,10}")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\U0010ffff]")


class MailboxUnavailable(MailerError):
    """The mailbox cannot be read; the reason holds no word of a mail and no password."""


@dataclass(frozen=True, kw_only=True)
class ImapSettings:
    """A mailbox: the server, who signs in, and the folder."""

    host: str
    port: int = IMAPS
    username: str
    password: str = field(repr=False)
    folder: str = "INBOX"
    ca_file: Path | None = None
    timeout: float = 60.0


def mails_on_server(settings: ImapSettings, *, since: date | None = None) -> Iterator[FoundMail]:
    """Yield the mails of a folder, oldest first; the folder is opened for reading only, so none becomes seen."""
    connection = _signed_in(settings)
    try:
        for uid in _uids(connection, settings, since):
            raw = _fetched(connection, uid)
            if raw is not None:
                yield FoundMail(file=f"{settings.folder}/{uid}", raw=raw)
    except (imaplib.IMAP4.error, OSError) as trouble:
        raise MailboxUnavailable(f"the server broke off ({type(trouble).__name__})") from None
    finally:
        _leave(connection)


def _signed_in(settings: ImapSettings) -> imaplib.IMAP4_SSL:
    if _UNSAFE.search(settings.folder + settings.username):
        raise MailboxUnavailable("folder and account are written in letters, digits and signs of ASCII")
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        connection = imaplib.IMAP4_SSL(settings.host, settings.port, ssl_context=context, timeout=settings.timeout)
    except ssl.SSLCertVerificationError:
        raise MailboxUnavailable("the server's certificate is not trusted") from None
    except (imaplib.IMAP4.error, OSError) as trouble:
        raise MailboxUnavailable(f"no connection over TLS ({type(trouble).__name__})") from None
    try:
        connection.login(settings.username, settings.password)
    except (imaplib.IMAP4.error, OSError, UnicodeError):
        _leave(connection)
        raise MailboxUnavailable("the server refused account or password") from None
    return connection


def _leave(connection: imaplib.IMAP4_SSL) -> None:
    with suppress(imaplib.IMAP4.error, OSError):
        connection.logout()
    with suppress(imaplib.IMAP4.error, OSError):  # a server that broke off says no goodbye: the line is closed anyway
        connection.shutdown()


def _uids(connection: imaplib.IMAP4_SSL, settings: ImapSettings, since: date | None) -> list[str]:
    quoted = settings.folder.replace("\\", "\\\\").replace('"', '\\"')
    if connection.select(f'"{quoted}"', readonly=True)[0] != "OK":
        raise MailboxUnavailable("there is no such folder")
    wanted = f"SINCE {since.day:02}-{_MONTHS[since.month - 1]}-{since.year}" if since else "ALL"
    answer, found = connection.uid("SEARCH", wanted)
    if answer != "OK":
        raise MailboxUnavailable("the server does not list the folder")
    return [uid.decode() for uid in _UID.findall(b" ".join(part for part in found if isinstance(part, bytes)))]


def _fetched(connection: imaplib.IMAP4_SSL, uid: str) -> bytes | None:
    """Return one mail; None when somebody removed it meanwhile."""
    answer, found = connection.uid("FETCH", uid, f"(BODY.PEEK[]<0.{LARGEST_KEPT}>)")
    if answer != "OK":
        return None
    return next((part[1] for part in found if isinstance(part, tuple) and isinstance(part[1], bytes)), None)
