from __future__ import annotations

import asyncio
import logging
import stat

from notifications.sink import SILENCE, MailSink, SinkScript
from notifications.smtp import SmtpTransport
from tests.notifications.builders import an_envelope, loopback


def send(port, *envelopes):
    async def scenario():
        connection = await SmtpTransport(loopback(port)).connect()
        for envelope in envelopes:
            await connection.send(envelope, before_data=lambda: None)
        await connection.close()

    asyncio.run(scenario())


def test_kept_files_say_nothing_personal_in_their_names_and_are_closed_to_others(tmp_path):
    folder = tmp_path / "mail"
    with MailSink(maildir=folder) as sink:
        send(sink.port, an_envelope(1), an_envelope(2))
    files = sorted((folder / "new").iterdir())
    assert len(files) == 2
    assert not any("customer" in file.name for file in files)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert b"Delivered-To: customer-1@customer.example\r\n" in files[0].read_bytes()
    assert list((folder / "tmp").iterdir()) == []


def test_the_sink_writes_no_address_into_the_log(caplog):
    caplog.set_level(logging.DEBUG)
    with MailSink() as sink:
        send(sink.port, an_envelope())
    assert "customer-1" not in caplog.text


def test_two_sinks_do_not_share_a_port():
    with MailSink() as first, MailSink() as second:
        send(second.port, an_envelope())
        assert (len(first.received), len(second.received)) == (0, 1)


def test_closing_the_sink_does_not_wait_for_a_silent_client():
    with MailSink(script=SinkScript(content=lambda _: SILENCE)) as sink:

        async def scenario():
            connection = await SmtpTransport(loopback(sink.port)).connect()
            task = asyncio.create_task(connection.send(an_envelope(), before_data=lambda: None))
            await asyncio.to_thread(sink.close)
            outcome = await task
            await connection.close()
            return outcome

        assert asyncio.run(scenario()).code is None
