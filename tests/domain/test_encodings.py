"""Encodings: each is found by its bytes, kept exactly, and refused by byte and line when it is broken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.encodings import (
    Detected,
    Encoding,
    MixedEncodings,
    UnknownEncoding,
    UnreadableFile,
    decode,
    decoded,
    detect,
    encoding_named,
    lines_of,
)

PLAIN = "customer_number,name\r\nC1,山田 太郎\r\nC2,ｽｽﾞｷ ﾊﾅｺ\r\n"
VENDOR = "番号,氏名\nC1,髙橋①㈱ 太郎\nC2,ﾀﾅｶ 花子 〜№Ⅲ\n"
BEYOND = "番号,氏名\nC1,𠮷野家 髙﨑①㈱\n"
EUC_TAKAHASHI = bytes.fromhex("8ff4fb")  # 髙 as eucJP-ms writes it


def in_pieces(content: bytes, size: int) -> list[bytes]:
    return [content[start : start + size] for start in range(0, len(content), size)]


@pytest.mark.parametrize(
    ("text", "codec", "encoding"),
    [
        (PLAIN, "utf-8", Encoding.UTF_8),
        (BEYOND, "utf-8-sig", Encoding.UTF_8),
        (BEYOND, "utf-16", Encoding.UTF_16_LE),
        (PLAIN, "cp932", Encoding.CP932),
        (VENDOR.replace("〜", "～"), "cp932", Encoding.CP932),
        ("番号,氏名\nC1,髙﨑①㈱\n", "cp932", Encoding.CP932),
        (PLAIN, "euc_jp", Encoding.EUC_JP),
        ("番号,氏名\nC1,山﨑①㈱\n", "euc_jis_2004", Encoding.EUC_JIS_2004),
        (PLAIN, "iso2022_jp_ext", Encoding.ISO_2022_JP),
        ("番号,氏名\nC1,山﨑①㈱№\n", "iso2022_jp_2004", Encoding.ISO_2022_JP),
        ("番号,氏名\nC1,鄧№\n", "iso2022_jp_ext", Encoding.ISO_2022_JP),
        ("number,name\nC1,Smith\n", "ascii", Encoding.UTF_8),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_each_encoding_is_found_and_kept_exactly_however_the_stream_is_cut(
    text: str, codec: str, encoding: Encoding, size: int
) -> None:
    pieces = in_pieces(text.encode(codec), size)
    found = detect(lambda: pieces)
    assert found.encoding is encoding
    assert "".join(decoded(pieces, found)) == text


def test_utf_16_of_both_orders_is_told_by_its_mark() -> None:
    content = b"\xfe\xff" + BEYOND.encode("utf-16-be")
    assert detect(lambda: [content]) == Detected(encoding=Encoding.UTF_16_BE, mark=2)
    assert decode(content) == BEYOND
    assert decode(content, "utf-16") == BEYOND


def test_euc_jp_holds_the_characters_that_vendors_added() -> None:
    content = "番号,氏名\nC1,".encode("euc_jp") + EUC_TAKAHASHI + b"\xad\xa1\xad\xea" + "田,ｶﾅ\n".encode("euc_jp")
    assert decode(content) == "番号,氏名\nC1,髙①㈱田,ｶﾅ\n"
    assert decode(bytes.fromhex("fce2"), "euc-jp") == "髙"  # where NEC put it


def test_iso_2022_jp_holds_the_characters_that_vendors_added() -> None:
    content = b"a,\x1b$B\x2d\x21\x2d\x6a\x1b(I\x36\x45\x1b(J\x5c\x1b(B\n"
    assert decode(content) == "a,①㈱ｶﾅ\u00a5\n"


@pytest.mark.parametrize("name", ["Shift_JIS", "sjis", "windows-31j", "CP932"])
def test_an_encoding_has_the_names_that_people_use(name: str) -> None:
    assert encoding_named(name) is Encoding.CP932


def test_an_unknown_encoding_lists_the_known_ones() -> None:
    with pytest.raises(UnknownEncoding, match=r"klingon.*iso-2022-jp"):
        decode(b"a", "klingon")


def test_what_was_told_is_not_guessed() -> None:
    with pytest.raises(UnreadableFile, match=r"UTF-8: see byte 3 .line 2."):
        decode(b"a\n\x83A\n", "utf-8")


@pytest.mark.parametrize(
    ("content", "byte", "line", "advice"),
    [
        ("番号\nC1,山田".encode()[:-1], 14, 2, "cut off"),
        ("番号\nC1,山田".encode("cp932")[:-1], 11, 2, "cut off"),
        ("番号\nC1,山".encode("euc_jp")[:-1], 9, 2, "cut off"),
        ("番号\nC1,山田\n".encode("iso2022_jp")[:-4], 22, 2, "cut off"),
        ("山\n".encode("utf-16")[:-1], 5, 1, "cut off"),
        ("番号\n".encode("cp932") + b"\xa0,\xff\n", 6, 2, "name its encoding"),
        ("番号\n".encode("cp932") + b"\x81\x01\n", 6, 2, "name its encoding"),
        (b"a\n\x00\x01", 3, 2, "utf-16-le"),
        (b"a\n\x1b$B\x21\x21\n\x1b(B", 8, 2, "name its encoding"),
        (b"a\n\x1b$B\x7f\x7f\x1b(B", 6, 2, "name its encoding"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_broken_bytes_are_named_by_place_and_line_with_what_to_do(
    content: bytes, byte: int, line: int, advice: str, size: int
) -> None:
    pieces = in_pieces(content, size)
    with pytest.raises(UnreadableFile) as refusal:
        list(decoded(pieces, detect(lambda: pieces)))
    assert (refusal.value.facts["byte"], refusal.value.facts["line"]) == (byte, line)
    assert advice in str(refusal.value)
    assert refusal.value.message("ja")


def test_a_file_that_mixes_encodings_names_a_line_of_each() -> None:
    content = "番号,氏名\nC1,山田\n".encode() + "C2,髙橋\n".encode("cp932")
    with pytest.raises(MixedEncodings, match="line 1 is UTF-8, line 3"):
        decode(content)


def test_when_two_encodings_are_valid_the_more_plausible_is_taken_and_the_other_named() -> None:
    content = "a,b\nC1,山田\n".encode("euc_jp")
    found = detect(lambda: [content])
    assert (found.encoding, found.also_valid) == (Encoding.EUC_JP, (Encoding.CP932,))
    assert decode(content, "cp932") != decode(content)


JAPANESE = st.text(st.sampled_from("山田太郎花子髙﨑①㈱ｱｲｳｶﾞぁんァヶー、。　㈲Ⅲab,\n"), max_size=60)


@given(text=JAPANESE, size=st.integers(1, 9))
def test_what_was_told_comes_back_as_it_was_written(text: str, size: int) -> None:
    for codec in ("utf-8", "cp932"):
        pieces = in_pieces(text.encode(codec), size)
        assert "".join(decoded(pieces, Detected(encoding=encoding_named(codec)))) == text


@given(content=st.binary(max_size=40))
def test_no_bytes_become_a_replacement_character(content: bytes) -> None:
    try:
        text = decode(content)
    except (UnreadableFile, MixedEncodings):
        return
    written = b"\xef\xbf\xbd" in content or content[:1] in {b"\xff", b"\xfe"}
    assert written or "\ufffd" not in text


@given(text=st.text(st.sampled_from("a\r\n\x0b\x0c\x1c\x85\u2028あ"), max_size=30), size=st.integers(1, 5))
def test_lines_end_at_lf_cr_and_crlf_only(text: str, size: int) -> None:
    lines = list(lines_of(text[start : start + size] for start in range(0, len(text), size)))
    assert "".join(lines) == text
    ends = text.replace("\r\n", "\n").replace("\r", "\n")
    assert len(lines) == ends.count("\n") + (bool(ends) and not ends.endswith("\n"))
