"""Where returned mail is read from: every mail once, named as it lies, and nothing changed by the reading."""

from __future__ import annotations

import io
import mailbox
import os
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.bounces.classifier import read_returned
from notifications.bounces.imap import ImapSettings, MailboxUnavailable, mails_on_server
from notifications.bounces.sources import mails_in, mails_of
from tests.notifications import returned
from tests.notifications.imap_server import ImapServer


def names(path: Path) -> list[str]:
    return [found.file for found in mails_in(path)]


def test_a_folder_is_read_with_everything_below_it_by_relative_names(tmp_path: Path) -> None:
    (tmp_path / "b" / "deep").mkdir(parents=True)
    (tmp_path / "b" / "deep" / "1.eml").write_bytes(returned.POSTFIX)
    (tmp_path / "a.eml").write_bytes(returned.EXIM)
    (tmp_path / ".hidden").write_bytes(returned.EXIM)
    (tmp_path / "link.eml").symlink_to(tmp_path / "a.eml")
    os.mkfifo(tmp_path / "pipe")
    found = list(mails_in(tmp_path))
    assert [mail.file for mail in found] == ["a.eml", "b/deep/1.eml"]
    assert found[1].raw == returned.POSTFIX


def test_of_a_maildir_what_was_delivered_is_read_and_nothing_else(tmp_path: Path) -> None:
    box = mailbox.Maildir(tmp_path / "box")
    box.add(returned.POSTFIX)
    box.add_folder("Older").add(returned.EXIM)
    (tmp_path / "box" / "tmp" / "half").write_bytes(b"Subject: half")
    (tmp_path / "box" / "dovecot-uidlist").write_bytes(b"3 V1")
    found = names(tmp_path / "box")
    assert len(found) == 2
    assert all("new/" in name for name in found)


def test_a_single_file_is_named_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(returned.QMAIL)
    assert names(tmp_path / "one.eml") == ["one.eml"]


def test_the_mails_of_an_mbox_are_told_apart_and_a_mail_alone_needs_no_number(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "many.mbox")
    mails = [returned.POSTFIX, returned.QMAIL.replace(b"Hi.", b"From here on:"), returned.EXIM]
    for raw in mails:
        box.add(raw)
    box.close()
    found = list(mails_in(tmp_path / "many.mbox"))
    assert [mail.file for mail in found] == ["many.mbox#1", "many.mbox#2", "many.mbox#3"]
    assert [read_returned(mail.raw) for mail in found] == [read_returned(raw) for raw in mails]
    assert b"\nFrom here on:" in found[1].raw
    alone = mailbox.mbox(tmp_path / "alone.mbox")
    alone.add(returned.EXIM)
    alone.close()
    assert names(tmp_path / "alone.mbox") == ["alone.mbox"]


def test_a_line_that_only_begins_like_an_mbox_is_a_mail() -> None:
    (found,) = mails_of(io.BytesIO(b"From the desk of nobody\n\nFrom me 12:30\n"), "-")
    assert found.raw.startswith(b"From the desk")


@given(st.binary(max_size=300))
def test_whatever_a_stream_holds_nothing_of_a_mail_is_lost(raw: bytes) -> None:
    (found,) = mails_of(io.BytesIO(b"X: y\n" + raw), "-")
    assert found.raw == b"X: y\n" + raw


def settings(port: int, authority: Path, **changes: object) -> ImapSettings:
    values = {"host": "127.0.0.1", "port": port, "username": "bounces", "password": "right", "ca_file": authority}
    return ImapSettings(**{**values, "timeout": 5.0, **changes})


def test_a_mailbox_on_a_server_is_read_without_marking_anything(tls) -> None:
    context, authority = tls.server, tls.authority
    with ImapServer(context, {3: returned.POSTFIX, 8: returned.EXIM}) as server:
        found = list(mails_on_server(settings(server.port, authority), since=date(2026, 11, 9)))
    assert [(mail.file, mail.raw) for mail in found] == [("INBOX/3", returned.POSTFIX), ("INBOX/8", returned.EXIM)]
    assert 'EXAMINE "INBOX"' in server.commands
    assert "UID SEARCH SINCE 09-Nov-2026" in server.commands
    assert all("PEEK" in command for command in server.commands if "FETCH" in command)
    assert server.commands[-1] == "LOGOUT"


def test_a_mail_that_somebody_removed_meanwhile_is_passed_over(tls) -> None:
    context, authority = tls.server, tls.authority
    with ImapServer(context, {3: b"", 8: returned.EXIM}) as server:
        assert [mail.file for mail in mails_on_server(settings(server.port, authority))] == ["INBOX/8"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"password": "wrong"}, "account or password"),
        ({"folder": "Nowhere"}, "no such folder"),
        ({"folder": "受信箱"}, "ASCII"),
        ({"folder": "a\r\nLOGOUT"}, "ASCII"),
        ({"ca_file": None}, "not trusted"),
    ],
)
def test_what_cannot_be_read_is_said_without_a_password(tls, changes: dict[str, object], says: str) -> None:
    context, authority = tls.server, tls.authority
    with (
        ImapServer(context, {}) as server,
        pytest.raises(MailboxUnavailable, match=says) as refusal,
    ):
        list(mails_on_server(settings(server.port, authority, **changes)))
    assert "wrong" not in str(refusal.value)
    assert "right" not in repr(settings(1, authority))


def test_a_server_that_breaks_off_is_a_refusal_and_not_an_end(tls) -> None:
    context, authority = tls.server, tls.authority
    with (
        ImapServer(context, {3: returned.POSTFIX}, break_off=True) as server,
        pytest.raises(MailboxUnavailable, match="broke off"),
    ):
        list(mails_on_server(settings(server.port, authority)))


def test_nobody_at_the_port_is_a_refusal(tls) -> None:
    context, authority = tls.server, tls.authority
    with ImapServer(context, {}) as server:
        port = server.port
    with pytest.raises(MailboxUnavailable, match="no connection"):
        list(mails_on_server(settings(port, authority)))
