"""The pack for a customer who entrusted data: the nine items as far as known, and their own estimated deadline (K4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from incident_app.domain.digests import ContentDigest, digest_of
from incident_app.domain.parties import NINE_ITEMS
from incident_app.domain.vocabulary import OurRole
from incident_app.domain.words import Words

ROLE_WORDS: Mapping[OurRole, Words] = {
    OurRole.PROCESSOR: Words(
        ja="当社は貴社から個人データの取扱いの委託を受けています（委託先）。",
        en="We process this personal data for you (as your processor).",
    ),
    OurRole.CLOUD_NOT_HANDLING: Words(
        ja="当社は契約上、貴社が保存した個人データを取り扱いません。報告の義務は貴社にあります。",
        en="By contract we do not handle the personal data that you store with us. The duty to report is yours.",
    ),
}
PERSON_ROLE_WORDS: Mapping[OurRole, Words] = {
    OurRole.PROCESSOR: Words(
        ja="当社は、お客様が預けた個人データの取扱いの委託を受けています（委託先）。",
        en="We process this personal data for you (as your processor).",
    ),
    OurRole.CLOUD_NOT_HANDLING: Words(
        ja="当社は契約上、お客様が保存した個人データを取り扱いません。事業で用いている場合、報告の義務はお客様にあります。",
        en="By contract we do not handle the personal data that you store with us. "
        "If you use it in a business, the duty to report is yours.",
    ),
}
PEOPLE_NOT_TOLD = Words(
    ja="貴社のお客様等への通知は、当社からは行っていません。", en="We have not told your people ourselves."
)
PERSONS_PEOPLE_NOT_TOLD = Words(
    ja="保存されていたデータの本人への通知は、当社からは行っていません。",
    en="We have not told the people in your data ourselves.",
)
OFFER = Words(
    ja="ご希望があれば、当社が代わって報告します。窓口へお知らせください。",
    en="We can file the report on your behalf if you wish: tell the desk.",
)
ONLY_IN_BUSINESS = Words(
    ja="期限は、個人データを事業で取り扱っている場合のものです。",
    en="The deadline is for those who handle the personal data in a business.",
)


@dataclass(frozen=True, kw_only=True)
class PackItem:
    """One of the nine items; None where it is not known yet."""

    number: str
    title: Words
    text: Words | None

    @property
    def title_ja(self) -> str:
        """Return the title in Japanese."""
        return self.title.ja

    @property
    def title_en(self) -> str:
        """Return the title in English."""
        return self.title.en


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """When the customer's own preliminary report would be due, counted from the moment they are told. An estimate."""

    due_at: datetime | None
    told_at: datetime
    is_assumed: bool
    """True while the pack was not sent: counted as if it were sent now."""
    explanation_ja: tuple[str, ...]
    explanation_en: tuple[str, ...]
    source: str


@dataclass(frozen=True, kw_only=True)
class TenantPack:
    """What one customer who entrusted data is told."""

    customer_id: int
    customer_number: str
    incident_reference: str
    determination_version: int
    our_roles: tuple[OurRole, ...]
    aware_at: datetime | None
    items: tuple[PackItem, ...]
    person_count_id: int | None
    count_subject: str
    estimate: Estimate | None
    notice_hours: int | None
    contract_reference: str
    offers_report: bool
    is_person: bool = False
    """The customer is a natural person: a business of one, or nobody who has to report."""

    @property
    def known(self) -> frozenset[str]:
        """Return the numbers of the items that are known."""
        return frozenset(item.number for item in self.items if item.text is not None)

    @property
    def role_words(self) -> tuple[Words, ...]:
        """Say in which roles we hold their data."""
        words = PERSON_ROLE_WORDS if self.is_person else ROLE_WORDS
        return tuple(words[role] for role in self.our_roles)

    def digest(self, told: frozenset[str]) -> ContentDigest:
        """Return the digest of what a sheet with these items says; the estimate is ours and not part of it."""
        said = [[item.number, asdict(item.text)] for item in self.items if item.text and item.number in told]
        return digest_of([self.incident_reference, self.customer_id, [str(role) for role in self.our_roles], said])


def nine_items(known: Mapping[str, Words]) -> tuple[PackItem, ...]:
    """Return the nine items in their order, with what is known of each."""
    return tuple(PackItem(number=number, title=title, text=known.get(number)) for number, title in NINE_ITEMS.items())
