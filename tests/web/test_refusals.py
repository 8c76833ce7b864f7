"""Refusals in the words of the pages: every sentence of the rules is known, and nothing English is left on a page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from incident_app.domain.customers import RowsRefused
from incident_app.domain.delivery import (
    CampaignEvent,
    CampaignStatus,
    DeliveryEvent,
    DeliveryState,
)
from incident_app.domain.errors import BadInput, IllegalMove, IncidentAppError, NotFound, NothingYet, find_refusal
from incident_app.domain.incidents import ReasonNeeded
from incident_app.domain.letters import BatchEvent, BatchStatus
from incident_app.domain.notices import MissingFacts
from incident_app.domain.reports import GapsNotStated
from incident_app.domain.scopes import ContradictoryEntries, ItemsLeftOut, NarrowingNeedsReason
from incident_app.domain.vocabulary import DutyStatus, Phase, StepStatus
from incident_app.services.approved_content import LanguageMissing
from incident_app.services.dispatch import WrongCount
from incident_app.services.people import NumbersUnknown
from incident_app.services.playbooks import PlaybookKind
from incident_app.services.steps import StepBlocked
from incident_app.web.refusals import FROM_RULES, LABELS, STATES, field_name, fields_of, is_known, problem, said, worded
from incident_app.web.words import catalogue
from tests.builders import NOW, ROOT

ENGLISH = re.compile(r"[A-Za-z]{2,}[ ,;:]+[A-Za-z]{2,}")
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
VALUE = "7"


def calls(*names: str) -> Iterator[tuple[ast.Call, dict[str, ast.expr]]]:
    """Return the calls of these classes in the rules, the services and the pages, each with its named arguments."""
    for package in ("domain", "rendering", "services", "web"):
        for path in sorted((ROOT / "incident_app" / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in names:
                    yield node, {word.arg: word.value for word in node.keywords if word.arg}


def sentence(node: ast.expr) -> str:
    """Return what a literal or an f-string says, with a value in the place of each expression."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.JoinedStr), f"a sentence that nobody can look up: {ast.unparse(node)}"
    return "".join(str(part.value) if isinstance(part, ast.Constant) else VALUE for part in node.values)


def literal(node: ast.expr) -> str | None:
    return str(node.value) if isinstance(node, ast.Constant) else None


PROBLEMS = sorted({sentence(named["problem"]) for _, named in calls("BadInput")})


def parts_of(node: ast.expr | None) -> list[ast.expr | None]:
    """Return what an expression may say: each part of a tuple, each side of a choice."""
    if isinstance(node, ast.Tuple):
        return [part for one in node.elts for part in parts_of(one)]
    return [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]


def said_by(node: ast.AST) -> list[ast.expr | None]:
    if isinstance(node, ast.Return):
        return parts_of(node.value)
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).isupper():
        return [node.value]
    if isinstance(node, ast.Call) and re.search(r"RowFault$|remarks(\[.+\])?\.append$", ast.unparse(node.func)):
        return [node.args[0]]
    return []


def of_imports() -> Iterator[str]:
    """Return what the import says of rows: what it raises, returns, names as constants, or remarks."""
    places = ("domain/import_rows", "services/checking", "services/loading", "services/sources", "services/row_batches")
    for name in (f"{place}.py" for place in places):
        for node in ast.walk(ast.parse((ROOT / "incident_app" / name).read_text(encoding="utf-8"))):
            for one in said_by(node):
                if isinstance(one, ast.Constant | ast.JoinedStr) and re.search(r"\w \w", text := sentence(one)):
                    yield text


OF_COLUMNS = {
    sentence(call.args[0])
    for call in ast.walk(ast.parse((ROOT / "incident_app/domain/column_profiles.py").read_text(encoding="utf-8")))
    if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "ValueError"
}
ROWS = sorted(
    {text for text in of_imports() if text != f"{VALUE} {VALUE}"}
    | {sentence(named["reason"]) for _, named in calls("Refusal") if isinstance(named.get("reason"), ast.JoinedStr)}
    | {f"{VALUE} {text}" for text in OF_COLUMNS}
    | {f"duplicate of line {VALUE}"}
)


def test_the_sentences_of_the_rules_were_found() -> None:
    assert len(PROBLEMS) > 45
    assert "say what happened" in PROBLEMS
    assert f"{VALUE} lies in the future" in PROBLEMS
    assert f"duplicate of line {VALUE}" in ROWS


@pytest.mark.parametrize("text", [*PROBLEMS, *ROWS])
def test_the_catalogue_knows_every_sentence_of_the_rules_in_both_languages(text: str) -> None:
    if text == f"email: {VALUE}":
        text = "email: not a mail address: too long"
    assert is_known(text)
    japanese = worded(text, "ja", NOW)
    assert JAPANESE.search(japanese)
    assert not ENGLISH.search(japanese)
    english = problem(text, "en", NOW)
    assert english[0] == text[0].upper()
    assert english.endswith(".")
    if text in PROBLEMS:
        assert japanese.endswith("。")


def test_no_sentence_of_the_catalogue_outlived_its_rule() -> None:
    said_by_rules = [*PROBLEMS, *ROWS, "email: not a mail address: too long"]
    for key, words in catalogue().items():
        if key.startswith(FROM_RULES):
            pattern = re.sub(r"\\{\w+\\}", ".+", re.escape(words["en"]))
            assert any(re.fullmatch(pattern, text) for text in said_by_rules), key
            assert set(re.findall(r"{\w+}", words["ja"])) <= set(re.findall(r"{\w+}", words["en"])), key


def test_what_no_rule_says_is_not_known() -> None:
    assert not is_known("something new")
    assert worded("something new", "ja", NOW) == "something new"


def test_every_field_thing_state_and_move_that_a_refusal_can_name_has_a_name() -> None:
    words = set(catalogue())
    fields = {literal(named["field"]) for _, named in calls("BadInput", "check_length")} - {None}
    fields |= {"touched_from", "aware_at", "detected_at", "occurred_from", "occurred_at"}
    for field in fields:
        assert field in LABELS or f"field.{field}" in words, field
    assert set(LABELS.values()) <= words
    things = {literal(named["what"]) for _, named in calls("NotFound", "NothingYet")} - {None}
    things |= {str(call.args[1].value) for call, _ in calls("_get") if len(call.args) == 3 and literal(call.args[1])}
    things |= {literal(named["thing"]) or "" for _, named in calls("IllegalMove")} | set(PlaybookKind)
    things = {re.sub(r"[ -]", "_", thing) for thing in things}
    assert {f"thing.{thing}" for thing in things} == {key for key in words if key.startswith("thing.")}
    moves = {literal(named["event"]) for _, named in calls("IllegalMove")} - {None}
    moves |= {*CampaignEvent, *DeliveryEvent, *BatchEvent}
    assert {f"event.{move}" for move in moves} == {key for key in words if key.startswith("event.")}
    assert {literal(named["thing"]) for _, named in calls("IllegalMove")} == set(STATES)
    states = {
        "incident": Phase,
        "step": StepStatus,
        "campaign": CampaignStatus,
        "obligation": DutyStatus,
        "delivery": DeliveryState,
        "batch": BatchStatus,
    }
    for thing, group in STATES.items():
        for state in states.get(thing, ["filed"]):
            assert f"{group}.{state}" in words
    used = {f"field.{field}" for field in fields}
    assert {key for key in words if key.startswith("field.")} <= used


MOVES = [
    *(IllegalMove(thing="campaign", state=state, event=CampaignEvent.PAUSED) for state in CampaignStatus),
    *(IllegalMove(thing="delivery", state=state, event=DeliveryEvent.RESOLVED_NOT_SENT) for state in DeliveryState),
    *(IllegalMove(thing="batch", state=state, event=BatchEvent.TAKEN_BACK) for state in BatchStatus),
    IllegalMove(thing="step", state=StepStatus.DONE, event="skip"),
    IllegalMove(thing="obligation", state=DutyStatus.WAIVED, event="ask_waiver"),
    IllegalMove(thing="incident", state=Phase.CLOSED, event="close"),
    IllegalMove(thing="report", state="filed", event="file"),
]


@pytest.mark.parametrize("error", MOVES, ids=str)
def test_a_move_that_is_not_allowed_is_said_without_codes(error: IncidentAppError) -> None:
    japanese, english = said(error, "ja", NOW), said(error, "en", NOW)
    assert not re.search(r"[A-Za-z]", japanese)
    assert "_" not in english
    assert not JAPANESE.search(english)


def test_times_in_a_refusal_are_in_japan_time_and_in_words() -> None:
    error = ReasonNeeded(aware=NOW.isoformat(), detected=(NOW - timedelta(days=400)).isoformat())
    assert said(error, "ja", NOW).startswith("認識（11月20日(金) 17:20）は検知（2025年10月16日(木) 17:20）より後の")
    assert "Fri 20 Nov, 17:20 is later" in said(error, "en", NOW)
    future = BadInput(field="detected_at", problem=f"{(NOW + timedelta(hours=1)).isoformat()} lies in the future")
    assert said(future, "ja", NOW) == "検知した時刻：11月20日(金) 18:20 は未来の時刻です。"
    assert said(future, "en", NOW) == "Detected at: Fri 20 Nov, 18:20 lies in the future."


def test_things_are_called_as_the_page_calls_them() -> None:
    names = {"cause": "原因", "member-db": "会員データベース", "desk": "窓口"}
    assert said(MissingFacts(facts="cause, desk"), "ja", NOW, names) == "通知文に必要な事実が足りません：原因、窓口。"
    assert "「会員データベース」" in said(NotFound(what="store", name="member-db"), "ja", NOW, names)
    untouched = ItemsLeftOut(field="member-db")
    assert said(untouched, "ja", NOW, names).startswith("会員データベース：この保管先の")
    narrowed = NarrowingNeedsReason(field="reason", what="member-db")
    assert "（会員データベース）" in said(narrowed, "ja", NOW, names)
    several = ContradictoryEntries(field="member-db", other="confirmed", items="cause, desk")
    assert "原因、窓口" in said(several, "ja", NOW, names)
    assert "「確定」" in said(several, "ja", NOW, names)
    assert "原因" in said(StepBlocked(waiting_for="cause"), "ja", NOW, names)
    assert said(NothingYet(what="determination of impact"), "ja", NOW) == "この事案には影響の判定がまだありません。"
    assert "日本語、英語 で" in said(LanguageMissing(languages="ja, en"), "ja", NOW)
    row = RowsRefused(refused=1, read=2, line=3, reason="name is empty")
    assert said(row, "ja", NOW).endswith("3行目：name 列が空です。")
    assert said(row, "en", NOW).endswith("First: line 3: Name is empty.")
    assert not said(row, "en", NOW).endswith("..")
    assert field_name("ja.cause", "ja", names) == "原因（日本語）"
    assert field_name("gap.cause", "ja", names) == "原因"


def test_a_refusal_points_to_the_fields_that_the_form_has() -> None:
    reason = BadInput(field="reason", problem="say why this step is left out")
    assert fields_of(reason, {"result": ""}) == ("result",)
    assert fields_of(reason, {"reason": "", "other": ""}) == ("reason",)
    assert fields_of(WrongCount(), {"count": "3"}) == ("count",)
    assert fields_of(NumbersUnknown(unknown=1), {"numbers": "X"}) == ("numbers",)
    assert fields_of(BadInput(field="answer", problem="choose yes or no"), {}) == ("answer",)  # nothing is sent for it
    missing = MissingFacts(facts="cause, desk")
    assert fields_of(missing, {"ja.cause": " ", "en.cause": "known", "ja.desk": "", "title": ""}) == (
        "ja.cause",
        "ja.desk",
    )
    assert fields_of(GapsNotStated(fields="media"), {"value.media": "", "gap.media": ""}) == ("gap.media",)
    mark = BadInput(field="cause", problem=PROBLEMS[0])
    assert fields_of(mark, {"ja.cause": "[[x]]", "en.cause": "x"}) == ("ja.cause",)
    assert fields_of(NotFound(what="customer", name="X1"), {"number": " X1 ", "other": ""}) == ("number",)
    assert fields_of(NotFound(what="wave", name=""), {"number": ""}) == ()


def test_a_refusal_that_a_worker_kept_is_said_like_any_other() -> None:
    kept = find_refusal("NothingYet", {"what": "scope"})
    assert kept is not None
    assert said(kept, "ja", NOW) == "この事案には範囲がまだありません。"
    assert find_refusal("Exception", {}) is None
    assert find_refusal("FaultyFile", {"file": "x", "count": 1, "faults": ""}) is None  # made from more than its facts


def test_saying_a_refusal_leaves_it_as_it_is() -> None:
    error = BadInput(field="title", problem="say in a few words what happened")
    said(error, "ja", NOW)
    assert error.facts == {"field": "title", "problem": "say in a few words what happened"}


def test_the_catalogue_of_refusals_is_written_in_the_language_it_claims() -> None:
    groups = ("thing.", "field.", "event.", "delivery.", "filing.", "time.")
    for key, words in catalogue().items():
        if key.startswith(groups):
            assert JAPANESE.search(words["ja"]) or key == "time.left", key
            assert not JAPANESE.search(words["en"].replace("・", "")), key
