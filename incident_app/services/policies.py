"""The policy: loading a version of it, and reading the one in force."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from graphlib import TopologicalSorter

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.events import PolicyLoaded
from incident_app.domain.ids import Actor
from incident_app.domain.inventory import DataCategory
from incident_app.domain.policies import Policy, read_policy, stores_of_parties
from incident_app.persistence import inventory as tables
from incident_app.persistence.playbooks import Commitment
from incident_app.services.inventory import store_stores
from incident_app.services.playbooks import AlreadyStored, PlaybookKind, add_version, get_newest, is_stored, newest
from incident_app.services.transaction import Transaction, reading, transaction


def load_policy(engine: Engine, text: str, *, file: str, actor: Actor, now: datetime) -> Policy:
    """Load a policy file: categories, items, parties, what each received, joint use and commitments.

    The same text again changes nothing; the same version with another text is refused.
    """
    policy = read_policy(text, file=file)
    with reading(engine) as session:
        if is_stored(session, PlaybookKind.POLICY, code=policy.code, version=policy.version, content=text):
            return policy
    with suppress(AlreadyStored), transaction(engine, actor=actor, now=now) as act:  # another process may be faster
        version = add_version(act, PlaybookKind.POLICY, code=policy.code, version=policy.version, content=text)
        _store_words(act, policy)
        _store_parties(act, policy)
        store_stores(act, stores_of_parties(policy))
        for position, part in enumerate(policy.commitments):
            act.session.add(
                Commitment(
                    playbook_version_id=version.id,
                    clause=part.clause,
                    part=part.part,
                    content=asdict(part),
                    position=position,
                ),
            )
        act.record(PolicyLoaded(code=policy.code, version=policy.version, digest=policy.digest))
    return policy


def current_policy(session: Session, code: str) -> Policy:
    """Return the newest version of the company's policy."""
    playbook = get_newest(session, PlaybookKind.POLICY, code)
    return read_policy(playbook.content, file=f"{playbook.code} version {playbook.version}")


def any_policy(session: Session) -> Policy:
    """Return the policy of this instance: the one loaded last."""
    playbooks = newest(session, PlaybookKind.POLICY)
    return current_policy(session, max(playbooks, key=lambda playbook: playbook.id).code)


def _store_words(act: Transaction, policy: Policy) -> None:
    positions = {category.code: position for position, category in enumerate(policy.categories)}
    for category in _parents_first(policy.categories):
        act.session.merge(
            tables.DataCategory(
                code=category.code,
                parent_code=category.parent,
                name_ja=category.name_ja,
                name_en=category.name_en,
                section=category.section,
                position=positions[category.code],
            ),
        )
        act.session.flush()
    for position, item in enumerate(policy.items):
        act.session.merge(
            tables.DataItem(
                code=item.code,
                category_code=item.category,
                name_ja=item.name_ja,
                name_en=item.name_en,
                flags=sorted(item.flags),
                section=item.section,
                position=position,
            ),
        )
    act.session.flush()


def _parents_first(categories: Sequence[DataCategory]) -> Iterator[DataCategory]:
    """Yield the categories so that each stands behind its parent, in whatever order the file names them."""
    by_code = {category.code: category for category in categories}
    above = {category.code: {category.parent} if category.parent else set() for category in categories}
    for code in TopologicalSorter(above).static_order():
        yield by_code[code]


def _store_parties(act: Transaction, policy: Policy) -> None:
    known = {row.code: row for row in act.session.scalars(sa.select(tables.ThirdParty))}
    for party in policy.parties:
        row = known.setdefault(party.code, tables.ThirdParty(code=party.code))
        row.name_ja, row.name_en, row.country = party.name_ja, party.name_en, party.country
        row.is_ourselves, row.incident_contact, row.section = party.is_ourselves, party.incident_contact, party.section
        act.session.add(row)
    act.session.flush()
    ids = {code: row.id for code, row in known.items()}
    for earlier in act.session.scalars(sa.select(tables.Disclosure).where(tables.Disclosure.until.is_(None))):
        earlier.until = act.now
    for disclosure in policy.disclosures:
        for item in sorted(disclosure.items):
            act.session.add(
                tables.Disclosure(
                    party_id=ids[disclosure.party],
                    item_code=item,
                    role=disclosure.role,
                    basis=disclosure.basis,
                    purpose_ja=disclosure.purpose_ja,
                    purpose_en=disclosure.purpose_en,
                    legal_basis=disclosure.legal_basis,
                    recorded_at=act.now,
                ),
            )
    act.session.flush()
    _store_joint_use(act, policy, ids)


def _store_joint_use(act: Transaction, policy: Policy, ids: dict[str, int]) -> None:
    known = {row.code: row for row in act.session.scalars(sa.select(tables.JointUseGroup))}
    for group in policy.joint_use:
        row = known.get(group.code) or tables.JointUseGroup(code=group.code)
        row.name_ja, row.name_en = group.name.ja, group.name.en
        row.purpose_ja, row.purpose_en = group.purpose.ja, group.purpose.en
        row.responsible_party_id, row.published_url = ids[group.responsible], group.published_url
        act.session.add(row)
        act.session.flush()
        for member in act.session.scalars(
            sa.select(tables.JointUseMember).where(
                tables.JointUseMember.group_id == row.id, tables.JointUseMember.until.is_(None)
            )
        ):
            member.until = act.now.date()
        for item in act.session.scalars(
            sa.select(tables.JointUseItem).where(
                tables.JointUseItem.group_id == row.id, tables.JointUseItem.retracted_at.is_(None)
            )
        ):
            item.retracted_at = act.now
        for code in group.members:
            act.session.add(tables.JointUseMember(group_id=row.id, party_id=ids[code], since=act.now.date()))
        for entry in policy.items:  # a list that ends with "and others" leaves every further item uncertain, never out
            listed = entry.code in group.items
            if listed or group.open_ended:
                act.session.add(
                    tables.JointUseItem(
                        group_id=row.id, item_code=entry.code, uncertain=not listed, recorded_at=act.now
                    ),
                )
    act.session.flush()
