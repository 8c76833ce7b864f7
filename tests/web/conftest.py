"""An application on each database, its clock standing still."""

from collections.abc import Iterator
from pathlib import Path

import flask
import pytest

from incident_app.app import create_app
from incident_app.settings import Settings
from tests import builders
from tests.conftest import Clock


@pytest.fixture
def app(instance_url: str, tmp_path: Path, clock: Clock) -> Iterator[flask.Flask]:
    settings = Settings.from_environment({"INCIDENT_APP_HOME": str(tmp_path / "home"), "DATABASE_URL": instance_url})
    made = create_app(settings, clock=clock, hasher=builders.CHEAP)
    made.config["TESTING"] = False
    yield made
    made.extensions["incident_app"].engine.dispose()
    with made.app_context():
        made.extensions["sqlalchemy"].engine.dispose()
