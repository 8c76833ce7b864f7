"""One person's mail of a wave, byte for byte as it would be sent (E3)."""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTPUTF8

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import WithheldBecause
from incident_app.domain.errors import IncidentAppError, NotFound
from incident_app.domain.ids import CampaignId, IncidentId, NoticeId
from incident_app.domain.notices import PersonalItem, personal_facts
from incident_app.domain.vocabulary import ItemFlag, Language, PersonKind, Relation
from incident_app.domain.words import Words
from incident_app.persistence.claims import ClaimedFacts, Due, people_of
from incident_app.persistence.customers import Customer, CustomerContact
from incident_app.persistence.inventory import DataItem
from incident_app.persistence.notices import Notice, NoticeVersion
from incident_app.persistence.outbox import Campaign, DeliveryPerson, DeliveryRow, PersonToInform
from incident_app.rendering.notices import PersonalText
from incident_app.services.approved_content import LanguageMissing
from incident_app.services.composing import NoticeComposer
from incident_app.services.notices import shared_facts
from incident_app.services.people import newest_determination
from incident_app.services.transaction import reading
from notifications.addresses import Address
from notifications.outbox import Delivery


class MessageWithheld(IncidentAppError):
    """This message will not be sent: {because}."""

    ja = "この通知は送信されません（{because}）。"


@dataclass(frozen=True, kw_only=True, repr=False)
class ByHand:
    """Somebody who is in no wave: another company, or whoever received the data."""

    name: str
    kind: PersonKind
    language: Language
    items: frozenset[str]
    assumed: bool = False
    """True when it is not confirmed that these items leaked."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """One mail, and how many records of customers it is about."""

    delivery_id: int
    people: int
    content: bytes

    @property
    def subject(self) -> str:
        """Return the subject as a reader sees it."""
        return str(self._parsed["Subject"])

    @property
    def text(self) -> str:
        """Return the plain text as a reader sees it."""
        part = self._parsed.get_body(("plain",))
        return part.get_content() if part is not None else ""

    @property
    def _parsed(self) -> EmailMessage:
        return message_from_bytes(self.content, _class=EmailMessage, policy=SMTPUTF8)


def preview_in_wave(engine: Engine, composer: NoticeComposer, campaign_id: CampaignId, customer_number: str) -> Preview:
    """Compose the mail of a wave in which a customer is; only its date will be another when it is sent."""
    with reading(engine) as session:
        due = _due(session, campaign_id, customer_number)
        people, held_back = people_of(session, [due])
        if due.id not in people:
            raise MessageWithheld(because=_only(held_back))
        delivery = Delivery(
            id=due.id,
            attempt=due.attempt_count + 1,
            recipient=Address(due.address or ""),
            facts=ClaimedFacts(
                campaign_id=campaign_id,
                notice_version_id=_version(session, campaign_id, due.language),
                language=Language(due.language),
                token=due.token,
                people=tuple(people[due.id]),
            ),
        )
    composer.prepare([delivery])
    return Preview(
        delivery_id=due.id,
        people=len(people[due.id]),
        content=composer.compose(delivery, eight_bit=True).content,
    )


def write_by_hand(
    engine: Engine, incident_id: IncidentId, notice_id: NoticeId, to: ByHand, *, token: str
) -> tuple[str, str, str]:
    """Write a notice to somebody who is in no wave: subject, text and html, to be handed over by other means."""
    with reading(engine) as session:
        notice = session.get(Notice, notice_id)
        if notice is None or notice.incident_id != incident_id:
            raise NotFound(what="notice", name=notice_id)
        version = _version_in(session, notice, to.language)
        items = _items_named(session, to.items)
        harms = shared_facts(session, newest_determination(session, incident_id)).harms
    facts = personal_facts(
        name=to.name,
        kind=to.kind,
        relation=Relation.BUSINESS_PARTNER,
        language=to.language,
        confirmed=() if to.assumed else items,
        possible=items if to.assumed else (),
        harms=harms,
        token=token,
    )
    text = PersonalText.compile(version.text, html=False, language=version.language)
    html = PersonalText.compile(version.html, html=True, language=version.language)
    return version.subject, text.fill(facts), html.fill(facts)


def _version_in(session: Session, notice: Notice, language: Language) -> NoticeVersion:
    found = session.scalars(
        sa.select(NoticeVersion).where(
            NoticeVersion.notice_id == notice.id,
            NoticeVersion.version == notice.current_version,
            NoticeVersion.language == language,
        ),
    ).one_or_none()
    if found is None:
        raise LanguageMissing(languages=language)
    return found


def _items_named(session: Session, codes: frozenset[str]) -> list[PersonalItem]:
    rows = session.scalars(sa.select(DataItem).where(DataItem.code.in_(codes)).order_by(DataItem.position)).all()
    if unknown := sorted(codes - {row.code for row in rows}):
        raise NotFound(what="data item", name=unknown[0])
    return [
        PersonalItem(name=Words(ja=row.name_ja, en=row.name_en), flags=frozenset(ItemFlag(flag) for flag in row.flags))
        for row in rows
    ]


def _due(session: Session, campaign_id: int, customer_number: str) -> Due:
    row = session.execute(
        sa.select(
            DeliveryRow.id,
            DeliveryRow.campaign_id,
            DeliveryRow.language,
            DeliveryRow.token,
            DeliveryRow.attempt_count,
            CustomerContact.address,
            CustomerContact.valid_until,
        )
        .join(CustomerContact, CustomerContact.id == DeliveryRow.contact_id)
        .join(DeliveryPerson, DeliveryPerson.delivery_id == DeliveryRow.id)
        .join(PersonToInform, PersonToInform.id == DeliveryPerson.person_id)
        .join(Customer, Customer.id == PersonToInform.customer_id)
        .where(DeliveryRow.campaign_id == campaign_id, Customer.customer_number == customer_number)
        .order_by(DeliveryRow.id)
        .limit(1),
    ).one_or_none()
    if row is None:
        raise NotFound(what="person to inform", name=customer_number)
    return Due(*row)


def _version(session: Session, campaign_id: int, language: str) -> int:
    found = session.scalars(
        sa.select(NoticeVersion.id)
        .join(
            Campaign,
            sa.and_(Campaign.notice_id == NoticeVersion.notice_id, Campaign.notice_version == NoticeVersion.version),
        )
        .where(Campaign.id == campaign_id, NoticeVersion.language == language),
    ).one_or_none()
    if found is None:
        raise LanguageMissing(languages=language)
    return found


def _only(held_back: dict[WithheldBecause, list[int]]) -> str:
    return next(iter(held_back), WithheldBecause.CONTACT_GONE).value
