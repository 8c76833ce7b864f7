"""Settings: every problem at once, no unsafe default, own keys."""

import multiprocessing
import stat
from dataclasses import fields
from pathlib import Path

import pytest

from incident_app.domain.access import PERMISSIONS, Permission, Role
from incident_app.domain.events import KINDS
from incident_app.keys import UnsafeKey, make_home, own_key
from incident_app.paths import files_in, find_file
from incident_app.settings import PREFIX, Settings, SettingsError
from tests.builders import ROOT


def read(**values: str) -> Settings:
    return Settings.from_environment({f"{PREFIX}{name}": value for name, value in values.items()})


def test_the_embedded_default_needs_nothing(tmp_path: Path) -> None:
    settings = read(HOME=str(tmp_path))
    assert settings.is_embedded
    assert settings.database_url == f"sqlite:///{tmp_path / 'incident-app.db'}"
    assert not settings.is_reached_from_outside


def test_every_problem_is_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refusal:
        read(
            HOME=str(tmp_path),
            LISTEN_PORT="eighty",
            SMTP_SECURITY="none",
            SMTP_USERNAME="someone",
            LISTEN_HOST="0.0.0.0",
            SMPT_HOST="mail.example",
            SMTP_CA_FILE="/no/such/file",
        )
    text = str(refusal.value)
    for name in ("LISTEN_PORT", "SMTP_SECURITY", "SMTP_PASSWORD", "LISTEN_HOST", "SMPT_HOST", "SMTP_CA_FILE"):
        assert f"{PREFIX}{name}" in text
    assert len(refusal.value.problems) == 6


def test_listening_beyond_this_machine_needs_a_declared_proxy() -> None:
    with pytest.raises(SettingsError, match="PROXY_HOPS"):
        read(LISTEN_HOST="192.0.2.1")
    assert read(LISTEN_HOST="192.0.2.1", PROXY_HOPS="1").is_reached_from_outside


def test_plain_text_mail_is_for_a_server_on_this_machine() -> None:
    with pytest.raises(SettingsError, match="plaintext"):
        read(SMTP_SECURITY="plaintext_loopback_only", SMTP_HOST="mail.example")
    assert read(SMTP_SECURITY="plaintext_loopback_only", SMTP_HOST="127.0.0.1")


def test_secrets_stay_out_of_the_representation_and_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n", encoding="utf-8")
    settings = read(SMTP_USERNAME="u", SMTP_PASSWORD_FILE=str(secret))
    assert settings.smtp_password == "hunter2"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("url", ["postgresql://u@h/d", "postgres://u@h/d", "postgresql+psycopg://u@h/d"])
def test_postgresql_always_means_psycopg(url: str) -> None:
    assert Settings.from_environment({"DATABASE_URL": url}).database_url == "postgresql+psycopg://u@h/d"


def test_another_database_is_refused() -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        Settings.from_environment({"DATABASE_URL": "mysql://x"})


def _make(home: Path, results: "multiprocessing.Queue[bytes]") -> None:
    results.put(own_key(home, "session"))


def test_eight_processes_that_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    make_home(tmp_path)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_make, args=(tmp_path, results)) for _ in range(8)]
    for process in processes:
        process.start()
    keys = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert len(keys) == 1
    path = tmp_path / "keys" / "session.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["session.key"]


def test_a_key_that_others_can_read_or_that_is_cut_is_refused(tmp_path: Path) -> None:
    make_home(tmp_path)
    own_key(tmp_path, "session")
    path = tmp_path / "keys" / "session.key"
    path.chmod(0o644)
    with pytest.raises(UnsafeKey, match="chmod 600"):
        own_key(tmp_path, "session")
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(UnsafeKey, match="32 bytes"):
        own_key(tmp_path, "session")


def test_the_home_folder_is_closed_to_others(tmp_path: Path) -> None:
    make_home(tmp_path / "home")
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_a_companys_own_file_hides_the_shipped_one(tmp_path: Path) -> None:
    own = tmp_path / "playbooks" / "policies" / "gpu-cloud-bygmo.toml"
    own.parent.mkdir(parents=True)
    own.write_text("", encoding="utf-8")
    assert find_file("playbooks", "policies/gpu-cloud-bygmo.toml", tmp_path) == own
    assert own in list(files_in("playbooks", "policies", tmp_path))
    assert len(list(files_in("playbooks", "regimes", tmp_path))) == 3


def test_each_role_has_its_limits() -> None:
    assert Permission.APPROVE not in PERMISSIONS[Role.RESPONDER]
    assert Permission.DISPATCH_RUN not in PERMISSIONS[Role.RESPONDER]
    assert Permission.DISPATCH_RUN not in PERMISSIONS[Role.APPROVER]
    assert PERMISSIONS[Role.AUDITOR] == {Permission.INCIDENT_READ, Permission.TIMELINE_EXPORT}
    assert PERMISSIONS[Role.ADMIN] == {Permission.ACCOUNTS_MANAGE, Permission.INVENTORY_WRITE}


def test_every_setting_event_kind_permission_and_command_is_documented() -> None:
    from incident_app.cli.main import main

    text = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
    wanted = [f"`{PREFIX}{field.name.upper()}`" for field in fields(Settings) if field.name != "database_url"]
    wanted += ["`DATABASE_URL`", f"`{PREFIX}SMTP_PASSWORD_FILE`"]
    wanted += [f"`{kind}`" for kind in KINDS]
    wanted += [f"`{permission}`" for permission in Permission]
    for name, noun in main.commands.items():
        verbs = getattr(noun, "commands", None)
        wanted += [f"`{name} {verb}`" for verb in verbs] if verbs else [f"`{name}`"]
    assert [entry for entry in wanted if entry not in text] == []
