"""Composing: from a claimed delivery to the bytes of one person's mail, without touching the database again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.errors import IncidentAppError
from incident_app.domain.inventory import DataItem
from incident_app.domain.notices import personal_facts
from incident_app.domain.vocabulary import Language
from incident_app.persistence.customers import ItemSet
from incident_app.persistence.impact import ImpactDetermination
from incident_app.persistence.notices import NoticeVersion
from incident_app.persistence.outbox import Campaign
from incident_app.persistence.sql_outbox import ClaimedFacts
from incident_app.rendering.notices import PersonalText
from incident_app.services.inventory import current_inventory
from incident_app.services.notices import personal_items, shared_facts
from incident_app.services.transaction import reading
from notifications.addresses import Address, parse_address
from notifications.errors import CannotCompose
from notifications.message import Message, message_id, to_bytes
from notifications.outbox import Delivery
from notifications.transport import Envelope


@dataclass(frozen=True, kw_only=True)
class _Compiled:
    """One language of one notice version, cut at its placeholders."""

    subject: str
    text: PersonalText
    html: PersonalText
    language: Language


class NoticeComposer:
    """Fulfils notifications.outbox.Composer. Texts and item names are read once, when a run begins."""

    def __init__(
        self, engine: Engine, *, clock: Callable[[], datetime], bounce_domain: str, message_domain: str
    ) -> None:
        self._clock = clock
        self._bounce_domain = bounce_domain
        self._message_domain = message_domain
        self._engine = engine
        self._load()

    def _load(self) -> None:
        with reading(self._engine) as session:
            self._versions = {row.id: _compiled(row) for row in session.scalars(sa.select(NoticeVersion))}
            self._senders: Mapping[int, tuple[Address, Mapping[str, str]]] = {
                row.id: (
                    parse_address(row.sender_address),
                    dict(row.sender_name) if isinstance(row.sender_name, dict) else {},
                )
                for row in session.scalars(sa.select(Campaign))
            }
            self._shared = {
                campaign: shared_facts(session, determination)
                for campaign, determination in session.execute(
                    sa.select(Campaign.id, ImpactDetermination).join(
                        ImpactDetermination, ImpactDetermination.id == Campaign.determination_id
                    ),
                )
            }
            items = current_inventory(session).items
            self._sets = {
                row.id: tuple(item for item in items if item.code in set(row.item_codes))
                for row in session.scalars(sa.select(ItemSet))
            }

    def compose(self, delivery: Delivery, *, eight_bit: bool) -> Envelope:
        """Return one person's mail: only their own items, one recipient, a Message-ID that never changes."""
        facts = delivery.facts
        if not isinstance(facts, ClaimedFacts) or not facts.people:
            raise CannotCompose
        version = self._versions[facts.notice_version_id]
        sender, names = self._senders[facts.campaign_id]
        shared = self._shared[facts.campaign_id]
        confirmed = self._confirmed(facts)
        try:
            personal = personal_facts(
                name=facts.people[0].name,
                kind=facts.people[0].kind,
                relation=facts.people[0].relation,
                language=facts.language,
                confirmed=personal_items(confirmed),
                possible=personal_items(item for item in self._items(facts) if item not in confirmed),
                harms=shared.harms,
                desk_note=shared.desk_notes.get(facts.people[0].relation),
                token=facts.token,
            )
        except IncidentAppError as refusal:
            raise CannotCompose from refusal
        message = Message(
            sender=sender,
            sender_name=names.get(facts.language, ""),
            recipient=delivery.recipient,
            subject=version.subject,
            text=version.text.fill(personal),
            html=version.html.fill(personal),
            message_id=message_id(facts.token, self._message_domain),
            date=self._clock(),
            language=facts.language,
            headers={"Auto-Submitted": "auto-generated"},
        )
        return Envelope(
            sender=Address(f"bounce+{facts.token}@{self._bounce_domain}"),
            recipient=delivery.recipient,
            content=to_bytes(message, eight_bit=eight_bit),
        )

    def _items(self, facts: ClaimedFacts) -> tuple[DataItem, ...]:
        """Return the items of everybody in the message, each once, in the order of the policy."""
        seen = {item.code: item for person in facts.people for item in self._sets[person.item_set_id]}
        return tuple(seen.values())

    def _confirmed(self, facts: ClaimedFacts) -> tuple[DataItem, ...]:
        """Return the items whose leak is confirmed of everybody in the message: nobody is told too much."""
        sets = [self._sets[person.confirmed_item_set_id] for person in facts.people]
        return tuple(item for item in sets[0] if all(item in other for other in sets[1:]))


def _compiled(row: NoticeVersion) -> _Compiled:
    return _Compiled(
        subject=row.subject,
        text=PersonalText.compile(row.text, html=False, language=row.language),
        html=PersonalText.compile(row.html, html=True, language=row.language),
        language=row.language,
    )
