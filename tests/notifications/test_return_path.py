"""Return addresses: nobody makes one up, and no server on the way spoils one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.bounces.verp import LONGEST_MAILBOX, ReturnPath
from tests.notifications.returned import ADDRESS, KEY, RETURN_PATH, TOKEN

tokens = st.text("0123456789abcdef", min_size=24, max_size=24)


@given(tokens)
def test_a_token_comes_back_however_the_address_was_written(token: str) -> None:
    address = str(RETURN_PATH.address_for(token))
    for text in (address, address.upper(), address.lower(), f"<{address}>", f'"x" <{address}>, y@example.jp'):
        assert RETURN_PATH.tokens_in(text) == {token}


@given(tokens, st.data())
def test_an_address_with_one_other_character_is_not_ours(token: str, data: st.DataObject) -> None:
    address = str(RETURN_PATH.address_for(token))
    local_part = address.partition("@")[0]
    at = data.draw(st.integers(0, len(local_part) - 1))
    other = data.draw(
        st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789").filter(lambda c: c != address[at].lower())
    )
    assert RETURN_PATH.tokens_in(address[:at] + other + address[at + 1 :]) == frozenset()


@given(tokens, tokens)
def test_the_signature_of_one_message_does_not_serve_another(one: str, other: str) -> None:
    forged = str(RETURN_PATH.address_for(one)).replace(one, other)
    assert RETURN_PATH.tokens_in(forged) == ({one} if one == other else frozenset())


def test_an_address_signed_by_another_instance_or_not_at_all_is_not_ours() -> None:
    for key in (b"other key of thirty-two bytes ...", None):
        stranger = ReturnPath(mailbox="bounces", domain="mail.example.jp", key=key)
        assert RETURN_PATH.tokens_in(str(stranger.address_for(TOKEN))) == frozenset()


def test_the_domain_may_be_another_name_of_the_same_mailbox() -> None:
    assert RETURN_PATH.tokens_in(ADDRESS.replace("mail.example.jp", "mx1.example.jp")) == {TOKEN}
    assert RETURN_PATH.tokens_in("x" + ADDRESS) == frozenset()


def test_without_a_key_the_address_is_the_token_alone() -> None:
    plain = ReturnPath(mailbox="bounce", domain="example.jp")
    assert str(plain.address_for(TOKEN)) == f"bounce+{TOKEN}@example.jp"
    assert plain.tokens_in(f"<bounce+{TOKEN}@example.jp>") == {TOKEN}
    assert plain.tokens_in(ADDRESS) == frozenset()


def test_the_first_text_that_names_a_message_counts() -> None:
    other = str(RETURN_PATH.address_for("f" * 24))
    assert RETURN_PATH.token_of(["nothing", ADDRESS, other]) == TOKEN
    assert RETURN_PATH.token_of([f"{ADDRESS} {other}"]) is None
    assert RETURN_PATH.token_of([]) is None


def test_a_local_part_never_grows_beyond_what_a_server_must_take() -> None:
    longest = ReturnPath(mailbox="m" * LONGEST_MAILBOX, domain="example.jp", key=KEY)
    assert len(str(longest.address_for(TOKEN)).partition("@")[0]) == 64
    with pytest.raises(ValueError, match="at most"):
        ReturnPath(mailbox="m" * (LONGEST_MAILBOX + 1), domain="example.jp", key=KEY)


def test_the_key_does_not_show_itself() -> None:
    assert "rrrr" not in repr(RETURN_PATH)
