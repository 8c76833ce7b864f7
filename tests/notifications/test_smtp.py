from __future__ import annotations

import asyncio
from email import message_from_bytes, policy
from functools import partial

import pytest

from notifications import loop
from notifications.addresses import parse_address
from notifications.errors import CannotConnect, ConnectFault, SettingsRefused
from notifications.message import to_bytes
from notifications.outcome import Accepted, RefusedForGood, RefusedForNow, Unknown
from notifications.sink import DROP, SILENCE, MailSink, SinkScript
from notifications.smtp import Security, SmtpTransport
from notifications.transport import Envelope
from tests.notifications.builders import SENDER, a_message, a_recipient, an_envelope, loopback

FIRST = a_recipient(1)


@pytest.fixture(autouse=True, params=[True, False], ids=["pipelined", "plain"])
def _pipelining(request, monkeypatch):
    """Both ways of talking to a server keep the same promises."""
    monkeypatch.setattr("tests.notifications.test_smtp.MailSink", partial(MailSink, pipelining=request.param))


def to_the_first(reply):
    return lambda address: reply if address in {FIRST, SENDER} else None


def once(reply):
    """Answer so only the first time."""
    left = [reply]
    return lambda _address: left.pop() if left else None


async def send_all(settings, *envelopes):
    """Send over one connection; return outcomes, begun recipients and whether the line was usable each time."""
    connection = await SmtpTransport(settings).connect()
    outcomes, begun, usable = [], [], []
    for envelope in envelopes:
        if not connection.is_usable:
            break
        mark = envelope.recipient
        outcomes.append(await connection.send(envelope, before_data=lambda mark=mark: begun.append(mark)))
        usable.append(connection.is_usable)
    await connection.close()
    return outcomes, begun, usable


def run(sink, *envelopes, **changes):
    return asyncio.run(send_all(loopback(sink.port, **changes), *envelopes))


def test_an_accepted_message_arrives_byte_for_byte():
    content = b"Subject: x\r\n\r\n.\r\n..two\r\n.leading\r\nlast\r\n"
    with MailSink() as sink:
        outcomes, begun, usable = run(sink, an_envelope(content=content), an_envelope(2))
        received = sink.received
    assert outcomes[0] == Accepted(code=250, enhanced="2.0.0", text="2.0.0 kept")
    assert received[0].content == content
    assert received[0].recipients == (FIRST,)
    assert received[0].sender == SENDER
    assert begun == [FIRST, a_recipient(2)]
    assert usable == [True, True]


@pytest.mark.parametrize("smuggled", [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\r"])
def test_no_line_end_in_a_body_can_end_the_message_early(smuggled):
    content = b"Subject: x\r\n\r\nbefore" + smuggled + b"MAIL FROM:<x@y.example>\r\nafter"
    with MailSink() as sink:
        run(sink, an_envelope(content=content))
        received = sink.received
    assert [message.content for message in received] == [
        b"Subject: x\r\n\r\nbefore\r\n.\r\nMAIL FROM:<x@y.example>\r\nafter\r\n"
    ]


@pytest.mark.parametrize("step", ["sender", "recipient", "data", "content"])
@pytest.mark.parametrize(("reply", "kind"), [("451 4.3.0 later", RefusedForNow), ("550 5.1.1 never", RefusedForGood)])
def test_a_refusal_at_any_step_is_understood_and_the_line_stays_usable(step, reply, kind):
    script = SinkScript(**{step: once(reply)})
    with MailSink(script=script) as sink:
        outcomes, begun, usable = run(sink, an_envelope(1), an_envelope(2))
        received = sink.received
        connections = sink.connections
    about_us = step == "sender"  # MAIL names nobody but the sender
    assert outcomes[0] == kind(code=int(reply[:3]), enhanced=reply[4:9], text=reply[4:], about_us=about_us)
    assert isinstance(outcomes[1], Accepted)
    assert usable == [True, True]
    assert begun == ([FIRST, a_recipient(2)] if step == "content" else [a_recipient(2)])
    assert [message.recipients for message in received] == [(a_recipient(2),)]
    assert connections == 1


@pytest.mark.parametrize("step", ["sender", "recipient", "data", "content"])
def test_a_server_that_closes_is_a_refusal_for_now_and_ends_the_line(step):
    with MailSink(script=SinkScript(**{step: to_the_first("421 4.3.2 closing")})) as sink:
        outcomes, _, usable = run(sink, an_envelope())
    assert [(type(outcome), outcome.code) for outcome in outcomes] == [(RefusedForNow, 421)]
    assert usable == [False]


@pytest.mark.parametrize("broken", [DROP, SILENCE, "nonsense"])
@pytest.mark.parametrize(
    ("step", "kind", "begun_count"),
    [
        ("sender", RefusedForNow, 0),
        ("recipient", RefusedForNow, 0),
        ("data", RefusedForNow, 0),
        ("content", Unknown, 1),
    ],
)
def test_only_a_line_that_breaks_after_the_body_leaves_doubt(step, kind, begun_count, broken):
    timeout = 0.2 if broken == SILENCE else 10.0
    with MailSink(script=SinkScript(**{step: to_the_first(broken)})) as sink:
        outcomes, begun, usable = run(sink, an_envelope(), timeout=timeout)
    assert [(type(outcome), outcome.code) for outcome in outcomes] == [(kind, None)]
    assert len(begun) == begun_count
    assert usable == [False]


@pytest.mark.parametrize(
    ("step", "reply", "kind"), [("content", "354 go on", Unknown), ("data", "250 done already", RefusedForNow)]
)
def test_an_answer_that_makes_no_sense_ends_the_line_and_proves_nothing(step, reply, kind):
    with MailSink(script=SinkScript(**{step: to_the_first(reply)})) as sink:
        outcomes, _, usable = run(sink, an_envelope())
    assert [(type(outcome), outcome.code) for outcome in outcomes] == [(kind, int(reply[:3]))]
    assert usable == [False]


@pytest.mark.parametrize("reset", [DROP, "500 5.5.1 what?"])
def test_a_line_that_cannot_be_cleared_is_not_used_again_but_the_refusal_stands(reset):
    script = SinkScript(recipient=to_the_first("550 5.1.1 never"), reset=lambda _: reset)
    with MailSink(script=script) as sink:
        outcomes, _, usable = run(sink, an_envelope())
    assert [(type(outcome), outcome.code) for outcome in outcomes] == [(RefusedForGood, 550)]
    assert usable == [False]


def test_a_mark_that_fails_keeps_the_body_back():
    with MailSink() as sink:

        async def scenario():
            connection = await SmtpTransport(loopback(sink.port)).connect()

            def failing():
                raise OSError("disk full")

            with pytest.raises(OSError, match="disk full"):
                await connection.send(an_envelope(), before_data=failing)
            usable = connection.is_usable
            await connection.close()
            return usable

        assert asyncio.run(scenario()) is False
        assert sink.received == ()


def test_the_servers_words_are_kept_without_the_recipient():
    reply = f"550 5.1.1 <{FIRST}> and customer-1: user unknown"
    with MailSink(script=SinkScript(recipient=lambda _: reply)) as sink:
        (outcome,), _, _ = run(sink, an_envelope())
    assert outcome.text == "5.1.1 <[address]> and [address]: user unknown"


def test_an_irregular_address_reaches_the_server_quoted():
    recipient = parse_address("taro..yamada.@docomo.example.jp")
    envelope = Envelope(sender=SENDER, recipient=recipient, content=to_bytes(a_message(recipient=recipient)))
    with MailSink() as sink:
        run(sink, envelope)
        assert sink.received[0].recipients == ('"taro..yamada."@docomo.example.jp',)


@pytest.mark.parametrize("eight_bit", [True, False])
def test_the_line_says_whether_the_server_takes_8bit(eight_bit):
    async def scenario(port):
        connection = await SmtpTransport(loopback(port)).connect()
        said = connection.eight_bit
        content = to_bytes(a_message(), eight_bit=said)
        outcome = await connection.send(an_envelope(content=content), before_data=lambda: None)
        await connection.close()
        return said, outcome

    with MailSink(eight_bit=eight_bit) as sink:
        said, outcome = asyncio.run(scenario(sink.port))
        (received,) = sink.received
    assert said is eight_bit
    assert isinstance(outcome, Accepted)
    assert message_from_bytes(received.content, policy=policy.default)["Subject"] == a_message().subject


def test_a_line_retires_after_its_number_of_messages():
    with MailSink() as sink:
        outcomes, _, usable = run(sink, an_envelope(1), an_envelope(2), an_envelope(3), messages_per_connection=2)
    assert len(outcomes) == 2
    assert usable == [True, False]


def test_starttls_protects_the_message_and_logs_in(tls):
    with MailSink(tls=tls.server, login=("mailer", "open sesame")) as sink:
        outcomes, _, _ = run(
            sink,
            an_envelope(),
            security=Security.STARTTLS,
            ca_file=tls.authority,
            username="mailer",
            password="open sesame",
        )
        assert sink.received[0].over_tls
    assert isinstance(outcomes[0], Accepted)


def test_tls_from_the_first_byte_works_too(tls):
    with MailSink(tls=tls.server, tls_from_the_start=True) as sink:
        run(sink, an_envelope(), security=Security.TLS, ca_file=tls.authority)
        assert sink.received[0].over_tls


def fault_of(sink_or_port, **changes):
    port = sink_or_port if isinstance(sink_or_port, int) else sink_or_port.port

    async def connect():
        await SmtpTransport(loopback(port, **changes)).connect()

    with pytest.raises(CannotConnect) as refused:
        asyncio.run(connect())
    return refused.value.fault


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
def test_a_certificate_of_an_unknown_authority_is_not_trusted(tls, security):
    with MailSink(tls=tls.server, tls_from_the_start=security is Security.TLS) as sink:
        assert fault_of(sink, security=security) is ConnectFault.NOT_TRUSTED
        assert sink.received == ()


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
def test_a_certificate_for_another_name_is_not_trusted(tls, security):
    with MailSink(tls=tls.server, tls_from_the_start=security is Security.TLS) as sink:
        fault = fault_of(sink, security=security, ca_file=tls.authority, host="localhost")
    assert fault is ConnectFault.NOT_TRUSTED


def test_a_server_without_starttls_is_not_used_in_clear_text():
    with MailSink() as sink:
        assert fault_of(sink, security=Security.STARTTLS) is ConnectFault.NOT_OFFERED


def test_a_wrong_password_is_told_apart_and_not_shown(tls):
    with MailSink(tls=tls.server, login=("mailer", "open sesame")) as sink:
        changes = {"security": Security.STARTTLS, "ca_file": tls.authority, "username": "mailer", "password": "guess"}
        assert fault_of(sink, **changes) is ConnectFault.LOGIN_REFUSED
    assert "guess" not in repr(loopback(25, **changes))


def test_a_server_that_is_not_there_is_unreachable():
    with MailSink() as sink:
        port = sink.port
    assert fault_of(port) is ConnectFault.UNREACHABLE


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.8.8.8", True), ("mail.example", False)],
)
def test_clear_text_stays_on_this_machine(host, allowed):
    if allowed:
        assert loopback(25, host=host).host == host
    else:
        with pytest.raises(SettingsRefused):
            loopback(25, host=host)


@pytest.mark.parametrize(
    "changes",
    [{"port": 0}, {"host": ""}, {"timeout": 0}, {"messages_per_connection": 0}, {"username": "mailer"}],
)
def test_settings_that_cannot_work_are_refused(changes):
    with pytest.raises(SettingsRefused):
        loopback(**{"port": 25, **changes})


@pytest.mark.parametrize("step", ["sender", "recipient", "data"])
def test_who_has_not_signed_in_is_told_so_and_no_recipient_is_blamed(step):
    with MailSink(script=SinkScript(**{step: once("530 5.7.0 authentication required")})) as sink:
        outcomes, _, _ = run(sink, an_envelope(1))
    assert isinstance(outcomes[0], RefusedForGood)
    assert outcomes[0].about_us


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, loop.new_event_loop], ids=["asyncio", "quickest"])
def test_groups_are_used_on_every_loop_exactly_where_the_server_offers_them(make_loop, tls):
    async def scenario(port, **changes):
        connection = await SmtpTransport(loopback(port, **changes)).connect()
        pipelined = connection.is_pipelined
        outcome = await connection.send(an_envelope(), before_data=lambda: None)
        await connection.close()
        return pipelined, outcome.code

    with asyncio.Runner(loop_factory=make_loop) as runner, MailSink() as sink, MailSink(tls=tls.server) as secured:
        assert runner.run(scenario(sink.port)) == (sink.pipelining, 250)
        safe = {"security": Security.STARTTLS, "ca_file": tls.authority}
        assert runner.run(scenario(secured.port, **safe)) == (secured.pipelining, 250)
        assert secured.received[0].over_tls
