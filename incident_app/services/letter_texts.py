"""What each letter of a batch says: the approved text with that person's own items, put together from the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.errors import BadInput
from incident_app.domain.letters import address_block, blocks_of, on_paper
from incident_app.domain.notices import PersonalFacts, PersonalItem, personal_facts
from incident_app.domain.vocabulary import ItemFlag, Language, PersonKind, Relation
from incident_app.domain.words import Words
from incident_app.persistence.customers import Customer, CustomerContact
from incident_app.persistence.impact import ImpactDetermination
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.letters import Letter, LetterBatch
from incident_app.persistence.notices import NoticeVersion
from incident_app.persistence.outbox import PersonToInform
from incident_app.rendering.letters import LetterContent
from incident_app.rendering.notices import PersonalText
from incident_app.services.approved_content import LanguageMissing
from incident_app.services.notices import SharedFacts, shared_facts


@dataclass(frozen=True, kw_only=True)
class _Text:
    subject: str
    text: PersonalText


@dataclass(frozen=True, kw_only=True, repr=False)
class Recipient:
    """To whom a letter goes, and of what they are told."""

    number: str
    """The customer number."""
    name: str
    address: str
    kind: PersonKind
    relation: Relation
    language: Language
    items: frozenset[str]
    confirmed: frozenset[str]


class LetterWriter:
    """Writes the letters of one batch. What they share is read once."""

    def __init__(
        self,
        session: Session,
        *,
        notice_id: int,
        version: int,
        determination_id: int,
        item_names: Sequence[Mapping[str, object]],
        sender: Mapping[str, str],
    ) -> None:
        rows = session.scalars(
            sa.select(NoticeVersion).where(NoticeVersion.notice_id == notice_id, NoticeVersion.version == version)
        )
        self._texts = {
            row.language: _Text(
                subject=row.subject, text=PersonalText.compile(row.text, html=False, language=row.language)
            )
            for row in rows
        }
        self._shared: SharedFacts = shared_facts(session, session.get_one(ImpactDetermination, determination_id))
        self._items = {str(name["code"]): _item(name) for name in item_names}
        self._sender = sender

    @property
    def shared_texts(self) -> tuple[str, ...]:
        """Return what all letters say, with its placeholders, for a look at its characters."""
        literal = [piece for text in self._texts.values() for piece, _ in text.text.pieces]
        items = [name for item in self._items.values() for name in (item.name.ja, item.name.en)]
        return (*self._sender.values(), *literal, *items, *(text.subject for text in self._texts.values()))

    def check_language(self, language: Language) -> None:
        """Refuse a language in which the notice has no text."""
        if language not in self._texts:
            raise LanguageMissing(languages=language.value)

    def write(self, recipient: Recipient, *, code: str, token: str) -> LetterContent:
        """Return one person's letter."""
        self.check_language(recipient.language)
        text = self._texts[recipient.language]
        facts = self._facts(recipient, token)
        body = on_paper(text.text.fill(facts), recipient.language)
        return LetterContent(
            code=code,
            reference=facts.reference_code,
            language=recipient.language,
            block=address_block(
                name=recipient.name, address=recipient.address, kind=recipient.kind, language=recipient.language
            ),
            subject=on_paper(text.subject, recipient.language),
            blocks=blocks_of(body),
            sender=self._sender[recipient.language],
        )

    def _facts(self, recipient: Recipient, token: str) -> PersonalFacts:
        items = self._items.items()
        return personal_facts(
            name=recipient.name,
            kind=recipient.kind,
            relation=recipient.relation,
            language=recipient.language,
            confirmed=tuple(item for code, item in items if code in recipient.confirmed),
            possible=tuple(item for code, item in items if code in recipient.items - recipient.confirmed),
            harms=self._shared.harms,
            desk_note=self._shared.desk_notes.get(recipient.relation),
            token=token,
        )


def _item(name: Mapping[str, object]) -> PersonalItem:
    flags = name["flags"]
    return PersonalItem(
        name=Words(ja=str(name["ja"]), en=str(name["en"])),
        flags=frozenset(ItemFlag(flag) for flag in flags) if isinstance(flags, list) else frozenset(),
    )


def writer_of(session: Session, batch: LetterBatch) -> LetterWriter:
    """Return the writer of a batch that is stored."""
    return LetterWriter(
        session,
        notice_id=batch.notice_id,
        version=batch.notice_version,
        determination_id=batch.determination_id,
        item_names=batch.item_names if isinstance(batch.item_names, list) else [],
        sender=batch.sender if isinstance(batch.sender, dict) else {},
    )


def recipients(session: Session, rows: Sequence[tuple[int, int, int, int, Language]]) -> dict[int, Recipient]:
    """Return by person to whom letters go; each row: person, contact, items, confirmed items, language.

    A contact that was erased since leaves nobody to write to.
    """
    sets = {key: frozenset(codes) for key, codes in item_codes(session, {k for row in rows for k in row[2:4]}).items()}
    found = session.execute(
        sa.select(
            PersonToInform.id,
            Customer.customer_number,
            Customer.kind,
            Customer.relation,
            CustomerContact.id.label("contact_id"),
            CustomerContact.name,
            CustomerContact.address,
        )
        .join(Customer, Customer.id == PersonToInform.customer_id)
        .join(CustomerContact, CustomerContact.customer_id == Customer.id)
        .where(
            PersonToInform.id.in_([row[0] for row in rows]),
            CustomerContact.id.in_([row[1] for row in rows]),
        ),
    )
    people = {(row.id, row.contact_id): row for row in found}
    written = {}
    for person_id, contact_id, items, confirmed, language in rows:
        row = people[person_id, contact_id]
        if not row.name or not row.address:
            raise BadInput(field="contact", problem="name and address of a letter were erased")
        written[person_id] = Recipient(
            number=row.customer_number,
            name=row.name,
            address=row.address,
            kind=row.kind,
            relation=row.relation,
            language=language,
            items=sets[items],
            confirmed=sets[confirmed],
        )
    return written


def contents_of(session: Session, batch: LetterBatch) -> list[LetterContent]:
    """Write every letter of a batch anew from its rows."""
    rows = session.scalars(sa.select(Letter).where(Letter.batch_id == batch.id).order_by(Letter.number)).all()
    people = recipients(
        session,
        [(row.person_id, row.contact_id, row.item_set_id, row.confirmed_item_set_id, row.language) for row in rows],
    )
    writer = writer_of(session, batch)
    return [writer.write(people[row.person_id], code=row.code, token=row.token) for row in rows]
