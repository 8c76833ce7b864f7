"""The policy: loading a version of it, and reading the one in force."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.events import PolicyLoaded
from incident_app.domain.ids import Actor
from incident_app.domain.policies import Policy, read_policy
from incident_app.domain.policy_inventory import with_policy
from incident_app.persistence.playbooks import Commitment
from incident_app.services.inventory import current_inventory
from incident_app.services.inventory_store import mark_source, store_inventory, stores_from
from incident_app.services.playbooks import AlreadyStored, PlaybookKind, add_version, get_newest, is_stored, newest
from incident_app.services.transaction import Transaction, reading, transaction

FROM_POLICY = "policy"
"""Marks the stores of recipients that follow from the policy."""


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
        _store_inventory(act, policy)
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


def _store_inventory(act: Transaction, policy: Policy) -> None:
    """Bring the inventory in step with the policy; stores that only an earlier version named are retired."""
    changed = with_policy(current_inventory(act.session), policy, on=act.now.date())
    named = sorted(f"at-{party}" for party in {entry.party for entry in changed.disclosures})
    gone = stores_from(act.session, FROM_POLICY) - frozenset(named)
    kept = tuple(store for store in changed.stores if store.code not in gone)
    store_inventory(act, replace(changed, stores=kept))
    mark_source(act.session, named, FROM_POLICY)
