"""Settings: every problem at once, no unsafe default, no secret in a log."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from incident_app.cli.serve import mail_signer, make_worker
from incident_app.domain.brake import BrakeRule
from incident_app.keys import make_home
from incident_app.settings import PREFIX, Settings, SettingsError, default_home, is_loopback
from notifications.addresses import parse_address


def read(**values: str) -> Settings:
    return Settings.from_environment({f"{PREFIX}{name}": value for name, value in values.items()})


def problems(**values: str) -> list[str]:
    with pytest.raises(SettingsError) as refusal:
        read(**values)
    return refusal.value.problems


def test_the_embedded_default_needs_nothing(tmp_path: Path) -> None:
    settings = read(HOME=str(tmp_path))
    assert settings.is_embedded
    assert settings.database_url == f"sqlite:///{tmp_path / 'incident-app.db'}"
    assert not settings.is_reached_from_outside
    assert settings.smtp_security == "starttls"


def test_the_default_home_is_the_users_data_folder_and_never_the_program(tmp_path: Path) -> None:
    home = default_home({"XDG_DATA_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)})
    assert home.name == "incident-app"
    assert Path(__file__).resolve().parent.parent not in home.parents


def test_an_empty_variable_means_the_default() -> None:
    settings = read(LISTEN_PORT="", SMTP_USERNAME="")
    assert (settings.listen_port, settings.smtp_username) == (8000, None)


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


def test_a_misspelt_variable_is_named_and_foreign_ones_are_left_alone() -> None:
    assert problems(LISTEN_PROT="80") == [f"{PREFIX}LISTEN_PROT: there is no such setting."]
    assert Settings.from_environment({"PATH": "/bin", "INCIDENT": "x"}).listen_port == 8000


@pytest.mark.parametrize("value", ["65536", "-1", "8e3", "1.5", "²", " 80", "八"])
def test_a_number_outside_its_limits_is_refused(value: str) -> None:
    (problem,) = problems(LISTEN_PORT=value)
    assert problem.startswith(f"{PREFIX}LISTEN_PORT: {value!r} is not a whole number")


def test_the_limits_of_a_number_belong_to_it() -> None:
    assert read(LISTEN_PORT="0").listen_port == 0
    assert read(LISTEN_PORT="65535").listen_port == 65535


@pytest.mark.parametrize("value", ["true", "Yes", "1"])
def test_yes_and_no_are_written_in_one_way(value: str) -> None:
    assert len(problems(DESIGNATED_OPERATOR=value)) == 1
    assert read(DESIGNATED_OPERATOR="yes").designated_operator is True


def test_a_brake_that_could_never_act_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(BRAKE_ATTEMPTS="10", BRAKE_AT_LEAST="11")
    assert "BRAKE_AT_LEAST" in problem
    settings = read(
        HOME=str(tmp_path), BRAKE_ATTEMPTS="50", BRAKE_AT_LEAST="50", BRAKE_MINUTES="3", BRAKE_PERCENT="100"
    )
    make_home(tmp_path)
    assert make_worker(sa.create_engine("sqlite://"), settings).settings.brake == BrakeRule(
        attempts=50, within=timedelta(minutes=3), percent=100, at_least=50
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "0.0.0.0", "::", "incident.example", "127.0.0.1.example"])
def test_listening_beyond_this_machine_needs_a_declared_proxy(host: str) -> None:
    (problem,) = problems(LISTEN_HOST=host)
    assert "PROXY_HOPS" in problem
    assert read(LISTEN_HOST=host, PROXY_HOPS="1").is_reached_from_outside


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_is_recognised_in_each_form(host: str) -> None:
    assert is_loopback(host)
    assert not read(LISTEN_HOST=host).is_reached_from_outside


def test_plain_text_mail_is_for_a_server_on_this_machine() -> None:
    with pytest.raises(SettingsError, match="plaintext"):
        read(SMTP_SECURITY="plaintext_loopback_only", SMTP_HOST="mail.example")
    assert read(SMTP_SECURITY="plaintext_loopback_only", SMTP_HOST="127.0.0.1")


@pytest.mark.parametrize("only", ["SMTP_USERNAME", "SMTP_PASSWORD"])
def test_an_account_at_the_mail_server_is_whole_or_absent(only: str) -> None:
    (problem,) = problems(**{only: "something"})
    assert "set both or neither" in problem
    assert "something" not in problem


def test_a_secret_may_come_from_a_file_and_the_file_wins(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n", encoding="utf-8")
    settings = read(SMTP_USERNAME="u", SMTP_PASSWORD="other", SMTP_PASSWORD_FILE=str(secret))
    assert settings.smtp_password == "hunter2"


def test_a_secret_file_that_is_missing_is_named(tmp_path: Path) -> None:
    found = problems(SMTP_PASSWORD_FILE=str(tmp_path / "nothing"))
    assert any(problem.startswith(f"{PREFIX}SMTP_PASSWORD_FILE: there is no file") for problem in found)


def test_secrets_stay_out_of_the_representation() -> None:
    settings = Settings.from_environment(
        {
            f"{PREFIX}SMTP_USERNAME": "u",
            f"{PREFIX}SMTP_PASSWORD": "hunter2",
            "DATABASE_URL": "postgresql://app:hunter3@db.example/incidents",
        }
    )
    for text in (repr(settings), str(settings), f"{settings}"):
        assert "hunter" not in text
        assert "listen_port" in text


@pytest.mark.parametrize("url", ["postgresql://u@h/d", "postgres://u@h/d", "postgresql+psycopg://u@h/d"])
def test_postgresql_always_means_psycopg(url: str) -> None:
    settings = Settings.from_environment({"DATABASE_URL": url})
    assert settings.database_url == "postgresql+psycopg://u@h/d"
    assert not settings.is_embedded


def test_an_sqlite_file_may_lie_elsewhere() -> None:
    assert Settings.from_environment({"DATABASE_URL": "sqlite:////srv/x.db"}).database_url == "sqlite:////srv/x.db"


@pytest.mark.parametrize("url", ["mysql://app:hunter2@h/d", "postgresql+asyncpg://app:hunter2@h/d", "hunter2"])
def test_another_database_is_refused_without_repeating_its_secret(url: str) -> None:
    with pytest.raises(SettingsError, match=re.escape("DATABASE_URL: must start with")) as refusal:
        Settings.from_environment({"DATABASE_URL": url})
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    "domain",
    ["mail_1.example.jp", "bad domain", "example", "-a.example", "a..example", "10.0.0.1", "試験.example", "a" * 201],
)
def test_a_domain_or_sender_that_would_fail_every_message_is_refused_at_the_start(domain: str) -> None:
    (about_domain,) = problems(BOUNCE_DOMAIN=domain)
    assert f"{PREFIX}BOUNCE_DOMAIN" in about_domain
    (about_sender,) = problems(SENDER_ADDRESS=f"notice@{domain}")
    assert f"{PREFIX}SENDER_ADDRESS" in about_sender


@pytest.mark.parametrize("address", ["not an address", "@example.jp", "a..b@example.jp", ".a@example.jp", "a@b@c d"])
def test_a_sender_that_is_no_address_is_refused_at_the_start(address: str) -> None:
    (about_sender,) = problems(SENDER_ADDRESS=address)
    assert f"{PREFIX}SENDER_ADDRESS" in about_sender


@given(sender=st.from_regex(r"[a-z.!+-]{1,20}@[A-Za-z0-9.-]{1,40}", fullmatch=True))
def test_whatever_sender_the_settings_take_the_mailer_takes_too(sender: str) -> None:
    try:
        settings = read(SENDER_ADDRESS=sender, BOUNCE_DOMAIN=sender.partition("@")[2])
    except SettingsError:
        return
    parse_address(settings.sender_address)
    parse_address(f"bounce+{'0' * 24}@{settings.bounce_domain}")


def test_servers_to_fall_back_on_are_read_in_their_order_and_faults_named() -> None:
    settings = read(SMTP_FALLBACK="mx2.example:587, [::1]:2525,", SMTP_HOST="mx1.example")
    assert settings.smtp_fallback == (("mx2.example", 587), ("::1", 2525))
    for wrong in ("mx2.example", "mx2.example:", ":25", "mx2.example:0", "mx2.example:70000", "mx2:２５"):
        (problem,) = problems(SMTP_FALLBACK=f"ok.example:25,{wrong}")
        assert wrong in problem
    (problem,) = problems(SMTP_SECURITY="plaintext_loopback_only", SMTP_FALLBACK="localhost:25,mail.example:25")
    assert "SMTP_FALLBACK is mail.example" in problem


def test_a_key_that_cannot_sign_is_found_before_anything_is_sent(tmp_path: Path) -> None:
    key = tmp_path / "dkim.pem"
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key.write_bytes(pem)
    signer = mail_signer(read(DKIM_KEY_FILE=str(key), SENDER_ADDRESS="notice@Mail.Example.jp", DKIM_SELECTOR="k1"))
    assert signer is not None
    assert (signer.domain, signer.selector, signer.algorithm) == ("mail.example.jp", "k1", "ed25519-sha256")
    assert mail_signer(read()) is None
    key.write_bytes(b"nonsense")
    (problem,) = problems(DKIM_KEY_FILE=str(key))
    assert "DKIM_KEY_FILE" in problem
    assert "nonsense" not in problem
    assert "DKIM_SELECTOR" in problems(DKIM_SELECTOR="a b")[0]
