"""Numbers of natural persons: what they are made of, which of several drives the law, and what contradicts what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from incident_app.domain.vocabulary import CountKind
from incident_app.domain.words import Words


class CountOrigin(StrEnum):
    """Where a number comes from."""

    PERSON = "person"
    DETERMINATION = "determination"
    MERGING = "merging"


@dataclass(frozen=True, kw_only=True)
class Composition:
    """What a number of natural persons is made of.

    A customer row of an organisation is not a natural person: its contact persons are. Records that were merged are
    one person. People outside the inventory are added.
    """

    rows: int
    organisations: int = 0
    contact_persons: int = 0
    merged: int = 0
    outside: int = 0

    @property
    def natural_persons(self) -> int:
        """Return the number of natural persons."""
        return self.rows - self.organisations + self.contact_persons - self.merged + self.outside

    def words(self) -> Words:
        """Say what the number is made of."""
        ja, en = [f"台帳の記録 {self.rows:,}件"], [_some(self.rows, "record")]
        if self.organisations:
            ja[0] += f"（うち法人 {self.organisations:,}件、その担当者 {self.contact_persons:,}人）"
            contacts = _some(self.contact_persons, "contact person")
            en[0] += f", of which {_some(self.organisations, 'organisation')} with {contacts}"
        if self.merged:
            ja.append(f"同じ人と分かって統合した {self.merged:,}件を除く")
            en.append(f"{_some(self.merged, 'record')} merged")
        if self.outside:
            ja.append(f"台帳にない人 {self.outside:,}人を加える")
            en.append(f"{_some(self.outside, 'person', 'people')} outside the inventory added")
        return Words(ja="、".join(ja), en="; ".join(en))

    def with_merged(self, more: int) -> Composition:
        """Return the composition after `more` further records were found to be one person too many."""
        return replace(self, merged=self.merged + more)


def _some(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


@dataclass(frozen=True, kw_only=True)
class Count:
    """A number of people, how sure it is, and on what basis. Every paper quotes one by its id."""

    id: int
    subject: str
    kind: CountKind
    value: int
    basis_ja: str
    basis_en: str
    at: datetime
    by: str = ""
    origin: CountOrigin = CountOrigin.DETERMINATION


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is said about one number at present, by people and by the determination."""

    exact: Count | None = None
    maximum: Count | None = None
    estimate: Count | None = None
    determined: Count | None = None

    @property
    def for_law(self) -> Count | None:
        """Return the number that drives the law: an exact one by a person, else the greatest of what is open.

        A maximum by a person stands over a determination that was there before it; a later determination that goes
        beyond it is not overlooked. An estimate never lowers the number.
        """
        if self.exact is not None:
            return self.exact
        candidates = [self.maximum, self.estimate]
        if self.maximum is None or (self.determined is not None and self.determined.id > self.maximum.id):
            candidates.append(self.determined)
        return max((count for count in candidates if count), key=lambda count: (count.value, count.id), default=None)


def standing(history: Iterable[Count]) -> Standing:
    """Return what stands, from the whole history of one subject, oldest first.

    A later word of a person replaces an earlier exact number; an estimate leaves the maximum in force.
    """
    found = Standing()
    for count in sorted(history, key=lambda entry: entry.id):
        if count.origin is not CountOrigin.PERSON:
            found = replace(found, determined=count)
        elif count.kind is CountKind.EXACT:
            found = replace(found, exact=count, maximum=None, estimate=None)
        elif count.kind is CountKind.MAXIMUM:
            found = replace(found, exact=None, maximum=count)
        else:
            found = replace(found, exact=None, estimate=count)
    return found


def objections(kind: CountKind, value: int, *, now: Standing, told: int) -> tuple[Words, ...]:
    """Say what speaks against a number that somebody wants to set; with a reason it may still be set."""
    found = []
    if kind is not CountKind.ESTIMATE and value < told:
        found.append(
            Words(
                ja=f"すでに {told:,}人に知らせています",
                en=f"{told:,} people were told already",
            )
        )
    if now.exact is not None and kind is not CountKind.EXACT:
        below = value < now.exact.value
        found.append(
            Words(
                ja=f"確定の人数 {now.exact.value:,}人" + ("より少ない数です" if below else "を未確定に戻します"),
                en=("below" if below else "opens again") + f" the exact number {now.exact.value:,}",
            )
        )
    if now.maximum is not None and kind is not CountKind.MAXIMUM and value > now.maximum.value:
        found.append(
            Words(
                ja=f"最大の人数 {now.maximum.value:,}人を超えています",
                en=f"above the maximum {now.maximum.value:,}",
            )
        )
    return tuple(found)


def findings(now: Standing, *, told: int) -> tuple[Words, ...]:
    """Name every contradiction between what people said and what the determination or the telling shows."""
    found = []
    said = now.exact or now.maximum
    later = now.determined if now.determined and said and now.determined.id > said.id else None
    if later is not None and now.exact is not None and later.value != now.exact.value:
        found.append(
            Words(
                ja=f"確定の人数 {now.exact.value:,}人（記録 {now.exact.id}）の後の{_source(later, 'ja')}は "
                f"{later.value:,}人（記録 {later.id}）です。確定の人数を改めるまで、確定の人数に従います。",
                en=f"A later {_source(later, 'en')} gives {later.value:,} (count {later.id}), not the exact "
                f"{now.exact.value:,} (count {now.exact.id}). The exact number holds until somebody sets it anew.",
            )
        )
    elif later is not None and now.maximum is not None and later.value > now.maximum.value:
        found.append(
            Words(
                ja=f"後の{_source(later, 'ja')} {later.value:,}人（記録 {later.id}）が、最大の人数 "
                f"{now.maximum.value:,}人（記録 {now.maximum.id}）を超えています。多いほうの人数に従います。",
                en=f"A later {_source(later, 'en')} gives {later.value:,} (count {later.id}), above the maximum "
                f"{now.maximum.value:,} (count {now.maximum.id}). The greater number holds.",
            )
        )
    if said is not None and said.value < told:
        found.append(
            Words(
                ja=f"人数 {said.value:,}人（記録 {said.id}）より多い {told:,}人に知らせています。",
                en=f"{told:,} people were told, more than the {said.value:,} of count {said.id}.",
            )
        )
    return tuple(found)


def _source(count: Count, language: str) -> str:
    words = {"ja": ("統合", "判定"), "en": ("merging of records", "determination")}[language]
    return words[0] if count.origin is CountOrigin.MERGING else words[1]


def sentence(problems: Sequence[Words], language: str) -> str:
    """Join several remarks into one line."""
    return "、".join(word.ja for word in problems) if language == "ja" else "; ".join(word.en for word in problems)
