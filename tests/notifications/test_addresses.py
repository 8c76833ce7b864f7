from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.addresses import Address, domain_of, is_irregular, normalised, parse_address, wire_form
from notifications.errors import AddressFault, AddressRefused


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("taro..yamada@docomo.example.jp", '"taro..yamada"@docomo.example.jp'),
        ("taro.@docomo.example.jp", '"taro."@docomo.example.jp'),
    ],
)
def test_a_carrier_address_with_odd_dots_is_accepted_marked_and_quoted_on_the_wire(text, wire):
    address = parse_address(text)
    assert is_irregular(address)
    assert wire_form(address) == wire
    assert parse_address(wire) == address


def test_a_regular_address_is_not_marked_and_goes_as_it_is():
    address = parse_address("hanako+news@customer.example")
    assert not is_irregular(address)
    assert wire_form(address) == "hanako+news@customer.example"


def test_a_quoted_local_part_that_needs_its_quotes_keeps_them():
    address = parse_address('"a,b@c"@customer.example')
    assert wire_form(address) == '"a,b@c"@customer.example'
    assert not is_irregular(address)
    assert domain_of(address) == "customer.example"


def test_quotes_that_are_not_needed_make_no_second_address():
    assert parse_address('"taro"@customer.example') == parse_address("taro@customer.example")


def test_an_international_domain_becomes_its_ascii_form():
    assert parse_address("hanako@例え.test") == "hanako@xn--r8jz45g.test"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", AddressFault.NO_AT_SIGN),
        ("taro", AddressFault.NO_AT_SIGN),
        ("taro＠customer.example", AddressFault.NO_AT_SIGN),
        ("@customer.example", AddressFault.EMPTY_LOCAL_PART),
        ("taro@", AddressFault.EMPTY_DOMAIN),
        ("taro@customer.example\r\nBcc: x@y.example", AddressFault.CONTROL_CHARACTER),
        ("taro\x00@customer.example", AddressFault.CONTROL_CHARACTER),
        ("taro\u200b@customer.example", AddressFault.CONTROL_CHARACTER),
        (" taro@customer.example", AddressFault.SPACE),
        ("taro\u3000@customer.example", AddressFault.SPACE),
        ("花子@customer.example", AddressFault.LOCAL_PART_NOT_ASCII),
        (".taro@customer.example", AddressFault.STARTS_WITH_DOT),
        ("taro@customer.example,jiro@customer.example", AddressFault.SPECIAL_CHARACTER),
        ("<taro@customer.example>", AddressFault.SPECIAL_CHARACTER),
        ('"taro@customer.example', AddressFault.BAD_QUOTES),
        ("taro@customer", AddressFault.BAD_DOMAIN),
        ("taro@customer..example", AddressFault.BAD_DOMAIN),
        ("taro@-customer.example", AddressFault.BAD_DOMAIN),
        ("taro@192.0.2.1", AddressFault.BAD_DOMAIN),
        ("taro@" + "あ" * 70 + ".test", AddressFault.BAD_DOMAIN),
        ("t" * 300 + "@customer.example", AddressFault.TOO_LONG),
        ("a." * 118 + "@customer.example", AddressFault.TOO_LONG),
    ],
)
def test_what_cannot_be_sent_to_is_refused_with_its_reason(text, fault):
    with pytest.raises(AddressRefused) as refused:
        parse_address(text)
    assert refused.value.fault is fault


def test_a_refusal_does_not_repeat_the_address():
    with pytest.raises(AddressRefused) as refused:
        parse_address("hanako.yamada@customer")
    assert "hanako" not in str(refused.value)


@pytest.mark.parametrize("unchecked", ["a> SIZE=1 <b@customer.example", "taro@customer.example> SIZE=1", "taro"])
def test_an_address_made_without_checking_is_refused_on_the_wire(unchecked):
    with pytest.raises(AddressRefused):
        wire_form(Address(unchecked))


def test_two_spellings_of_one_mailbox_are_the_same():
    assert normalised(parse_address("Taro@CUSTOMER.Example")) == normalised(parse_address("taro@customer.example"))


def test_dots_make_another_mailbox():
    assert normalised(parse_address("ta.ro@customer.example")) != normalised(parse_address("taro@customer.example"))


def test_an_address_shows_itself_masked():
    assert repr(parse_address("taro@customer.example")) == "Address(t…@customer.example)"


@given(st.text(max_size=300))
def test_any_text_is_either_refused_or_safe_to_put_between_angle_brackets(text):
    try:
        address = parse_address(text)
    except AddressRefused:
        return
    wire = wire_form(address)
    assert wire.isascii()
    assert wire.isprintable()
    assert " " not in wire
    assert len(wire) <= 254
    assert parse_address(address) == address
    assert parse_address(wire) == address
