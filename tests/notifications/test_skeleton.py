"""A skeleton writes what `to_bytes` writes, octet by octet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from notifications.addresses import parse_address
from notifications.errors import ContentRefused, HeaderRefused
from notifications.exchange import on_the_wire
from notifications.message import to_bytes
from notifications.skeleton import Skeleton, value_of
from tests.notifications.builders import a_message

NAMES = ("name", "items")
WORDS = st.text(st.sampled_from("お客様aé.\n\r \0-=_"), max_size=60) | st.just("x" * 600) | st.just("い" * 400)
PIECES = st.lists(st.tuples(WORDS, st.sampled_from(NAMES)), max_size=4).flatmap(
    lambda pieces: WORDS.map(lambda end: [*pieces, (end, None)])
)
VALUES = st.fixed_dictionaries(dict.fromkeys(NAMES, WORDS))


def spliced(pieces, values):
    """The text of one person, each piece and each value with its own line ends."""
    return "".join(
        one.replace("\r\n", "\n").replace("\r", "\n")
        for literal, name in pieces
        for one in (literal, "" if name is None else values[name])
    )


def written(values):
    return {name: value_of(text) for name, text in values.items()}


def copied(skeleton, message, values, html_values, **changes):
    return skeleton.fill(
        recipient=message.recipient,
        message_id=message.message_id,
        date=message.date,
        text=written(values),
        html=written(html_values),
        **changes,
    )


def filled(skeleton, message, values, html_values, **changes):
    copy = copied(skeleton, message, values, html_values, **changes)
    if copy.plain_lines:
        assert on_the_wire(copy.octets, plain_lines=True) == on_the_wire(copy.octets)
    return copy.octets


@settings(max_examples=150, deadline=None)
@given(text=PIECES, html=st.none() | PIECES, values=VALUES, html_values=VALUES, eight_bit=st.booleans())
@example(text=[("", "name"), ("", None)], html=None, values={"name": "", "items": ""}, html_values={}, eight_bit=True)
@example(
    text=[("a" * 600, "name"), ("b" * 500, None)],
    html=[("\n" * 3, "items"), (".", None)],
    values={"name": "\n", "items": ""},
    html_values={"name": "", "items": "c" * 998 + "\n" + "d" * 999},
    eight_bit=True,
)
def test_a_filled_skeleton_is_the_message_written_by_itself(text, html, values, html_values, eight_bit):
    message = a_message(
        text=spliced(text, values),
        html=None if html is None else spliced(html, html_values),
        reply_to=parse_address("desk@sender.example"),
        headers={"Auto-Submitted": "auto-generated"},
    )
    skeleton = Skeleton.of(message, text=text, html=html)
    octets = to_bytes(message, eight_bit=eight_bit)
    assert filled(skeleton, message, values, html_values, eight_bit=eight_bit) == octets
    for name in NAMES:
        some = {key: value for key, value in values.items() if key == name}
        narrower = skeleton.given(text=written(some), html={})
        rest = {key: value for key, value in values.items() if key != name}
        assert filled(narrower, message, rest, html_values, eight_bit=eight_bit) == octets
    whole = skeleton.given(text=written(values), html=written(html_values))
    assert filled(whole, message, {}, {}, eight_bit=eight_bit) == octets


@pytest.mark.parametrize(
    ("pieces", "value", "plain"),
    [
        ([("a\nb ", "name"), (" c", None)], "鈴木.", True),
        ([("a\n", "name"), (" c", None)], ".鈴木", False),
        ([("a ", "name"), (" c", None)], "1\n.2", False),
        ([("a ", "name"), (".c", None)], "1\n", False),
        ([("a\n.b ", "name"), (" c", None)], "1", False),
        ([(".", "name"), ("", None)], "1", False),
    ],
)
def test_a_copy_vouches_for_its_lines_only_where_none_can_begin_with_a_dot(pieces, value, plain):
    message = a_message(text="", html=None)
    values = {"name": value}
    whole = Skeleton.of(message, text=pieces, html=None)
    copy = copied(whole, message, values, {})
    assert copy.plain_lines is plain
    assert copied(whole.given(text=written(values), html={}), message, {}, {}).plain_lines is plain
    if not plain:
        assert b"\n.." in on_the_wire(copy.octets)


def test_one_skeleton_serves_many_people():
    pieces = [("", "name"), (" 様\n", None)]
    skeleton = Skeleton.of(a_message(), text=pieces, html=pieces)
    for number in range(3):
        message = a_message(
            recipient=parse_address(f"taro.{number}.@customer.example"),
            message_id=f"<token-{number}@sender.example>",
            date=datetime(2026, 3, 1, 2, number, 3, 999_999, tzinfo=timezone(timedelta(hours=9))),
            text=f"鈴木{number} 様\n",
            html=f"鈴木{number} 様\n",
        )
        values = {"name": f"鈴木{number}"}
        assert filled(skeleton, message, values, values) == to_bytes(message)


@pytest.mark.parametrize("changes", [{"message_id": "<a@b>\r\nBcc: x"}, {"date": datetime(2026, 1, 1)}])  # noqa: DTZ001
def test_no_header_of_one_person_can_break_the_message(changes):
    skeleton = Skeleton.of(a_message(), text=[("x", None)], html=None)
    told = {"recipient": a_message().recipient, "message_id": "<a@b.example>", "date": datetime(2026, 1, 1, tzinfo=UTC)}
    with pytest.raises(HeaderRefused):
        skeleton.fill(**{**told, **changes}, text={}, html={})


def test_a_value_that_is_missing_or_cannot_be_written_is_refused():
    skeleton = Skeleton.of(a_message(), text=[("x", "name"), ("", None)], html=None)
    with pytest.raises(KeyError, match="name"):
        filled(skeleton, a_message(), {}, {})
    with pytest.raises(ContentRefused):
        value_of("\ud83d")
