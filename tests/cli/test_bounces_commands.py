"""Returned mail at a shell: judged without a trace, read once, settled by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy.engine import Engine

from incident_app.cli.main import main
from incident_app.cli.serve import make_worker
from incident_app.keys import make_home
from incident_app.persistence.bounces import Bounce
from incident_app.settings import Settings, SettingsError
from tests.cli.conftest import Run
from tests.conftest import Clock
from tests.notifications import returned
from tests.notifications.conftest import tls  # noqa: F401 - a fixture
from tests.notifications.imap_server import ImapServer
from tests.services.returning import ICHIRO, ReturnPath, bounce, count, sent_wave

AUTHOR = ("--as", "author@example.jp")
KEYS = ["file", "kind", "recipients", "permanent", "status", "matched"]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "mails"
    (folder / "servers").mkdir(parents=True)
    (folder / "servers" / "postfix.eml").write_bytes(returned.POSTFIX)
    (folder / "absent.eml").write_bytes(returned.OUT_OF_OFFICE)
    return folder


def test_a_look_stores_nothing_and_needs_nothing(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "untouched"
    monkeypatch.setenv("INCIDENT_APP_HOME", str(home))
    monkeypatch.setenv("INCIDENT_APP_BOUNCE_MAILBOX", "bounces@mail.example.jp")
    result = CliRunner().invoke(main, ["bounces", "read", "--dry-run", str(corpus), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [list(mail) for mail in found] == [KEYS, KEYS]
    assert found[0] == {
        "file": "absent.eml",
        "kind": "autoreply",
        "recipients": ["jun@example.com"],
        "permanent": None,
        "status": None,
        "matched": False,
    }
    assert [found[1][key] for key in ("file", "kind", "permanent")] == ["servers/postfix.eml", "bounce", True]
    assert not home.exists()


def test_a_look_knows_a_genuine_return_address(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tmp_path / "home" / "keys"
    keys.mkdir(parents=True, mode=0o700)
    (keys / "bounce.key").write_bytes(returned.KEY)
    (keys / "bounce.key").chmod(0o600)
    monkeypatch.setenv("INCIDENT_APP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INCIDENT_APP_BOUNCE_MAILBOX", "bounces@mail.example.jp")
    result = CliRunner().invoke(main, ["bounces", "read", "--dry-run", str(corpus), "--json"])
    assert [mail["matched"] for mail in json.loads(result.stdout)] == [True, True]
    assert (
        "2 matched; nothing was stored."
        in CliRunner().invoke(main, ["bounces", "read", "--dry-run", str(corpus)]).stdout
    )


def test_mail_comes_from_standard_input_and_from_a_server(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tls,  # noqa: F811
) -> None:
    monkeypatch.setenv("INCIDENT_APP_HOME", str(tmp_path / "home"))
    look = ["bounces", "read", "--dry-run", "--json"]
    piped = CliRunner().invoke(main, [*look, "-"], input=returned.EXIM)
    assert [(mail["file"], mail["kind"]) for mail in json.loads(piped.stdout)] == [("-", "bounce")]
    (tmp_path / "word").write_text("right\n", encoding="utf-8")
    server_options = ["--imap-user", "bounces", "--imap-password-file", str(tmp_path / "word")]
    with ImapServer(tls.server, {4: returned.POSTFIX}) as server:
        place = ["--imap", f"127.0.0.1:{server.port}", "--imap-ca-file", str(tls.authority), *server_options]
        fetched = CliRunner().invoke(main, [*look, *place, "--since", "2026-11-20"])
    assert [mail["file"] for mail in json.loads(fetched.stdout)] == ["INBOX/4"]
    with ImapServer(tls.server, {}) as server:
        place = ["--imap", f"127.0.0.1:{server.port}", *server_options]
        refused = CliRunner().invoke(main, [*look, *place])
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["refused"] == "CannotReadMailbox"
    assert "not trusted" in refused.stderr
    assert CliRunner().invoke(main, [*look, "--imap", "127.0.0.1"]).exit_code == 1
    assert CliRunner().invoke(main, look).exit_code == 1


def test_what_came_back_is_read_listed_matched_and_lifted(
    run: Run, instance: Engine, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ReturnPath(mailbox="bounce", domain="bounce.example.jp")
    _, senders = sent_wave(instance, tmp_path, clock, return_path=plain)
    reference = json.loads(run("incident", "list", "--json", *AUTHOR).stdout)[0]["reference"]
    folder = tmp_path / "back"
    folder.mkdir()
    (folder / "1.eml").write_bytes(bounce(senders[ICHIRO]).raw)
    (folder / "2.eml").write_bytes(bounce("someone@bounce.example.jp", "juergen@example.com").raw)
    run("bounces", "read", str(folder), code=1)
    found = json.loads(run("bounces", "read", str(folder), "--json", *AUTHOR).stdout)
    assert [(mail["file"], mail["matched"]) for mail in found] == [("1.eml", True), ("2.eml", False)]
    assert json.loads(run("bounces", "read", str(folder), "--json", *AUTHOR).stdout) == found
    assert count(instance, Bounce) == 2
    (item,) = json.loads(run("bounces", "list", "--unmatched", "--json", *AUTHOR).stdout)
    assert item["recipients"] == ["j●●●@example.com"]
    number = str(item["mail"]["id"])
    assert "j●●●@example.com" in run("bounces", "list", "--unmatched", *AUTHOR).stdout
    run("bounces", "list", *AUTHOR, code=1)
    run("bounces", "match", reference, number, "C3", "--reason", "addressed to her", *AUTHOR)
    run("bounces", "set-aside", number, "--reason", "x", *AUTHOR, code=1)
    assert "no open item" in run("bounces", "list", "--unmatched", *AUTHOR).stdout
    shown = json.loads(run("bounces", "list", reference, "--kind", "bounce", "--json", *AUTHOR).stdout)
    assert [row["customer_numbers"] for row in shown] == [["C3"], ["C1"]]
    assert "C1" in run("bounces", "list", reference, *AUTHOR).stdout
    closed = json.loads(run("suppressions", "list", "--json", *AUTHOR).stdout)
    assert [row["recipient"] for row in closed] == ["i●●●@example.jp", "j●●●@example.com"]
    assert "closed to leak_notice" in run("suppressions", "list", *AUTHOR).stdout
    run("suppressions", "lift", str(closed[0]["id"]), "--reason", "telephoned", *AUTHOR)
    assert len(json.loads(run("suppressions", "list", "--json", *AUTHOR).stdout)) == 1
    run("suppressions", "list", "--as", "auditor@example.jp", code=1)


def test_naming_a_mailbox_signs_what_is_sent(tmp_path: Path, instance: Engine) -> None:
    environment = {
        "INCIDENT_APP_HOME": str(tmp_path / "home"),
        "INCIDENT_APP_BOUNCE_MAILBOX": "bounces@mail.example.jp",
    }
    make_home(tmp_path / "home")
    named = make_worker(instance, Settings.from_environment(environment)).settings.return_path
    assert named is not None
    address = str(named.address_for("0" * 24))
    assert address.startswith("bounces+" + "0" * 24)
    assert address.endswith("@mail.example.jp")
    assert len(address) == len(returned.ADDRESS)
    again = make_worker(instance, Settings.from_environment(environment)).settings.return_path
    assert again is not None
    assert again.tokens_in(address) == {"0" * 24}
    del environment["INCIDENT_APP_BOUNCE_MAILBOX"]
    plain = make_worker(instance, Settings.from_environment(environment)).settings.return_path
    assert plain is not None
    assert str(plain.address_for("0" * 24)) == f"bounce+{'0' * 24}@incident-app.example"


@pytest.mark.parametrize(
    "word", ["bounces", "a" * 30 + "@mail.example.jp", "戻り@mail.example.jp", "b+x@mail.example.jp", "b@"]
)
def test_a_mailbox_that_no_return_address_fits_is_refused_at_the_start(word: str) -> None:
    with pytest.raises(SettingsError, match="BOUNCE_MAILBOX"):
        Settings.from_environment({"INCIDENT_APP_BOUNCE_MAILBOX": word})
