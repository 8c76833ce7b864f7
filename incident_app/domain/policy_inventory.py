"""What a policy changes about the inventory: its words, parties, disclosures, joint use, and what recipients hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from incident_app.domain.inventory import Inventory, JointUseGroup, JointUseMember, Party
from incident_app.domain.policies import JointUse, Policy
from incident_app.domain.policy_stores import with_stores_of
from incident_app.domain.vocabulary import DisclosureBasis

NOTHING = Inventory(categories=(), items=(), parties=(), stores=())


def with_policy(inventory: Inventory, policy: Policy, *, on: date) -> Inventory:
    """Return the inventory after a policy was loaded on a day.

    The policy speaks for what it publishes. What people recorded beside it stays: contacts and contracts of parties,
    transfer lists that it does not name, stores of our own.
    """
    categories = {entry.code for entry in policy.categories}
    items, parties = {entry.code for entry in policy.items}, {entry.code for entry in policy.parties}
    with_lists = {entry.party for entry in policy.disclosures if entry.basis is DisclosureBasis.ACTUAL}
    recorded = tuple(
        entry
        for entry in inventory.disclosures
        if entry.basis is DisclosureBasis.ACTUAL and entry.party not in with_lists
    )
    known = {party.code: party for party in inventory.parties}
    groups = {group.code: group for group in inventory.joint_use}
    changed = replace(
        inventory,
        categories=(*policy.categories, *(entry for entry in inventory.categories if entry.code not in categories)),
        items=(*policy.items, *(entry for entry in inventory.items if entry.code not in items)),
        parties=(
            *(_party(party, known.get(party.code)) for party in policy.parties),
            *(replace(party, is_ourselves=False) for party in inventory.parties if party.code not in parties),
        ),
        disclosures=(*(entry for entry in policy.disclosures if entry.items), *recorded),
        joint_use=(
            *(_group(use, policy, groups.get(use.code), on) for use in policy.joint_use),
            *(group for code, group in groups.items() if code not in {use.code for use in policy.joint_use}),
        ),
    )
    return with_stores_of(changed, {entry.party for entry in changed.disclosures}, policy.business_line)


def _party(party: Party, known: Party | None) -> Party:
    if known is None:
        return party
    return replace(
        party,
        incident_contact=party.incident_contact or known.incident_contact,
        contract_reference=known.contract_reference,
        contract_notice_hours=known.contract_notice_hours,
        audited_on=known.audited_on,
    )


def _group(use: JointUse, policy: Policy, known: JointUseGroup | None, on: date) -> JointUseGroup:
    since = {member.party: member.since for member in known.members} if known else {}
    items = frozenset(use.items)
    # A list that ends with "and others" leaves every further item uncertain, never out.
    others = frozenset(item.code for item in policy.items) - items if use.open_ended else frozenset()
    return JointUseGroup(
        code=use.code,
        name_ja=use.name.ja,
        name_en=use.name.en,
        purpose_ja=use.purpose.ja,
        purpose_en=use.purpose.en,
        responsible=use.responsible,
        members=tuple(JointUseMember(party=party, since=since.get(party, on)) for party in use.members),
        items=items,
        uncertain=others,
        published_url=use.published_url,
    )
