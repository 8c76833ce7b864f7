"""The house keeps its shape: who may import whom, sizes, one committing place, nothing of the workshop left inside."""

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
        if path.name != "__init__.py" and "tests" not in path.parts:
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
    for path in SOURCES:
        if path.relative_to(ROOT).parts[0] == "incident_app" and path.name != "transaction.py":
            text = path.read_text(encoding="utf-8")
            assert ".commit(" not in text, path
            assert ".rollback(" not in text, path
            assert "session.begin(" not in text, path


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


def test_nothing_of_the_workshop_is_left_in_tracked_files() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = listed.stdout.split() or [str(path.relative_to(ROOT)) for path in SOURCES]
    machine = re.compile("/" + "(work|farm|root)" + "/|index" + '-url|"resol' + 'ved":')
    left_over = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
    for name in names:
        path = ROOT / name
        if path.suffix in {".py", ".toml", ".md", ".html", ".txt", ".yaml", ""} and path.is_file():
            text = path.read_text(encoding="utf-8")
            assert machine.search(text) is None, name
            if path.suffix == ".py" and name != "incident_app/domain/notice_lint.py" and "tests" not in path.parts:
                assert left_over.search(text) is None, name
