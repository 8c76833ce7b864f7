"""What a recipient holds: the store that follows from everything the policy says it received."""

from __future__ import annotations

from collections.abc import Sequence

from incident_app.domain.inventory import Disclosure, Party, Store, StoreItem
from incident_app.domain.vocabulary import BusinessLine, DisclosureBasis, Medium, OurRole, PartyRole


def store_at(party: Party, disclosures: Sequence[Disclosure], business_line: BusinessLine) -> Store:
    """Return the store that a recipient operates; an actual transfer list beats the published policy."""
    actual = [entry for entry in disclosures if entry.basis is DisclosureBasis.ACTUAL]
    counting = actual or list(disclosures)
    # For a recipient or a joint user it is a reading who reports and who tells: nobody has decided it by the policy.
    entrusted = all(entry.role is PartyRole.PROCESSOR for entry in counting)
    purposes: dict[str, list[str]] = {}
    for entry in counting:
        for item in entry.items:
            purposes.setdefault(item, []).append(entry.purpose_en)
    return Store(
        code=f"at-{party.code}",
        name_ja=f"{party.name_ja}に渡したデータ",
        name_en=f"data held by {party.name_en}",
        medium=Medium.DATASET,
        country=party.country,
        our_role=OurRole.OWN_CONTROLLER if entrusted else OurRole.UNDECIDED,
        operator=party.code,
        business_line=business_line,
        owner=party.name_en,
        items=tuple(StoreItem(item=item, purpose="; ".join(purposes[item])) for item in sorted(purposes)),
    )
