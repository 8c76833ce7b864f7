"""What came back: judged by its report, else by its words; never by an answer that nobody wrote."""

from __future__ import annotations

import base64
import quopri
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.bounces.classifier import ReturnedKind, read_returned
from notifications.bounces.parts import parts_of
from tests.notifications import returned
from tests.notifications.returned import ADDRESS, RETURN_PATH, SERVER, TOKEN, about, mail, report

K = ReturnedKind
TIMELY = 5.0
"""Seconds that no mail may take, on a busy machine."""


@pytest.mark.parametrize(
    ("name", "kind", "permanent", "status", "recipients"),
    [
        ("POSTFIX", K.BOUNCE, True, "5.1.1", ["taro@example.com"]),
        ("POSTFIX_DELAYED", K.DELAY, False, "4.4.1", ["taro@example.com"]),
        ("SENDMAIL", K.BOUNCE, True, "5.2.1", ["hanako@example.org"]),
        ("EXCHANGE", K.BOUNCE, True, "5.1.10", ["jiro@example.com"]),
        ("GMAIL", K.BOUNCE, False, "4.2.2", ["saburo@example.net"]),
        ("DELIVERED", K.SUCCESS, None, "2.0.0", ["taro@example.com"]),
        ("RELAYED", K.SUCCESS, None, "2.0.0", ["taro@example.com"]),
        ("EXPANDED", K.SUCCESS, None, "2.0.0", ["list@example.com"]),
        ("SEVERAL", K.BOUNCE, True, "5.1.1", ["gone@example.com", "never@example.com"]),
        ("EXIM", K.BOUNCE, True, None, ["shiro@example.org"]),
        ("EXIM_WARNING", K.DELAY, False, None, ["shiro@example.org"]),
        ("QMAIL", K.BOUNCE, True, "5.7.1", ["goro@example.net"]),
        ("DOCOMO", K.BOUNCE, True, None, ["ha..na.@docomo.example"]),
        ("AU", K.BOUNCE, False, None, ["yuki@ezweb.example"]),
        ("SOFTBANK", K.BOUNCE, True, "5.0.0", ["ken@i.softbank.example"]),
        ("COMPLAINT", K.COMPLAINT, None, None, ["rin@isp.example"]),
        ("NOT_SPAM", K.OTHER, None, None, ["rin@isp.example"]),
        ("VACATION", K.AUTOREPLY, None, None, ["mei@example.com"]),
        ("OUT_OF_OFFICE", K.AUTOREPLY, None, None, ["jun@example.com"]),
        ("ABSENT", K.AUTOREPLY, None, None, ["sora@example.jp"]),
        ("CHALLENGE", K.AUTOREPLY, None, None, ["guard@example.com"]),
        ("RECEIPT", K.SUCCESS, None, None, ["nao@example.com"]),
        ("PERSON", K.OTHER, None, None, []),
        ("PERSON_ON_RETURNS", K.OTHER, None, None, []),
        ("PERSON_ON_A_BOUNCE", K.OTHER, None, None, []),
        ("COMPLAINT_OF_A_PROVIDER", K.COMPLAINT, None, None, ["rin@provider.example"]),
    ],
)
def test_every_form_that_mail_comes_back_in_is_told_apart(
    name: str, kind: ReturnedKind, permanent: bool | None, status: str | None, recipients: list[str]
) -> None:
    found = read_returned(getattr(returned, name))
    assert (found.kind, found.permanent, found.status) == (kind, permanent, status)
    assert list(found.recipients) == recipients
    assert found.token(RETURN_PATH) == TOKEN


def test_what_is_known_of_people_does_not_show_itself() -> None:
    assert "taro" not in repr(read_returned(returned.POSTFIX))


@pytest.mark.parametrize(
    ("action", "status", "diagnostic", "kind", "permanent"),
    [
        ("failed", "", "550 no", K.BOUNCE, True),
        ("failed", "", "452 full", K.BOUNCE, False),
        ("failed", "", "", K.BOUNCE, True),
        ("FAILED (final)", "5.0.0", "", K.BOUNCE, True),
        ("failure", "5.1.1", "", K.BOUNCE, True),
        ("", "5.1.1", "", K.BOUNCE, True),
        ("", "4.4.7", "", K.DELAY, False),
        ("delayed", "5.1.1", "", K.DELAY, False),
    ],
)
def test_a_report_that_says_half_is_read_by_the_other_half(
    action: str, status: str, diagnostic: str, kind: ReturnedKind, permanent: bool
) -> None:
    found = read_returned(report(SERVER, about("taro@example.com", action, status, diagnostic)))
    assert (found.kind, found.permanent) == (kind, permanent)


def test_recipients_without_an_empty_line_between_them_are_several() -> None:
    found = read_returned(
        report(
            SERVER + "\n" + about("a@example.com", "failed", "5.1.1") + "\n" + about("b@example.com", "failed", "5.1.1")
        )
    )
    assert found.recipients == ("a@example.com", "b@example.com")


@pytest.mark.parametrize(
    ("original", "named"),
    [
        ("rfc822; old@example.jp", "old@example.jp"),
        ("rfc822;<old@example.jp>", "old@example.jp"),
        ("old@example.jp", "old@example.jp"),
        ("rfc822;unknown", "new@example.com"),
    ],
)
def test_of_a_forwarded_mail_the_one_whom_we_wrote_to_is_named(original: str, named: str) -> None:
    block = f"Original-Recipient: {original}\n{about('new@example.com', 'failed', '5.1.1')}"
    assert read_returned(report(SERVER, block)).recipients == (named,)


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_a_report_in_another_encoding_is_read(encoding: str) -> None:
    status = f"{SERVER}\n\n{about('taro@example.com', 'failed', '5.1.1')}\n".encode()
    wrapped = base64.encodebytes(status) if encoding == "base64" else quopri.encodestring(status)
    head = f"Content-Type: message/delivery-status\nContent-Transfer-Encoding: {encoding}"
    body = f"--e\n{head}\n\n{wrapped.decode()}\n--e--\n"
    found = read_returned(mail("From: x@example.com\nContent-Type: multipart/report; boundary=e", body))
    assert (found.kind, found.status, found.recipients) == (K.BOUNCE, "5.1.1", ("taro@example.com",))


def test_a_mail_out_of_an_mbox_and_one_with_other_line_ends_say_the_same() -> None:
    for changed in (
        b"From MAILER-DAEMON Fri Nov 20 08:20:00 2026\r\n" + returned.POSTFIX,
        returned.POSTFIX.replace(b"\r\n", b"\n"),
        returned.POSTFIX.replace(b"\r\n", b"\r"),
        returned.POSTFIX.replace(b"taro", b"ta\0ro"),
    ):
        assert read_returned(changed) == read_returned(returned.POSTFIX)


def test_two_messages_named_in_one_place_name_none() -> None:
    other = RETURN_PATH.address_for("f" * 24)
    assert read_returned(report(SERVER, to=f"{ADDRESS}, {other}")).token(RETURN_PATH) is None


def test_what_the_mail_came_back_to_is_surer_than_what_it_encloses() -> None:
    enclosed = str(RETURN_PATH.address_for("f" * 24)).encode()
    changed = returned.COMPLAINT.replace(b"To: fbl@mail.example.jp", b"To: " + enclosed)
    assert read_returned(changed).token(RETURN_PATH) == "f" * 24


def nested(depth: int) -> bytes:
    opening = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(depth))
    return (f"To: {ADDRESS}\nFrom: MAILER-DAEMON@example.com\n{opening}Content-Type: text/plain\n\n550 gone\n").encode()


HOSTILE = {
    "ten megabytes on one line": b"From: MAILER-DAEMON@example.com\nSubject: x\n\n" + b"a@" * 5_000_000,
    "ten megabytes of short lines": b"From: MAILER-DAEMON@example.com\nSubject: returned mail\n\n"
    + b"550\n" * 2_500_000,
    "five thousand levels": nested(5000),
    "a thousand parts": b"Content-Type: multipart/report; boundary=e\nFrom: MAILER-DAEMON@x.example\n\n"
    + b"--e\nContent-Type: message/delivery-status\n\nAction: failed\n\n" * 1000,
    "a header of a megabyte": b"Subject: " + b"=?utf-8?q?" * 100_000 + b"\nFrom: MAILER-DAEMON@example.com\n\nx",
    "a type of a megabyte": b'Content-Type: multipart/report; boundary="' + b'\\"' * 500_000 + b"\n\n--x\n",
    "addresses of a megabyte": b"To: " + b"bounces+" * 130_000 + b"\nFrom: MAILER-DAEMON@example.com\n\n550 x",
    "a hundred thousand headers": b"X: y\n" * 100_000 + b"\n\n",
    "nothing but line breaks": b"\r\n" * 1_000_000,
    "nothing but NULs": b"\0" * 1_000_000,
    "nothing": b"",
    "angles": b"From: MAILER-DAEMON@example.com\nContent-Type: text/html\n\n" + b"<" * 1_000_000,
    "hyphens": b"From: MAILER-DAEMON@example.com\nSubject: failure notice\n\n"
    + b"-" * 200_000
    + b"\n"
    + b"- " * 20_000,
    "dots": b"From: MAILER-DAEMON@example.com\nSubject: x\n\n" + b"mailbox " * 25_000,
    "no such charset": b"From: MAILER-DAEMON@x.example\nContent-Type: text/plain; charset=zlib_codec\n\n\x1b$B\xff\xfe",
    "a boundary of nothing": b'Content-Type: multipart/mixed; boundary=""\n\n--\n--\n',
    "half an encoded word": "Subject: =?iso-2022-jp?B?GyRC?= =?x?q?=\nAuto-Submitted: ÿ\n\n".encode("latin-1"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_neither_fails_nor_takes_its_time(name: str) -> None:
    began = time.process_time()
    found = read_returned(HOSTILE[name])
    assert time.process_time() - began < TIMELY
    assert found.kind in set(ReturnedKind)


def test_a_status_report_behind_a_large_notice_is_found() -> None:
    large = report(SERVER, about("taro@example.com", "failed", "5.1.1"), words="This is the mail system.\n" * 100_000)
    assert read_returned(large).status == "5.1.1"


@given(st.binary(max_size=2000))
def test_whatever_bytes_come_there_is_an_answer(raw: bytes) -> None:
    found = read_returned(raw)
    assert found.kind in set(ReturnedKind)
    assert found.token(RETURN_PATH) is None
    assert parts_of(raw)


PIECES = [returned.POSTFIX, returned.COMPLAINT, returned.DOCOMO, returned.VACATION, returned.EXIM]


@given(st.sampled_from(PIECES), st.integers(0, 3000), st.integers(0, 400), st.binary(max_size=60))
def test_whatever_is_cut_out_or_put_in_there_is_an_answer(whole: bytes, at: int, length: int, put: bytes) -> None:
    found = read_returned(whole[:at] + put + whole[at + length :])
    assert found.kind in set(ReturnedKind)
    assert found.token(RETURN_PATH) in {None, TOKEN}
    assert (found.permanent is None) <= (found.kind is not ReturnedKind.DELAY)
