"""The house keeps its shape: who may import whom, sizes, one committing place, nothing of the workshop left inside."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import ROOT

PACKAGES = ("incident_app", "notifications")
SOURCES = sorted(
    path
    for package in (*PACKAGES, "tests", "benchmarks")
    for path in (ROOT / package).rglob("*.py")
    if "versions" not in path.parts and "_shipped" not in path.parts
)


def contracts(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(program), "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(folder)},
    )


def a_copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_import_contracts_hold() -> None:
    found = contracts(ROOT)
    assert found.returncode == 0, found.stdout


def test_a_copy_that_nobody_changed_holds(tmp_path: Path) -> None:
    found = contracts(a_copy(tmp_path))
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("incident_app/domain/impact.py", "import sqlalchemy", "The rules are pure"),
        ("incident_app/domain/scopes.py", "from incident_app.services import scopes", "Layers"),
        ("notifications/retry.py", "import incident_app.domain.errors", "The mailer knows mail"),
        ("incident_app/services/scopes.py", "import flask", "Services know no web"),
        ("incident_app/persistence/bulk.py", "from incident_app.services import scopes", "Layers"),
    ],
)
def test_a_deliberate_violation_is_caught(tmp_path: Path, file: str, line: str, contract: str) -> None:
    folder = a_copy(tmp_path)
    path = folder / file
    path.write_text(path.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    found = contracts(folder)
    assert found.returncode != 0
    assert re.search(rf"{contract}.* BROKEN", found.stdout), found.stdout


def test_no_file_is_over_400_lines_and_every_module_says_its_subject() -> None:
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 400, path
        if "tests" not in path.parts:
            assert ast.get_docstring(ast.parse(text)), path


def test_no_function_of_the_product_is_over_40_lines() -> None:
    long = []
    for path in SOURCES:
        if path.relative_to(ROOT).parts[0] not in PACKAGES:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > 40:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} {length}")
    assert long == []


def test_one_place_commits() -> None:
    committing = re.compile(
        r"\.(commit|rollback|begin|begin_nested)\(|AUTOCOMMIT|(text|exec_driver_sql)\(.(COMMIT|ROLLBACK)", re.IGNORECASE
    )
    allowed = {
        "services/transaction.py": 3,  # one act, and the two side doors
        "persistence/schema.py": 1,  # migrations, before there is a chain
    }
    found: dict[str, int] = {}
    for path in sorted((ROOT / "incident_app").rglob("*.py")):
        name = path.relative_to(ROOT / "incident_app").as_posix()
        count = len(committing.findall(path.read_text(encoding="utf-8")))
        if count and not name.startswith(("migrations/", "_shipped/")):
            found[name] = count
    assert found == allowed


def test_importing_the_rules_loads_neither_web_nor_database() -> None:
    program = (
        "import sys, pkgutil, importlib, incident_app.domain as d\n"
        "for m in pkgutil.walk_packages(d.__path__, 'incident_app.domain.'): importlib.import_module(m.name)\n"
        "print([name for name in ('flask', 'sqlalchemy', 'jinja2', 'aiosmtplib') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_clock_and_the_environment_are_read_only_at_the_entrances() -> None:
    allowed = {"cli", "app.py", "settings.py", "web"}
    for path in (ROOT / "incident_app").rglob("*.py"):
        if allowed & set(path.relative_to(ROOT / "incident_app").parts):
            continue
        text = path.read_text(encoding="utf-8")
        assert "datetime.now(" not in text, path
        assert "os.environ" not in text, path


def tracked_files() -> list[Path]:
    """Return what a release would hold; without a repository, the sources."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = [name for name in listed.stdout.split("\0") if name]
    return [ROOT / name for name in names if (ROOT / name).is_file()] or SOURCES


def test_nothing_of_the_workshop_is_left_in_tracked_files() -> None:
    machine = re.compile(
        "/" + r"(work|farm|root|opt/wheels)/|/home/\w+/|index" + r"-url|find" + r'-links|"resol' + r'ved":|'
        "python" + r"hosted\.org|py" + r"pi\.org/simple|registry\.npm"
    )
    left_over = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
    readable = {".py", ".toml", ".md", ".html", ".txt", ".yaml", ".css", ".svg", ".mako", ""}
    for path in (path for path in tracked_files() if path.suffix in readable):
        text = path.read_text(encoding="utf-8")
        assert machine.search(text) is None, path
        if path.suffix == ".py" and path.name != "notice_lint.py" and "tests" not in path.parts:
            assert left_over.search(text) is None, path


def test_every_address_in_tracked_files_is_on_a_reserved_domain() -> None:
    address = re.compile(r"[A-Za-z0-9._%+-]+@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,})\b")
    reserved = re.compile(r"(^|\.)(example|test|invalid|localhost)$|(^|\.)example\.(com|net|org|jp|co\.jp)$")
    for path in (path for path in tracked_files() if path.suffix in {".py", ".toml", ".md", ".html", ".txt"}):
        domains = {domain.lower() for domain in address.findall(path.read_text(encoding="utf-8"))}
        assert [domain for domain in domains if not reserved.search(domain)] == [], path
