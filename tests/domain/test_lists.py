"""Reading lists of customers: columns of any name, broken rows named, keys that agree or not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.column_profiles import read_profile
from incident_app.domain.contact_keys import number_spellings, phone_key
from incident_app.domain.customers import MissingColumns
from incident_app.domain.lists import (
    REMARKS,
    ColumnAbsent,
    ColumnMisread,
    ColumnsUnknown,
    ColumnUse,
    ListRow,
    OpenQuote,
    Reading,
    by_profile,
    column_use,
    match,
    read_list,
)
from incident_app.domain.vocabulary import MatchKey, RowRemark


def rows(text: str, **how: object) -> list[ListRow]:
    return list(read_list(text.splitlines(keepends=True), Reading(**how)))  # type: ignore[arg-type]


def test_our_own_columns_are_read_in_any_order_and_items_are_separated_by_spaces_or_semicolons() -> None:
    found = rows("Items,EMAIL,customer_number\nname email;phone,a@example.jp,C1\n,,C2\n\n,b@example.jp,\n")
    assert [(row.line, row.number, row.email) for row in found] == [
        (2, "C1", "a@example.jp"),
        (3, "C2", ""),
        (5, "", "b@example.jp"),
    ]
    assert found[0].items == {"name", "email", "phone"}
    assert found[1].items is None


def test_a_dump_has_columns_of_its_own_and_filled_ones_show_items() -> None:
    columns = tuple(column_use(text) for text in ("Mail=email:email", "tel=phone:phone", "pw=:password"))
    found = rows("uid\tmail\ttel\tpw\tlast seen\n7\ta@example.jp\t\thunter2\tnow\n8\t\t050\t\t\n", columns=columns)
    assert [(row.email, row.phone, row.items) for row in found] == [
        ("a@example.jp", "", {"email", "password"}),
        ("", "050", {"phone"}),
    ]


def test_a_file_without_a_header_is_read_by_the_places_of_its_columns() -> None:
    columns = (column_use("1=email"), column_use("2=:password"))
    found = rows("a@example.jp:hunter2\nb@example.jp:\n", columns=columns, has_header=False)
    assert [(row.line, row.email, row.items) for row in found] == [
        (1, "a@example.jp", {"password"}),
        (2, "b@example.jp", None),
    ]


@pytest.mark.parametrize(
    ("text", "how", "refusal"),
    [
        ("taro@example.jp,090-0000-0000\nx,y\n", {}, MissingColumns),
        ("customer_number,髙橋 一郎\nC1,x\n", {}, ColumnsUnknown),
        ("items\nname\n", {}, MissingColumns),
        ("", {}, MissingColumns),
        ("taro@example.jp\n", {"columns": (ColumnUse(column="mail", key=MatchKey.EMAIL),)}, ColumnAbsent),
        ("a,b\n", {"columns": (ColumnUse(column="a", item="name"),)}, MissingColumns),
    ],
)
def test_a_header_that_cannot_be_used_is_refused_without_repeating_what_may_be_a_person(
    text: str, how: dict[str, object], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal) as found:
        rows(text, **how)
    assert "taro" not in str(found.value)
    assert "髙橋" not in str(found.value)


def test_broken_rows_are_named_and_the_others_are_read() -> None:
    found = rows('customer_number,items\nC1,name,extra\nC2,name\n"C"3,name\nC4,name\n,name\n')
    assert [(row.line, row.remark) for row in found] == [
        (2, RowRemark.BROKEN),
        (3, None),
        (4, RowRemark.BROKEN),
        (5, None),
        (6, RowRemark.NO_KEY),
    ]


def test_a_quote_that_never_closes_refuses_the_file_instead_of_swallowing_the_rest() -> None:
    with pytest.raises(OpenQuote, match="line 3"):
        rows('customer_number,items\nC1,name\n"C2,name\nC3,name\n')


def test_a_value_may_span_lines_and_the_line_is_where_the_row_begins() -> None:
    found = rows('note,customer_number\n"a\nb",C1\nx,C2\n', columns=(column_use("note=:name"),))
    assert [(row.line, row.number, row.items) for row in found] == [(2, "C1", {"name"}), (4, "C2", {"name"})]


@pytest.mark.parametrize("text", ["mail", "=email", "mail=", "mail=letter", "mail=letter:email", "mail=:"])
def test_a_meaning_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ColumnMisread, match="NAME=KEY"):
        column_use(text)


def test_how_a_file_is_read_makes_another_list_of_it_but_not_in_which_order_it_was_told() -> None:
    one, other = column_use("mail=email"), column_use("tel=phone")
    assert Reading().decides == {}
    assert Reading(encoding="cp932").decides == {}
    assert Reading(columns=(one, other)).decides == Reading(columns=(other, one)).decides
    assert Reading(columns=(one,)).decides != Reading(columns=(other,)).decides
    assert Reading(has_header=False).decides


def test_a_row_shows_nobody_in_a_log() -> None:
    assert repr(rows("customer_number\nC1\n")[0]) == "ListRow(line=2)"


ROW = ListRow(line=2, number="C1", email="a@example.jp", phone="050")
NONE: frozenset[int] = frozenset()
A, B, BOTH = frozenset({1}), frozenset({2}), frozenset({1, 2})


@pytest.mark.parametrize(
    ("exact", "spelt", "email", "phone", "people", "key", "remark"),
    [
        (A, NONE, NONE, NONE, A, MatchKey.NUMBER, None),
        (A, B, NONE, NONE, A, MatchKey.NUMBER, None),
        (NONE, A, NONE, NONE, A, MatchKey.NUMBER, None),
        (NONE, BOTH, NONE, NONE, NONE, None, RowRemark.AMBIGUOUS_NUMBER),
        (BOTH, NONE, NONE, NONE, NONE, None, RowRemark.CONTRADICTION),
        (A, NONE, BOTH, NONE, A, MatchKey.NUMBER, None),
        (A, NONE, B, NONE, NONE, None, RowRemark.CONTRADICTION),
        (A, NONE, NONE, B, NONE, None, RowRemark.CONTRADICTION),
        (NONE, NONE, A, B, NONE, None, RowRemark.CONTRADICTION),
        (NONE, NONE, A, NONE, A, MatchKey.EMAIL, RowRemark.NUMBER_UNKNOWN),
        (NONE, NONE, NONE, A, A, MatchKey.PHONE, RowRemark.NUMBER_UNKNOWN),
        (NONE, NONE, NONE, NONE, NONE, None, RowRemark.NO_MATCH),
    ],
)
def test_a_row_names_people_by_number_then_address_then_telephone_and_never_two_different_ones(
    exact: frozenset[int],
    spelt: frozenset[int],
    email: frozenset[int],
    phone: frozenset[int],
    people: frozenset[int],
    key: MatchKey | None,
    remark: RowRemark | None,
) -> None:
    found = match(ROW, exact=exact, spelt=spelt, email=email, phone=phone)
    assert (found.people, found.key, found.remark) == (people, key, remark)


def test_people_who_share_an_address_are_all_named_with_a_remark() -> None:
    row = ListRow(line=2, email="a@example.jp")
    found = match(row, exact=NONE, spelt=NONE, email=BOTH, phone=NONE)
    assert (found.people, found.remark) == (BOTH, RowRemark.SEVERAL_PEOPLE)


def test_every_remark_is_said_in_both_languages() -> None:
    assert set(REMARKS) == set(RowRemark)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("090-1234-5678", "09012345678"),
        ("０９０（１２３４）５６７８", "09012345678"),
        ("+81 90 1234 5678", "09012345678"),
        ("＋81-(0)90-1234-5678", "09012345678"),
        ("03-1234-5678 内線 12", "0312345678"),
        ("03-1234-5678 ext. 12", "0312345678"),
        ("+49 30 123456", "+4930123456"),
        ("-", ""),
        ("", ""),
    ],
)
def test_spellings_of_one_telephone_number_are_equal(text: str, key: str) -> None:
    assert phone_key(text) == key


@given(st.text(st.sampled_from("0123456789"), min_size=6, max_size=11), st.text(st.sampled_from("-() "), max_size=4))
def test_marks_between_digits_never_matter_and_the_form_is_stable(digits: str, marks: str) -> None:
    assert phone_key(marks.join(digits)) == digits
    assert phone_key(phone_key(digits)) == phone_key(digits)


def test_a_customer_number_is_looked_for_as_written_then_in_half_width_and_other_capitals() -> None:
    assert number_spellings(" Ｃ１a ") == ("Ｃ１a", "C1a", "C1A", "c1a")
    assert number_spellings("  ") == ()


CRM = """
kind = "customers"
encoding = "cp932"
delimiter = "semicolon"
[columns]
customer_number = "お客様番号"
name = "氏名"
email = "Mail"
[items]
"住所" = "postal-address"
"""


def by_crm(text: str, profile: str = CRM, **told: object) -> list[ListRow]:
    how = by_profile(Reading(**told), read_profile(profile, file="crm.toml"))  # type: ignore[arg-type]
    return list(read_list(text.splitlines(keepends=True), how))


def test_a_saved_profile_names_keys_and_items_and_passes_over_its_other_columns() -> None:
    found = by_crm("氏名;お客様番号;mail;items;language\n甲,乙;C1;a@example.jp;住所 name;ja\n丙;C2;;*;en\n")
    assert [(row.number, row.email, row.items) for row in found] == [
        ("C1", "a@example.jp", frozenset({"postal-address", "name"})),
        ("C2", "", None),
    ]


def test_what_was_told_for_this_file_goes_before_the_profile() -> None:
    how = by_profile(Reading(encoding="utf-8", delimiter="\t"), read_profile(CRM, file="crm.toml"))
    assert (how.encoding, how.delimiter) == ("utf-8", "\t")
    assert by_profile(Reading(), how.profile).encoding == "cp932"
    told = (column_use("お客様番号=phone:phone"),)
    (row,) = by_crm("お客様番号;other\n0312345678;x\n", columns=told)
    assert (row.number, row.phone, row.items) == ("", "0312345678", frozenset({"phone"}))


def test_a_column_that_a_profile_does_not_speak_of_is_refused_unless_others_are_ignored() -> None:
    with pytest.raises(ColumnsUnknown) as refused:
        by_crm("お客様番号;備考\nC1;x\n")
    assert refused.value.facts["places"] == "2"
    (row,) = by_crm("お客様番号;備考\nC1;x\n", "ignore_others = true\n" + CRM)
    assert row.number == "C1"
    with pytest.raises(MissingColumns):
        by_crm("備考;氏名\nx;y\n", "ignore_others = true\n" + CRM)


def test_the_constant_items_of_a_profile_were_seen_of_everybody() -> None:
    constant = CRM + '[constants]\nitems = "住所;name"\n'
    holdings = constant.replace('kind = "customers"', 'kind = "holdings"').replace(
        'name = "氏名"\nemail = "Mail"\n', ""
    )
    first, second = by_crm("お客様番号;pw\nC1;x\nC2;\n", holdings, columns=(column_use("pw=:password"),))
    assert first.items == frozenset({"postal-address", "name", "password"})
    assert second.items == frozenset({"postal-address", "name"})


def test_a_profile_makes_another_list_only_where_it_changes_what_is_read() -> None:
    crm = read_profile(CRM, file="crm.toml")
    assert by_profile(Reading(), crm).decides != Reading(delimiter=";").decides
    other = read_profile(CRM.replace("Mail", "e-mail"), file="crm.toml")
    assert by_profile(Reading(), crm).decides != by_profile(Reading(), other).decides
    renamed = read_profile(CRM.replace("cp932", "euc-jp").replace('"氏名"', '"名前"'), file="crm.toml")
    assert by_profile(Reading(), crm).decides == by_profile(Reading(), renamed).decides
    assert by_profile(Reading(), read_profile('kind = "customers"', file="x.toml")).decides == {}


def test_every_line_that_a_broken_quote_swallows_is_named() -> None:
    found = rows('customer_number\n"C1\n"C2\nC3\n')
    assert [(row.line, row.number, row.remark) for row in found] == [
        (2, "", RowRemark.BROKEN),
        (3, "", RowRemark.BROKEN),
        (4, "C3", None),
    ]


def test_a_field_that_is_too_long_is_one_broken_row_but_never_hides_the_rows_after_it() -> None:
    long = "x" * 200_000
    assert [row.number for row in rows(f"customer_number\n{long}\nC2\n")] == ["", "C2"]
    with pytest.raises(OpenQuote, match="line 2"):
        rows('customer_number\n"C1\n' + "C2\n" * 60_000 + "C3\n")


def test_columns_of_one_meaning_are_all_read() -> None:
    """A dump with two addresses a row: the second may be the one that we know."""
    uses = (column_use("work=email:email"), column_use("home=email"), column_use("id=customer_number"))
    (row,) = rows("id,work,home\n C1 ,w@example.jp,h@example.jp\n", columns=uses)
    assert row.values(MatchKey.EMAIL) == ("w@example.jp", "h@example.jp")
    assert row.values(MatchKey.NUMBER) == ("C1",)
    (empty,) = rows("id,work,home\n,,h@example.jp\n", columns=uses)
    assert (empty.email, empty.further, empty.items) == ("h@example.jp", (), None)
