"""Several mail servers: the first while it can be, the others while it cannot, and back again."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from notifications.errors import CannotConnect, ConnectFault, SettingsRefused
from notifications.memory import MemoryTransport
from notifications.relays import Relays
from notifications.retry import Backoff
from tests.notifications.dispatching import an_outbox, dispatch

REST = 0.05
BACKOFF = Backoff(first_delay=timedelta(seconds=REST), factor=2.0, longest_delay=timedelta(seconds=1))


class Server:
    """Gives itself as the connection, or is down."""

    def __init__(self, fault=None):
        self.fault = fault
        self.asked = 0

    async def connect(self):
        self.asked += 1
        if self.fault is not None:
            raise CannotConnect(self.fault)
        return self


def test_the_first_server_is_used_while_it_answers():
    first, second = Server(), Server()
    relays = Relays([first, second])
    assert [asyncio.run(relays.connect()) for _ in range(3)] == [first] * 3
    assert second.asked == 0


def test_a_server_that_is_down_is_left_alone_for_a_while_and_gets_its_mail_back():
    first, second = Server(ConnectFault.UNREACHABLE), Server()
    relays = Relays([first, second], backoff=BACKOFF)

    async def scenario():
        used = [await relays.connect() for _ in range(3)]
        asked_meanwhile = first.asked
        first.fault = None
        await asyncio.sleep(2 * REST)
        return used, asked_meanwhile, await relays.connect()

    used, asked_meanwhile, later = asyncio.run(scenario())
    assert used == [second] * 3
    assert asked_meanwhile == 1
    assert later is first


def test_when_all_are_down_each_is_asked_and_the_fault_of_the_first_is_told():
    first, second = Server(ConnectFault.NOT_TRUSTED), Server(ConnectFault.UNREACHABLE)
    relays = Relays([first, second], backoff=BACKOFF)

    async def scenario():
        for times in (1, 2):
            with pytest.raises(CannotConnect) as refused:
                await relays.connect()
            assert refused.value.fault is ConnectFault.NOT_TRUSTED
            assert (first.asked, second.asked) == (times, times)

    asyncio.run(scenario())


def test_one_server_at_least_is_named():
    with pytest.raises(SettingsRefused):
        Relays([])


def test_a_wave_goes_out_by_the_second_server_while_the_first_is_down(journal):
    outbox, second = an_outbox(20), MemoryTransport()
    summary = dispatch(outbox, Relays([Server(ConnectFault.UNREACHABLE), second], backoff=BACKOFF), journal)
    assert summary.accepted == 20
    assert len(second.handed_over) == 20
