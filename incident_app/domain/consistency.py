"""Do all papers of an incident say the same? Numbers, days and categories are compared; a difference needs a reason."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime

from incident_app.domain.digests import ContentDigest, digest_of
from incident_app.domain.errors import IncidentAppError
from incident_app.domain.report_facts import Codes, FactValue
from incident_app.domain.words import Words

RECORDS = "records"
"""The paper that is none: what the records of the incident say."""
QUESTIONS: Mapping[str, Words] = {
    "people": Words(ja="本人の数", en="number of people"),
    "people_with_cards": Words(ja="カード情報を含む人数", en="number of people with card data"),
    "occurred_on": Words(ja="発生日", en="day of occurrence"),
    "discovered_on": Words(ja="発覚日", en="day of discovery"),
    "aware_at": Words(ja="知った日", en="day of becoming aware"),
    "items": Words(ja="情報の項目", en="data items"),
    "event_kind": Words(ja="発生事案", en="kind of event"),
    "medium": Words(ja="媒体", en="medium"),
    "cause_kind": Words(ja="原因", en="kind of cause"),
    "where_it_happened": Words(ja="発生した主体", en="where it happened"),
    "found_by": Words(ja="発見者", en="who found it"),
    "secondary_harm_known": Words(ja="二次被害の有無", en="secondary harm"),
    "number_in_text": Words(ja="本文の人数", en="number in the text"),
}
"""What is compared, each question with its name."""
NUMBERS = frozenset({"people", "people_with_cards"})
DAYS = frozenset({"occurred_on", "discovered_on", "aware_at"})
SAME_AS: Mapping[str, str] = {"people_in_words": "people", "cards_in_words": "people_with_cards"}
"""Facts that answer the question of another one in other words."""
_FIRST_NUMBER = re.compile(r"\d[\d,]{0,40}")
_DAY_JA = re.compile(r"(\d{4})年\s*(\d{1,2})月\s*(\d{1,2})日[^。\n]{0,60}?(?:検知|発覚)")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY_EN = re.compile(
    rf"(\d{{1,2}}) ({'|'.join(_MONTHS)})[a-z]* (\d{{4}})[^.\n]{{0,60}}?(?:noticed|detected|discovered)"
)


class PapersDisagree(IncidentAppError):
    """This paper contradicts what else is said: {mismatches} Correct it, or say why it differs."""

    ja = "この書類は、ほかの内容と食い違っています：{mismatches}直すか、違う理由を記録してください。"

    def message(self, language: str, **words: object) -> str:
        """Say every contradiction in the reader's language."""
        said = self.facts.get("mismatches_ja" if language == "ja" else "mismatches", "")
        return super().message(language, **{**words, "mismatches": said})


@dataclass(frozen=True, kw_only=True)
class Claim:
    """An answer of a paper to a question: what is compared, and how it reads."""

    value: str
    shown: Words


@dataclass(frozen=True, kw_only=True)
class PaperClaims:
    """What one paper says. A filed paper is history: what was known then may differ from what is known now."""

    paper: str
    title: Words
    claims: Mapping[str, Claim]
    numbers: frozenset[int] = frozenset()
    """Numbers of people that stand in its texts."""
    filed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One of the answers that do not agree."""

    paper: str
    title: Words
    value: str
    shown: Words


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """A question that papers answer differently, and the papers that have to be corrected or explained."""

    question: str
    statements: tuple[Statement, ...]
    blamed: frozenset[str]

    @property
    def label(self) -> Words:
        """Return what the papers disagree about."""
        return QUESTIONS[self.question]

    @property
    def digest(self) -> ContentDigest:
        """Return the digest of who says what: an explanation holds for exactly this."""
        return digest_of([self.question, sorted([one.paper, one.value] for one in self.statements)])

    @property
    def words(self) -> Words:
        """Say who says what."""
        ja = "、".join(f"{one.title.ja}は {one.shown.ja}" for one in self.statements)
        en = ", ".join(f"{one.title.en} says {one.shown.en}" for one in self.statements)
        return Words(ja=f"{self.label.ja}：{ja}。", en=f"{self.label.en[0].upper()}{self.label.en[1:]}: {en}.")


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """Everything that does not agree, and the filed papers that later knowledge has overtaken."""

    mismatches: tuple[Mismatch, ...]
    overtaken: tuple[Mismatch, ...]

    def of(self, paper: str) -> tuple[Mismatch, ...]:
        """Return what one paper is blamed for."""
        return tuple(mismatch for mismatch in self.mismatches if paper in mismatch.blamed)


def claims_of(facts: Mapping[str, FactValue], words: Mapping[str, Mapping[str, Words]]) -> dict[str, Claim]:
    """Return what a paper with these facts says to each question; `words` names the answers that are chosen."""
    found = {}
    for fact, value in facts.items():
        question = SAME_AS.get(fact, fact)
        if question in QUESTIONS and (claim := _claim(question, value, words.get(question, {}))):
            found[question] = claim
    return found


def _claim(question: str, value: FactValue, words: Mapping[str, Words]) -> Claim | None:
    if isinstance(value, Codes):
        named = [words.get(code, Words(ja=code, en=code)) for code in value.codes]
        shown = Words(ja="、".join(one.ja for one in named), en=", ".join(one.en for one in named))
        return Claim(value=" ".join(sorted(value.codes)), shown=shown) if value.codes else None
    if question in NUMBERS:
        found = _FIRST_NUMBER.search(value.en)
        return _number(int(found[0].replace(",", ""))) if found else None
    if question in DAYS:
        return (
            Claim(value=value.en[:10], shown=Words(ja=value.ja.split(" ")[0], en=value.en[:10])) if value.en else None
        )
    return Claim(value=value.ja, shown=value) if value.ja.strip() else None


def _number(number: int) -> Claim:
    return Claim(value=str(number), shown=Words(ja=f"{number:,}人", en=f"{number:,}"))


def day_of_discovery_in(texts: Iterable[str]) -> Claim | None:
    """Return the first day on which texts say that something was noticed; without a year nobody can tell."""
    for text in texts:
        plain = unicodedata.normalize("NFKC", text)
        if found := _DAY_JA.search(plain):
            parts = int(found[1]), int(found[2]), int(found[3])
        elif found := _DAY_EN.search(plain):
            parts = int(found[3]), _MONTHS.index(found[2]) + 1, int(found[1])
        else:
            continue
        try:
            day = date(*parts)
        except ValueError:
            continue
        return Claim(value=day.isoformat(), shown=Words(ja=f"{day.year}年{day.month}月{day.day}日", en=day.isoformat()))
    return None


def compare(
    records: PaperClaims,
    papers: Sequence[PaperClaims],
    *,
    known_numbers: AbstractSet[int],
    own: Mapping[str, PaperClaims] | None = None,
) -> Consistency:
    """Compare all papers with the records, and with each other where the records say nothing.

    `own` holds, by paper, what the records say of the part that its recipient is told of, where that is not all.

    A paper that is not filed has to agree. A filed one is compared only where there is no record whose history explains
    the difference; what the records have overtaken is told apart.
    """
    mismatches, overtaken = [], []
    held_against = {paper.paper: (own or {}).get(paper.paper, records) for paper in papers}
    for question in QUESTIONS:
        unrecorded = []
        for paper in (paper for paper in papers if question in paper.claims):
            claim, against = paper.claims[question], held_against[paper.paper]
            recorded = against.claims.get(question)
            if recorded is None:
                unrecorded.append((paper, claim))
            elif claim.value != recorded.value:
                pair = [(against, recorded), (paper, claim)]
                if paper.filed_at is None:
                    mismatches.append(_mismatch(question, pair, [paper.paper]))
                else:
                    overtaken.append(_mismatch(question, pair, []))
        mismatches += _among_papers(question, unrecorded)
    for paper in papers:
        if not paper.filed_at:
            mismatches += _strays(paper, held_against[paper.paper], known_numbers)
    return Consistency(mismatches=tuple(mismatches), overtaken=tuple(overtaken))


def _among_papers(question: str, said: Sequence[tuple[PaperClaims, Claim]]) -> list[Mismatch]:
    blamed = [paper.paper for paper, _ in said if paper.filed_at is None]
    if len({claim.value for _, claim in said}) < 2 or not blamed:  # noqa: PLR2004 - two answers make a difference
        return []
    return [_mismatch(question, said, blamed)]


def _mismatch(question: str, said: Sequence[tuple[PaperClaims, Claim]], blamed: Iterable[str]) -> Mismatch:
    statements = tuple(
        Statement(paper=paper.paper, title=paper.title, value=claim.value, shown=claim.shown) for paper, claim in said
    )
    return Mismatch(question=question, statements=statements, blamed=frozenset(blamed))


def _strays(paper: PaperClaims, records: PaperClaims, known_numbers: AbstractSet[int]) -> list[Mismatch]:
    """Name each number of people in a text that is none of those on record; without any record there is no telling."""
    recorded = records.claims.get("people")
    if recorded is None:
        return []
    strays = sorted(paper.numbers - known_numbers)
    return [
        _mismatch("number_in_text", [(records, recorded), (paper, _number(stray))], [paper.paper]) for stray in strays
    ]


def disagreement(mismatches: Sequence[Mismatch]) -> PapersDisagree:
    """Return the refusal that names these contradictions."""
    return PapersDisagree(
        mismatches=" ".join(one.words.en for one in mismatches),
        mismatches_ja="".join(one.words.ja for one in mismatches),
    )
