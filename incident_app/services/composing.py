"""Composing: from a claimed delivery to the bytes of one person's mail, without touching the database again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.errors import IncidentAppError
from incident_app.domain.notices import (
    PERSONAL,
    PersonalFacts,
    PersonalItem,
    joined_facts,
    personal_facts,
    reference_code,
    salutation,
)
from incident_app.domain.vocabulary import Language, PersonKind, Purpose, Relation
from incident_app.persistence.claims import ClaimedFacts, ClaimedPerson
from incident_app.persistence.impact import ImpactDetermination
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.notices import NoticeVersion
from incident_app.persistence.outbox import Campaign
from incident_app.rendering.notices import PersonalText
from incident_app.services.approved_content import items_in_mails
from incident_app.services.notices import SharedFacts, shared_facts
from incident_app.services.transaction import reading
from notifications.addresses import Address, parse_address
from notifications.bounces.verp import ReturnPath
from notifications.dkim import Signer
from notifications.errors import CannotCompose, MailerError, SharedFault
from notifications.message import Message, message_id
from notifications.outbox import Delivery
from notifications.skeleton import Skeleton, value_of
from notifications.transport import Envelope

NOBODY = PersonalFacts(
    recipient="", reference_code="", your_title="", your_information=(), your_requests=("",), your_desk=""
)
"""The facts of no person: what cannot be composed with them is faulty for everybody."""


@dataclass(frozen=True, kw_only=True)
class _Compiled:
    """One language of one notice version, cut at its placeholders."""

    subject: str
    language: Language
    text: PersonalText
    html: PersonalText


OWN = ("recipient", "reference_code")
"""What is nobody else's; the other personal facts are the same for many."""
_Alike: TypeAlias = "tuple[int, int, tuple[int, int], PersonKind, Relation]"
"""Wave, version, items and confirmed items of a person, and what they are to us: whoever is alike in these is told the
same but for name and code."""
ALIKE_AT_ONCE = 512
"""Whole texts are kept, so that a few hundred are some megabytes."""


@dataclass(frozen=True, kw_only=True)
class _Wave:
    """What all messages of a wave share besides the text."""

    sender: str
    names: Mapping[str, str]
    items: Mapping[str, PersonalItem]
    """By code, in the order of the policy, named as they were when the wave was approved."""
    shared: SharedFacts
    cleared: bool
    """True when it tells people that they are not concerned after all."""


class NoticeComposer:
    """Fulfils notifications.outbox.Composer. What messages share is read when the first of them is claimed."""

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], datetime],
        bounce_domain: str,
        message_domain: str,
        signer: Signer | None = None,
        return_path: ReturnPath | None = None,
    ) -> None:
        self._clock = clock
        self._return_path = return_path or ReturnPath(mailbox="bounce", domain=bounce_domain)
        self._message_domain = message_domain
        self._signer = signer
        self._engine = engine
        self._versions: dict[int, _Compiled] = {}
        self._waves: dict[int, _Wave] = {}
        self._sets: dict[int, frozenset[str]] = {}
        self._faults: dict[tuple[int, int], str | None] = {}
        self._skeletons: dict[tuple[int, int], Skeleton] = {}
        self._alike: dict[_Alike, Skeleton] = {}

    def prepare(self, deliveries: Sequence[Delivery]) -> None:
        """Read the texts, senders and item sets that these deliveries need and that are not known yet."""
        claimed = [delivery.facts for delivery in deliveries if isinstance(delivery.facts, ClaimedFacts)]
        versions = {facts.notice_version_id for facts in claimed} - set(self._versions)
        waves = {facts.campaign_id for facts in claimed} - set(self._waves)
        sets = {key for facts in claimed for person in facts.people for key in person.sets} - set(self._sets)
        if versions or waves or sets:
            with reading(self._engine) as session:
                self._versions |= _versions(session, versions)
                self._waves |= _waves(session, waves)
                self._sets |= {key: frozenset(codes) for key, codes in item_codes(session, sets).items()}
        for facts in claimed:
            self._try_out(facts)

    def _try_out(self, facts: ClaimedFacts) -> None:
        """Write the message once to nobody: what fails here would fail for everybody, and is no person's fault."""
        key = (facts.campaign_id, facts.notice_version_id)
        if key not in self._faults:
            self._faults[key] = self._fault_of(facts)

    def _fault_of(self, facts: ClaimedFacts) -> str | None:
        try:
            nobody = parse_address(self._return_address(facts.token))
            told = self._told(facts, NOBODY)
            self._envelope(facts, told, nobody, recipient_line="", code="", eight_bit=True)
        except (MailerError, ValueError, LookupError) as fault:
            return f"nobody can be written to like this: {fault}"
        return None

    def compose(self, delivery: Delivery, *, eight_bit: bool) -> Envelope:
        """Return one person's mail: only their own items, one recipient, a Message-ID that never changes."""
        facts = delivery.facts
        if not isinstance(facts, ClaimedFacts) or not facts.people:
            raise CannotCompose
        if fault := self._faults.get((facts.campaign_id, facts.notice_version_id), "the texts were not read"):
            raise SharedFault(fault)
        first, version = facts.people[0], self._versions[facts.notice_version_id]
        return self._envelope(
            facts,
            self._told_alike(facts),
            delivery.recipient,
            recipient_line=salutation(first.name, first.kind, version.language),
            code=reference_code(facts.token),
            eight_bit=eight_bit,
        )

    def _told_alike(self, facts: ClaimedFacts) -> Skeleton:
        """Return the message to everybody who has the same items and is the same to the company."""
        if len(facts.people) > 1:  # their numbers stand in the text, so that nobody is told the same
            return self._told(facts, self._personal(facts))
        first = facts.people[0]
        key = (facts.campaign_id, facts.notice_version_id, first.sets, first.kind, first.relation)
        if (known := self._alike.get(key)) is None:
            if len(self._alike) >= ALIKE_AT_ONCE:
                self._alike.clear()
            known = self._alike[key] = self._told(facts, self._personal(facts))
        return known

    def _personal(self, facts: ClaimedFacts) -> PersonalFacts:
        """Return what a message says of those in it: of several records, each with its own items."""
        try:
            each = [(person.customer_number, self._of_one(facts, person)) for person in facts.people]
        except IncidentAppError as refusal:
            raise CannotCompose from refusal
        return joined_facts(each, facts.language) if len(each) > 1 else each[0][1]

    def _of_one(self, facts: ClaimedFacts, person: ClaimedPerson) -> PersonalFacts:
        shared = self._waves[facts.campaign_id].shared
        confirmed, possible = self._items(facts, person)
        return personal_facts(
            name=person.name,
            kind=person.kind,
            relation=person.relation,
            language=facts.language,
            confirmed=confirmed,
            possible=possible,
            harms=shared.harms,
            desk_note=shared.desk_notes.get(person.relation),
            token=facts.token,
            cleared=self._waves[facts.campaign_id].cleared,
        )

    def _told(self, facts: ClaimedFacts, personal: PersonalFacts) -> Skeleton:
        """Return the message to everybody of whom these facts are true but for name and code."""
        version = self._versions[facts.notice_version_id]
        text, html = (
            {name: value_of(form.shown(getattr(personal, name))) for name in PERSONAL if name not in OWN}
            for form in (version.text, version.html)
        )
        return self._skeleton(facts).given(text=text, html=html)

    def _envelope(
        self,
        facts: ClaimedFacts,
        told: Skeleton,
        recipient: Address,
        *,
        recipient_line: str,
        code: str,
        eight_bit: bool,
    ) -> Envelope:
        now = self._clock()
        version = self._versions[facts.notice_version_id]
        text, html = (
            {"recipient": value_of(form.shown(recipient_line)), "reference_code": value_of(form.shown(code))}
            for form in (version.text, version.html)
        )
        content, plain_lines = told.fill(
            recipient=recipient,
            message_id=message_id(facts.token, self._message_domain),
            date=now,
            text=text,
            html=html,
            eight_bit=eight_bit and self._signer is None,  # re-encoded on the way, its signature would be void
        )
        if self._signer is not None:
            content = self._signer.signed(content, now)
        return Envelope(
            sender=Address(self._return_address(facts.token)),
            recipient=recipient,
            content=content,
            plain_lines=plain_lines,
        )

    def _skeleton(self, facts: ClaimedFacts) -> Skeleton:
        key = (facts.campaign_id, facts.notice_version_id)
        if key not in self._skeletons:
            version, wave = self._versions[facts.notice_version_id], self._waves[facts.campaign_id]
            sender = parse_address(wave.sender)
            pattern = Message(
                sender=sender,
                sender_name=wave.names.get(facts.language, ""),
                recipient=sender,
                subject=version.subject,
                text="",
                html="",
                message_id=message_id(facts.token, self._message_domain),
                date=self._clock(),
                language=facts.language,
                headers={"Auto-Submitted": "auto-generated"},
            )
            self._skeletons[key] = Skeleton.of(pattern, text=version.text.pieces, html=version.html.pieces)
        return self._skeletons[key]

    def _return_address(self, token: str) -> str:
        return self._return_path.written_for(token)

    def _items(
        self, facts: ClaimedFacts, person: ClaimedPerson
    ) -> tuple[tuple[PersonalItem, ...], tuple[PersonalItem, ...]]:
        """Return what is confirmed of a record, and what else is possible."""
        if unread := set(person.sets) - set(self._sets):
            raise SharedFault(f"the item sets {sorted(unread)} were not read")
        items = self._waves[facts.campaign_id].items
        all_of_them, sure = self._sets[person.item_set_id], self._sets[person.confirmed_item_set_id]
        return (
            tuple(item for code, item in items.items() if code in sure),
            tuple(item for code, item in items.items() if code in all_of_them - sure),
        )


def _versions(session: Session, wanted: Iterable[int]) -> dict[int, _Compiled]:
    rows = session.scalars(sa.select(NoticeVersion).where(NoticeVersion.id.in_(wanted)))
    return {row.id: _compiled(row) for row in rows}


def _waves(session: Session, wanted: Iterable[int]) -> dict[int, _Wave]:
    return {
        row.id: _Wave(
            sender=row.sender_address,
            names=dict(row.sender_name) if isinstance(row.sender_name, dict) else {},
            items=items_in_mails(session, row),
            cleared=row.purpose is Purpose.ALL_CLEAR,
            shared=shared_facts(session, session.get_one(ImpactDetermination, row.determination_id)),
        )
        for row in session.scalars(sa.select(Campaign).where(Campaign.id.in_(wanted)))
    }


def _compiled(row: NoticeVersion) -> _Compiled:
    return _Compiled(
        subject=row.subject,
        language=row.language,
        text=PersonalText.compile(row.text, html=False, language=row.language),
        html=PersonalText.compile(row.html, html=True, language=row.language),
    )
