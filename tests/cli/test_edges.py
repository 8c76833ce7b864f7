"""The edges of the command line: whatever is given, a refusal says why in one document, and nothing is half-done."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from sqlalchemy.engine import Engine

from incident_app.cli.main import main
from incident_app.persistence.timeline import EventRow
from tests import builders

AUTHOR = ("--as", "author@example.jp", "--json")
AT = ("--detected-at", "2026-11-20T16:00+09:00")
OPEN = ("incident", "open", "--kind", "general")
Run = Callable[..., dict[str, str]]


@pytest.fixture
def refused(instance_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command that must be refused; return its JSON document."""
    monkeypatch.setenv("INCIDENT_APP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", instance_url)

    def command(*words: str, code: int = 1) -> dict[str, str]:
        result = CliRunner().invoke(main, list(words))
        assert result.exit_code == code, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        found: dict[str, str] = json.loads(result.stdout)
        assert set(found) == {"refused", "message"}
        assert found["message"].splitlines()[0] in result.stderr
        return found

    return command


def events(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(EventRow)) or 0


@pytest.mark.parametrize(
    "words",
    [
        ("report", "export", "{reference}", "9" * 20),
        ("dispatch", "start", "{reference}", "9" * 20, "--count", "1"),
        ("dispatch", "start", "{reference}", "1", "--count", "9" * 400),
        ("timeline", "add", "{reference}", "--at", AT[1], "--corrects", "9" * 20, "x"),
        ("impact", "show", "{reference}", "--version", "9" * 20),
    ],
)
def test_a_number_beyond_every_database_is_wrong_usage(refused: Run, instance: Engine, words: tuple[str, ...]) -> None:
    view = builders.an_incident(instance)
    given = [word.format(reference=view.reference) for word in words]
    assert "too large" in refused(*given, *AUTHOR, code=2)["message"]


@pytest.mark.parametrize("word", ["\udcff", "a\0b"])
def test_words_that_are_no_text_are_wrong_usage_wherever_they_stand(refused: Run, word: str) -> None:
    for words in (
        (*OPEN, "--title", word, *AT, *AUTHOR),
        ("incident", "show", word, *AUTHOR),
        ("incident", "list", "--json", "--as", word),
        ("incident", "open", "--kind", word, "--title", "x", *AT, *AUTHOR),
    ):
        assert "UTF-8" in refused(*words, code=2)["message"]


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00+09:00", "9999-12-31T23:59-09:00", "9999-12-30T00:00+00:00", "1899-12-31T00:00+00:00"]
)
def test_a_time_in_a_year_nobody_means_is_wrong_usage(refused: Run, moment: str) -> None:
    deadline = ("deadlines", "compute", "--regime", "jp-appi", "--report", "preliminary", "--json")
    assert "1900 to 2999" in refused(*OPEN, "--title", "x", "--detected-at", moment, *AUTHOR, code=2)["message"]
    assert "1900 to 2999" in refused(*deadline, "--aware-at", moment, code=2)["message"]


def test_wrong_usage_is_a_document_too_when_json_is_asked_for(refused: Run) -> None:
    assert "--kind" in refused("incident", "open", "--json", code=2)["message"]
    assert "No such command" in refused("nope", "--json", code=2)["message"]
    assert "No such option" in refused("incident", "list", "--nope", "--json", code=2)["message"]
    assert "No such option" in refused("--nope", "incident", "list", "--json", code=2)["message"]
    assert (
        "UTC offset" in refused(*OPEN, "--title", "x", "--detected-at", "2026-11-20T16:00", *AUTHOR, code=2)["message"]
    )
    plain = CliRunner().invoke(main, ["incident", "open"])
    assert (plain.exit_code, plain.stdout) == (2, "")


@pytest.mark.parametrize(
    "words",
    [
        (*OPEN, "--title", "x" * 301, *AT),
        (*OPEN, "--title", "x", "--known-by", "x" * 301, *AT),
        (*OPEN, "--title", "x", "--external-reference", "x" * 121, *AT),
        ("timeline", "anchor", "--where", "x" * 301),
        ("user", "add", "x@example.jp", "--name", "x" * 301, "--role", "admin", "--password", builders.PASSWORD),
        ("user", "add", "x" * 250 + "@example.jp", "--name", "x", "--role", "admin", "--password", builders.PASSWORD),
    ],
)
def test_a_text_that_is_too_long_is_refused_alike_on_both_databases(
    refused: Run, instance: Engine, words: tuple[str, ...]
) -> None:
    before = events(instance)
    found = refused(*words, *AUTHOR)
    assert found["refused"] == "BadInput"
    assert "characters" in found["message"]
    assert events(instance) == before


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff\xfe", "line 1: not text in UTF-8"),
        (b"# one\n# two \xe9\n", "line 2: not text in UTF-8"),
        ("code = 'x'".encode("utf-16"), "not text in UTF-8"),
        (b"a=" + b"[" * 5000 + b"]" * 5000, "nested too deeply"),
        (b"a=" + b"{a=" * 3000 + b"1" + b"}" * 3000, "nested too deeply"),
        (b"a = " + b"9" * 5000, "not readable as TOML"),
    ],
)
def test_a_file_that_is_no_toml_is_named_with_what_is_wrong(
    refused: Run, instance: Engine, tmp_path: Path, content: bytes, problem: str
) -> None:
    view = builders.an_incident(instance)
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    for words in (("policy", "check", str(file), "--json"), ("inventory", "import", str(file), *AUTHOR)):
        assert problem in refused(*words)["message"]
    found = refused("notice", "draft", view.reference, str(file), *AUTHOR)
    assert found["refused"] == "FaultyFile"
    assert "mine.toml" in found["message"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ja = 5\n", "ja: must be a table"),
        ("[xx]\na = '5'\n", "'xx' is not one of ja, en"),
        ("[ja]\nwhat_happened = 5\n", "ja.what_happened: must be text"),
        ("['../../x']\na = '5'\n", "is not one of ja, en"),
    ],
)
def test_facts_in_the_wrong_shape_are_named(
    refused: Run, instance: Engine, tmp_path: Path, text: str, problem: str
) -> None:
    view = builders.an_incident(instance)
    file = tmp_path / "facts.toml"
    file.write_text(text, encoding="utf-8")
    assert problem in refused("notice", "draft", view.reference, str(file), *AUTHOR)["message"]


@pytest.mark.parametrize("target", ["/nonexistent/x", "/dev/full"])
def test_an_export_that_cannot_be_written_is_not_recorded_as_made(refused: Run, instance: Engine, target: str) -> None:
    view = builders.an_incident(instance)
    before = events(instance)
    found = refused("timeline", "export", view.reference, "--purpose", "x", "--to", target, *AUTHOR)
    assert found["refused"] == "SystemRefused"
    assert target.rpartition("/")[0] in found["message"] or "space" in found["message"]
    assert events(instance) == before


def test_an_export_that_is_refused_leaves_the_old_file_as_it_was(
    refused: Run, instance: Engine, tmp_path: Path
) -> None:
    view = builders.an_incident(instance)
    target = tmp_path / "out" / "timeline.md"
    target.parent.mkdir()
    target.write_text("before", encoding="utf-8")
    refused("timeline", "export", view.reference, "--purpose", " ", "--to", str(target), *AUTHOR)
    assert target.read_text(encoding="utf-8") == "before"
    words = ["timeline", "export", view.reference, "--purpose", "x", "--to", str(target), *AUTHOR]
    assert CliRunner().invoke(main, words).exit_code == 0
    assert view.reference in target.read_text(encoding="utf-8")
    assert [path.name for path in target.parent.iterdir()] == ["timeline.md"]


def test_every_export_is_one_document_when_json_is_asked_for(refused: Run, instance: Engine) -> None:
    del refused  # for its environment
    view = builders.an_incident(instance)
    for noun in ("timeline", "commitment"):
        for form in ("markdown", "csv"):
            words = [noun, "export", view.reference, "--purpose", "x", "--format", form, *AUTHOR]
            assert set(json.loads(CliRunner().invoke(main, words).stdout)) == {"text"}
        words = [noun, "export", view.reference, "--purpose", "x", "--format", "json", *AUTHOR]
        assert json.loads(CliRunner().invoke(main, words).stdout)


@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_a_home_below_a_file_is_told(refused: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("INCIDENT_APP_HOME", str(tmp_path / "file" / "home"))
    assert "file" in refused("incident", "list", *AUTHOR)["message"]


@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", ["SMTP_PASSWORD_FILE", "SMTP_CA_FILE"])
def test_a_file_of_the_settings_that_holds_something_else_is_named(
    refused: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    monkeypatch.setenv(f"INCIDENT_APP_{name}", str(tmp_path / "binary"))
    found = refused("worker", "--until-idle", "--json", code=2)
    assert found["refused"] == "SettingsError"
    assert name in found["message"]


@pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
def test_a_port_that_is_taken_is_told(refused: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    del refused  # for its environment
    program = [sys.executable, "-c", "from incident_app.cli.main import main; main()", "serve", "--json"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("INCIDENT_APP_LISTEN_PORT", str(taken.getsockname()[1]))
        ended = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1, ended.stderr
    assert "INCIDENT_APP_LISTEN_PORT" in json.loads(ended.stdout)["message"]
    assert "Traceback" not in ended.stderr
