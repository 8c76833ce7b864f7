"""An instance at a shell: what every test of the command line starts from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from incident_app.cli.main import main

Run = Callable[..., Result]


@pytest.fixture
def run(instance_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run one command and expect its exit code."""
    monkeypatch.setenv("INCIDENT_APP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", instance_url)

    def command(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, list(words))
        assert result.exit_code == code, result.output
        return result

    return command
