from __future__ import annotations

from datetime import datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from notifications.addresses import parse_address
from notifications.errors import ContentRefused, HeaderRefused
from notifications.message import message_id, to_bytes
from tests.notifications.builders import NOON, a_message

PRINTABLE = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
JAPANESE = st.sampled_from("漏えいに関するお知らせ🚨👨‍👩‍👧ｶﾅ①髙﨑 ")
LINES = st.one_of(PRINTABLE, JAPANESE).filter(lambda character: character.isprintable())
subjects = st.one_of(st.text(JAPANESE, max_size=200), st.text(LINES, max_size=120)).map(
    lambda text: " ".join(text.replace("=?", "").split())
)
bodies = st.lists(
    st.one_of(LINES, st.sampled_from(["\n", "\r", "\r\n", "\n.", "\n..\n", "\n.\n", "\t", "あ"])), max_size=200
).map("".join)


def parsed(content: bytes):
    return message_from_bytes(content, policy=policy.default)


def by_the_standard_library(message) -> EmailMessage:
    """The same message, built the slow way and read back from its bytes."""
    built = EmailMessage(policy=policy.SMTP)
    local_part, _, domain = message.sender.partition("@")
    built["From"] = HeaderAddress(message.sender_name, local_part, domain)
    built["To"] = message.recipient
    built["Subject"] = message.subject
    built["Date"] = format_datetime(message.date)
    built["Message-ID"] = message.message_id
    built.set_content(message.text, cte="base64")
    if message.html is not None:
        built.add_alternative(message.html, subtype="html", cte="base64")
    return parsed(built.as_bytes())


def contents(message: EmailMessage) -> list[tuple[str, str]]:
    return [(part.get_content_type(), part.get_content()) for part in message.walk() if not part.is_multipart()]


@settings(max_examples=80, deadline=None)
@given(subject=subjects, text=bodies, html=st.none() | bodies, eight_bit=st.booleans())
@example(subject=".", text=".\n..\n", html=".", eight_bit=True)
@example(subject="漏" * 300, text="あ" * 2000, html="a" * 999, eight_bit=True)
@example(subject="long " * 60 + "end", text="\r", html="\r\n\r", eight_bit=False)
def test_reading_a_message_gives_what_the_standard_library_would_have_sent(subject, text, html, eight_bit):
    message = a_message(subject=subject, text=text, html=html)
    ours, theirs = parsed(to_bytes(message, eight_bit=eight_bit)), by_the_standard_library(message)
    for name in ("From", "To", "Subject", "Date", "Message-ID"):
        assert ours[name] == theirs[name], name
    assert ours["Subject"] == subject
    assert contents(ours) == contents(theirs)
    assert [defect for part in ours.walk() for defect in part.defects] == []


@pytest.mark.parametrize("subject", ["=?utf-8?q?not_encoded?=", "two  spaces", " at the edges ", "漏えい =?", ""])
def test_a_subject_that_looks_like_something_else_is_read_as_it_was_given(subject):
    assert parsed(to_bytes(a_message(subject=subject)))["Subject"] == subject


@settings(max_examples=60, deadline=None)
@given(subject=subjects, text=bodies, html=st.none() | bodies, eight_bit=st.booleans())
def test_every_line_fits_the_wire_and_ends_with_crlf(subject, text, html, eight_bit):
    content = to_bytes(a_message(subject=subject, text=text, html=html), eight_bit=eight_bit)
    assert content.endswith(b"\r\n")
    assert content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r")
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert eight_bit or content.isascii()


@pytest.mark.parametrize(
    "name",
    ["Example Cloud", "Example, Inc.", 'Say "hi" \\ bye', "例示クラウド株式会社 個人データ相談窓口", "=?x?=", "A" * 90],
)
def test_the_senders_name_is_read_as_it_was_given(name):
    # The old parser: the new one leaves a space between two encoded words of a name (RFC 2047, 6.2 says none).
    written = message_from_bytes(to_bytes(a_message(sender_name=name)))["From"].replace("\r\n", "")
    encoded, address = parseaddr(written)
    assert str(make_header(decode_header(encoded))) == name
    assert address == "notice@sender.example"


def test_header_lines_are_folded_before_78_characters():
    head = to_bytes(a_message(subject="漏えい" * 60, sender_name="株式会社" * 20)).partition(b"\r\n\r\n")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 78


def test_an_irregular_recipient_is_quoted_in_the_header():
    content = to_bytes(a_message(recipient=parse_address("taro.@docomo.example.jp")))
    assert b'\r\nTo: "taro."@docomo.example.jp\r\n' in content


@pytest.mark.parametrize("break_", ["\r", "\n", "\r\n", "\0", "\x0b", "\x85", "\u2028", "\ud800"])
@pytest.mark.parametrize("field", ["subject", "sender_name"])
def test_a_line_break_in_a_header_is_refused(field, break_):
    with pytest.raises(HeaderRefused):
        to_bytes(a_message(**{field: f"お知らせ{break_}Bcc: everybody@customer.example"}))


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Note": "a\nb"},
        {"X\nNote": "a"},
        {"Bcc": "x@customer.example"},
        {"cc": "x@customer.example"},
        {"Resent-To": "x@customer.example"},
        {"Content-Type": "text/html"},
        {"Subject": "second"},
    ],
)
def test_a_further_header_that_could_change_the_message_is_refused(headers):
    with pytest.raises(HeaderRefused):
        to_bytes(a_message(headers=headers))


def test_further_headers_and_the_reply_address_are_written():
    message = parsed(
        to_bytes(
            a_message(
                headers={"Auto-Submitted": "auto-generated", "X-Reference": "INC-2026-0007"},
                reply_to=parse_address("desk@sender.example"),
            )
        )
    )
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Reference"] == "INC-2026-0007"
    assert message["Reply-To"] == "desk@sender.example"
    assert message["Content-Language"] == "ja"


def test_a_long_structured_value_is_folded_but_never_encoded():
    link = "<https://sender.example/" + "a" * 200 + ">"
    assert link.encode() in to_bytes(a_message(headers={"List-Help": link}))


def test_the_same_message_gives_the_same_bytes_and_another_one_another_boundary():
    assert to_bytes(a_message()) == to_bytes(a_message())
    boundaries = {
        parsed(to_bytes(a_message(message_id=message_id(token, "sender.example")))).get_boundary() for token in "ab"
    }
    assert len(boundaries) == 2


def test_a_text_that_contains_the_boundary_gets_another_one():
    boundary = parsed(to_bytes(a_message())).get_boundary()
    message = parsed(to_bytes(a_message(text=f"before\n--{boundary}--\nafter")))
    assert f"--{boundary}--" in message.get_body(("plain",)).get_content()


@pytest.mark.parametrize(("text", "eight_bit"), [("あ" * 400, True), ("お知らせ", False), ("a\0b", True)])
def test_base64_is_used_where_8bit_would_not_do(text, eight_bit):
    message = parsed(to_bytes(a_message(text=text, html=None), eight_bit=eight_bit))
    assert message["Content-Transfer-Encoding"] == "base64"
    assert message.get_content() == f"{text}\r\n"


def test_short_japanese_lines_stay_readable_on_the_wire():
    assert "お客様各位".encode() in to_bytes(a_message())


def test_a_time_without_an_offset_is_refused():
    with pytest.raises(HeaderRefused):
        to_bytes(a_message(date=datetime(2026, 11, 24)))  # noqa: DTZ001


@pytest.mark.parametrize("token", ["", "a b", "a>b", "a\nb", "花"])
def test_a_message_id_that_could_not_be_read_back_is_refused(token):
    with pytest.raises(HeaderRefused):
        message_id(token, "sender.example")


def test_half_a_character_is_refused_as_content():
    with pytest.raises(ContentRefused):
        to_bytes(a_message(text="\ud83d"))


def test_a_message_shows_neither_its_text_nor_its_recipient():
    shown = repr(a_message(text="秘密の本文", date=NOON))
    assert "秘密" not in shown
    assert "customer-1" not in shown
