"""A test of a wave: one recipient's mail, as it would leave, to somebody of ours, and visibly a test."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.brake import AttemptOutcome
from incident_app.domain.delivery import CampaignStatus
from incident_app.domain.errors import BadInput, IncidentAppError, NotFound
from incident_app.domain.events import DispatchTested
from incident_app.domain.ids import Actor, CampaignId, IncidentId
from incident_app.domain.vocabulary import Language
from incident_app.persistence.accounts import User
from incident_app.persistence.attempts import WORDS
from incident_app.persistence.claims import COLUMNS, TABLES, ClaimedFacts, Due, people_of
from incident_app.persistence.incidents import Incident
from incident_app.persistence.notices import NoticeVersion
from incident_app.persistence.outbox import Campaign
from incident_app.services.composing import NoticeComposer
from incident_app.services.sending_checks import ExerciseNotSent
from incident_app.services.transaction import reading, transaction
from incident_app.services.waves import get_campaign_row
from notifications import loop
from notifications.addresses import Address, domain_of, normalised, parse_address
from notifications.bounces.verp import ReturnPath
from notifications.dispatcher import sha256_of
from notifications.dkim import Signer
from notifications.errors import AddressRefused, CannotConnect, MailerError
from notifications.headers import mailbox_header, text_header
from notifications.message import message_id
from notifications.outbox import Delivery
from notifications.outcome import Outcome
from notifications.transport import Envelope, Transport

MARKS = {Language.JA: "【試験送信】", Language.EN: "[TEST] "}
"""What stands in front of the subject, so that nobody takes a test for the notice itself."""
TOKEN_BYTES = 12
LOOKED_AT = 200
"""So many messages are looked through for one that may leave as it stands."""


class OnlyToOurselves(IncidentAppError):
    """A test goes to the address of an active account or to one in the domain that notices are sent from."""

    ja = "試験送信できるのは、有効なアカウントのメールアドレスか、通知の差出人と同じドメインのアドレスだけです。"


class TestNotSent(IncidentAppError):
    """The mail server could not be used ({fault}): the test was not sent. Nothing of the wave was changed."""

    ja = "メールサーバーを使えないため（{fault}）、試験送信できませんでした。波には何も変わりはありません。"


class NothingToTest(IncidentAppError):
    """No message of this wave can be shown as it would leave: each would be withheld, or that person is not in it."""

    ja = "この波には、送るとおりに試せるメールがありません（どれも見送りになるか、その人が含まれていません）。"


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """How mails leave this instance."""

    transport: Transport
    bounce_domain: str
    message_domain: str
    signer: Signer | None = None
    return_path: ReturnPath | None = None


@dataclass(frozen=True, kw_only=True)
class Tested:
    """What came of a test."""

    delivery_id: int
    outcome: str
    reply_code: int | None


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """One message of a wave, as a worker would get it, and what is exchanged in it for the test."""

    delivery: Delivery
    facts: ClaimedFacts
    subject: str
    sender: Address


def send_test(
    engine: Engine,
    campaign_id: CampaignId,
    outgoing: Outgoing,
    *,
    to: str,
    customer_number: str | None = None,
    actor: Actor,
    now: datetime,
) -> Tested:
    """Send one person's mail of a wave to somebody of ours. It is part of no wave: nobody counts as told by it.

    It differs from what that person gets in the recipient, a mark in the subject, and a Message-ID and a return address
    that belong to no message of the wave, so that nothing that comes back of it is taken for the person's.
    """
    with reading(engine) as session:
        campaign = get_campaign_row(session, campaign_id)
        address = _checked(session, campaign, to)
        sample = _sample(session, campaign, customer_number)
    try:
        outcome, envelope = loop.run(_send(outgoing, _composer(engine, outgoing, sample, now), sample, address, now))
    except CannotConnect as failure:
        raise TestNotSent(fault=failure.fault) from failure
    except MailerError as failure:
        raise NothingToTest from failure
    tested = Tested(delivery_id=sample.delivery.id, outcome=WORDS[type(outcome)], reply_code=outcome.code)
    with transaction(engine, actor=actor, now=now) as act:
        campaign = get_campaign_row(act.session, campaign_id)
        act.record(
            DispatchTested(
                campaign_id=campaign_id,
                wave=campaign.wave_number,
                delivery_id=tested.delivery_id,
                outcome=AttemptOutcome(tested.outcome),
                reply_code=tested.reply_code,
                content_digest=sha256_of(envelope.content),
            ),
            incident=IncidentId(campaign.incident_id),
        )
    return tested


def _composer(engine: Engine, outgoing: Outgoing, sample: _Sample, now: datetime) -> NoticeComposer:
    """Return what composes mails, with everything read that the sample needs; it signs nothing yet."""
    composer = NoticeComposer(
        engine,
        clock=lambda: now,
        bounce_domain=outgoing.bounce_domain,
        message_domain=outgoing.message_domain,
        return_path=outgoing.return_path,
    )
    composer.prepare([sample.delivery])
    return composer


def _checked(session: Session, campaign: Campaign, to: str) -> Address:
    if session.get_one(Incident, campaign.incident_id).exercise:
        raise ExerciseNotSent
    if campaign.status is CampaignStatus.BUILDING:
        raise NotFound(what="wave", name=campaign.id)
    try:
        address = parse_address(to.strip())
    except AddressRefused as refusal:
        raise BadInput(field="to", problem="this is no mail address") from refusal
    staff = session.scalars(sa.select(User.email).where(User.active.is_(True)))
    ours = {normalised(Address(email)) for email in staff}
    if normalised(address) not in ours and domain_of(address).lower() != domain_of(campaign.sender_address).lower():
        raise OnlyToOurselves
    return address


def _sample(session: Session, campaign: Campaign, customer_number: str | None) -> _Sample:
    """Return the first message of a wave, or that of one person, that would leave as it stands."""
    of_person = "AND contact.customer_id IN (SELECT id FROM customers WHERE customer_number = :number) "
    found = session.execute(
        sa.text(
            f"SELECT {COLUMNS} {TABLES}WHERE waiting.campaign_id = :campaign "
            f"{of_person if customer_number else ''}ORDER BY waiting.id LIMIT {LOOKED_AT}"
        ),
        {"campaign": campaign.id} | ({"number": customer_number} if customer_number else {}),
    )
    rows = [Due(*row) for row in found]
    people, _held_back = people_of(session, rows)
    row = next((row for row in rows if row.id in people), None)
    if row is None:
        raise NothingToTest
    version, subject = session.execute(
        sa.select(NoticeVersion.id, NoticeVersion.subject).where(
            NoticeVersion.notice_id == campaign.notice_id,
            NoticeVersion.version == campaign.notice_version,
            NoticeVersion.language == row.language,
        )
    ).one()
    facts = ClaimedFacts(
        campaign_id=campaign.id,
        notice_version_id=version,
        language=Language(row.language),
        token=row.token,
        people=tuple(people[row.id]),
    )
    recipient = Address(row.address or "")
    return _Sample(
        delivery=Delivery(id=row.id, attempt=1, recipient=recipient, facts=facts),
        facts=facts,
        subject=subject,
        sender=parse_address(campaign.sender_address),
    )


async def _send(
    outgoing: Outgoing, composer: NoticeComposer, sample: _Sample, to: Address, now: datetime
) -> tuple[Outcome, Envelope]:
    connection = await outgoing.transport.connect()
    try:
        plain = composer.compose(sample.delivery, eight_bit=connection.eight_bit and outgoing.signer is None)
        content = _marked(plain, sample, to, outgoing.message_domain)
        if outgoing.signer is not None:
            content = outgoing.signer.signed(content, now)
        envelope = Envelope(sender=sample.sender, recipient=to, content=content)
        outcome = await connection.send(envelope, before_data=lambda: None)
        if outcome is None:  # only a line that is given more to send says nothing of the last
            raise ValueError("a message alone on its line has an outcome")
        return outcome, envelope
    finally:
        await connection.close()


def _marked(envelope: Envelope, sample: _Sample, to: Address, domain: str) -> bytes:
    """Exchange recipient, subject and Message-ID in the head of a mail; every other octet stays."""
    head, end, body = envelope.content.partition(b"\r\n\r\n")
    head += b"\r\n"
    for old, new in (
        (mailbox_header("To", "", envelope.recipient), mailbox_header("To", "", to)),
        (
            text_header("Subject", sample.subject),
            text_header("Subject", MARKS[sample.facts.language] + sample.subject),
        ),
        (
            f"Message-ID: {message_id(sample.facts.token, domain)}\r\n".encode("ascii"),
            f"Message-ID: {message_id('test-' + secrets.token_hex(TOKEN_BYTES), domain)}\r\n".encode("ascii"),
        ),
    ):
        before, found, after = head.partition(old)
        if not found:
            raise NothingToTest
        head = before + new + after
    return head.removesuffix(b"\r\n") + end + body
