"""Times on pages: read as people type them, shown in words, the exact limit beside the time left."""

from datetime import UTC, datetime, timedelta

import pytest

from incident_app.domain.errors import BadInput
from incident_app.web.times import duration, finished, remaining, shown, typed_moment
from tests.builders import NOW  # Friday 20 November 2026, 17:20 in Japan

TO_THE_MINUTE = datetime(2026, 11, 24, 8, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24 17:20",
        "2026-11-24T17:20",
        "2026/11/24 17:20",
        " 2026-11-24  17:20 ",
        "２０２６－１１－２４　１７：２０",
        "2026/11/24　17：20",
        "2026-11-24 17:20 JST",
        "2026-11-24 17:20JST",
        "2026-11-24T08:20Z",
        "2026-11-24T08:20:00+00:00",
        "2026-11-24 08:20 +00:00",
        "2026-11-24T03:20:00.000-05:00",
        "2026-11-24T17:20+0900",
    ],
)
def test_a_time_is_read_as_people_type_it(text: str) -> None:
    assert typed_moment(text, field="x") == TO_THE_MINUTE


def test_single_digits_and_seconds_are_read() -> None:
    assert typed_moment("2026/1/2 3:04:05", field="x") == datetime(2026, 1, 1, 18, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", " ", "　"])
def test_an_empty_field_is_no_time(text: str) -> None:
    assert typed_moment(text, field="x") is None


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24",  # midnight would be a guess, and clocks start from it
        "2026-11-24T",
        "20261124T1720",
        "17:20",
        "24/11/2026 17:20",
        "2026-11-24 17",
        "2026-11-24 17:20 +00:00 JST",
        "2026-11-24 17:20 tomorrow",
        "2026-11-24 5:20 pm",
        "２０２６年１１月２４日",
        "٢٠٢٦-11-24 17:20",
    ],
)
def test_what_is_not_a_whole_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInput, match="write the time like 2026-11-24 17:20"):
        typed_moment(text, field="x")


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29 10:00",
        "2026-13-01 10:00",
        "2026-11-31 10:00",
        "2026-11-24 24:00",
        "2026-11-24 25:00",
        "2026-11-24 17:60",
        "2026-11-24T17:20+25:00",
        "0000-01-01 00:00",
        "0001-01-01 00:00",  # before the year 1 in UTC
    ],
)
def test_a_time_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="there is no such time"):
        typed_moment(text, field="x")


def test_the_year_is_left_out_only_when_it_is_the_present_one_in_japan() -> None:
    new_year = datetime(2026, 12, 31, 15, 30, tzinfo=UTC)
    assert shown(NOW, "ja", now=NOW) == "11月20日(金) 17:20"
    assert shown(NOW, "en", now=NOW) == "Fri 20 Nov, 17:20"
    assert shown(new_year, "ja", now=NOW) == "2027年1月1日(金) 00:30"
    assert shown(new_year, "en", now=NOW) == "Fri 1 Jan 2027, 00:30"
    assert shown(new_year, "ja", now=new_year) == "1月1日(金) 00:30"
    assert shown(NOW, "ja") == "2026年11月20日(金) 17:20"


def test_time_left_is_said_in_words_and_rounded_down() -> None:
    assert duration(timedelta(days=3, hours=18, minutes=59), "ja") == "3日18時間"
    assert duration(timedelta(hours=48), "en") == "2 d 0 h"
    assert duration(timedelta(hours=47, minutes=59, seconds=59), "en") == "47 h 59 min"
    assert duration(timedelta(hours=1), "ja") == "1時間0分"
    assert duration(timedelta(minutes=59, seconds=59), "ja") == "59分"
    assert duration(timedelta(seconds=59), "en") == "0 min"


def test_the_exact_limit_stands_beside_the_time_left() -> None:
    far = remaining(NOW + timedelta(hours=52), NOW, "ja")
    assert (far.words, far.limit, far.tone) == ("残り 2日4時間", "・11月22日(日) 21:20 まで", "plain")
    near = remaining(NOW + timedelta(hours=2, minutes=45), NOW, "en")
    assert (near.words, near.limit, near.tone) == ("2 h 45 min left", ", until Fri 20 Nov, 20:05", "warn")
    late = remaining(NOW - timedelta(hours=3, minutes=14), NOW, "ja")
    assert (late.words, late.limit, late.tone) == ("3時間14分 過ぎています", "・11月20日(金) 14:06 まででした", "crit")
    assert remaining(NOW - timedelta(minutes=1), NOW, "en").limit == ". It was due Fri 20 Nov, 17:19"
    assert remaining(NOW, NOW, "ja").tone == "warn"  # until the limit itself there is time
    assert remaining(NOW + timedelta(hours=24), NOW, "ja").tone == "plain"


def test_what_is_done_says_how_far_before_or_after_its_limit() -> None:
    limit = NOW + timedelta(hours=6, minutes=18)
    assert finished(NOW, limit, NOW, "ja") == "11月20日(金) 17:20 に完了・期限の 6時間18分前"
    assert finished(limit + timedelta(minutes=130), limit, NOW, "ja") == "11月21日(土) 01:48 に完了・2時間10分遅れ"
    assert finished(NOW, limit, NOW, "en") == "Done Fri 20 Nov, 17:20, 6 h 18 min before the limit"
    assert finished(limit, NOW, NOW, "en") == "Done Fri 20 Nov, 23:38, 6 h 18 min late"
    assert finished(limit, limit, NOW, "en").endswith("before the limit")
    assert finished(NOW, None, NOW, "ja") == "11月20日(金) 17:20 に完了"
