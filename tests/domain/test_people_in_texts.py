"""Numbers of people in texts: found however they are written, and never taken for days, times, versions or money."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.people_in_texts import numbers_of_people
from incident_app.domain.written_numbers import DIGITS, plain_text, read_number, read_spoken

WIDE = str.maketrans("0123456789,", "０１２３４５６７８９，")
FORMAL = str.maketrans("一二三五十百千万", "壱弐参伍拾佰仟萬")


def in_signs(number: int) -> str:
    """Spell a number below ten thousand: 二千三百四十五."""
    parts = []
    for worth, sign in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, worth)
        if digit:
            parts.append((DIGITS[digit] if digit > 1 or not sign else "") + sign)
    return "".join(parts)


def by_myriads(number: int, spell: Callable[[int], str]) -> str:
    parts = []
    for worth, sign in ((10**8, "億"), (10**4, "万"), (1, "")):
        section, number = divmod(number, worth)
        if section:
            parts.append(spell(section) + sign)
    return "".join(parts)


def with_thousands(number: int) -> str:
    thousands, rest = divmod(number, 1000)
    return (f"{thousands}千" if thousands else "") + (str(rest) if rest else "")


SPELLINGS: dict[str, Callable[[int], str]] = {
    "digits": str,
    "grouped": lambda number: f"{number:,}",
    "wide": lambda number: str(number).translate(WIDE),
    "wide and grouped": lambda number: f"{number:,}".translate(WIDE),
    "one sign a digit": lambda number: "".join(DIGITS[int(digit)] for digit in str(number)),
    "in words": lambda number: by_myriads(number, in_signs),
    "formal": lambda number: by_myriads(number, in_signs).translate(FORMAL),
    "myriads and digits": lambda number: by_myriads(number, str),
    "myriads and grouped": lambda number: by_myriads(number, lambda section: f"{section:,}"),
    "myriads and thousands": lambda number: by_myriads(number, with_thousands),
    "narrow spaces": lambda number: f"{number:,}".replace(",", "\u202f"),
}


@given(st.integers(min_value=1, max_value=10**12 - 1), st.sampled_from(sorted(SPELLINGS)))
def test_every_spelling_of_a_number_is_read_back(number: int, spelling: str) -> None:
    assert read_number(plain_text(SPELLINGS[spelling](number))) == number


@given(
    st.integers(min_value=2, max_value=10**9),
    st.sampled_from(sorted(SPELLINGS)),
    st.sampled_from(
        ["対象は約{}人です。", "最大{} 名のお客様", "お客様{}件の情報", "アカウント数：{}", "{} affected people"]
    ),
)
def test_every_spelling_is_found_in_a_sentence(number: int, spelling: str, sentence: str) -> None:
    spelled = SPELLINGS[spelling](number)
    assert numbers_of_people([sentence.format(spelled)]) == {number}


@given(st.integers(min_value=1, max_value=10**6), st.sampled_from(["万", "億"]))
def test_a_fraction_of_a_myriad_is_a_whole_number(hundredths: int, sign: str) -> None:
    worth = {"万": 10**4, "億": 10**8}[sign]
    text = f"{hundredths // 100}.{hundredths % 100:02}{sign}"
    assert read_number(text) == hundredths * worth // 100


@given(st.text(alphabet=f"0123456789,.{DIGITS}十百千万億人件名 of-:/"))
def test_no_text_makes_it_stumble(text: str) -> None:
    assert all(number >= 0 for number in numbers_of_people([text]))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("対象は412,380人です。うち１２名はカード情報を含みます。", {412380, 12}),
        ("3,012 people, of whom 12 customers", {3012, 12}),
        ("2人目の担当者", {2}),
        ("二千人", {2000}),
        ("1万2千人", {12000}),
        ("約3千名", {3000}),
        ("1.2万人", {12000}),
        ("1万2,000人", {12000}),
        ("十二万三千四百五十六人", {123456}),
        ("弐千名様", {2000}),
        ("顧客情報5件", {5}),
        ("2,000余人、3000以上のお客様、4000の方", {2000, 3000, 4000}),
        ("会員12万", set()),
        ("対象者数は約12,345です", {12345}),
        ("1,000〜2,000人", {1000, 2000}),
        ("between 1,000 and 2,000 users", {1000, 2000}),
        ("1,000-2,000 customers", {1000, 2000}),
        ("12345 affected people", {12345}),
        ("1234 users, 1235 data subjects, 1236 individuals, 1237 customers", {1234, 1235, 1236, 1237}),
        ("1.5 million customers, 12k users and 2 thousand accounts", {1500000, 12000, 2000}),
        ("twelve thousand three hundred and five customers", {12305}),
        ("12.000 persons", {12000}),
        ("1234 potentially affected natural persons", {1234}),
        ("3,4,000人", {4000}),
        ("一人", {1}),
        ("Number of people affected: 777", {777}),
        ("12\u200b345人、1\u00ad2,346 users", {12345, 12346}),
        ("2,000+ users, 3,000-plus customers and 12K+ accounts", {2000, 3000, 12000}),
        ("4,000＋人", {4000}),
        ("2,001 cardholders, 2,002 victims, 2,003 account holders", {2001, 2002, 2003}),
    ],
)
def test_numbers_of_people_are_found_in_texts(text: str, numbers: set[int]) -> None:
    assert numbers_of_people([text]) == numbers


@pytest.mark.parametrize(
    "text",
    [
        "電話 0120-000-000、3名称、2026年",
        "2026年11月24日、17:20に検知。12時間後に対応。",
        "On 24 November customers were told; on 2026-11-24 customers were told; at 17:20 customers were told.",
        "In 2026 our customers grew; in Nov 2026 customers wrote; on Nov 24, 2026 customers wrote",
        "第三者、第3者機関、個人情報保護法第26条、規則第7条",
        "バージョン 2.4、TLS 1.2 customers、v2 users、version 3 users",
        "¥2,000、2,000円、$3,000 customers",
        "お1人様1通、1人ひとりのお客様、1人1人に、1人あたり500円、1人でも多くの方に",
        "お一人ずつ、一人ひとりのお客様、一様に、同様に、万一、十分に、一部の方",
        "お問い合わせ 30件、12件のアラート、苦情は0件",
        "数百人、数千名、何人",
        "72 hours; 3 servers; 5 articles; no one; one customer",
        "人数の記録、件数は2026年に確認、件名",
    ],
)
def test_numbers_of_other_things_do_not_alarm(text: str) -> None:
    assert numbers_of_people([text]) == set()


@pytest.mark.parametrize("text", ["9" * 5_000 + "人", "hundred " * 3_000 + "people", "9" * 5_000 + " million users"])
def test_a_number_that_counts_nobody_is_no_number_of_people(text: str) -> None:
    assert numbers_of_people([text]) == set()


@pytest.mark.parametrize("space", [" ", "\n", "\u3000", "\t \n"])
def test_a_text_full_of_spaces_is_read_at_once(space: str) -> None:
    text = "対象は12" + space * 20_000 + "x、2,000" + space * 20_000 + "人"
    begun = time.process_time()
    assert numbers_of_people([text]) == {2000}
    assert time.process_time() - begun < 5  # as it was, this took a minute


def test_english_words_are_read() -> None:
    assert [read_spoken(text) for text in ("two thousand", "twenty-one", "hundred", "one million two")] == [
        2000,
        21,
        100,
        1000002,
    ]
