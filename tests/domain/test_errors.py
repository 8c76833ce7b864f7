"""Refusals: each says what was wrong in both languages, with the same facts."""

from __future__ import annotations

import importlib
import pkgutil
import re
import string

import pytest

import incident_app
from incident_app.domain.errors import BadInput, FaultyFile, IncidentAppError


def placeholders(pattern: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(pattern) if name}


def all_errors() -> list[type[IncidentAppError]]:
    """Import every module of the package and collect the whole tree of refusals."""
    for module in pkgutil.walk_packages(incident_app.__path__, "incident_app."):
        if ".migrations" not in module.name and "._shipped" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: list[type[IncidentAppError]] = [IncidentAppError]
    for cls in found:
        found += [child for child in cls.__subclasses__() if child not in found]
    return [cls for cls in found if cls.__module__.startswith("incident_app.")]


ERRORS = all_errors()


def test_the_tree_of_refusals_was_found() -> None:
    assert len(ERRORS) > 20


@pytest.mark.parametrize("cls", ERRORS, ids=lambda cls: cls.__name__)
def test_every_refusal_is_said_in_both_languages_with_the_same_facts(cls: type[IncidentAppError]) -> None:
    assert "__doc__" in vars(cls), "a message must not be inherited"
    assert vars(cls)["__doc__"]
    assert "ja" in vars(cls)
    assert placeholders(cls.ja) == placeholders(cls.__doc__ or "")


@pytest.mark.parametrize("cls", ERRORS, ids=lambda cls: cls.__name__)
def test_the_japanese_message_is_japanese_and_the_english_one_is_not(cls: type[IncidentAppError]) -> None:
    japanese = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
    words = re.sub(r"\{\w+\}", "", cls.ja)
    assert japanese.search(words) or not re.search(r"\w", words), cls
    assert not japanese.search(cls.__doc__ or "")


def test_a_message_is_one_line_with_its_facts_filled_in() -> None:
    refusal = BadInput(field="title", problem="say what happened")
    assert refusal.message("en") == str(refusal) == "title: say what happened"
    assert refusal.message("ja") == "title：say what happened"


def test_a_faulty_file_names_every_fault() -> None:
    refusal = FaultyFile(file="policy.toml", faults=["line 2", "line 9"])
    assert "policy.toml has 2 fault(s): line 2 | line 9" in refusal.message("en")
    assert refusal.fault_list == ["line 2", "line 9"]
