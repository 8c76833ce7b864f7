"""Letters: the codes printed on them, the address block in the window, and how an approved text reads on paper."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from incident_app.domain.digests import ContentDigest, digest_of
from incident_app.domain.errors import IllegalMove, IncidentAppError
from incident_app.domain.vocabulary import Language, PersonKind


class BatchStatus(StrEnum):
    """Where a batch of letters stands."""

    BUILDING = "building"
    PREPARED = "prepared"
    HANDED_OVER = "handed_over"
    DISCARDED = "discarded"


class BatchEvent(StrEnum):
    """What can happen to a batch of letters."""

    SEALED = "sealed"
    HANDED_OVER = "handed_over"
    TAKEN_BACK = "taken_back"
    DISCARDED = "discarded"


class LetterState(StrEnum):
    """What is known about one letter."""

    PREPARED = "prepared"
    HANDED_OVER = "handed_over"
    RETURNED = "returned"
    DISCARDED = "discarded"


NEXT_BATCH_STATUS: Mapping[tuple[BatchStatus, BatchEvent], BatchStatus] = {
    (BatchStatus.BUILDING, BatchEvent.SEALED): BatchStatus.PREPARED,
    (BatchStatus.PREPARED, BatchEvent.HANDED_OVER): BatchStatus.HANDED_OVER,
    (BatchStatus.PREPARED, BatchEvent.DISCARDED): BatchStatus.DISCARDED,
    (BatchStatus.HANDED_OVER, BatchEvent.TAKEN_BACK): BatchStatus.PREPARED,
}


def next_batch_status(status: BatchStatus, event: BatchEvent) -> BatchStatus:
    """Return the status after `event`, or refuse with IllegalMove."""
    try:
        return NEXT_BATCH_STATUS[status, event]
    except KeyError:
        raise IllegalMove(thing="batch", state=status, event=event) from None


# ---- codes

_BATCH_DIGITS, _NUMBER_DIGITS, _YEAR_DIGITS = 3, 4, 4
MOST_BATCHES, MOST_LETTERS = 10**_BATCH_DIGITS - 1, 10**_NUMBER_DIGITS - 1
_REFERENCE = re.compile(r"INC-(\d{4})-(\d{4,})")
_TEN = "X"
_IGNORED = re.compile(r"[\s\-‐-―−ー－'\"]+")


class CodeFaulty(ValueError):
    """What is wrong with a code somebody typed or scanned."""


def batch_code(reference: str, number: int) -> str:
    """Return the name of a batch: year and number of the incident, number of the batch."""
    found = _REFERENCE.fullmatch(reference)
    if found is None or not 0 < number <= MOST_BATCHES:
        raise ValueError(f"no batch {number} of {reference}")
    return f"{found[1]}-{found[2]}-{number:0{_BATCH_DIGITS}}"


def letter_code(batch: str, number: int) -> str:
    """Return the code of a letter: its batch, its number, and a check character."""
    if not 0 < number <= MOST_LETTERS:
        raise ValueError(f"no letter {number} in a batch")
    body = f"{batch}-{number:0{_NUMBER_DIGITS}}"
    return f"{body}-{check_character(body)}"


def check_character(body: str) -> str:
    """Return the check character of ISO 7064, MOD 11-2: one wrong digit or two exchanged ones never keep it."""
    total = 0
    for digit in body.replace("-", ""):
        total = (total + int(digit)) * 2 % 11
    remainder = (12 - total) % 11
    return _TEN if remainder == 10 else str(remainder)  # noqa: PLR2004 - the eleventh character


def read_code(typed: str) -> str:
    """Return the code that was typed or scanned, as it is printed; CodeFaulty says what is wrong.

    Hyphens, spaces and quotes do not count, nor do full width and small letters.
    """
    plain = _IGNORED.sub("", unicodedata.normalize("NFKC", typed)).upper()
    digits, check = plain[:-1], plain[-1:]
    shortest = _YEAR_DIGITS + 4 + _BATCH_DIGITS + _NUMBER_DIGITS
    if len(digits) < shortest or not (digits.isascii() and digits.isdecimal()) or check not in "0123456789X":
        raise CodeFaulty("form")
    if check_character(digits) != check:
        raise CodeFaulty("check")
    year, rest = digits[:_YEAR_DIGITS], digits[_YEAR_DIGITS:]
    serial = rest[: -_BATCH_DIGITS - _NUMBER_DIGITS]
    batch, number = rest[len(serial) :][:_BATCH_DIGITS], rest[-_NUMBER_DIGITS:]
    return f"{year}-{serial}-{batch}-{number}-{check}"


# ---- the address in the window


@dataclass(frozen=True, kw_only=True, repr=False)
class AddressBlock:
    """What stands in the window of the envelope."""

    postal_code: str
    """As 150-0001; empty where the address does not begin with one."""
    address: str
    name: str
    name_first: bool
    """Above the address, as abroad, and not below it, as in Japan."""


_POSTAL_CODE = re.compile(r"^(?:〒\s*(\d{3})-?(\d{4})|(\d{3})-(\d{4}))(?!\d)[\s、,]*")


def address_block(*, name: str, address: str, kind: PersonKind, language: Language) -> AddressBlock:
    """Take the postal code from the front of an address, and put the title behind the name."""
    plain = unicodedata.normalize("NFKC", address).replace("−", "-")
    found = _POSTAL_CODE.match(plain)
    title = "御中" if kind is PersonKind.ORGANISATION else "様"
    return AddressBlock(
        postal_code=f"{found[1] or found[3]}-{found[2] or found[4]}" if found else "",
        address=_behind(address, found[0]) if found else address.strip(),
        name=f"{name} {title}" if language is Language.JA else name,
        name_first=language is not Language.JA,
    )


def _behind(address: str, front: str) -> str:
    """Return an address without its front, as it was written: only the front was looked at in half width."""
    length = next(
        length
        for length in range(len(address) + 1)
        if len(unicodedata.normalize("NFKC", address[:length]).replace("−", "-")) >= len(front)
    )
    return address[length:].strip()


# ---- the text on paper

_ON_PAPER: Mapping[Language, Sequence[tuple[str, str]]] = {
    Language.JA: (("このメール", "この書面"), ("本メール", "本書面")),
    Language.EN: (
        ("This e-mail", "This letter"),
        ("this e-mail", "this letter"),
        ("This email", "This letter"),
        ("this email", "this letter"),
        ("This mail", "This letter"),
        ("this mail", "this letter"),
    ),
}


def on_paper(text: str, language: Language) -> str:
    """Return an approved text as it reads in a letter: where it speaks of itself as a mail it says letter."""
    for mail, letter in _ON_PAPER[language]:
        text = text.replace(mail, letter)
    return text


class BlockKind(StrEnum):
    """How a part of a text is set."""

    HEADING = "heading"
    LINES = "lines"
    ITEM = "item"


@dataclass(frozen=True, kw_only=True, repr=False)
class Block:
    """A part of a text: a heading, an entry of a list, or lines that belong together."""

    kind: BlockKind
    text: str


_HEADING_MARK = "■"
_BULLETS = ("・", "- ")


def blocks_of(text: str) -> tuple[Block, ...]:
    """Cut a plain text into headings, entries of lists and paragraphs."""
    found: list[Block] = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        lines: list[str] = []
        for line in (line.strip() for line in paragraph.splitlines()):
            heading = _heading(line)
            entry = next((line.removeprefix(mark).strip() for mark in _BULLETS if line.startswith(mark)), None)
            if heading is None and entry is None:
                lines.append(line)
                continue
            found += _paragraph(lines)
            lines = []
            kind = BlockKind.ITEM if entry is not None else BlockKind.HEADING
            found.append(Block(kind=kind, text=entry or heading or line))
        found += _paragraph(lines)
    return tuple(found)


def _paragraph(lines: Sequence[str]) -> Iterator[Block]:
    if lines:
        yield Block(kind=BlockKind.LINES, text="\n".join(lines))


def _heading(line: str) -> str | None:
    """Return the words of a heading: marked in Japanese, in capitals in English."""
    if line.startswith(_HEADING_MARK):
        return line.removeprefix(_HEADING_MARK).strip()
    is_capital = (line.isascii() and line.isupper() and len(line.split()) > 1) or line in {"CAUSE", "PREVENTION"}
    return line if is_capital and not re.search(r"[\d.]", line) else None


# ---- refusals


class PrintDoubtful(IncidentAppError):
    """{letters} letters hold characters that the font lacks: {characters}.

    They would print as 〓. Customer numbers: {numbers}. Correct the register or the text, or say that you go on.
    """

    ja = (
        "{letters}通に、フォントに無い文字があります：{characters}。このままでは〓と印刷されます。"
        "顧客番号：{numbers}。台帳または文面を直すか、承知のうえで印刷することを指定してください。"
    )


MISSING_SIGN = "〓"
"""What typesetters put where a character is not at hand: a reader sees that something is missing."""


def replaced(text: str, lacking: Iterable[str]) -> str:
    """Put a visible sign in the place of characters that the font lacks."""
    return text.translate({ord(character): MISSING_SIGN for character in lacking})


@dataclass(frozen=True, kw_only=True)
class PlannedLetter:
    """One letter by its keys: what the digest of a batch is made of."""

    number: int
    person_id: int
    contact_id: int
    item_set_id: int
    confirmed_item_set_id: int


def batch_digest(
    *, text: ContentDigest, letters: Iterable[PlannedLetter], sender: object, item_names: object, printed_on: str
) -> ContentDigest:
    """Return the digest over everything that a batch says and to whom."""
    rows = [[row.number, row.person_id, row.contact_id, row.item_set_id, row.confirmed_item_set_id] for row in letters]
    return digest_of([text, rows, sender, item_names, printed_on])


def text_digest(texts: Mapping[str, str]) -> ContentDigest:
    """Return what the approver of a notice's text signs: every language of one version."""
    return digest_of({"texts": dict(texts)})
