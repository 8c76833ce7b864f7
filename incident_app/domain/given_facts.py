"""Facts as somebody types them: name=value, checked against what each fact can be and against each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from incident_app.domain.errors import IncidentAppError
from incident_app.domain.known_facts import FACTS, NUMBERS, WORDS
from incident_app.domain.vocabulary import ItemFlag

YES, NO, OPEN = frozenset({"true", "yes"}), frozenset({"false", "no"}), frozenset({"unknown", "undecided"})
HIGHEST = 2**31 - 1
LONGEST_NOTICE = 8784
"""A leap year in hours: no contract gives more, and a number beyond it is a slip of the hand."""
_COUNTRY = re.compile(r"[A-Z]{2}")


class FactNotUnderstood(IncidentAppError):
    """The fact "{given}" cannot be used: {problem}."""

    ja = "事実「{given}」は使えません：{problem}。"

    def message(self, language: str, **words: object) -> str:
        """Say what is wrong in the reader's language."""
        problem = self.facts.get("problem_ja" if language == "ja" else "problem", "")
        return super().message(language, **{**words, "problem": problem})


class FactsContradict(IncidentAppError):
    """These facts contradict each other: {first} and {second}. Correct one of them."""

    ja = "{first} と {second} は食い違っています。どちらかを直してください。"


def read_facts(words: Iterable[str]) -> dict[str, object]:
    """Read facts written name=value; one that is said to be unknown is kept as None."""
    found: dict[str, object] = {}
    written: dict[str, str] = {}
    for word in words:
        name, equals, text = (part.strip() for part in word.partition("="))
        if not equals:
            raise _bad(word, "write it as name=value", "名前=値 の形で書いてください")
        if name not in FACTS:
            raise _bad(word, f"there is no fact {name}; known: {', '.join(FACTS)}", f"{name} という事実はありません")
        if name in written and written[name] != text:
            raise FactsContradict(first=f"{name}={written[name]}", second=word)
        found[name], written[name] = _value(name, text, word), text
    _check_together(found)
    return found


def _value(name: str, text: str, word: str) -> object:
    if text.lower() in OPEN and name != "our_roles":
        return None
    if name in NUMBERS:
        highest = LONGEST_NOTICE if name == "contract_hours" else HIGHEST
        if not text.isascii() or not text.isdecimal() or int(text[:12]) > highest:
            ja = f"0 から {highest} までの整数で書いてください"
            raise _bad(word, f"{name} is a whole number from 0 to {highest}", ja)
        return int(text)
    if name in WORDS:
        return _words(name, text, word)
    if text.lower() not in YES | NO:
        raise _bad(word, "write true, false or unknown", "true・false・unknown のどれかを書いてください")
    return text.lower() in YES


def _words(name: str, text: str, word: str) -> frozenset[str]:
    found = frozenset(part.strip() for part in text.split(",") if part.strip())
    allowed = WORDS[name]
    if allowed is not None and not found <= allowed:
        raise _bad(
            word, f"known words are {', '.join(sorted(allowed))}", f"使える語は {'、'.join(sorted(allowed))} です"
        )
    if name == "jurisdictions" and not all(_COUNTRY.fullmatch(part) for part in found):
        raise _bad(word, "countries are written in two capital letters, like JP", "国は JP のような大文字2字で書きます")
    return found


def _bad(word: str, problem: str, problem_ja: str) -> FactNotUnderstood:
    return FactNotUnderstood(given=word, problem=problem, problem_ja=problem_ja)


def _check_together(facts: Mapping[str, object]) -> None:
    """Refuse facts that cannot all be true: whoever typed them meant something else."""
    people = facts.get("people")
    if facts.get("anybody_affected") is False and isinstance(people, int) and people > 0:
        raise FactsContradict(first="anybody_affected=false", second=f"people={people}")
    if facts.get("anybody_affected") is True and people == 0:
        raise FactsContradict(first="anybody_affected=true", second="people=0")
    for part in ("my_number_people", "california_people"):
        some = facts.get(part)
        if isinstance(people, int) and isinstance(some, int) and some > people:
            raise FactsContradict(first=f"{part}={some}", second=f"people={people}")
    flags = facts.get("flags")
    bare = flags if isinstance(flags, frozenset) else frozenset()
    if facts.get("encryption_exempt") is True and bare:
        raise FactsContradict(first="encryption_exempt=true", second=f"flags={','.join(sorted(bare))}")
    if facts.get("payable_combination") is False and bare & {ItemFlag.PAYABLE, ItemFlag.CARD_NUMBER}:
        raise FactsContradict(first="payable_combination=false", second=f"flags={','.join(sorted(bare))}")
    if facts.get("no_risk_to_people") is True and facts.get("high_risk_to_people") is True:
        raise FactsContradict(first="no_risk_to_people=true", second="high_risk_to_people=true")
