"""Letters on paper: one PDF for a batch, and the list of addresses for whoever prints or sends them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import typst

from incident_app.domain.errors import IncidentAppError
from incident_app.domain.letters import AddressBlock, Block, replaced
from incident_app.domain.vocabulary import Language
from incident_app.paths import read_text
from incident_app.rendering.glyphs import missing_glyphs, named_glyphs
from incident_app.rendering.pdf import PaperNotSet, embedded_fonts
from incident_app.rendering.tabular import csv_text

WORDS: Mapping[str, Mapping[str, str]] = {
    "ja": {"date": "発行日", "reference": "照会コード", "code": "書状番号"},
    "en": {"date": "Date:", "reference": "Reference code:", "code": "Letter:"},
}
WINDOW_WIDTH, WINDOW_HEIGHT = 65.0, 20.5
"""Millimetres that address and name may take, above the code."""
_POINT = 0.3528
_SIZES = (9.0, 8.5, 8.0, 7.5, 7.0, 6.5, 6.0)
_LINE = 1.42
"""The height of a line in times of its size."""
ADDRESS_COLUMNS = ("code", "postal_code", "address", "name", "language", "batch")
UNENCODABLE_NAMED = 20


class AddressesNotEncodable(IncidentAppError):
    """{letters} addresses have characters that {encoding} lacks: {characters} (letters {codes}). Choose utf-8."""

    ja = (
        "{letters}通の宛先に、{encoding} に無い文字があります：{characters}（書状番号 {codes}）。utf-8 にしてください。"
    )


@dataclass(frozen=True, kw_only=True, repr=False)
class LetterContent:
    """Everything that one letter says."""

    code: str
    reference: str
    language: Language
    block: AddressBlock
    subject: str
    blocks: tuple[Block, ...]
    sender: str

    @property
    def texts(self) -> tuple[str, ...]:
        """Return every text that is printed."""
        block = self.block
        return (block.address, block.name, self.subject, self.sender, *(part.text for part in self.blocks))

    def without(self, lacking: Iterable[str]) -> LetterContent:
        """Return the letter with a visible sign in the place of characters that the font lacks."""
        gone = tuple(lacking)
        block = replace(self.block, address=replaced(self.block.address, gone), name=replaced(self.block.name, gone))
        parts = tuple(replace(part, text=replaced(part.text, gone)) for part in self.blocks)
        return replace(
            self, block=block, blocks=parts, subject=replaced(self.subject, gone), sender=replaced(self.sender, gone)
        )


def letters_pdf(
    letters: Sequence[LetterContent], *, batch: str, printed_on: date, written_at: datetime, template: Path
) -> bytes:
    """Typeset the letters of a batch, each from its first page on; the same content makes the same bytes."""
    if "@preview" in read_text(template):
        raise PaperNotSet(file=template.name, problem="it loads a package from the net")
    inputs = {
        "letters": json.dumps([_as_data(letter, printed_on) for letter in letters]),
        "words": json.dumps(WORDS),
        "batch": json.dumps({"title": batch}),
    }
    try:
        made = typst.compile(
            template,
            root=template.parent,
            font_paths=embedded_fonts(),
            ignore_system_fonts=True,
            sys_inputs=inputs,
            format="pdf",
            pdf_standards=["ua-1"],
            timestamp=int(written_at.timestamp()),
        )
    except typst.TypstError as fault:
        raise PaperNotSet(file=template.name, problem=fault.message) from None
    if not isinstance(made, bytes):
        raise TypeError("one document is one file")
    return made


def _as_data(letter: LetterContent, printed_on: date) -> dict[str, object]:
    block = letter.block
    address_size, name_size = sizes_in_window(block)
    return {
        "code": letter.code,
        "reference": letter.reference,
        "language": letter.language.value,
        "postal_code": block.postal_code,
        "address": block.address,
        "name": block.name,
        "name_first": block.name_first,
        "address_size": address_size,
        "name_size": name_size,
        "sender": letter.sender,
        "date": written_date(printed_on, letter.language),
        "subject": letter.subject,
        "blocks": [{"kind": part.kind.value, "text": part.text} for part in letter.blocks],
    }


def written_date(day: date, language: Language) -> str:
    """Write a day as a letter does."""
    return f"{day.year}年{day.month}月{day.day}日" if language is Language.JA else f"{day.day} {day:%B %Y}"


def sizes_in_window(block: AddressBlock) -> tuple[float, float]:
    """Return the largest sizes of address and name, in points, at which all of it stands in the window."""
    for size in _SIZES:
        name = min(11.0, size + 2)
        lines = bool(block.postal_code) + _lines_of(block.address, size)
        height = lines * size + _lines_of(block.name, name) * name
        if height * _LINE * _POINT <= WINDOW_HEIGHT:
            return size, name
    return _SIZES[-1], _SIZES[-1]


def _lines_of(text: str, size: float) -> int:
    """Return how many lines a text takes at most: a character in full width is as wide as it is high."""
    fitting = WINDOW_WIDTH / (size * _POINT)
    total = 0
    for line in text.split("\n"):
        width = sum(0.6 if character.isascii() else 1.0 for character in line)
        total += max(1, -int(-width // (fitting - 1)))
    return total


def lacking_in(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the characters of texts that the embedded font lacks."""
    return missing_glyphs(texts)


def addresses_csv(rows: Sequence[LetterContent], *, batch: str, encoding: str) -> bytes:
    """Write the addresses of a batch for a mailing house: UTF-8 with a mark in front, or Shift_JIS as Windows has it.

    No character is replaced: what the encoding lacks is named, and nothing is written.
    """
    if encoding == "utf-8":
        return csv_text(ADDRESS_COLUMNS, _address_rows(rows, batch)).encode("utf-8-sig")
    lacking: dict[str, list[str]] = {}
    for letter in rows:
        for character in dict.fromkeys(letter.block.address + letter.block.name):
            if not _is_in(character, encoding):
                lacking.setdefault(character, []).append(letter.code)
    if lacking:
        codes = list(dict.fromkeys(code for found in lacking.values() for code in found))
        raise AddressesNotEncodable(
            letters=len(codes),
            encoding=encoding,
            characters=named_glyphs(lacking),
            codes=", ".join(codes[:UNENCODABLE_NAMED]),
        )
    return csv_text(ADDRESS_COLUMNS, _address_rows(rows, batch)).encode(_CODECS[encoding])


_CODECS = {"shift_jis": "cp932"}
"""What mailing houses call Shift_JIS has the characters of vendors (髙, ①): the standard's own table lacks them."""
ENCODINGS = ("utf-8", *_CODECS)


def _is_in(character: str, encoding: str) -> bool:
    try:
        character.encode(_CODECS[encoding])
    except UnicodeEncodeError:
        return False
    return True


def _address_rows(rows: Sequence[LetterContent], batch: str) -> Iterator[tuple[object, ...]]:
    for letter in rows:
        block = letter.block
        yield (letter.code, block.postal_code, block.address, block.name, letter.language.value, batch)
