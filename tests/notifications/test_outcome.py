from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.outcome import (
    Accepted,
    RefusedForGood,
    RefusedForNow,
    Unknown,
    enhanced_code,
    outcome_of_reply,
    without_addresses,
)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (250, Accepted),
        (451, RefusedForNow),
        (421, RefusedForNow),
        (554, RefusedForGood),
        (354, Unknown),
        (None, Unknown),
    ],
)
def test_the_servers_last_word_decides(code, kind):
    assert type(outcome_of_reply(code)) is kind


@pytest.mark.parametrize(
    ("text", "code"),
    [("5.1.1 no such user", "5.1.1"), ("4.7.12", "4.7.12"), ("see 5.1.1", None), ("3.1.1 x", None), ("", None)],
)
def test_the_enhanced_code_is_read_only_at_the_beginning(text, code):
    assert enhanced_code(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "5.1.1 <taro.yamada@customer.example>: unknown",
        'mailbox "taro.yamada"@customer.example is full',
        "bounce+taro.yamada=customer.example@sender.example",
        "5.1.1\r\ntaro.yamada@customer.example",
        "taro.yamada＠customer.example",
    ],
)
def test_addresses_are_taken_out_of_a_servers_words(text):
    assert "taro" not in without_addresses(text)


def test_the_recipients_local_part_alone_is_taken_out_too():
    assert without_addresses("no mailbox for Taro here", "taro@customer.example") == "no mailbox for [address] here"


@given(st.text(max_size=2000))
def test_what_is_kept_is_one_short_line_that_a_database_takes(text):
    kept = without_addresses(text)
    assert len(kept) <= 500
    assert not set(kept) & set("\r\n\0")


def test_bytes_that_were_no_text_do_not_survive_as_half_characters():
    assert without_addresses("caf\udce9") == "caf?"
