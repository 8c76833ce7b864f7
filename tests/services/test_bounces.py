"""What comes back of a wave: matched once, with its consequence for the message, the person and the address."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError

from incident_app.domain.delivery import AudienceRule, DeliveryState, Standing
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.returned_mail import BounceKind, BounceSettled, SuppressionReason
from incident_app.domain.vocabulary import Purpose
from incident_app.persistence.bounces import Bounce, Suppression
from incident_app.persistence.outbox import DeliveryRow, PersonToInform
from incident_app.persistence.timeline import EventRow
from incident_app.services import bounces, bounces_by_hand, bounces_shown
from incident_app.services.bounces_by_hand import AlreadySettled, NothingSent
from incident_app.services.evidence import path_of
from incident_app.services.transaction import reading, recording
from tests import builders
from tests.builders import NOW, author
from tests.conftest import Clock
from tests.notifications import returned
from tests.services.returning import ICHIRO, JUERGEN, bounce, count, read, sent_wave, standing_of, states, tools


def matched_events(engine: Engine) -> list[dict[str, object]]:
    with reading(engine) as session:
        bodies = session.scalars(
            sa.select(EventRow.body).where(EventRow.kind == "bounces.matched").order_by(EventRow.sequence)
        )
        return [json.loads(body)["facts"] for body in bodies]


def test_a_final_failure_makes_the_person_not_reached_and_closes_the_address(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    incident, senders = sent_wave(instance, tmp_path, clock)
    assert standing_of(instance, "C1") is Standing.INFORMED
    mail = bounce(senders[ICHIRO].upper())
    (found,) = read(instance, tmp_path, mail)
    assert (found.kind, found.matched, found.recipients) == (BounceKind.BOUNCE, True, (ICHIRO,))
    assert states(instance) == {DeliveryState.ACCEPTED: 3, DeliveryState.BOUNCED: 1}
    assert standing_of(instance, "C1") is Standing.NOT_REACHED
    assert standing_of(instance, "C3") is Standing.INFORMED
    (event,) = matched_events(instance)
    assert (event["matched"], event["bounced"], event["closed"]) == (1, 1, 1)
    (row,) = bounces_shown.list_suppressions(instance)
    assert (row.reason, row.recipient, row.customer_numbers) == (
        SuppressionReason.BOUNCED,
        "i●●●@example.jp",
        ("C1",),
    )
    (view,) = bounces_shown.returned_of(instance, incident)
    assert (view.wave, view.customer_numbers, view.settled_how) == (1, ("C1",), BounceSettled.BY_ADDRESS)
    assert path_of(tmp_path, hashlib.sha256(mail.raw).hexdigest()).read_bytes() == mail.raw


def test_reading_twice_changes_nothing(instance: Engine, clock: Clock, tmp_path: Path) -> None:
    _, senders = sent_wave(instance, tmp_path, clock)
    mails = [bounce(senders[ICHIRO]), bounce(senders[JUERGEN], JUERGEN), *[bounce("nobody@mail.example.jp")] * 2]
    first = read(instance, tmp_path, *mails)
    before = count(instance, EventRow), count(instance, Bounce), count(instance, Suppression)
    assert [mail.matched for mail in first] == [True, True, False, False]
    assert before[1:] == (3, 2)
    assert [mail.matched for mail in read(instance, tmp_path, *mails)] == [True, True, False, False]
    assert (count(instance, EventRow), count(instance, Bounce), count(instance, Suppression)) == before


@pytest.mark.parametrize(
    ("action", "status", "state", "closed"),
    [
        ("failed", "5.1.1", DeliveryState.BOUNCED, 1),
        ("failed", "5.2.1", DeliveryState.BOUNCED, 1),
        ("failed", "5.2.2", DeliveryState.BOUNCED, 0),
        ("failed", "5.7.1", DeliveryState.BOUNCED, 0),
        ("failed", "4.4.7", DeliveryState.BOUNCED, 0),
        ("delayed", "4.4.1", DeliveryState.ACCEPTED, 0),
        ("delivered", "2.0.0", DeliveryState.ACCEPTED, 0),
    ],
)
@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_what_a_report_says_decides_what_it_does(
    instance: Engine, clock: Clock, tmp_path: Path, action: str, status: str, state: DeliveryState, closed: int
) -> None:
    _, senders = sent_wave(instance, tmp_path, clock)
    read(instance, tmp_path, bounce(senders[ICHIRO], action=action, status=status))
    assert states(instance).get(state, 0) == (1 if state is DeliveryState.BOUNCED else 4)
    assert count(instance, Suppression) == closed
    assert standing_of(instance, "C1") is (
        Standing.NOT_REACHED if state is DeliveryState.BOUNCED else Standing.INFORMED
    )


def test_an_answer_that_nobody_wrote_is_noted_and_moves_nothing(instance: Engine, clock: Clock, tmp_path: Path) -> None:
    incident, senders = sent_wave(instance, tmp_path, clock)
    raw = returned.VACATION.replace(returned.ADDRESS.encode(), senders[ICHIRO].encode())
    (found,) = read(instance, tmp_path, bounces.FoundMail(file="v", raw=raw))
    assert (found.kind, found.matched) == (BounceKind.AUTOREPLY, True)
    assert states(instance) == {DeliveryState.ACCEPTED: 4}
    assert bounces_shown.counts_of(instance, incident) == {BounceKind.AUTOREPLY: 1}


def test_a_forged_return_address_matches_nothing_and_stays_an_open_item(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    incident, senders = sent_wave(instance, tmp_path, clock)
    local_part, _, domain = senders[ICHIRO].partition("@")
    for forged in (local_part[:-1] + "q7"[local_part[-1] == "q"], local_part[:-10]):
        (found,) = read(instance, tmp_path, bounce(f"{forged}@{domain}"))
        assert not found.matched
    assert states(instance) == {DeliveryState.ACCEPTED: 4}
    items = bounces_shown.open_items(instance, [incident], folder=tmp_path)
    assert len(items) == bounces_shown.count_open_items(instance) == 2
    assert items[0].recipients == ("i●●●@example.jp",)
    assert [number for _, number in items[0].candidates] == ["C1"]
    assert bounces_shown.open_items(instance, [], folder=tmp_path)[0].candidates == ()


def test_without_the_setting_the_address_is_as_it_was_and_is_matched_all_the_same(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    _, senders = sent_wave(instance, tmp_path, clock, return_path=None)
    assert all(len(sender.partition("@")[0]) == len("bounce+") + 24 for sender in senders.values())
    plain = tools(tmp_path, bounces.ReturnPath(mailbox="bounce", domain="bounce.example.jp"))
    mail = bounce(senders[ICHIRO])
    (found,) = bounces.read_mails(instance, [mail], plain, actor=author(instance).actor, now=NOW)
    assert found.matched
    assert standing_of(instance, "C1") is Standing.NOT_REACHED


def test_a_bounce_that_comes_while_its_message_is_being_sent_takes_effect_later(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    _, senders = sent_wave(instance, tmp_path, clock)

    def set_state(state: DeliveryState) -> None:
        with recording(instance) as session:
            values: dict[str, object] = {"state": state, "lease_owner": None, "lease_until": None}
            if state is DeliveryState.SENDING:
                values |= {"lease_owner": "w", "lease_until": 1}
            session.execute(sa.update(DeliveryRow).values(**values))

    set_state(DeliveryState.SENDING)
    read(instance, tmp_path, bounce(senders[ICHIRO]))
    assert states(instance) == {DeliveryState.SENDING: 4}
    set_state(DeliveryState.ACCEPTED)
    read(instance, tmp_path)
    assert states(instance) == {DeliveryState.ACCEPTED: 3, DeliveryState.BOUNCED: 1}
    assert standing_of(instance, "C1") is Standing.NOT_REACHED
    assert [event["bounced"] for event in matched_events(instance)] == [0, 1]


@pytest.mark.parametrize(
    ("action", "status", "state", "standing"),
    [
        ("failed", "5.1.1", DeliveryState.BOUNCED, Standing.NOT_REACHED),
        ("delivered", "2.0.0", DeliveryState.ACCEPTED, Standing.INFORMED),
        ("delayed", "4.4.1", DeliveryState.UNCERTAIN, Standing.TO_INFORM),
    ],
)
@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_a_message_in_doubt_is_settled_by_what_came_back(
    instance: Engine, clock: Clock, tmp_path: Path, action: str, status: str, state: DeliveryState, standing: Standing
) -> None:
    _, senders = sent_wave(instance, tmp_path, clock)
    with recording(instance) as session:
        session.execute(sa.update(DeliveryRow).values(state=DeliveryState.UNCERTAIN))
        session.execute(sa.update(PersonToInform).values(standing=Standing.TO_INFORM))
    read(instance, tmp_path, bounce(senders[ICHIRO], action=action, status=status))
    assert states(instance)[state] in {1, 4}
    assert standing_of(instance, "C1") is standing


def test_who_was_told_otherwise_and_who_got_a_later_message_stay_told(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    incident, senders = sent_wave(instance, tmp_path, clock)
    read(instance, tmp_path, bounce(senders[ICHIRO], status="5.7.1"))
    assert standing_of(instance, "C1") is Standing.NOT_REACHED
    _, again = sent_wave(instance, tmp_path, clock, incident=incident, rule=AudienceRule.FAILED_ONLY)
    assert list(again) == [ICHIRO]
    assert standing_of(instance, "C1") is Standing.INFORMED
    with recording(instance) as session:
        session.execute(
            sa.update(PersonToInform)
            .where(PersonToInform.standing == Standing.INFORMED, PersonToInform.language == "en")
            .values(standing=Standing.INFORMED_OTHERWISE)
        )
        session.execute(  # the first message comes to life again, as if its bounce had not been read yet
            sa.update(DeliveryRow).where(DeliveryRow.state == DeliveryState.BOUNCED).values(state="accepted")
        )
    read(instance, tmp_path, bounce(senders[JUERGEN], JUERGEN))
    assert states(instance) == {DeliveryState.ACCEPTED: 3, DeliveryState.BOUNCED: 2}
    assert standing_of(instance, "C1") is Standing.INFORMED
    assert standing_of(instance, "C3") is Standing.INFORMED_OTHERWISE


def test_a_closed_address_gets_no_further_wave_until_it_is_lifted(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    incident, senders = sent_wave(instance, tmp_path, clock)
    read(instance, tmp_path, bounce(senders[ICHIRO]), bounce(senders[JUERGEN], JUERGEN, status="5.7.1"))
    (row,) = bounces_shown.list_suppressions(instance)
    assert row.closed_to == tuple(Purpose)
    _, again = sent_wave(instance, tmp_path, clock, incident=incident, rule=AudienceRule.FAILED_ONLY)
    assert list(again) == [JUERGEN]
    actor = author(instance).actor
    bounces_by_hand.lift_suppression(instance, row.id, reason="telephoned", actor=actor, now=NOW)
    with pytest.raises(AlreadySettled):
        bounces_by_hand.lift_suppression(instance, row.id, reason="telephoned", actor=actor, now=NOW)
    assert [view.id for view in bounces_shown.list_suppressions(instance, lifted=True)] == [row.id]
    _, again = sent_wave(instance, tmp_path, clock, incident=incident, rule=AudienceRule.FAILED_ONLY)
    assert list(again) == [ICHIRO]


def test_a_complaint_never_holds_back_a_legal_notice(instance: Engine, clock: Clock, tmp_path: Path) -> None:
    incident, senders = sent_wave(instance, tmp_path, clock)
    raw = returned.COMPLAINT.replace(returned.ADDRESS.encode(), senders[ICHIRO].encode())
    (found,) = read(instance, tmp_path, bounces.FoundMail(file="c", raw=raw))
    assert (found.kind, found.matched) == (BounceKind.COMPLAINT, True)
    assert states(instance) == {DeliveryState.ACCEPTED: 4}
    (row,) = bounces_shown.list_suppressions(instance)
    assert row.closed_to == (Purpose.UPDATE, Purpose.ALL_CLEAR)
    with recording(instance) as session:  # something further became known of everybody
        session.execute(sa.update(PersonToInform).values(standing=Standing.TO_INFORM))
    _, again = sent_wave(instance, tmp_path, clock, incident=incident)
    assert ICHIRO in again


def test_an_open_item_is_matched_by_hand_with_its_consequence(instance: Engine, clock: Clock, tmp_path: Path) -> None:
    incident, _ = sent_wave(instance, tmp_path, clock)
    read(instance, tmp_path, bounce("someone@mail.example.jp"))
    (item,) = bounces_shown.open_items(instance, [incident], folder=tmp_path)
    actor = author(instance).actor
    with pytest.raises(NothingSent):
        bounces_by_hand.match_by_hand(instance, incident, item.mail.id, "C5", reason="r", actor=actor, now=NOW)
    with pytest.raises(BadInput):
        bounces_by_hand.match_by_hand(instance, incident, item.mail.id, "C1", reason=" ", actor=actor, now=NOW)
    with pytest.raises(NotFound):
        bounces_by_hand.match_by_hand(instance, incident, 999, "C1", reason="r", actor=actor, now=NOW)
    bounces_by_hand.match_by_hand(instance, incident, item.mail.id, " C1 ", reason="r", actor=actor, now=NOW)
    assert standing_of(instance, "C1") is Standing.NOT_REACHED
    assert bounces_shown.count_open_items(instance) == 0
    assert count(instance, Suppression) == 1
    with pytest.raises(AlreadySettled):
        bounces_by_hand.match_by_hand(instance, incident, item.mail.id, "C3", reason="r", actor=actor, now=NOW)


def test_a_mail_of_another_incident_is_not_matched_to_this_one(instance: Engine, clock: Clock, tmp_path: Path) -> None:
    sent_wave(instance, tmp_path, clock)
    other = builders.an_incident(instance, title="other").id
    read(instance, tmp_path, bounce("someone@mail.example.jp"))
    with pytest.raises(NothingSent):
        bounces_by_hand.match_by_hand(instance, other, 1, "C1", reason="r", actor=author(instance).actor, now=NOW)


def test_a_persons_own_mail_is_an_open_item_with_whom_it_may_be_from(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    incident, _ = sent_wave(instance, tmp_path, clock)
    raw = returned.PERSON.replace(b"emi@example.com", JUERGEN.encode()).replace(
        returned.ADDRESS.encode(), b"x@y.example"
    )
    (found,) = read(instance, tmp_path, bounces.FoundMail(file="p", raw=raw))
    assert (found.kind, found.recipients) == (BounceKind.OTHER, ())
    (item,) = bounces_shown.open_items(instance, [incident], folder=tmp_path)
    assert item.recipients == ("j●●●@example.com",)
    assert [number for _, number in item.candidates] == ["C3"]


def test_what_is_nobodys_is_set_aside_with_a_reason(instance: Engine, tmp_path: Path) -> None:
    read(instance, tmp_path, bounces.FoundMail(file="p", raw=returned.PERSON.replace(b"bounces+", b"x")))
    read(instance, tmp_path, bounces.FoundMail(file="v", raw=returned.VACATION))
    (item,) = bounces_shown.open_items(instance, [], folder=tmp_path)
    assert item.mail.kind is BounceKind.OTHER
    bounces_by_hand.set_aside(instance, item.mail.id, reason="an answer", actor=author(instance).actor, now=NOW)
    assert bounces_shown.count_open_items(instance) == 0
    with pytest.raises(AlreadySettled):
        bounces_by_hand.set_aside(instance, item.mail.id, reason="again", actor=author(instance).actor, now=NOW)


def test_the_database_keeps_what_came_back_as_it_came(instance: Engine, clock: Clock, tmp_path: Path) -> None:
    _, senders = sent_wave(instance, tmp_path, clock)
    read(instance, tmp_path, bounce(senders[ICHIRO]))
    for change in (
        sa.update(Bounce).values(kind="delay"),
        sa.update(Bounce).values(delivery_id=2),
        sa.delete(Bounce),
        sa.update(Suppression).values(reason="complaint"),
        sa.delete(Suppression),
    ):
        with pytest.raises(DatabaseError), recording(instance) as session:
            session.execute(change)


def test_no_address_stands_in_the_tables_or_on_the_timeline(instance: Engine, clock: Clock, tmp_path: Path) -> None:
    _, senders = sent_wave(instance, tmp_path, clock)
    read(instance, tmp_path, bounce(senders[ICHIRO]), bounce("x@mail.example.jp", words="ichiro"))
    with reading(instance) as session:
        rows = [
            str(row)
            for table in ("bounces", "suppressions", "events")
            for row in session.execute(sa.text(f"SELECT * FROM {table}"))
        ]
    assert not [row for row in rows if "ichiro" in row or "@" in row]


def _read_in_a_child(url: str, folder: Path, raw: bytes) -> None:
    from incident_app.persistence.database import make_engine

    engine = make_engine(url)
    for _ in range(3):
        read(engine, folder, bounces.FoundMail(file="x", raw=raw))
    engine.dispose()


def test_two_who_read_one_mailbox_at_once_store_each_mail_once(
    instance: Engine, instance_url: str, clock: Clock, tmp_path: Path
) -> None:
    _, senders = sent_wave(instance, tmp_path, clock)
    context = multiprocessing.get_context("spawn")
    mail = bounce(senders[ICHIRO]).raw
    children = [context.Process(target=_read_in_a_child, args=(instance_url, tmp_path, mail)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    assert (count(instance, Bounce), count(instance, Suppression)) == (1, 1)
    assert len(matched_events(instance)) == 1
