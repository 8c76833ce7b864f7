"""Public notice: recorded with its desk, covers whom nothing else reaches, and is undone when it is withdrawn."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError

from incident_app.domain.delivery import Standing
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.ids import IncidentId
from incident_app.domain.publications import (
    CoverReason,
    Desk,
    DeskClosed,
    DeskMissing,
    MailWay,
    NobodyToCover,
    PublicationWithdrawn,
    Published,
    reason_to_cover,
)
from incident_app.domain.unreached import ContactOutcome, ContactWay
from incident_app.persistence.publications import CoveredPerson, Covering, Publication
from incident_app.persistence.timeline import EventRow
from incident_app.services import (
    bounces_by_hand,
    letters_shown,
    people,
    publications,
    publications_cover,
    unreached_contacts,
)
from incident_app.services.people import NumbersUnknown
from incident_app.services.publications_cover import Named
from incident_app.services.transaction import reading, recording
from incident_app.services.unreached_contacts import as_lines
from tests import builders
from tests.builders import NOW, author
from tests.conftest import Clock
from tests.services import posting
from tests.services.posting import bring_back, codes, hand_over, prepare
from tests.services.reaching import a_bounced_wave, a_call, listed
from tests.services.returning import ICHIRO, JUERGEN, bounce, count, read, sent_wave, standing_of

DESK = Desk(phone="0120-000-000", hours="平日 9-17時", until=date(2027, 1, 31))


def published(desk: Desk = DESK, **changes: object) -> Published:
    values = {"place": "ホームページ", "url": "https://www.example.jp/notice", "published_at": NOW, "desk": desk}
    return Published(**{**values, **changes})


def add(
    engine: Engine, incident: IncidentId, desk: Desk = DESK, text: str = "お知らせ"
) -> publications.PublicationView:
    return publications.add_publication(
        engine, incident, published(desk), text=text, actor=author(engine).actor, now=NOW
    )


def cover(
    engine: Engine, incident: IncidentId, version: int = 1, named: Iterable[str] = (), reason: str = "届かない"
) -> publications_cover.Covered:
    chosen = Named(numbers=tuple(named)) if named else None
    return publications_cover.cover_people(
        engine, incident, version, named=chosen, reason=reason, actor=author(engine).actor, now=NOW
    )


def withdraw(engine: Engine, incident: IncidentId, version: int = 1) -> int:
    return publications.withdraw_publication(
        engine, incident, version, reason="掲載を終えた", actor=author(engine).actor, now=NOW
    )


def events(engine: Engine, kind: str) -> list[dict[str, object]]:
    with reading(engine) as session:
        bodies = session.scalars(sa.select(EventRow.body).where(EventRow.kind == kind).order_by(EventRow.sequence))
        return [json.loads(body)["facts"] for body in bodies]


@pytest.fixture
def returned(instance: Engine, clock: Clock, tmp_path: Path) -> IncidentId:
    """C1 (with postal address) and C3 (mail only) bounced; C2 and C4 were reached; C5 has only a postal address."""
    incident, senders = sent_wave(instance, tmp_path, clock)
    read(instance, tmp_path, bounce(senders[ICHIRO]), bounce(senders[JUERGEN], JUERGEN))
    return incident


def test_only_those_whom_nothing_else_reaches_are_covered(instance: Engine, returned: IncidentId) -> None:
    add(instance, returned)
    done = cover(instance, returned)
    assert (done.people, done.because) == (1, {CoverReason.MAIL_RETURNED: 1})
    standings = {number: standing_of(instance, number) for number in ("C1", "C2", "C3", "C4", "C5")}
    assert standings == {
        "C1": Standing.NOT_REACHED,
        "C2": Standing.INFORMED,
        "C3": Standing.COVERED_BY_PUBLIC_NOTICE,
        "C4": Standing.INFORMED,
        "C5": Standing.TO_INFORM,
    }
    (view,) = publications.list_publications(instance, returned, now=NOW)
    assert (view.covered, view.because, view.may_cover) == (1, (("mail_returned", 1),), True)
    (event,) = events(instance, "people.covered")
    assert (event["people"], event["cover_rule"]) == (1, "unreachable")
    with pytest.raises(NobodyToCover):
        cover(instance, returned)
    assert count(instance, Covering) == 1


def test_whom_post_and_telephone_were_tried_for_in_vain_is_covered_as_the_worklist_says(
    instance: Engine, returned: IncidentId, tmp_path: Path
) -> None:
    """C1's mail and letter came back: the number is left; after a call in vain nothing but public notice is."""
    add(instance, returned)
    cover(instance, returned)
    posting.prepare(instance, returned, tmp_path, notice_id=1)
    posting.hand_over(instance, "2026-0001-001")
    letter = next(one for one in letters_shown.list_letters(instance, "2026-0001-001") if one.customer_number == "C1")
    posting.bring_back(instance, returned, letter.code)
    with pytest.raises(NobodyToCover):
        cover(instance, returned)
    for way in (ContactWay.PHONE, ContactWay.PORTAL):
        unreached_contacts.record_contacts(
            instance,
            returned,
            unreached_contacts.as_lines(["C1"]),
            a_call(ContactOutcome.NOT_REACHED, way, at=posting.LATER + timedelta(days=3)),
            actor=author(instance).actor,
            now=posting.LATER + timedelta(days=4),
        )
    assert listed(instance, returned) == {"C1": ("letter_returned", "public_notice")}
    assert cover(instance, returned).because == {CoverReason.MAIL_RETURNED: 1}
    assert standing_of(instance, "C1") is Standing.COVERED_BY_PUBLIC_NOTICE


def test_somebody_without_any_contact_is_covered_and_said_to_be(instance: Engine) -> None:
    builders.with_customers(instance)
    builders.import_text(
        instance,
        "customer_number,kind,relation,language,jurisdiction,name,email,postal_address,phone\n"
        "C7,person,customer,ja,JP,宛先 無,,,\n",
    )
    builders.import_text(instance, "customer_number,store,items\nC7,member-db,name\n")
    incident = builders.an_incident(instance).id
    builders.determined(instance, incident, builders.a_scope("member-db"))
    builders.a_notice(instance, incident)
    people.list_people(instance, incident, actor=author(instance).actor, now=NOW)
    add(instance, incident)
    assert cover(instance, incident).because == {CoverReason.NO_CONTACT: 1}
    assert standing_of(instance, "C7") is Standing.COVERED_BY_PUBLIC_NOTICE
    assert standing_of(instance, "C2") is Standing.TO_INFORM


def test_a_withdrawn_publication_covers_nobody_any_more(instance: Engine, returned: IncidentId) -> None:
    add(instance, returned)
    cover(instance, returned)
    assert withdraw(instance, returned) == 1
    assert standing_of(instance, "C3") is Standing.NOT_REACHED
    assert standing_of(instance, "C2") is Standing.INFORMED
    (event,) = events(instance, "publication.retracted")
    assert (event["people"], event["version"]) == (1, 1)
    for again in (withdraw, cover):
        with pytest.raises(PublicationWithdrawn):
            again(instance, returned)
    add(instance, returned)
    assert cover(instance, returned, 2).people == 1
    publications.finish_coverings(instance, now=NOW)
    assert standing_of(instance, "C3") is Standing.COVERED_BY_PUBLIC_NOTICE


def test_whom_somebody_told_meanwhile_stays_told_when_the_publication_is_withdrawn(
    instance: Engine, returned: IncidentId
) -> None:
    add(instance, returned)
    cover(instance, returned)
    people.record_told(
        instance,
        returned,
        ["C3"],
        standing=Standing.INFORMED_OTHERWISE,
        how="phone",
        reason="called",
        actor=author(instance).actor,
        now=NOW,
    )
    assert withdraw(instance, returned) == 0
    assert standing_of(instance, "C3") is Standing.INFORMED_OTHERWISE


@pytest.mark.parametrize(
    ("desk", "refusal"),
    [
        (Desk(), DeskMissing),
        (Desk(phone="0120-000-000", hours="9-17"), DeskMissing),
        (Desk(hours="9-17", until=date(2027, 1, 31)), DeskMissing),
        (Desk(phone="0120-000-000", hours="9-17", until=date(2026, 11, 19)), DeskClosed),
    ],
)
def test_a_publication_without_an_open_desk_covers_nobody(
    instance: Engine, returned: IncidentId, desk: Desk, refusal: type[Exception]
) -> None:
    assert not add(instance, returned, desk).may_cover
    with pytest.raises(refusal):
        cover(instance, returned)
    assert standing_of(instance, "C3") is Standing.NOT_REACHED
    assert count(instance, Covering) == 0


def test_the_desk_is_open_on_its_last_day_in_japan(instance: Engine, returned: IncidentId) -> None:
    add(instance, returned, Desk(phone="0120-000-000", hours="9-17", until=date(2026, 11, 20)))
    assert cover(instance, returned).people == 1


def test_people_may_be_named_and_who_was_told_is_left_out(instance: Engine, returned: IncidentId) -> None:
    add(instance, returned)
    done = cover(instance, returned, named=["C1", "C2"], reason="住所も古い")
    assert (done.people, done.because, done.left_out) == (1, {CoverReason.NAMED: 1}, 1)
    assert standing_of(instance, "C1") is Standing.COVERED_BY_PUBLIC_NOTICE
    assert standing_of(instance, "C2") is Standing.INFORMED
    with pytest.raises(NumbersUnknown):
        cover(instance, returned, named=["C1", "C99"])


def test_nobody_in_an_open_delivery_is_covered(instance: Engine) -> None:
    builders.with_customers(instance)
    incident = builders.an_incident(instance).id
    builders.determined(instance, incident, builders.a_scope("member-db"))
    builders.a_wave(instance, incident, builders.a_notice(instance, incident))
    add(instance, incident)
    with pytest.raises(NobodyToCover):
        cover(instance, incident, named=["C3"])


def test_what_a_crash_cut_off_is_finished_by_the_next_run(
    instance: Engine, returned: IncidentId, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(instance, returned)

    calls = iter([publications.finish_coverings])

    def die_at_the_end(engine: Engine, *, now: datetime) -> None:
        for finish in calls:
            finish(engine, now=now)
            return
        raise KeyboardInterrupt

    monkeypatch.setattr(publications_cover, "finish_coverings", die_at_the_end)
    with pytest.raises(KeyboardInterrupt):
        cover(instance, returned)
    assert standing_of(instance, "C3") is Standing.NOT_REACHED
    publications.finish_coverings(instance, now=NOW)
    assert standing_of(instance, "C3") is Standing.COVERED_BY_PUBLIC_NOTICE


def test_the_database_keeps_what_was_covered_and_by_whom(instance: Engine, returned: IncidentId) -> None:
    add(instance, returned)
    cover(instance, returned)
    for statement in (
        sa.delete(CoveredPerson),
        sa.update(CoveredPerson).values(because=CoverReason.NAMED),
        sa.delete(Covering),
        sa.update(Covering).values(people=7),
        sa.update(Publication).values(desk_phone="other"),
        sa.delete(Publication),
    ):
        with pytest.raises(DatabaseError), recording(instance) as session:
            session.execute(statement)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"place": " "}, "place"),
        ({"url": "www.example.jp"}, "url"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"url": "https://exa mple.jp/"}, "url"),
        ({"url": "http://[x"}, "url"),
        ({"published_at": NOW + timedelta(minutes=1)}, "published_at"),
        ({"desk": Desk(phone="0" * 61)}, "phone"),
    ],
)
def test_a_faulty_publication_is_refused_by_its_field(instance: Engine, changes: dict[str, object], field: str) -> None:
    incident = builders.an_incident(instance).id
    with pytest.raises(BadInput) as refused:
        publications.add_publication(
            instance, incident, published(**changes), text="x", actor=author(instance).actor, now=NOW
        )
    assert refused.value.facts["field"] == field
    assert count(instance, Publication) == 0


def test_a_publication_has_a_text_and_belongs_to_its_incident(instance: Engine) -> None:
    incident = builders.an_incident(instance).id
    with pytest.raises(BadInput):
        add(instance, incident, text=" ")
    add(instance, incident)
    other = builders.an_incident(instance, title="別件").id
    with pytest.raises(NotFound):
        withdraw(instance, other)
    assert add(instance, other).version == 1
    assert add(instance, incident).version == 2


def test_the_timeline_names_no_place_and_no_desk(instance: Engine, returned: IncidentId) -> None:
    add(instance, returned)
    cover(instance, returned, reason="髙橋さんの件")
    withdraw(instance, returned)
    with reading(instance) as session:
        bodies = " ".join(session.scalars(sa.select(EventRow.body).where(EventRow.kind.like("p%"))))
    assert not [word for word in ("0120", "髙橋", "C3") if word in bodies]


@given(st.booleans(), st.sets(st.sampled_from(MailWay)))
def test_public_notice_is_the_last_way_and_never_taken_while_another_is_open(by_hand: bool, mail: set[MailWay]) -> None:
    reason = reason_to_cover(by_hand=by_hand, mail=mail)
    assert (reason is None) == (by_hand or MailWay.OPEN in mail)
    assert (reason is CoverReason.NO_CONTACT) == (not by_hand and not mail)
    assert reason is not CoverReason.NAMED


def test_lifting_a_closed_address_opens_the_way_again(instance: Engine, returned: IncidentId) -> None:
    """A mail that came back counts against its address as long as nobody corrected it, suppression or not."""
    add(instance, returned)
    for row in (1, 2):
        bounces_by_hand.lift_suppression(instance, row, reason="fixed", actor=author(instance).actor, now=NOW)
    assert cover(instance, returned).because == {CoverReason.MAIL_RETURNED: 1}


def test_who_was_told_by_post_meanwhile_is_told_when_the_publication_is_withdrawn(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    incident = a_bounced_wave(instance, tmp_path, clock)
    (batch,) = prepare(instance, incident, tmp_path)
    add(instance, incident)
    assert cover(instance, incident, named=["C1", "C5"]).people == 2
    hand_over(instance, batch.batch)
    assert standing_of(instance, "C5") is Standing.COVERED_BY_PUBLIC_NOTICE
    withdraw(instance, incident)
    assert standing_of(instance, "C1") is standing_of(instance, "C5") is Standing.INFORMED_OTHERWISE
    bring_back(instance, incident, *codes(instance, batch.batch))
    assert standing_of(instance, "C1") is standing_of(instance, "C5") is Standing.NOT_REACHED


def test_who_is_covered_is_so_again_when_a_call_to_them_is_taken_back(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    incident = a_bounced_wave(instance, tmp_path, clock)
    add(instance, incident)
    cover(instance, incident, named=["C1"])
    actor = author(instance).actor
    called = unreached_contacts.record_contacts(
        instance, incident, as_lines(["C1", "C5"]), a_call(), actor=actor, now=NOW
    )
    unreached_contacts.take_back(instance, incident, called.records[0], reason="wrong list", actor=actor, now=NOW)
    assert standing_of(instance, "C1") is Standing.COVERED_BY_PUBLIC_NOTICE
    assert standing_of(instance, "C5") is Standing.TO_INFORM
    (view,) = publications.list_publications(instance, incident, now=NOW)
    assert view.covered == 1
    withdraw(instance, incident)
    assert standing_of(instance, "C1") is Standing.NOT_REACHED
