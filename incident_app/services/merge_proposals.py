"""Proposals to merge records of one person: found over address digests, listed masked, dismissed with a reason.

Names stand in clear in contacts only. Here they are folded into digests in memory, a few hundred addresses at a time,
and nothing but the keys of the records and the reason is kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.contact_keys import phone_key
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.events import MergeDismissed, MergesProposed
from incident_app.domain.ids import Actor
from incident_app.domain.merging import (
    REASON_OF_CHANNEL,
    REASON_WORDS,
    AddressRecord,
    AlreadyDismissed,
    AlreadyMerged,
    DifferentKinds,
    Link,
    MergeReason,
    MergeState,
    agree,
    link_of,
    links_at_one_address,
    masked,
    name_digest,
)
from incident_app.domain.vocabulary import Channel, PersonKind
from incident_app.domain.words import Words
from incident_app.persistence.bulk import chunks, insert_new
from incident_app.persistence.customers import Customer, CustomerContact
from incident_app.persistence.merging import MergeProposal, MergeProposalReason, PersonMerge
from incident_app.persistence.timeline import TextRow
from incident_app.services.transaction import reading, transaction

ADDRESSES_AT_ONCE = 400
"""Shared addresses looked at in one go: memory does not grow with the number of customers."""
PAIRS_AT_ONCE = 500
PAGE = 50


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """What a search for records of one person found."""

    new: int
    known: int
    is_complete: bool


@dataclass(frozen=True, kw_only=True)
class RecordView:
    """One record of a proposal, masked."""

    customer_number: str
    kind: PersonKind
    name: str
    email: str
    phone: str
    postal_address: str


@dataclass(frozen=True, kw_only=True)
class ProposalView:
    """Two records side by side, why they may be one person, and where the proposal stands."""

    id: int
    state: MergeState
    merge_id: int | None
    reasons: tuple[Words, ...]
    first: RecordView
    second: RecordView
    agreeing: tuple[str, ...]
    """Which of name, email, phone and postal_address are the same on both."""
    proposed_at: datetime


def propose(engine: Engine, *, limit: int = 10_000, actor: Actor, now: datetime) -> Proposed:
    """Look through the addresses that several records share and propose those whose names agree.

    The search walks the index of address digests once, in short reads; it may be repeated and is taken up again after
    a break, because a pair that was proposed is not proposed again. It stops after `limit` new pairs.
    """
    new = known = 0
    after = ""
    while new < limit:
        with reading(engine) as session:
            digests = _shared_digests(session, after)
            found = _links(session, digests) if digests else {}
        if not digests:
            return Proposed(new=new, known=known, is_complete=True)
        after = digests[-1]
        for pairs in chunks(sorted(found.items()), PAIRS_AT_ONCE):
            kept = _keep_fresh(engine, dict(pairs), actor=actor, now=now)
            new, known = new + kept, known + len(pairs) - kept
    return Proposed(new=new, known=known, is_complete=False)


def _keep_fresh(engine: Engine, found: Mapping[Link, frozenset[MergeReason]], *, actor: Actor, now: datetime) -> int:
    """Store what is new among these pairs: a pair, or a further reason of one; nothing new leaves no trace."""
    with reading(engine) as session:
        ids = _ids(session, found)
        rows = session.execute(
            sa.select(MergeProposalReason.proposal_id, MergeProposalReason.reason).where(
                MergeProposalReason.proposal_id.in_(ids.values()),
            ),
        ).all()
    known: dict[int, set[MergeReason]] = defaultdict(set)
    for proposal_id, reason in rows:
        known[proposal_id].add(reason)
    fresh = {pair: words for pair, words in found.items() if pair not in ids or words - known[ids[pair]]}
    return _keep(engine, fresh, None, actor=actor, now=now) if fresh else 0


def propose_by_hand(
    engine: Engine, customer_number: str, other_number: str, *, reason: str, actor: Actor, now: datetime
) -> int:
    """Propose two records that a person knows to be one, with the reason; return the proposal."""
    if not reason.strip():
        raise BadInput(field="reason", problem="say why these records are of one person")
    with reading(engine) as session:
        one, other = _customer(session, customer_number), _customer(session, other_number)
        if one.id == other.id:
            raise BadInput(field="number", problem="name two different records")
        if one.kind is not other.kind:
            raise DifferentKinds
        pair = link_of(one.id, other.id)
    _keep(engine, {pair: frozenset({MergeReason.NAMED_BY_HAND})}, reason, actor=actor, now=now)
    with reading(engine) as session:
        return session.scalars(
            sa.select(MergeProposal.id).where(
                MergeProposal.first_customer_id == pair.first, MergeProposal.second_customer_id == pair.second
            ),
        ).one()


def _customer(session: Session, customer_number: str) -> Customer:
    row = session.scalars(sa.select(Customer).where(Customer.customer_number == customer_number)).one_or_none()
    if row is None:
        raise NotFound(what="customer", name=customer_number)
    return row


def _shared_digests(session: Session, after: str) -> Sequence[str]:
    """Return the next digests that stand on several contacts: answered by the index alone."""
    return session.scalars(
        sa.select(CustomerContact.address_digest)
        .where(CustomerContact.address_digest > after)
        .group_by(CustomerContact.address_digest)
        .having(sa.func.count() > 1)
        .order_by(CustomerContact.address_digest)
        .limit(ADDRESSES_AT_ONCE),
    ).all()


def _links(session: Session, digests: Sequence[str]) -> dict[Link, frozenset[MergeReason]]:
    rows = session.execute(
        sa.select(
            CustomerContact.address_digest,
            CustomerContact.channel,
            CustomerContact.customer_id,
            Customer.kind,
            CustomerContact.name,
        )
        .join(Customer, Customer.id == CustomerContact.customer_id)
        .where(
            CustomerContact.address_digest.in_(digests),
            CustomerContact.valid_until.is_(None),
            CustomerContact.address != "",  # a person without any address has an empty one
            CustomerContact.name.is_not(None),
            Customer.erased_at.is_(None),
        ),
    )
    shared: dict[tuple[str, Channel], list[AddressRecord]] = defaultdict(list)
    for digest, channel, customer_id, kind, name in rows:
        shared[digest, channel].append(
            AddressRecord(customer_id=customer_id, kind=kind, name_digest=name_digest(name or "")),
        )
    found: dict[Link, frozenset[MergeReason]] = {}
    for (_, channel), records in shared.items():
        for link in links_at_one_address(records):
            found[link] = found.get(link, frozenset()) | {REASON_OF_CHANNEL[channel]}
    return found


def _keep(
    engine: Engine,
    fresh: Mapping[Link, frozenset[MergeReason]],
    reason: str | None,
    *,
    actor: Actor,
    now: datetime,
) -> int:
    """Store proposals and their reasons; return how many pairs were not there before."""
    with transaction(engine, actor=actor, now=now) as act:
        text = act.keep_text(reason) if reason else None
        before = len(_ids(act.session, fresh))
        common = {"proposed_at": now, "proposed_by": actor}
        insert_new(
            act.session,
            MergeProposal,
            [{**common, "first_customer_id": pair.first, "second_customer_id": pair.second} for pair in fresh],
        )
        ids = _ids(act.session, fresh)
        insert_new(
            act.session,
            MergeProposalReason,
            [
                {"proposal_id": ids[pair], "reason": word, "text_id": text.id if text else None}
                for pair, words in fresh.items()
                for word in sorted(words)
            ],
        )
        act.record(MergesProposed(proposals=len(ids) - before, pairs=len(ids)))
        return len(ids) - before


def _ids(session: Session, pairs: Mapping[Link, object]) -> dict[Link, int]:
    rows = session.execute(
        sa.select(MergeProposal.id, MergeProposal.first_customer_id, MergeProposal.second_customer_id).where(
            MergeProposal.first_customer_id.in_({pair.first for pair in pairs}),
            MergeProposal.second_customer_id.in_({pair.second for pair in pairs}),
        ),
    )
    found = {Link(first=first, second=second): proposal_id for proposal_id, first, second in rows}
    return {pair: found[pair] for pair in pairs if pair in found}


def list_proposals(
    engine: Engine, *, state: MergeState | None = MergeState.OPEN, after: int = 0, limit: int = PAGE
) -> list[ProposalView]:
    """Return a page of proposals, oldest first, with the records side by side and masked."""
    newest = (
        sa.select(PersonMerge.proposal_id, sa.func.max(PersonMerge.id).label("merge_id"))
        .group_by(PersonMerge.proposal_id)
        .subquery()
    )
    query = (
        sa.select(MergeProposal, PersonMerge)
        .outerjoin(newest, newest.c.proposal_id == MergeProposal.id)
        .outerjoin(PersonMerge, PersonMerge.id == newest.c.merge_id)
        .where(MergeProposal.id > after)
        .order_by(MergeProposal.id)
        .limit(limit)
    )
    if state is not None:
        query = query.where(_in_state(state))
    with reading(engine) as session:
        rows = [(proposal, merge) for proposal, merge in session.execute(query)]
        records = _records(session, [proposal for proposal, _ in rows])
        reasons = _reasons(session, [proposal.id for proposal, _ in rows])
        return [_view(proposal, merge, records, reasons[proposal.id]) for proposal, merge in rows]


def _in_state(state: MergeState) -> sa.ColumnElement[bool]:
    return {
        MergeState.OPEN: sa.and_(PersonMerge.id.is_(None), MergeProposal.dismissed_at.is_(None)),
        MergeState.CONFIRMED: sa.and_(PersonMerge.id.is_not(None), PersonMerge.undone_at.is_(None)),
        MergeState.UNDONE: PersonMerge.undone_at.is_not(None),
        MergeState.DISMISSED: sa.and_(PersonMerge.id.is_(None), MergeProposal.dismissed_at.is_not(None)),
    }[state]


def _state(proposal: MergeProposal, merge: PersonMerge | None) -> MergeState:
    if merge is not None:
        return MergeState.CONFIRMED if merge.undone_at is None else MergeState.UNDONE
    return MergeState.OPEN if proposal.dismissed_at is None else MergeState.DISMISSED


def _reasons(session: Session, proposal_ids: Sequence[int]) -> Mapping[int, tuple[Words, ...]]:
    found: dict[int, tuple[Words, ...]] = defaultdict(tuple)
    rows = session.execute(
        sa.select(MergeProposalReason.proposal_id, MergeProposalReason.reason, TextRow.body)
        .outerjoin(TextRow, TextRow.id == MergeProposalReason.text_id)
        .where(MergeProposalReason.proposal_id.in_(proposal_ids))
        .order_by(MergeProposalReason.proposal_id, MergeProposalReason.reason),
    )
    for proposal_id, reason, body in rows:
        words = REASON_WORDS[reason]
        found[proposal_id] += (Words(ja=f"{words.ja}：{body}", en=f"{words.en}: {body}") if body else words,)
    return found


@dataclass(frozen=True, kw_only=True)
class _Record:
    customer_number: str
    kind: PersonKind
    values: Mapping[str, str]

    def masked(self) -> RecordView:
        return RecordView(
            customer_number=self.customer_number,
            kind=self.kind,
            **{field: masked(self.values.get(field)) for field in FIELDS},
        )


FIELDS = ("name", "email", "phone", "postal_address")
_FIELD_OF = {Channel.EMAIL: "email", Channel.PHONE: "phone", Channel.POST: "postal_address"}


def _records(session: Session, proposals: Sequence[MergeProposal]) -> dict[int, _Record]:
    wanted = {key for proposal in proposals for key in (proposal.first_customer_id, proposal.second_customer_id)}
    values: dict[int, dict[str, str]] = defaultdict(dict)
    contacts = session.execute(
        sa.select(CustomerContact.customer_id, CustomerContact.channel, CustomerContact.name, CustomerContact.address)
        .where(CustomerContact.customer_id.in_(wanted), CustomerContact.valid_until.is_(None))
        .order_by(CustomerContact.id),
    )
    for customer_id, channel, name, address in contacts:
        values[customer_id] |= {"name": name or "", _FIELD_OF[channel]: address or ""}
    rows = session.scalars(sa.select(Customer).where(Customer.id.in_(wanted)))
    return {row.id: _Record(customer_number=row.customer_number, kind=row.kind, values=values[row.id]) for row in rows}


def _comparable(record: _Record, field: str) -> str | None:
    """Return a value as it is compared: telephone numbers by their digits, however they are written."""
    value = record.values.get(field)
    return phone_key(value) if value and field == "phone" else value


def _view(
    proposal: MergeProposal, merge: PersonMerge | None, records: Mapping[int, _Record], reasons: tuple[Words, ...]
) -> ProposalView:
    first, second = records[proposal.first_customer_id], records[proposal.second_customer_id]
    return ProposalView(
        id=proposal.id,
        state=_state(proposal, merge),
        merge_id=merge.id if merge else None,
        reasons=reasons,
        first=first.masked(),
        second=second.masked(),
        agreeing=tuple(field for field in FIELDS if agree([_comparable(first, field), _comparable(second, field)])),
        proposed_at=proposal.proposed_at,
    )


def dismiss(engine: Engine, proposal_id: int, *, reason: str, actor: Actor, now: datetime) -> None:
    """Say that two records are not of one person; the proposal is not made again."""
    if not reason.strip():
        raise BadInput(field="reason", problem="say why these records are of different people")
    with transaction(engine, actor=actor, now=now) as act:
        proposal, merge = get_proposal(act.session, proposal_id)
        if merge is not None and merge.undone_at is None:
            raise AlreadyMerged
        if proposal.dismissed_at is not None:
            raise AlreadyDismissed
        text = act.keep_text(reason)
        proposal.dismissed_at, proposal.dismissed_by, proposal.dismissed_text_id = now, actor, text.id
        act.record(MergeDismissed(proposal_id=proposal.id, reason_digest=text.digest))


def get_proposal(session: Session, proposal_id: int) -> tuple[MergeProposal, PersonMerge | None]:
    """Return a proposal and its newest merge, if it was ever confirmed; NotFound otherwise."""
    proposal = session.get(MergeProposal, proposal_id)
    if proposal is None:
        raise NotFound(what="merge proposal", name=str(proposal_id))
    merge = session.scalars(
        sa.select(PersonMerge).where(PersonMerge.proposal_id == proposal_id).order_by(PersonMerge.id.desc()).limit(1),
    ).one_or_none()
    return proposal, merge
