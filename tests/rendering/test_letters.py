"""Letters on paper: what stands in the window, characters of encodings, the same bytes for the same letter."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PageObject, PdfReader

from incident_app.domain.letters import address_block, batch_code, blocks_of, letter_code
from incident_app.domain.vocabulary import Language, PersonKind
from incident_app.rendering.letters import (
    WINDOW_HEIGHT,
    AddressesNotEncodable,
    LetterContent,
    addresses_csv,
    letters_pdf,
    sizes_in_window,
    written_date,
)
from incident_app.rendering.pdf import PaperNotSet
from tests.builders import ROOT

BATCH = batch_code("INC-2026-0007", 2)
TEMPLATE = ROOT / "templates" / "letters" / "letter.typ"
DAY = date(2026, 11, 25)


def a_letter(number: int = 1, *, language: Language = Language.JA, **changes: str) -> LetterContent:
    words = {"name": "髙橋 一郎", "address": "〒150-0001 東京都渋谷区試験町1-1", **changes}
    return LetterContent(
        code=letter_code(BATCH, number),
        reference="1A2B-3C4D-5E6F",
        language=language,
        block=address_block(kind=PersonKind.PERSON, language=language, **words),
        subject="個人情報に関するお知らせ",
        blocks=blocks_of("■ お客様の情報\n・氏名\n\n本文 " * 3),
        sender="試験株式会社\n東京都千代田区試験1-1",
    )


def pdf(*letters: LetterContent) -> bytes:
    return letters_pdf(
        letters, batch=BATCH, printed_on=DAY, written_at=datetime(2026, 11, 25, tzinfo=UTC), template=TEMPLATE
    )


def test_the_same_letters_make_the_same_bytes() -> None:
    assert pdf(a_letter()) == pdf(a_letter())
    assert pdf(a_letter()) != pdf(a_letter(2))


WINDOW = (61.0, 248.0, 33.0, 103.0)
"""Points from the left and from the top that are seen however the sheet slides: 22 to 87 mm, 12 to 36 mm."""


def seen(page: PageObject, area: tuple[float, float, float, float] | None = None) -> str:
    """Return the text of a page, or what of it begins within an area."""
    height = float(page.mediabox.height)
    found: list[str] = []

    def take(text: str, outer: list[float], inner: list[float], _font: object, _size: object) -> None:
        x = inner[4] * outer[0] + inner[5] * outer[2] + outer[4]
        y = height - (inner[4] * outer[1] + inner[5] * outer[3] + outer[5])
        if area is None or (area[0] <= x <= area[1] and area[2] <= y <= area[3]):
            found.append(text)

    page.extract_text(visitor_text=take)
    return "".join(found)


def test_code_address_and_date_can_be_searched_in_the_pdf_and_stand_in_the_window() -> None:
    letters = pdf(a_letter(), a_letter(2, language=Language.EN, address="Teststraße 1, Berlin"))
    pages = PdfReader(io.BytesIO(letters)).pages
    first = seen(pages[0], WINDOW)
    for text in ("〒150-0001", "東京都渋谷区試験町1-1", "髙橋 一郎 様", a_letter().code):
        assert text in first, text
    assert "試験株式会社" not in first
    second = seen(pages[1], WINDOW)
    assert second.index("髙橋 一郎") < second.index("Teststraße 1, Berlin")
    assert "25 November 2026" in seen(pages[1])
    whole = seen(pages[0])
    assert "試験株式会社" in whole
    assert "2026年11月25日" in whole
    assert "1A2B-3C4D-5E6F" in whole
    assert "1/1" in whole.replace(" ", "")
    assert a_letter(2).code not in whole


@settings(deadline=None, max_examples=60)
@given(
    st.text(alphabet="東京都abc 1-", min_size=1, max_size=120), st.text(alphabet="山田Taro ", min_size=1, max_size=40)
)
def test_address_and_name_get_a_size_at_which_they_fit(address: str, name: str) -> None:
    block = a_letter(address=address, name=name).block
    address_size, name_size = sizes_in_window(block)
    assert 6.0 <= address_size <= name_size <= 11.0
    assert WINDOW_HEIGHT < 24


def test_the_size_shrinks_as_the_address_grows() -> None:
    short, long = (a_letter(address="東京都" * times).block for times in (3, 30))
    assert sizes_in_window(short)[0] == 9.0
    assert sizes_in_window(long)[0] < 9.0


def test_a_day_is_written_in_the_language_of_the_letter() -> None:
    assert written_date(DAY, Language.JA) == "2026年11月25日"
    assert written_date(DAY, Language.EN) == "25 November 2026"


def test_a_template_that_loads_from_the_net_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "letter.typ"
    own.write_text('#import "@preview/letter:1.0.0": letter', encoding="utf-8")
    with pytest.raises(PaperNotSet):
        letters_pdf([a_letter()], batch=BATCH, printed_on=DAY, written_at=datetime.now(UTC), template=own)


def test_addresses_are_written_without_formulas_and_in_both_encodings() -> None:
    letter = a_letter(address="=HYPERLINK(1)", name="＠髙橋")
    text = addresses_csv([letter], batch=BATCH, encoding="utf-8").decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["address"] == "'=HYPERLINK(1)"
    assert row["name"] == "'＠髙橋 様"
    assert addresses_csv([letter], batch=BATCH, encoding="utf-8").startswith(b"\xef\xbb\xbf")
    assert "髙橋".encode("cp932") in addresses_csv([letter], batch=BATCH, encoding="shift_jis")


def test_a_character_that_the_encoding_lacks_is_named_with_its_letters_and_nothing_is_written() -> None:
    letters = [a_letter(), a_letter(2, name="𠮷田"), a_letter(3, address="Teststraße 1")]
    with pytest.raises(AddressesNotEncodable) as refused:
        addresses_csv(letters, batch=BATCH, encoding="shift_jis")
    for part in ("U+20BB7", "U+00DF", letters[1].code, letters[2].code):
        assert part in str(refused.value), part
    assert letters[0].code not in str(refused.value)


def test_a_missing_character_is_a_visible_sign_everywhere() -> None:
    letter = a_letter(name="𠮷田", address="𠮷町")
    shown = replace(letter, subject="𠮷").without(["𠮷"])
    assert [text for text in shown.texts if "𠮷" in text] == []
    assert shown.block.name == "〓田 様"
