"""Outcomes per recipient: every person once per message, adding up, with the purpose on record and little memory."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tracemalloc
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import AudienceRule, DeliveryState
from incident_app.domain.digests import canonical_text
from incident_app.domain.errors import BadInput
from incident_app.domain.ids import CampaignId, IncidentId
from incident_app.domain.vocabulary import ListRelation
from incident_app.persistence.outbox import Campaign, DeliveryRow
from incident_app.persistence.timeline import EventRow
from incident_app.services import outcomes, people, waves
from incident_app.services.outcomes import Addresses, Manifest, OutcomesDisagree, Wanted
from incident_app.services.transaction import reading, recording
from tests import builders
from tests.builders import NOW, author
from tests.conftest import Clock
from tests.services.returning import ICHIRO, bounce, count, read, sent_wave


def export(
    engine: Engine, incident: IncidentId, campaign: CampaignId | None = None, *, purpose: str = "監査", **wishes: object
) -> tuple[bytes, Manifest]:
    pieces: list[bytes] = []
    wanted = Wanted(incident_id=incident, campaign_id=campaign, message_domain="example.jp", **wishes)
    manifest = outcomes.write_outcomes(
        engine, wanted, pieces.append, purpose=purpose, actor=author(engine).actor, now=NOW
    )
    return b"".join(pieces), manifest


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def exported(engine: Engine) -> list[dict[str, object]]:
    with reading(engine) as session:
        bodies = session.scalars(sa.select(EventRow.body).where(EventRow.kind == "export.made"))
        return [json.loads(body)["facts"] for body in bodies]


@pytest.fixture
def sent(instance: Engine, clock: Clock, tmp_path: Path) -> IncidentId:
    """Four people were sent to; the mail of C1 came back; C5 has no mail address."""
    incident, senders = sent_wave(instance, tmp_path, clock)
    read(instance, tmp_path, bounce(senders[ICHIRO]))
    return incident


def test_a_whole_incident_names_everybody_and_what_came_of_it(instance: Engine, sent: IncidentId) -> None:
    content, manifest = export(instance, sent)
    rows = {row["customer_number"]: row for row in rows_of(content)}
    assert sorted(rows) == ["C1", "C2", "C3", "C4", "C5"]
    first = rows["C1"]
    assert [first[name] for name in ("state", "bounce", "bounce_code", "standing", "attempts", "reply_code")] == [
        "bounced",
        "bounce",
        "5.1.1",
        "not_reached",
        "1",
        "250",
    ]
    assert first["address"] == "i●●●@example.jp"
    assert first["items"] == "customer-number email name password"
    assert first["notice_version"] == "1"
    with reading(instance) as session:
        token = session.scalars(sa.select(DeliveryRow.token).order_by(DeliveryRow.id).limit(1)).one()
    message = next(row for row in rows.values() if row["message_id"] == f"<{token}@example.jp>")
    assert message["reference_code"].replace("-", "").lower() == token[:12]
    assert (rows["C5"]["state"], rows["C5"]["standing"], rows["C5"]["channel"]) == ("", "to_inform", "")
    (wave,) = manifest.waves
    assert (wave.planned, wave.sent, wave.failed, wave.skipped, wave.in_doubt, wave.waiting) == (4, 4, 0, 0, 0, 0)
    assert manifest.agrees
    assert (manifest.rows, manifest.people_in_no_message) == (5, 1)


def test_one_wave_has_nobody_else(instance: Engine, sent: IncidentId) -> None:
    (wave,) = waves.list_campaigns(instance, sent)
    content, manifest = export(instance, sent, wave.id)
    assert sorted(row["customer_number"] for row in rows_of(content)) == ["C1", "C2", "C3", "C4"]
    assert manifest.people_in_no_message == 0


def test_two_waves_are_two_rows_of_one_person(instance: Engine, sent: IncidentId, clock: Clock, tmp_path: Path) -> None:
    people.record_told(
        instance,
        sent,
        ["C2"],
        standing=people.Standing.NOT_REACHED,
        how="mail",
        reason="said so",
        actor=author(instance).actor,
        now=NOW,
    )
    sent_wave(instance, tmp_path, clock, incident=sent, rule=AudienceRule.FAILED_ONLY)
    content, manifest = export(instance, sent)
    assert [(row["wave"], row["state"]) for row in rows_of(content) if row["customer_number"] == "C2"] == [
        ("1", "accepted"),
        ("2", "accepted"),
    ]
    assert [wave.planned for wave in manifest.waves] == [4, 1]


@pytest.mark.parametrize(
    ("shown", "address", "what"),
    [
        (Addresses.NONE, "", "outcomes"),
        (Addresses.MASKED, "i●●●@example.jp", "outcomes_masked"),
        (Addresses.FULL, ICHIRO, "outcomes_full"),
    ],
)
def test_the_timeline_says_how_much_of_the_addresses_was_handed_over(
    instance: Engine, sent: IncidentId, shown: Addresses, address: str, what: str
) -> None:
    content, manifest = export(instance, sent, addresses=shown)
    assert next(row["address"] for row in rows_of(content) if row["customer_number"] == "C1") == address
    (event,) = exported(instance)
    assert (event["what"], event["rows"], event["digest"]) == (what, 5, manifest.rows_digest)
    assert manifest.file_sha256 == hashlib.sha256(content).hexdigest()


def test_the_digest_on_the_timeline_is_the_same_however_much_is_shown(instance: Engine, sent: IncidentId) -> None:
    digests = {
        export(instance, sent, addresses=shown, form=form)[1].rows_digest
        for shown in Addresses
        for form in outcomes.FORMATS
    }
    assert len(digests) == 1


def test_json_is_one_document_whose_rows_have_the_digest(instance: Engine, sent: IncidentId) -> None:
    content, manifest = export(instance, sent, form="json", name_items=False)
    document = json.loads(content)
    assert document["waves"][0]["planned"] == 4
    assert document["waves"][0]["agrees"] is True
    assert len(document["rows"]) == 5
    assert len(document["rows"][0]["items"]) == 64
    lines = "".join(
        canonical_text({name: value for name, value in row.items() if name != "address"}) + "\n"
        for row in document["rows"]
    )
    assert document["rows_digest"] == manifest.rows_digest == hashlib.sha256(lines.encode()).hexdigest()


def test_an_incident_without_anybody_is_still_a_whole_document(instance: Engine) -> None:
    incident = builders.an_incident(instance).id
    content, manifest = export(instance, incident, form="json")
    assert json.loads(content)["rows"] == []
    assert (manifest.rows, manifest.waves, manifest.agrees) == (0, (), True)


def test_without_a_purpose_nothing_is_written_and_nothing_recorded(instance: Engine, sent: IncidentId) -> None:
    before = count(instance, EventRow)
    for wishes in ({"purpose": " "}, {"form": "xml"}):
        with pytest.raises(BadInput):
            export(instance, sent, **wishes)
    assert count(instance, EventRow) == before


def test_a_sum_that_does_not_agree_is_said_loudly(instance: Engine, sent: IncidentId) -> None:
    """A wave of which somebody took a row away outside the program."""
    with recording(instance) as session:
        if instance.dialect.name == "sqlite":
            session.execute(sa.text("DROP TRIGGER guard_campaigns_frozen"))
        else:
            session.execute(sa.text("ALTER TABLE campaigns DISABLE TRIGGER USER"))
        session.execute(sa.update(Campaign).values(planned=5))
    _, manifest = export(instance, sent)
    assert not manifest.agrees
    assert not manifest.waves[0].agrees


def test_rows_that_differ_from_the_count_of_the_database_are_not_handed_over(
    instance: Engine, sent: IncidentId, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = outcomes.totals_in

    def one_more(session: object, campaign: object) -> object:
        totals = real(session, campaign)
        return type(totals)(planned=totals.planned, by_state={**totals.by_state, DeliveryState.FAILED: 1})

    monkeypatch.setattr(outcomes, "totals_in", one_more)
    with pytest.raises(OutcomesDisagree):
        export(instance, sent)
    assert exported(instance) == []


def test_a_formula_in_a_customer_number_is_made_harmless(instance: Engine) -> None:
    builders.import_text(
        instance,
        "customer_number,kind,relation,language,jurisdiction,name,email,postal_address,phone\n"
        "=1+1,person,customer,ja,JP,式,x@example.jp,,\n",
    )
    builders.import_text(instance, "customer_number,store,items\n=1+1,member-db,name\n")
    incident = builders.an_incident(instance).id
    builders.determined(instance, incident, builders.a_scope("member-db"))
    people.list_people(instance, incident, actor=author(instance).actor, now=NOW)
    assert rows_of(export(instance, incident)[0])[0]["customer_number"] == "'=1+1"


def a_large_wave(engine: Engine, first: int, size: int) -> IncidentId:
    """An incident of `size` people of its own, in one wave."""
    numbers = range(first, first + size)
    header = "customer_number,kind,relation,language,jurisdiction,name,email,postal_address,phone\n"
    people_of_it = (f"N{number},person,customer,ja,JP,人{number},n{number}@example.jp,,\n" for number in numbers)
    builders.import_text(engine, header + "".join(people_of_it))
    held = "".join(f"N{number},member-db,name email\n" for number in numbers)
    builders.import_text(engine, "customer_number,store,items\n" + held)
    incident = builders.an_incident(engine, title=f"{size}").id
    listed = "customer_number\n" + "".join(f"N{number}\n" for number in numbers)
    only = builders.a_list(engine, incident, listed, relation=ListRelation.ONLY)
    builders.determined(engine, incident, builders.a_scope("member-db", lists=[only]))
    builders.a_wave(engine, incident, builders.a_notice(engine, incident), approved=False)
    return incident


def test_memory_does_not_grow_with_the_wave(instance: Engine) -> None:
    """Five times the people may not take twice the memory: what is held is a page, not the wave."""
    peaks = []
    for first, size in ((1, 3_000), (10_001, 15_000)):
        incident = a_large_wave(instance, first, size)
        wanted = Wanted(incident_id=incident, message_domain="example.jp")
        tracemalloc.start()
        manifest = outcomes.write_outcomes(instance, wanted, len, purpose="監査", actor=author(instance).actor, now=NOW)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert manifest.rows == size
    assert peaks[1] < 2 * peaks[0]
