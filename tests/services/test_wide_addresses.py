"""A customer whose address is not ASCII: written to where the server can, and else told by another channel."""

from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import DeliveryState, Standing
from incident_app.services import dispatch, people, waves
from notifications.sink import MailSink
from tests import builders
from tests.builders import NOW, a_worker, author, run_until_idle
from tests.conftest import Clock

HANAKO = (
    builders.CUSTOMERS.splitlines(keepends=True)[0] + "H1,person,customer,ja,JP,例え 花子,花子@例え.test,,\n"
    "H2,person,customer,ja,JP,普通 次郎,jiro@customer.example,,\n"
)
HELD = "customer_number,store,items\nH1,member-db,name email\nH2,member-db,name email\n"


@pytest.mark.parametrize("announced", [True, False])
def test_a_wide_address_is_written_to_where_the_server_can_and_else_refused_for_good(
    instance: Engine, clock: Clock, tmp_path: Path, *, announced: bool
) -> None:
    assert builders.import_text(instance, HANAKO).rows_refused == 0
    builders.import_text(instance, HELD)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    wave = builders.a_wave(instance, view.id, builders.a_notice(instance, view.id))
    dispatch.start_campaign(instance, wave.filled.campaign_id, typed_count=2, actor=author(instance).actor, now=NOW)
    with MailSink(smtputf8=announced) as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
        to = {recipient for mail in sink.received for recipient in mail.recipients}
    wide = {"花子@xn--r8jz45g.test"} if announced else set()
    assert to == {"jiro@customer.example"} | wide
    totals = waves.get_campaign(instance, wave.filled.campaign_id).totals
    assert totals.by_state.get(DeliveryState.FAILED, 0) == (0 if announced else 1)
    standings = people.standings(instance, view.id)
    assert standings[Standing.INFORMED] == (2 if announced else 1)
    assert standings.get(Standing.NOT_REACHED, 0) == (0 if announced else 1)
