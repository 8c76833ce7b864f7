"""Who gets a letter next, and what is looked at before the first is printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from incident_app.domain.digests import digest_of
from incident_app.domain.errors import IncidentAppError
from incident_app.domain.ids import IncidentId
from incident_app.domain.letters import PrintDoubtful
from incident_app.domain.unreached import NextChannel
from incident_app.domain.vocabulary import Certainty, Channel, Language, Purpose
from incident_app.persistence.customers import Customer, CustomerContact, ItemSet
from incident_app.persistence.outbox import PersonToInform
from incident_app.persistence.unreached import Worklist, has_letter, next_channel
from incident_app.rendering.glyphs import named_glyphs
from incident_app.rendering.letters import lacking_in
from incident_app.services.approved_content import NamedItem, names_of_items
from incident_app.services.approved_texts import ApprovedText
from incident_app.services.audience import ItemsNotKnown
from incident_app.services.letter_texts import LetterWriter
from incident_app.services.people import newest_determination

BATCH_SIZE, MOST_IN_A_BATCH = 500, 2_000
AT_ONCE = 1_000
NAMED = 20


class NobodyToWriteTo(IncidentAppError):
    """Nobody whom mail does not reach has a postal address that is not in a letter yet."""

    ja = "メールの届かない人のうち、これから書状を用意する相手（住所のある人）はいません。"


@dataclass(frozen=True, kw_only=True)
class LetterPlan:
    """How letters are to be prepared."""

    sender: Mapping[Language, str]
    """Name and return address, line by line."""
    printed_on: date
    notice_id: int | None = None
    """The newest first notice that is approved, when none is named."""
    batch_size: int = BATCH_SIZE
    most_batches: int | None = None
    go_on: bool = False
    """Print although the font lacks characters: a visible sign stands in their place."""
    purpose: Purpose = Purpose.LEAK_NOTICE


class Addressee(NamedTuple):
    """A person whom post reaches next, with the newest postal contact."""

    person_id: int
    contact_id: int
    item_set_id: int
    confirmed_item_set_id: int
    language: Language
    certainty: Certainty
    number: str
    name: str | None
    address: str | None


@dataclass(kw_only=True)
class _Look:
    """What was found before anything is printed."""

    sets: set[int] = field(default_factory=set)
    languages: set[Language] = field(default_factory=set)
    lacking: dict[str, None] = field(default_factory=dict)
    numbers: list[str] = field(default_factory=list)
    people: int = 0


def addressees(
    session: Session, incident_id: IncidentId, purpose: Purpose, *, after: int = 0, limit: int = AT_ONCE
) -> list[Addressee]:
    """Return people whom post reaches next and to whom no letter is prepared, behind the person `after`."""
    newest = (
        sa.select(sa.func.max(CustomerContact.id))
        .where(
            CustomerContact.customer_id == PersonToInform.customer_id,
            CustomerContact.channel == Channel.POST,
            CustomerContact.valid_until.is_(None),
            CustomerContact.address != "",
        )
        .correlate(PersonToInform)
        .scalar_subquery()
    )
    contact = aliased(CustomerContact)
    rows = session.execute(
        sa.select(
            PersonToInform.id,
            contact.id,
            PersonToInform.item_set_id,
            PersonToInform.confirmed_item_set_id,
            PersonToInform.language,
            PersonToInform.certainty,
            Customer.customer_number,
            contact.name,
            contact.address,
        )
        .join(Customer, Customer.id == PersonToInform.customer_id)
        .join(contact, contact.id == newest)
        .where(
            Worklist(incident_id, purpose).on_it(),
            next_channel() == NextChannel.POST.value,
            ~has_letter(),
            PersonToInform.id > after,
        )
        .order_by(PersonToInform.id)
        .limit(limit),
    )
    return [Addressee._make(row) for row in rows]


def _everybody(session: Session, incident_id: IncidentId, plan: LetterPlan) -> Iterator[Addressee]:
    after = 0
    while found := addressees(session, incident_id, plan.purpose, after=after):
        yield from found
        after = found[-1].person_id


def look_before_printing(session: Session, incident_id: IncidentId, plan: LetterPlan, approved: ApprovedText) -> None:
    """Refuse what would be found out at the printer: nobody there, no text, no items, no glyphs."""
    look, unknown = _Look(), 0
    empty = set(session.scalars(sa.select(ItemSet.id).where(ItemSet.digest == digest_of([]))))
    for one in _everybody(session, incident_id, plan):
        look.people += 1
        unknown += one.item_set_id in empty
        look.sets.add(one.item_set_id)
        look.languages.add(one.language)
        if lacking := lacking_in((one.name or "", one.address or "")):
            look.lacking |= dict.fromkeys(lacking)
            look.numbers.append(one.number)
    if not look.people:
        raise NobodyToWriteTo
    if unknown:
        raise ItemsNotKnown(people=unknown)
    writer = _writer(session, incident_id, plan, approved, names_of_items(session, look.sets))
    for language in sorted(look.languages):
        writer.check_language(language)
    if everywhere := lacking_in(writer.shared_texts):
        look.lacking |= dict.fromkeys(everywhere)
    if look.lacking and not plan.go_on:
        more = ["..."] if len(look.numbers) > NAMED else []
        raise PrintDoubtful(
            letters=look.people if everywhere else len(look.numbers),
            characters=named_glyphs(look.lacking),
            numbers=", ".join([*look.numbers[:NAMED], *more]) or "−",
        )


def _writer(
    session: Session, incident_id: IncidentId, plan: LetterPlan, approved: ApprovedText, names: Sequence[NamedItem]
) -> LetterWriter:
    return LetterWriter(
        session,
        notice_id=approved.notice_id,
        version=approved.version,
        determination_id=newest_determination(session, incident_id).id,
        item_names=[dict(name) for name in names],
        sender={language.value: text for language, text in plan.sender.items()},
    )
