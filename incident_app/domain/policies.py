"""The company's policy as data: categories, items, people, parties, joint use, commitments, desks, procedures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from incident_app.domain.conditions import DECIDABLE
from incident_app.domain.digests import ContentDigest, digest_of
from incident_app.domain.inventory import DataCategory, DataItem, Disclosure, Party, Store
from incident_app.domain.policy_checks import at_least, read_designations, refuse_circles, refuse_doubles
from incident_app.domain.policy_promises import Commitment, read_commitments
from incident_app.domain.policy_stores import store_at
from incident_app.domain.tables import Document, Table, unique_codes
from incident_app.domain.vocabulary import (
    BusinessLine,
    Cause,
    DisclosureBasis,
    ItemFlag,
    PartyRole,
    Relation,
)
from incident_app.domain.words import Words


@dataclass(frozen=True, kw_only=True)
class JointUse:
    """Use within the group: who, for what, which items, who answers for it."""

    code: str
    name: Words
    purpose: Words
    members: tuple[str, ...]
    responsible: str
    items: tuple[str, ...]
    open_ended: bool
    """True when the policy adds "other items as needed": shown as uncertain, never as certain."""
    published_url: str | None
    section: str


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where people turn to."""

    code: str
    name: Words
    for_relations: frozenset[Relation]
    phone: str
    mail: str
    hours: Words
    note: Words
    section: str


@dataclass(frozen=True, kw_only=True)
class Procedure:
    """How requests for disclosure, correction or suspension are made, with documents and fee."""

    code: str
    name: Words
    documents: tuple[Words, ...]
    fee_jpy: int | None
    """None when the fee depends on what is asked for, as in a request through a representative."""
    sent_by: Words
    send_to: Words | None
    """The postal address for requests."""
    not_by: Words | None
    """Ways that a request cannot be made, such as a visit."""
    section: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A further sentence of the policy that the program acts on or shows."""

    code: str
    topic: str
    text: Words
    cause: Cause | None
    section: str


@dataclass(frozen=True, kw_only=True)
class Policy:
    """One version of the company's policy."""

    code: str
    version: str
    valid_from: date | None
    name: Words
    published_url: str
    business_line: BusinessLine
    head_office_bureau: str
    states_designations: bool
    """Whether the policy says at all what the company is; a list that is there is complete."""
    designations: frozenset[str]
    """What the company is in the eyes of regimes, such as a holder of the PrivacyMark."""
    people: Mapping[Relation, Words]
    categories: tuple[DataCategory, ...]
    items: tuple[DataItem, ...]
    purposes: tuple[Rule, ...]
    parties: tuple[Party, ...]
    disclosures: tuple[Disclosure, ...]
    joint_use: tuple[JointUse, ...]
    commitments: tuple[Commitment, ...]
    desks: tuple[Desk, ...]
    procedures: tuple[Procedure, ...]
    rules: tuple[Rule, ...]
    not_a_leak: tuple[Rule, ...]
    warnings: tuple[str, ...]

    @property
    def digest(self) -> ContentDigest:
        """Return the digest of everything the policy says."""
        return digest_of(self)

    @property
    def ourselves(self) -> Party:
        """Return the company itself."""
        return next(party for party in self.parties if party.is_ourselves)

    def desk_for(self, relation: Relation) -> Desk:
        """Return the desk that people of this relation turn to."""
        for desk in self.desks:
            if relation in desk.for_relations:
                return desk
        return self.desks[0]


@lru_cache(maxsize=32)  # the same text is read at every derivation
def read_policy(text: str, *, file: str) -> Policy:
    """Read a policy file; raise FaultyFile naming key, line and reason of every fault."""
    document = Document(text, file=file)
    root = document.root
    about = root.table("policy")
    category_tables, item_tables, party_tables = (root.tables(key) for key in ("categories", "items", "parties"))
    categories, items = unique_codes(category_tables), unique_codes(item_tables)
    parties = unique_codes(party_tables)
    read_items = tuple(_item(table, categories) for table in item_tables)
    read_categories = tuple(_category(table, categories) for table in category_tables)
    refuse_circles(category_tables, read_categories)
    policy = Policy(
        code=about.text("code"),
        version=about.text("version"),
        valid_from=about.day("valid_from"),
        name=_words(about, "name"),
        published_url=about.text("published_url", ""),
        business_line=about.word("business_line", BusinessLine, BusinessLine.TELECOM),
        head_office_bureau=about.text("head_office_bureau", ""),
        states_designations=about.raw("designations") is not None,
        designations=read_designations(about),
        people=_people(root),
        categories=read_categories,
        items=read_items,
        purposes=_rules(root, "purposes"),
        parties=tuple(_party(table) for table in party_tables),
        disclosures=_disclosures(root, parties, categories, read_items),
        joint_use=tuple(_joint_use(table, parties, items) for table in _coded(root, "joint_use", required=False)),
        commitments=read_commitments(root, DECIDABLE),
        desks=tuple(_desk(table) for table in _coded(root, "desks")),
        procedures=tuple(_procedure(table) for table in _coded(root, "procedures", required=False)),
        rules=_rules(root, "rules"),
        not_a_leak=_rules(root, "not_a_leak"),
        warnings=_stale_articles(about),
    )
    about.finish()
    _one_of_us(root, policy.parties)
    root.finish()
    document.finish()
    return policy


def stores_of_parties(policy: Policy) -> tuple[Store, ...]:
    """Return one store for each recipient: exactly the items that it received by the policy or a transfer list."""
    received: dict[str, list[Disclosure]] = {}
    for disclosure in policy.disclosures:
        received.setdefault(disclosure.party, []).append(disclosure)
    parties = {party.code: party for party in policy.parties}
    return tuple(store_at(parties[code], entries, policy.business_line) for code, entries in received.items())


def _coded(root: Table, key: str, *, required: bool = True) -> list[Table]:
    tables = root.tables(key, required=required)
    unique_codes(tables)
    return tables


def _words(table: Table, key: str) -> Words:
    return Words(ja=table.text(f"{key}_ja"), en=table.text(f"{key}_en"))


def _find_words(table: Table, key: str) -> Words | None:
    """Read a sentence that may be left out, but not in one language alone."""
    ja, en = table.find_text(f"{key}_ja"), table.find_text(f"{key}_en")
    if (ja is None) != (en is None):
        table.fault(f"{key}_en" if en is None else f"{key}_ja", "is missing: say it in both languages or in none")
    return Words(ja=ja, en=en) if ja is not None and en is not None else None


def _people(root: Table) -> Mapping[Relation, Words]:
    tables = root.tables("people")
    found = []
    for table in tables:
        found.append((table.word("relation", Relation), _words(table, "name")))
        table.text("section", "")
        table.finish()
    refuse_doubles(tables, "relation")
    return dict(found)


def _category(table: Table, categories: frozenset[str]) -> DataCategory:
    parent = table.find_text("parent")
    if parent is not None and parent not in categories:
        table.fault("parent", f"category {parent!r} is not defined in this file")
    category = DataCategory(
        code=table.text("code"),
        name_ja=table.text("name_ja"),
        name_en=table.text("name_en"),
        parent=parent,
        section=table.text("section", ""),
    )
    table.finish()
    return category


def _item(table: Table, categories: frozenset[str]) -> DataItem:
    item = DataItem(
        code=table.text("code"),
        category=table.known("category", categories, "category"),
        name_ja=table.text("name_ja"),
        name_en=table.text("name_en"),
        flags=table.words("flags", ItemFlag),
        section=table.text("section", ""),
    )
    table.finish()
    return item


def _party(table: Table) -> Party:
    party = Party(
        code=table.text("code"),
        name_ja=table.text("name_ja"),
        name_en=table.text("name_en"),
        country=table.text("country"),
        is_ourselves=table.truth("is_ourselves"),
        incident_contact=table.find_text("incident_contact"),
        section=table.text("section", ""),
    )
    if not (len(party.country) == 2 and party.country.isupper()):  # noqa: PLR2004 - ISO 3166
        table.fault("country", "must be a country code of two capital letters, like JP")
    table.finish()
    return party


def _one_of_us(root: Table, parties: tuple[Party, ...]) -> None:
    if sum(party.is_ourselves for party in parties) != 1:
        root.fault("parties", "exactly one party must have is_ourselves = true")


def _disclosures(
    root: Table, parties: frozenset[str], categories: frozenset[str], items: tuple[DataItem, ...]
) -> tuple[Disclosure, ...]:
    tables = root.tables("disclosures", required=False)
    return tuple(_disclosure(table, parties, categories, items) for table in tables)


def _disclosure(
    table: Table, parties: frozenset[str], categories: frozenset[str], items: tuple[DataItem, ...]
) -> Disclosure:
    named = table.all_known("categories", categories, "category")
    single = table.all_known("items", frozenset(item.code for item in items), "item")
    if not named and not single:
        table.fault("categories", "name at least one category or item that was disclosed")
    disclosure = Disclosure(
        party=table.known("party", parties, "party"),
        items=frozenset(item.code for item in items if item.category in named) | frozenset(single),
        role=table.word("role", PartyRole, PartyRole.UNDECIDED),
        basis=table.word("basis", DisclosureBasis, DisclosureBasis.PUBLISHED),
        purpose_ja=table.text("purpose_ja"),
        purpose_en=table.text("purpose_en"),
        legal_basis=table.text("legal_basis", ""),
        section=table.text("section", ""),
    )
    table.finish()
    return disclosure


def _joint_use(table: Table, parties: frozenset[str], items: frozenset[str]) -> JointUse:
    members = table.all_known("members", parties, "party", required=True)
    group = JointUse(
        code=table.text("code"),
        name=_words(table, "name"),
        purpose=_words(table, "purpose"),
        members=members,
        responsible=table.known("responsible", parties, "party"),
        items=table.all_known("items", items, "item", required=True),
        open_ended=table.truth("open_ended"),
        published_url=table.find_text("published_url"),
        section=table.text("section", ""),
    )
    if group.responsible not in members:
        table.fault("responsible", "the responsible party must be a member")
    table.finish()
    return group


def _desk(table: Table) -> Desk:
    desk = Desk(
        code=table.text("code"),
        name=_words(table, "name"),
        for_relations=table.words("for_relations", Relation),
        phone=table.text("phone", ""),
        mail=table.text("mail", ""),
        hours=_words(table, "hours"),
        note=Words(ja=table.text("note_ja", ""), en=table.text("note_en", "")),
        section=table.text("section", ""),
    )
    table.finish()
    return desk


def _procedure(table: Table) -> Procedure:
    japanese, english = table.texts("documents_ja", required=True), table.texts("documents_en", required=True)
    if len(japanese) != len(english):
        table.fault("documents_en", "must list the same documents as documents_ja")
    procedure = Procedure(
        code=table.text("code"),
        name=_words(table, "name"),
        documents=tuple(Words(ja=ja, en=en) for ja, en in zip(japanese, english, strict=False)),
        fee_jpy=at_least(table, "fee_jpy", table.find_number("fee_jpy"), 0),
        sent_by=_words(table, "sent_by"),
        send_to=_find_words(table, "send_to"),
        not_by=_find_words(table, "not_by"),
        section=table.text("section", ""),
    )
    table.finish()
    return procedure


def _rules(root: Table, key: str) -> tuple[Rule, ...]:
    found = []
    for table in _coded(root, key, required=False):
        cause = table.find_text("cause")
        if cause is not None and cause not in set(Cause):
            table.fault("cause", f"{cause!r} is not one of {', '.join(Cause)}")
        found.append(
            Rule(
                code=table.text("code"),
                topic=table.text("topic", key),
                text=_words(table, "text"),
                cause=Cause(cause) if cause in set(Cause) else None,
                section=table.text("section", ""),
            ),
        )
        table.finish()
    return tuple(found)


def _stale_articles(about: Table) -> tuple[str, ...]:
    """Warn of article numbers that the published text cites and the law has since moved; law comes from regimes."""
    stale = about.texts("cites_old_articles")
    return tuple(
        f"the published policy cites {article}, an old number; law is taken from the regimes" for article in stale
    )
