"""Codes of letters, the address in the window, lists of codes: pure rules."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from incident_app.domain.code_lists import FAULTS, FaultyLine, LineFault, lines_of_list, said_of
from incident_app.domain.errors import IllegalMove
from incident_app.domain.letters import (
    MOST_BATCHES,
    MOST_LETTERS,
    NEXT_BATCH_STATUS,
    BatchEvent,
    BatchStatus,
    BlockKind,
    CodeFaulty,
    address_block,
    batch_code,
    blocks_of,
    check_character,
    letter_code,
    next_batch_status,
    on_paper,
    read_code,
    replaced,
)
from incident_app.domain.unreached import NextChannel, next_channel
from incident_app.domain.vocabulary import Language, PersonKind

CODES = st.builds(
    lambda year, serial, batch, number: letter_code(batch_code(f"INC-{year}-{serial:04}", batch), number),
    st.integers(2000, 2999),
    st.integers(1, 123_456),
    st.integers(1, MOST_BATCHES),
    st.integers(1, MOST_LETTERS),
)
FULL_WIDTH = str.maketrans("0123456789X-", "０１２３４５６７８９Ｘ－")


def test_the_check_character_is_that_of_the_standard() -> None:
    assert check_character("0000-0002-1825-009") == "7"
    assert check_character("000000021694233") == "X"


@given(CODES, st.sampled_from(["", " ", "-", "'"]))
def test_a_code_is_read_however_it_is_typed(code: str, between: str) -> None:
    assert read_code(code) == code
    assert read_code(f" {code.replace('-', between).lower()}\t") == code
    assert read_code(code.translate(FULL_WIDTH)) == code
    assert read_code(code.replace("-", "ー")) == code


@given(CODES, st.data())
def test_one_wrong_digit_is_always_found(code: str, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from([at for at, sign in enumerate(code) if sign != "-"]))
    other = data.draw(st.sampled_from("0123456789X" if place == len(code) - 1 else "0123456789"))
    assume(other != code[place])
    with pytest.raises(CodeFaulty, match="check"):
        read_code(code[:place] + other + code[place + 1 :])


@given(CODES, st.data())
def test_two_exchanged_digits_are_always_found(code: str, data: st.DataObject) -> None:
    digits = code.replace("-", "")
    place = data.draw(st.integers(0, len(digits) - 3))
    assume(digits[place] != digits[place + 1])
    exchanged = digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :]
    with pytest.raises(CodeFaulty, match="check"):
        read_code(exchanged)


@given(CODES, CODES)
def test_two_letters_never_share_a_code(first: str, second: str) -> None:
    assert (first == second) == (first.replace("-", "") == second.replace("-", ""))


@pytest.mark.parametrize("typed", ["", "7", "INC-2026-0007", "2026-0007-002-01-3", "2026-0007-002-0A01-3", "X" * 16])
def test_what_is_no_code_is_not_read(typed: str) -> None:
    with pytest.raises(CodeFaulty, match="form"):
        read_code(typed)


@pytest.mark.parametrize(("reference", "number"), [("EX-2026-0007", 1), ("INC-2026-0007", 0), ("INC-2026-0007", 1000)])
def test_no_code_is_made_of_what_does_not_fit(reference: str, number: int) -> None:
    with pytest.raises(ValueError, match="no batch"):
        batch_code(reference, number)
    with pytest.raises(ValueError, match="no letter"):
        letter_code("2026-0007-001", MOST_LETTERS + 1)


@pytest.mark.parametrize(
    ("written", "postal_code", "address"),
    [
        ("〒150-0001 東京都渋谷区試験町1-1", "150-0001", "東京都渋谷区試験町1-1"),
        ("〒1500001東京都渋谷区", "150-0001", "東京都渋谷区"),
        ("１５０－０００１　東京都渋谷区試験町１－１", "150-0001", "東京都渋谷区試験町１－１"),
        ("150-0001、東京都", "150-0001", "東京都"),
        ("東京都渋谷区試験町1-1", "", "東京都渋谷区試験町1-1"),
        ("1500001 Test Street", "", "1500001 Test Street"),
        ("150-00012 東京都", "", "150-00012 東京都"),
        ("㈱ビル 150-0001", "", "㈱ビル 150-0001"),
    ],
)
def test_the_postal_code_is_taken_from_the_front_of_an_address(written: str, postal_code: str, address: str) -> None:
    block = address_block(name="髙橋 一郎", address=written, kind=PersonKind.PERSON, language=Language.JA)
    assert (block.postal_code, block.address) == (postal_code, address)


@given(st.text(alphabet="東京都渋谷区０１２-１５－〒 ㈱ｶﾞア", max_size=30))
def test_nothing_of_an_address_is_lost(written: str) -> None:
    block = address_block(name="x", address=written, kind=PersonKind.PERSON, language=Language.JA)

    def signs(text: str) -> str:
        return "".join(sign for sign in unicodedata.normalize("NFKC", text) if sign not in " -−〒、,")

    assert signs(block.postal_code + block.address) == signs(written)


def test_people_companies_and_readers_of_english_are_addressed_each_in_their_way() -> None:
    def named(kind: PersonKind, language: Language) -> tuple[str, bool]:
        block = address_block(name="みなと", address="x", kind=kind, language=language)
        return block.name, block.name_first

    assert named(PersonKind.PERSON, Language.JA) == ("みなと 様", False)
    assert named(PersonKind.ORGANISATION, Language.JA) == ("みなと 御中", False)
    assert named(PersonKind.PERSON, Language.EN) == ("みなと", True)


def test_a_text_that_calls_itself_a_mail_calls_itself_a_letter_on_paper() -> None:
    said = on_paper("このメールは広告ではありません。メールアドレス、案内メール", Language.JA)
    assert said == "この書面は広告ではありません。メールアドレス、案内メール"
    assert on_paper("This mail holds no links. Mail: desk", Language.EN) == "This letter holds no links. Mail: desk"


def test_a_text_is_cut_into_headings_entries_and_paragraphs() -> None:
    text = "2026年\n\n■ お客様の情報\n次の情報です。\n・氏名\n・住所\n以上\n\n"
    text += "WHAT HAPPENED\n- name\nCAUSE\nA. B.\nNASA 2026"
    assert [(block.kind, block.text) for block in blocks_of(text)] == [
        (BlockKind.LINES, "2026年"),
        (BlockKind.HEADING, "お客様の情報"),
        (BlockKind.LINES, "次の情報です。"),
        (BlockKind.ITEM, "氏名"),
        (BlockKind.ITEM, "住所"),
        (BlockKind.LINES, "以上"),
        (BlockKind.HEADING, "WHAT HAPPENED"),
        (BlockKind.ITEM, "name"),
        (BlockKind.HEADING, "CAUSE"),
        (BlockKind.LINES, "A. B.\nNASA 2026"),
    ]


def test_a_character_that_the_font_lacks_is_seen_to_be_missing() -> None:
    assert replaced("𠮷野家と𠮷田", ["𠮷"]) == "〓野家と〓田"


def test_every_move_of_a_batch_is_in_the_table() -> None:
    for status in BatchStatus:
        for event in BatchEvent:
            if (status, event) in NEXT_BATCH_STATUS:
                assert next_batch_status(status, event) is NEXT_BATCH_STATUS[status, event]
            else:
                with pytest.raises(IllegalMove):
                    next_batch_status(status, event)
    reached = {BatchStatus.BUILDING, *NEXT_BATCH_STATUS.values()}
    assert reached == set(BatchStatus)


@given(st.booleans(), st.booleans(), st.booleans())
def test_the_first_open_channel_comes_next(post: bool, phone: bool, portal: bool) -> None:
    open_ones = [channel for channel, there in zip(NextChannel, (post, phone, portal, True), strict=True) if there]
    assert next_channel(post=post, phone=phone, portal=portal) is open_ones[0]


def test_a_list_is_read_cell_by_cell_without_its_heading_and_blank_lines() -> None:
    text = '\ufeffcode,name\r\n 2026-1 ,x\r\n\r\n"2026-2"\t返戻\ncode\n'
    assert [(line.number, line.text) for line in lines_of_list(text)] == [(2, "2026-1"), (4, "2026-2"), (5, "code")]


def test_a_faulty_line_is_said_in_both_languages() -> None:
    assert set(FAULTS) == set(LineFault)
    one = FaultyLine(line=3, fault=LineFault.CHECK)
    assert said_of(one, "en").startswith("line 3")
    assert said_of(one, "ja").startswith("3行目")
