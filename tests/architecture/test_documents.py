"""The documentation is under test: settings, commands, permissions and events stand in it as the program has them."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

from incident_app.cli.main import main
from incident_app.domain.access import PERMISSIONS, Permission
from incident_app.domain.events import KINDS
from incident_app.settings import PREFIX, Settings
from tests.builders import ROOT

REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
NO_PREFIX = {"database_url"}


def section(heading: str) -> str:
    found = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]


def rows(heading: str) -> dict[str, list[str]]:
    """Return the table of a section: the first cell without its marks -> the other cells."""
    lines = [line.strip().strip("|").split("|") for line in section(heading).splitlines() if line.startswith("| `")]
    return {cells[0].strip().strip("`"): [cell.strip() for cell in cells[1:]] for cells in lines}


def commands() -> set[str]:
    found = set()
    for name, noun in main.commands.items():
        verbs = getattr(noun, "commands", None)
        found |= {f"{name} {verb}" for verb in verbs} if verbs else {name}
    return found


def test_every_setting_is_documented_and_no_other() -> None:
    names = {
        field.name.upper() if field.name in NO_PREFIX else PREFIX + field.name.upper() for field in fields(Settings)
    }
    assert set(rows("Settings")) == names | {f"{PREFIX}SMTP_PASSWORD_FILE"}


def test_the_documented_default_of_every_setting_is_the_real_one(tmp_path: Path) -> None:
    settings = Settings.from_environment({f"{PREFIX}HOME": str(tmp_path)})
    documented = rows("Settings")
    for field in fields(Settings):
        value = getattr(settings, field.name)
        if field.name in {"home", "database_url", "smtp_ca_file"}:
            continue  # said in words
        word = {"None": "none", "()": "none", "False": "no", "True": "yes"}.get(str(value), str(value))
        assert documented[PREFIX + field.name.upper()][-1] == word, field.name


def test_every_command_is_documented_and_no_other() -> None:
    assert set(rows("Commands")) == commands()


def test_every_permission_is_documented_with_the_roles_that_have_it() -> None:
    header = next(line for line in section("Roles and permissions").splitlines() if line.startswith("| Permission"))
    roles = [cell.strip() for cell in header.strip("|").split("|")][1:]
    assert roles == [role.value for role in PERMISSIONS]
    documented = rows("Roles and permissions")
    assert set(documented) == set(Permission)
    for name, cells in documented.items():
        held = {role for role, cell in zip(roles, cells, strict=True) if cell == "yes"}
        assert held == {role.value for role, permissions in PERMISSIONS.items() if name in permissions}, name


def test_every_event_is_documented_with_its_facts_and_how_it_reads() -> None:
    documented = rows("Events")
    assert set(documented) == set(KINDS)
    for kind, (facts, reads) in documented.items():
        assert facts == ", ".join(field.name for field in fields(KINDS[kind])), kind
        assert reads == KINDS[kind].en, kind


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "README.ja.md",
        "docs/files.md",
        "docs/bounces.md",
        "docs/letters.md",
        "docs/proof.md",
        "docs/sending.md",
        "playbooks/README.md",
    ],
)
def test_every_command_that_a_document_shows_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    known = commands()
    for line in re.findall(r"incident-app ([a-z].*)", text):
        words = line.replace("`", " ").split()
        assert words[0] in known or " ".join(words[:2]) in known, f"{document}: {line}"


def outline(document: str) -> tuple[list[int], list[list[str]], list[int], int]:
    """Return what both languages must share: levels of headings, command lines, files by row, steps of the flow."""
    text = (ROOT / document).read_text(encoding="utf-8")
    headings = [len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)]
    blocks = [
        [re.sub(r" +#.*", "", line) for line in block.splitlines() if not re.search("─▶|chained|鎖", line)]
        for block in re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ]
    rows = [len(re.findall(r"`[^`]+`", row)) for row in re.findall(r"^\| .*", text, re.MULTILINE)]
    return headings, blocks, rows, len(re.findall(r"^\d+\. ", text, re.MULTILINE))


def test_the_two_readmes_say_the_same() -> None:
    english, japanese = outline("README.md"), outline("README.ja.md")
    assert english == japanese
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ja.md")]
    named = [sorted({*re.findall(r"`([^`\n]+)`", text)} - {"main"}) for text in texts]
    assert named[0] == named[1]
    bullets = [len(re.findall(r"^- ", text, re.MULTILINE)) for text in texts]
    assert bullets[0] == bullets[1] > 0


@pytest.mark.parametrize("document", sorted(path.name for path in ROOT.glob("*.md")))
def test_every_file_that_a_document_links_to_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / target).exists(), f"{document}: {target}"


def test_every_target_of_make_says_what_it_does() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    described = set(re.findall(r"^([a-z]+):.*## \S", text, re.MULTILINE))
    assert described == set(phony[1].split())
    assert {"demo", "test", "lint", "bench", "serve", "clean", "help", "setup"} <= described


def test_decisions_are_numbered_and_say_context_choice_and_consequences() -> None:
    files = sorted((ROOT / "incident_app" / "decisions").glob("*.md"))
    assert [path.name[:4] for path in files] == [f"{number:04}" for number in range(1, len(files) + 1)]
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.name[:4]} "), path.name
        for part in ("**Context.**", "**Choice.**", "**Consequences.**"):
            assert part in text, path.name


def test_every_command_explains_itself() -> None:
    for noun in main.commands.values():
        for verb in getattr(noun, "commands", {"": noun}).values():
            assert inspect.cleandoc(verb.help or ""), verb.name
