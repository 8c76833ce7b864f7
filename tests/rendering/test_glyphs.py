"""Characters that the embedded font lacks are named before a PDF is made: an empty box is never printed in silence."""

from __future__ import annotations

import io

import pytest
from pypdf import PdfReader

from incident_app.domain.reports import fill_form
from incident_app.domain.words import Words
from incident_app.rendering.glyphs import characters_of_font, missing_glyphs, named_glyphs
from incident_app.rendering.pdf import SignsNotInFont, unprintable
from tests.builders import FORMS
from tests.rendering.test_outputs import AT, HEAD, paper


def test_signs_of_japanese_names_and_forms_are_there_and_others_are_named_once_in_their_order() -> None:
    assert missing_glyphs(["髙橋 﨑 𠮷野家 𩸽 辻\U000e0100 か\u3099 ①㈱℡ Привет 한국 é\n\t"]) == ()
    assert missing_glyphs(["売上😀と ไทย", "😀"]) == ("😀", "ไ", "ท", "ย")
    assert named_glyphs(("😀", "ไ")) == "😀 (U+1F600), ไ (U+0E44)"
    assert len(characters_of_font()) > 40_000


def test_no_shipped_form_says_anything_that_the_font_lacks() -> None:
    for code in FORMS.codes():
        for language in ("ja", "en"):
            assert unprintable(paper(code, language)) == (), code


def test_a_paper_names_what_it_cannot_print_wherever_it_stands() -> None:
    form = FORMS.form("jp-appi-preliminary")
    filled = fill_form(form, {"what_happened": Words(ja="侵入 😀", en="entry")}, {"contact": "ไ を確認中"})
    assert unprintable(FORMS.paper(filled, language="ja", **HEAD)) == ("ไ", "😀")
    assert unprintable(FORMS.paper(filled, language="en", **HEAD)) == ("ไ",)
    with pytest.raises(SignsNotInFont, match=r"ไ \(U\+0E44\), 😀 \(U\+1F600\)"):
        FORMS.pdf(FORMS.paper(filled, language="ja", **HEAD), written_at=AT)


def test_the_number_of_an_item_stands_on_one_line() -> None:
    for code, item in (("eu-gdpr-authority", "33(3)(a)"), ("jp-common-ransomware", "ランサム")):
        pages = PdfReader(io.BytesIO(FORMS.pdf(paper(code), written_at=AT))).pages
        assert any(item in line for page in pages for line in page.extract_text().splitlines()), code
