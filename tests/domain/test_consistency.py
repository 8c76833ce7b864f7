"""Papers held against each other: which differences count, who has to correct them, and what an explanation covers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.consistency import (
    QUESTIONS,
    RECORDS,
    Claim,
    Consistency,
    PaperClaims,
    claims_of,
    compare,
    day_of_discovery_in,
    disagreement,
)
from incident_app.domain.report_facts import Codes
from incident_app.domain.words import Words

AT = datetime(2026, 11, 20, tzinfo=UTC)
NAMES = {"medium": {"paper": Words(ja="紙", en="paper")}}


def says(paper: str, *, filed: bool = False, numbers: tuple[int, ...] = (), **answers: str) -> PaperClaims:
    claims = {question: Claim(value=text, shown=Words(ja=text, en=text)) for question, text in answers.items()}
    title = Words(ja=f"書類 {paper}", en=f"paper {paper}")
    return PaperClaims(
        paper=paper, title=title, claims=claims, numbers=frozenset(numbers), filed_at=AT if filed else None
    )


def held(records: PaperClaims, *papers: PaperClaims, known: tuple[int, ...] = ()) -> Consistency:
    return compare(records, papers, known_numbers=set(known))


def test_a_paper_that_is_not_filed_has_to_agree_with_the_records() -> None:
    found = held(says(RECORDS, people="412380"), says("a", people="409362"), says("b", people="412380"))
    (mismatch,) = found.mismatches
    assert mismatch.blamed == {"a"}
    assert [(one.paper, one.value) for one in mismatch.statements] == [(RECORDS, "412380"), ("a", "409362")]
    assert mismatch.words.ja == f"本人の数：書類 {RECORDS}は 412380、書類 aは 409362。"
    assert found.of("a") == (mismatch,)
    assert found.of("b") == ()


def test_what_was_filed_before_more_was_known_is_overtaken_and_blames_nobody() -> None:
    found = held(says(RECORDS, people="41208"), says("a", people="3012", filed=True))
    assert found.mismatches == ()
    assert [one.statements[1].value for one in found.overtaken] == ["3012"]


def test_papers_are_held_against_each_other_where_no_record_answers() -> None:
    two = held(says(RECORDS), says("a", found_by="ourselves"), says("b", found_by="processor"))
    assert two.mismatches[0].blamed == {"a", "b"}
    filed = held(says(RECORDS), says("a", found_by="ourselves", filed=True), says("b", found_by="processor"))
    assert filed.mismatches[0].blamed == {"b"}
    both = held(says(RECORDS), says("a", found_by="ourselves", filed=True), says("b", found_by="processor", filed=True))
    assert both.mismatches == ()
    alone = held(says(RECORDS), says("a", found_by="ourselves"), says("b"))
    assert alone.mismatches == ()


def test_a_number_of_people_in_a_text_is_one_of_those_on_record() -> None:
    found = held(says(RECORDS, people="5"), says("a", numbers=(5, 2, 99)), known=(5, 2))
    assert [(one.question, one.statements[1].value) for one in found.mismatches] == [("number_in_text", "99")]
    assert held(says(RECORDS), says("a", numbers=(99,))).mismatches == ()  # nothing is on record yet
    assert held(says(RECORDS, people="5"), says("a", numbers=(99,), filed=True)).mismatches == ()


def test_an_explanation_holds_for_exactly_what_was_said() -> None:
    def digest(record: str, paper: str) -> str:
        return held(says(RECORDS, people=record), says("a", people=paper)).mismatches[0].digest

    assert digest("5", "6") == digest("5", "6")
    assert len({digest("5", "6"), digest("5", "7"), digest("6", "5")}) == 3
    other = held(says(RECORDS, people="5"), replace(says("b", people="6"))).mismatches[0].digest
    assert other != digest("5", "6")


answers = st.dictionaries(st.sampled_from(["people", "found_by", "medium"]), st.sampled_from("xyz"), max_size=3)


@given(answers, st.lists(answers, max_size=4))
def test_papers_that_say_what_the_records_say_never_disagree_and_others_always_do(
    recorded: dict[str, str], said: list[dict[str, str]]
) -> None:
    papers = [says(str(number), **paper) for number, paper in enumerate(said)]
    found = held(says(RECORDS, **recorded), *papers)
    for paper in papers:
        wrong = {q for q, claim in paper.claims.items() if q in recorded and claim.value != recorded[q]}
        others = {
            q
            for q, claim in paper.claims.items()
            if q not in recorded and any(q in other.claims and other.claims[q].value != claim.value for other in papers)
        }
        assert {one.question for one in found.of(paper.paper)} == wrong | others


def test_every_output_of_a_fact_is_the_same_claim() -> None:
    people = claims_of({"people": Words(ja="3,012人（最大、判定）", en="3,012 (maximum; 5 of them)")}, {})
    public = claims_of({"people_in_words": Words(ja="最大 3,012人", en="3,012 (maximum)")}, {})
    typed = claims_of({"people": Words(ja="3,012人", en="3,012 people")}, {})
    assert people == public == typed
    assert people["people"].shown.ja == "3,012人"
    moment = claims_of({"discovered_on": Words(ja="2026年11月24日 17:20（日本時間）", en="2026-11-24 17:20 JST")}, {})
    day = claims_of({"discovered_on": Words(ja="2026年11月24日", en="2026-11-24")}, {})
    assert moment == day
    chosen = claims_of({"medium": Codes(codes=("paper", "x")), "cause": Words(ja="原因", en="cause")}, NAMES)
    assert chosen["medium"].shown == Words(ja="紙、x", en="paper, x")
    assert set(chosen) == {"medium"}
    assert claims_of({"medium": Codes(codes=()), "items": Words(ja=" ", en="")}, {}) == {}


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026年11月24日 17:20 海外からの大量のログインを検知し、", "2026-11-24"),
        ("２０２６年１１月２４日に発覚しました", "2026-11-24"),
        ("24 Nov 2026 17:20 JST: many sign-ins were noticed", "2026-11-24"),
        ("11月24日に検知しました", None),
        ("2026年11月24日に公表します。検知は別の日です。", None),
        ("2026年13月45日に検知", None),
    ],
)
def test_the_day_of_discovery_is_found_in_texts(text: str, day: str | None) -> None:
    claim = day_of_discovery_in(["", text])
    assert (claim.value if claim else None) == day


def test_a_refusal_names_every_contradiction_in_the_readers_language() -> None:
    found = held(says(RECORDS, people="5", medium="paper"), says("a", people="6", medium="other"))
    refused = disagreement(found.mismatches)
    for language, words in (
        ("ja", ("本人の数", "媒体", "理由を記録")),
        ("en", ("Number of people", "Medium", "say why")),
    ):
        assert all(word in refused.message(language) for word in words)
    assert set(QUESTIONS) > {"people"}


def test_a_number_too_long_to_be_one_contradicts_and_stops_nothing() -> None:
    said = claims_of({"people_in_words": Words(ja="9" * 5_000, en="9" * 5_000)}, {})
    papers = PaperClaims(paper="a", title=Words(ja="a", en="a"), claims=said)
    (mismatch,) = held(says(RECORDS, people="5"), papers).mismatches
    assert mismatch.blamed == {"a"}
