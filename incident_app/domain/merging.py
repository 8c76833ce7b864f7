"""Records of one person: why two records may be one, and which groups the confirmed links make."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from incident_app.domain.digests import ContentDigest, digest_of
from incident_app.domain.errors import IncidentAppError
from incident_app.domain.vocabulary import Channel, PersonKind
from incident_app.domain.words import Words

PersonKey = NewType("PersonKey", int)
"""One natural person: the lowest customer key of the records that were merged."""


class MergeReason(StrEnum):
    """Why two records may be of one person."""

    SAME_EMAIL = "same_email"
    SAME_PHONE = "same_phone"
    SAME_POSTAL_ADDRESS = "same_postal_address"
    NAMED_BY_HAND = "named_by_hand"


class MergeState(StrEnum):
    """Where a proposal stands."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    UNDONE = "undone"
    DISMISSED = "dismissed"


class AlreadyMerged(IncidentAppError):
    """These records are merged already. Undo the merge if they are of different people."""

    ja = "これらの記録はすでに統合されています。別の人なら、統合を取り消してください。"


class AlreadyDismissed(IncidentAppError):
    """This proposal was dismissed already: the records are of different people."""

    ja = "この提案は「別の人」としてすでに退けられています。"


class AlreadyUndone(IncidentAppError):
    """This merge was undone already."""

    ja = "この統合はすでに取り消されています。"


class DifferentKinds(IncidentAppError):
    """A person and an organisation are never one record."""

    ja = "個人と法人の記録は統合できません。"


class RecordErased(IncidentAppError):
    """One of the records was erased, so nobody can tell any more whether both are one person."""

    ja = "一方の記録が消去されているため、同じ人かどうかを確かめられません。"


REASON_OF_CHANNEL: Mapping[Channel, MergeReason] = {
    Channel.EMAIL: MergeReason.SAME_EMAIL,
    Channel.PHONE: MergeReason.SAME_PHONE,
    Channel.POST: MergeReason.SAME_POSTAL_ADDRESS,
}
REASON_WORDS: Mapping[MergeReason, Words] = {
    MergeReason.SAME_EMAIL: Words(ja="氏名とメールアドレスが同じです", en="same name and same e-mail address"),
    MergeReason.SAME_PHONE: Words(ja="氏名と電話番号が同じです", en="same name and same phone number"),
    MergeReason.SAME_POSTAL_ADDRESS: Words(ja="氏名と住所が同じです", en="same name and same postal address"),
    MergeReason.NAMED_BY_HAND: Words(ja="担当者が同じ人だと申し出ました", en="named by a person"),
}


@dataclass(frozen=True, kw_only=True)
class AddressRecord:
    """One record as it stands at a shared address. The name is folded into a digest before anything is kept."""

    customer_id: int
    kind: PersonKind
    name_digest: ContentDigest


@dataclass(frozen=True, kw_only=True, order=True)
class Link:
    """Two records that are said to be one person; the lower key stands first."""

    first: int
    second: int


def link_of(one: int, other: int) -> Link:
    """Return the link between two records, whichever is named first."""
    return Link(first=min(one, other), second=max(one, other))


def name_digest(name: str) -> ContentDigest:
    """Return the digest of a name without what spelling varies: width, case and spaces."""
    return digest_of("".join(unicodedata.normalize("NFKC", name).casefold().split()))


def links_at_one_address(records: Iterable[AddressRecord]) -> Iterator[Link]:
    """Yield the links to propose among the records that share one address.

    Families and offices share addresses, so the names must agree; a person is never linked with an organisation.
    The lowest record is linked with each other one: n records give n - 1 links, not n squared.
    """
    alike: dict[tuple[PersonKind, ContentDigest], list[int]] = {}
    for record in records:
        alike.setdefault((record.kind, record.name_digest), []).append(record.customer_id)
    for customer_ids in alike.values():
        lowest, *others = sorted(set(customer_ids))
        for other in others:
            yield link_of(lowest, other)


def person_keys(links: Iterable[Link]) -> dict[int, PersonKey]:
    """Return the person of every linked record: links are transitive, and their order does not matter."""
    parent: dict[int, int] = {}
    for link in links:
        one, other = _root(parent, link.first), _root(parent, link.second)
        parent[max(one, other)] = min(one, other)
    return {record: PersonKey(_root(parent, record)) for record in list(parent)}


def _root(parent: dict[int, int], record: int) -> int:
    parent.setdefault(record, record)
    root = record
    while parent[root] != root:
        root = parent[root]
    while parent[record] != root:
        parent[record], record = root, parent[record]
    return root


def surplus(records: Iterable[int], keys: Mapping[int, PersonKey]) -> int:
    """Return how many of these records are one too many, because another of them is the same person."""
    persons = Counter(keys.get(record, PersonKey(record)) for record in set(records))
    return sum(number - 1 for number in persons.values())


def masked(value: str | None) -> str:
    """Show enough of a value to compare two of them, and not enough to know either."""
    if not value:
        return ""
    local, at_sign, domain = value.rpartition("@")
    if at_sign:
        return f"{local[:1]}…@{domain}"
    if not any(character.isalpha() for character in value):
        return f"…{value[-2:]}"
    return f"{value[:1]}…"


def agree(values: Sequence[str | None]) -> bool:
    """Tell whether two values that are shown side by side are the same one, spelling aside."""
    digests = {name_digest(value) for value in values if value}
    return len(digests) == 1 and all(values)
