"""Notices: which facts a text needs, and what each person is told of themselves and nobody else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from incident_app.domain.errors import BadInput, FaultyFile, IncidentAppError
from incident_app.domain.tables import Document, read_toml
from incident_app.domain.vocabulary import Certainty, Harm, ItemFlag, Language, PersonKind, Purpose, Relation
from incident_app.domain.words import Words

PERSONAL = ("recipient", "reference_code", "your_title", "your_information", "your_requests", "your_desk")
"""Placeholders that are filled for each person, written [[recipient]] in a drafted text."""

MARK = "[["


class MissingFacts(IncidentAppError):
    """The notice cannot be written yet. Missing: {facts}."""

    ja = "通知文に必要な事実が足りません：{facts}。"


@dataclass(frozen=True, kw_only=True)
class NoticeFact:
    """One fact that a text needs, with its question for whoever writes it."""

    name: str
    label: Words
    hint: Words
    required: bool
    law_item: str | None
    """The item of Enforcement Rules art. 10 that it answers, if any."""
    lines: int


@dataclass(frozen=True, kw_only=True)
class KindOfNotice:
    """What a kind of notice is for; without a word it goes to everybody."""

    title: Words
    purpose: Purpose = Purpose.LEAK_NOTICE
    rings: frozenset[Certainty] = frozenset()
    """How sure we must be of the people it goes to; empty for both rings."""
    relations: frozenset[Relation] = frozenset()
    """What the people it goes to are to us; empty for all."""
    by_hand: bool = False
    """It goes to people who are in no wave: another company, or whoever received the data."""


@dataclass(frozen=True, kw_only=True)
class PersonalItem:
    """One item of a person, as the notice names it."""

    name: Words
    flags: frozenset[ItemFlag]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One sentence about a person's data, and the items it speaks of."""

    sentence: str
    items: tuple[str, ...]
    heading: str = ""
    """Whose data it is, when a message is about several records."""


@dataclass(frozen=True, kw_only=True)
class PersonalFacts:
    """What one person's copy holds beyond the text that all share."""

    recipient: str
    reference_code: str
    your_title: str
    """What the person is to the company, as the text calls them."""
    your_information: tuple[Statement, ...]
    """What is confirmed and what cannot be excluded stand apart: law demands that nothing is claimed too surely."""
    your_requests: tuple[str, ...]
    your_desk: str
    """Another desk for people of this relation, or nothing."""

    def __repr__(self) -> str:
        """Leave the person out of logs."""
        return "PersonalFacts()"


def read_facts(text: str, *, file: str) -> tuple[NoticeFact, ...]:
    """Read the facts.toml of a template; FaultyFile names every fault."""
    document = Document(text, file=file)
    facts = []
    for table in document.root.tables("facts"):
        facts.append(
            NoticeFact(
                name=table.text("name"),
                label=Words(ja=table.text("label_ja"), en=table.text("label_en")),
                hint=Words(ja=table.text("hint_ja", ""), en=table.text("hint_en", "")),
                required=table.truth("required", default=True),
                law_item=table.find_text("law_item"),
                lines=table.number("lines", 1),
            ),
        )
        table.finish()
    document.root.finish()
    document.finish()
    return tuple(facts)


def read_kind(text: str, *, file: str) -> KindOfNotice:
    """Read the kind.toml of a kind of notice; FaultyFile names every fault."""
    document = Document(text, file=file)
    root = document.root
    kind = KindOfNotice(
        title=Words(ja=root.text("title_ja"), en=root.text("title_en")),
        purpose=root.word("purpose", Purpose, Purpose.LEAK_NOTICE),
        rings=root.words("rings", Certainty),
        relations=root.words("relations", Relation),
        by_hand=root.truth("by_hand"),
    )
    root.finish()
    document.finish()
    return kind


def read_fact_texts(text: str, *, file: str) -> dict[str, dict[str, str]]:
    """Read what somebody wrote for a notice: a table of facts per language; FaultyFile names every fault."""
    faults: list[str] = []
    facts: dict[str, dict[str, str]] = {}
    for language, values in read_toml(text, file=file).items():
        if language not in {member.value for member in Language}:
            faults.append(f"{language!r} is not one of {', '.join(Language)}; write a table per language, like [ja]")
        elif not isinstance(values, Mapping):
            faults.append(f"{language}: must be a table of facts, written [{language}]")
        else:
            faults += [f"{language}.{name}: must be text" for name, said in values.items() if not isinstance(said, str)]
            facts[language] = dict(values)
    if faults:
        raise FaultyFile(file=file, faults=faults)
    return facts


def check_facts(needed: Iterable[NoticeFact], facts: Mapping[str, str]) -> None:
    """Refuse missing facts by name, unknown ones, and text that would be taken for a placeholder."""
    needed = tuple(needed)
    missing = [fact for fact in needed if fact.required and not facts.get(fact.name, "").strip()]
    if missing:
        raise MissingFacts(facts=", ".join(fact.name for fact in missing))
    if unknown := sorted(set(facts) - {fact.name for fact in needed}):
        raise BadInput(field=unknown[0], problem="the template does not know this fact")
    for name, value in facts.items():
        if MARK in value:
            raise BadInput(
                field=name, problem="the characters [[ are kept for personal placeholders; write it otherwise"
            )


def personal_facts(
    *,
    name: str,
    kind: PersonKind,
    relation: Relation,
    language: Language,
    confirmed: Sequence[PersonalItem],
    possible: Sequence[PersonalItem],
    harms: Iterable[Harm],
    desk_note: Words | None = None,
    token: str,
    cleared: bool = False,
) -> PersonalFacts:
    """Put together one person's facts: only their items, how sure we are of each, and what they can do about them.

    Who is `cleared` was told of items that were not involved after all.
    """
    items = [*confirmed, *possible]
    if not items:
        raise BadInput(field="items", problem="a notice with an empty list of items is never sent")
    ordered = [harm for harm in Harm if harm in set(harms)] or [Harm.CONFIDENTIALITY]
    parts: Sequence[tuple[str, Sequence[PersonalItem]]] = (
        [(_CLEARED.in_(language), items)]
        if cleared
        else [(_sentence(True, ordered, language), confirmed), (_sentence(False, ordered, language), possible)]
    )
    statements = [
        Statement(sentence=sentence, items=tuple(item.name.in_(language) for item in part))
        for sentence, part in parts
        if part
    ]
    return PersonalFacts(
        recipient=salutation(name, kind, language),
        reference_code=reference_code(token),
        your_title=_TITLES[relation].in_(language),
        your_information=tuple(statements),
        your_requests=_requests({flag for item in items for flag in item.flags}, japanese=language is Language.JA),
        your_desk=desk_note.in_(language) if desk_note else "",
    )


def joined_facts(records: Sequence[tuple[str, PersonalFacts]], language: Language) -> PersonalFacts:
    """Join the facts of several records of one person or organisation: each number with its own items, never mixed.

    Records of which the same is to be said stand under one heading.
    """
    alike: dict[tuple[Statement, ...], list[str]] = {}
    for number, facts in records:
        alike.setdefault(facts.your_information, []).append(number)
    statements: list[Statement] = []
    for said, numbers in alike.items():
        first, *others = said
        statements += [replace(first, heading=_record_heading(numbers, language)), *others]
    requests = dict.fromkeys(request for _, facts in records for request in facts.your_requests)
    return replace(records[0][1], your_information=tuple(statements), your_requests=tuple(requests))


def _record_heading(numbers: Sequence[str], language: Language) -> str:
    if language is Language.JA:
        return f"管理番号 {'、'.join(numbers)} の情報"
    return f"Record {', '.join(numbers)}" if len(numbers) == 1 else f"Records {', '.join(numbers)}"


def reference_code(token: str) -> str:
    """Return a short code that a person can read out on the telephone."""
    return "-".join((token[:4], token[4:8], token[8:12])).upper()


def salutation(name: str, kind: PersonKind, language: Language) -> str:
    """Return how a notice addresses a person; a form of address that stands in the register is not doubled."""
    organisation = kind is PersonKind.ORGANISATION
    if language is not Language.JA:
        called = _TITLE_EN.sub("", name).strip()
        return f"Dear {called}" if called else "Dear Sir or Madam"
    called = _TITLE_JA.sub("", name).strip()
    if not called:
        return "ご担当者様" if organisation else "ご本人様"
    return f"{called} {'御中' if organisation else '様'}"


_TITLE_JA = re.compile(r"(?:[ \u3000]*(?:様|さま|御中|殿))+[ \u3000]*$")
_TITLE_EN = re.compile(r"^\s*(?:dear\s+)+", re.IGNORECASE)


_TITLES: Mapping[Relation, Words] = {
    Relation.CUSTOMER: Words(ja="お客様", en="a customer"),
    Relation.BUSINESS_PARTNER: Words(ja="お取引先のご担当者様", en="a contact person at a business partner"),
    Relation.SHAREHOLDER: Words(ja="株主様", en="a shareholder"),
    Relation.STAFF: Words(ja="役員・従業員の方", en="an officer or member of staff"),
}
_HARMED: Mapping[Harm, Words] = {
    Harm.CONFIDENTIALITY: Words(ja="漏えいした", en="disclosed"),
    Harm.INTEGRITY: Words(ja="書き換えられた", en="altered"),
    Harm.AVAILABILITY: Words(ja="失われた、又は使えなくなった", en="lost or made unavailable"),
}


_CLEARED = Words(
    ja="先にお知らせした次の情報は、調査の結果、対象ではなかったと判断しました。",
    en="We had told you of the following information; as far as we can tell, it was not involved.",
)


def _sentence(sure: bool, harms: Sequence[Harm], language: Language) -> str:  # noqa: FBT001 - one of two sentences
    words = [_HARMED[harm].in_(language) for harm in harms]
    if language is Language.JA:
        happened = "、".join(words)
        if sure:
            return f"調査の結果、次の情報が{happened}ことを確認しました。"
        return f"次の情報が{happened}おそれがあります。確認したものではありませんが、念のためお知らせします。"
    happened = " and ".join(words)
    if sure:
        return f"Our investigation has confirmed that the following information was {happened}."
    return f"The following information may have been {happened}. This is not confirmed; we tell you as a precaution."


_REQUESTS: Sequence[tuple[ItemFlag, str, str]] = (
    (
        ItemFlag.CREDENTIAL,
        "パスワードを変更してください。ほかのサービスで同じパスワードをお使いの場合は、そちらも変更してください。",
        "Change your password, also at other services where you use the same one.",
    ),
    (
        ItemFlag.CARD_NUMBER,
        "カードのご利用明細をご確認ください。心当たりのない請求があるときは、カード会社へご連絡ください。",
        "Check your card statements. If you find a charge you do not know, contact your card company.",
    ),
    (
        ItemFlag.BANK_ACCOUNT,
        "口座のお取引をご確認ください。心当たりのない取引があるときは、金融機関へご連絡ください。",
        "Check your account. If you find a transaction you do not know, contact your bank.",
    ),
    (
        ItemFlag.GOVERNMENT_ID_COPY,
        "身に覚えのない契約や請求の連絡があったときは、応じずに、下記の窓口または消費生活センターへご相談ください。",
        "If you hear of a contract or bill you do not know, do not respond to it; turn to us or to consumer advice.",
    ),
    (
        ItemFlag.CONTACT,
        "当社を装った電話やメール、不審な添付ファイルやリンクにご注意ください。当社がメールでパスワードやカード番号をお尋ねすることはありません。",
        "Beware of calls, attachments and links in our name. We never ask for passwords or card numbers by mail.",
    ),
)


def _requests(flags: set[ItemFlag], *, japanese: bool) -> tuple[str, ...]:
    wanted = tuple(ja if japanese else en for flag, ja, en in _REQUESTS if flag in flags)
    if wanted:
        return wanted
    return ("当社を装った不審な連絡にご注意ください。" if japanese else "Beware of suspicious messages in our name.",)
