"""Addresses in other letters than ASCII: only by servers that announce SMTPUTF8, and never mangled."""

from __future__ import annotations

import asyncio
from email import message_from_bytes, policy
from functools import partial

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from notifications.addresses import (
    LONGEST_ADDRESS,
    needs_smtputf8,
    normalised,
    parse_address,
    wire_form,
)
from notifications.dkim import Signer
from notifications.errors import AddressFault, AddressRefused
from notifications.exchange import mail_options
from notifications.message import to_bytes
from notifications.outcome import Accepted, RefusedForGood
from notifications.sink import MailSink
from notifications.smtp import SmtpTransport
from notifications.transport import Envelope
from tests.notifications.builders import NOON, SENDER, a_message, an_envelope, loopback

HANAKO = parse_address("花子@例え.test", international=True)


@pytest.fixture(params=[True, False], ids=["pipelined", "plain"])
def sink_of(request):
    return partial(MailSink, pipelining=request.param)


async def send_all(settings, *envelopes):
    connection = await SmtpTransport(settings).connect()
    begun = []
    outcomes = [
        await connection.send(envelope, before_data=lambda mark=envelope.recipient: begun.append(mark))
        for envelope in envelopes
    ]
    usable = connection.is_usable
    await connection.close()
    return outcomes, begun, usable


def to_hanako():
    return Envelope(sender=SENDER, recipient=HANAKO, content=to_bytes(a_message(recipient=HANAKO)))


def test_the_domain_gets_its_ascii_form_and_the_local_part_stays_as_it_is():
    assert HANAKO == "花子@xn--r8jz45g.test"
    assert needs_smtputf8(HANAKO)
    assert wire_form(HANAKO) == HANAKO
    plain = parse_address("hanako@例え.test", international=True)
    assert plain == "hanako@xn--r8jz45g.test"
    assert not needs_smtputf8(plain)


def test_two_ways_of_writing_one_letter_are_one_address():
    composed, decomposed = "caf\u00e9@customer.example", "cafe\u0301@customer.example"
    one, other = (parse_address(text, international=True) for text in (composed, decomposed))
    assert one == other
    assert normalised(parse_address("CAFÉ@customer.example", international=True)) == normalised(one)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("花子 太郎@customer.example", AddressFault.SPACE),
        ("花\u202e子@customer.example", AddressFault.CONTROL_CHARACTER),
        ("花子\r\nBcc: x@customer.example", AddressFault.CONTROL_CHARACTER),
        (".花子@customer.example", AddressFault.LOCAL_PART_NOT_ASCII),
        ("花..子@customer.example", AddressFault.LOCAL_PART_NOT_ASCII),
        ('"花子"@customer.example', AddressFault.LOCAL_PART_NOT_ASCII),
        ("<花子>@customer.example", AddressFault.LOCAL_PART_NOT_ASCII),
        ("花" * 22 + "@customer.example", AddressFault.TOO_LONG),
    ],
)
def test_what_is_no_address_in_any_letters_is_refused_with_its_reason(text, fault):
    with pytest.raises(AddressRefused) as refused:
        parse_address(text, international=True)
    assert refused.value.fault is fault


@given(st.text(min_size=1, max_size=80))
def test_whatever_is_taken_stands_in_a_command_without_breaking_it(local_part):
    try:
        address = parse_address(f"{local_part}@customer.example", international=True)
    except AddressRefused:
        return
    wire = wire_form(address)
    assert not any(character.isspace() or character in "<>\r\n\x00" for character in wire.rpartition("@")[0])
    assert len(wire.encode()) <= LONGEST_ADDRESS
    assert parse_address(address, international=True) == address


def test_a_server_that_announces_it_gets_the_address_as_it_is(sink_of):
    with sink_of(smtputf8=True) as sink:
        outcomes, begun, _ = asyncio.run(send_all(loopback(sink.port), to_hanako(), an_envelope(1)))
        received = sink.received
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert received[0].recipients == (HANAKO,)
    assert received[0].content == to_hanako().content
    assert begun[0] == HANAKO
    assert str(message_from_bytes(received[0].content, policy=policy.SMTPUTF8)["To"]) == HANAKO


def test_a_server_that_does_not_is_asked_nothing_and_the_line_stays_usable(sink_of):
    with sink_of() as sink:
        outcomes, begun, usable = asyncio.run(send_all(loopback(sink.port), to_hanako(), an_envelope(1)))
        received = sink.received
    refused, accepted = outcomes
    assert isinstance(refused, RefusedForGood)
    assert refused.enhanced == "5.6.7"
    assert "SMTPUTF8" in refused.text
    assert "花子" not in refused.text
    assert not refused.about_us
    assert isinstance(accepted, Accepted)
    assert len(received) == len(begun) == 1
    assert usable


def test_smtputf8_without_8bitmime_is_not_trusted(sink_of):
    with sink_of(smtputf8=True, eight_bit=False) as sink:
        (outcome,), begun, _ = asyncio.run(send_all(loopback(sink.port), to_hanako()))
    assert isinstance(outcome, RefusedForGood)
    assert begun == []


def test_it_is_asked_for_only_where_it_is_needed():
    assert b"SMTPUTF8" not in mail_options(an_envelope(1), eight_bit=True)
    assert mail_options(to_hanako(), eight_bit=True) == (b"BODY=8BITMIME", b"SMTPUTF8")


def test_a_signed_message_to_such_an_address_is_verified_by_another_library():
    signer = Signer(domain="sender.example", selector="s1", key=rsa.generate_private_key(65537, 2048))
    signed = signer.signed(to_bytes(a_message(recipient=HANAKO), eight_bit=False), NOON)
    record = signer.dns_record().encode()
    assert dkim.verify(signed, dnsfunc=lambda *_names, **_options: record)
