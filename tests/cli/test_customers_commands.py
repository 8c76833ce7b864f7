"""Commands about customers: imports listed and abandoned, profiles kept, refused rows written."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.engine import Engine

from incident_app.cli.main import main
from incident_app.services import customers
from tests.builders import KEY, NOW, SYSTEM

AUTHOR = ("--as", "author@example.jp")
pytestmark = pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)
PROFILE = 'kind = "customers"\nencoding = "cp932"\n[columns]\ncustomer_number = "お客様番号"\nname = "氏名"\n'


@pytest.fixture
def run(instance_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("INCIDENT_APP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", instance_url)

    def command(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, [*words, *AUTHOR])
        assert result.exit_code == code, result.output
        return result

    return command


def test_a_profile_is_kept_shown_used_and_removed(run: object, tmp_path: Path) -> None:
    assert "No profiles" in run("customers", "profile", "list").stdout
    written = tmp_path / "crm.toml"
    written.write_text(PROFILE, encoding="utf-8")
    run("customers", "profile", "add", "crm", str(written))
    assert json.loads(run("customers", "profile", "list", "--json").stdout) == ["crm"]
    assert run("customers", "profile", "show", "crm").stdout.strip() == PROFILE.strip()
    file = tmp_path / "crm.csv"
    file.write_bytes("お客様番号,氏名\nC1,髙﨑\n".encode("cp932"))
    assert "1 of 1 rows kept (read as cp932)" in run("customers", "import", str(file), "--profile", "crm").stdout
    run("customers", "profile", "remove", "crm")
    assert "column profile" in run("customers", "import", str(file), "--profile", "crm", code=1).stderr


def test_a_faulty_profile_names_key_and_line_and_is_not_kept(run: object, tmp_path: Path) -> None:
    written = tmp_path / "bad.toml"
    written.write_text(PROFILE + 'nickname = "x"\n[constants]\nname = "y"\n', encoding="utf-8")
    refused = run("customers", "profile", "add", "bad", str(written), code=1).stderr
    assert "columns.nickname (line 6)" in refused
    assert "constants.name (line 8)" in refused
    assert "No profiles" in run("customers", "profile", "list").stdout
    assert "a-z" in run("customers", "profile", "add", "../bad", str(written), code=1).stderr
    run("customers", "profile", "add", "bad", code=2)


def test_refused_rows_go_to_a_file_and_the_reason_to_the_screen(run: object, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("customer_number,name\nC1,良\nC1,重複\n", encoding="utf-8")
    out = tmp_path / "refused.csv"
    assert "line 3: duplicate of line 2" in run("customers", "import", str(file), "--refused", str(out), code=1).stderr
    assert out.read_text(encoding="utf-8").splitlines() == ["line,reason", "3,duplicate of line 2"]
    assert "--refused" in run("customers", "import", str(file), "--refused-with-rows", code=1).stderr
    assert "klingon" in run("customers", "import", str(file), "--encoding", "klingon", code=1).stderr


def test_a_cut_off_import_is_listed_and_abandoned_by_its_number(
    run: object, instance: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_arguments: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(customers.Loader, "load_customers", crash)
    with pytest.raises(ConnectionError):
        customers.import_file(
            instance,
            b"customer_number,name\nC1,x\n",
            address_key=KEY,
            keep_good=False,
            actor=SYSTEM,
            now=NOW,
        )
    monkeypatch.undo()
    monkeypatch.setenv("INCIDENT_APP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", str(instance.url))
    (row,) = json.loads(run("customers", "imports", "--json").stdout)
    assert row["status"] == "building"
    number = str(row["id"])
    assert "nothing was changed" in run("customers", "abandon-import", number, "--confirm", "99", code=1).stderr
    run("customers", "abandon-import", number, "--confirm", number)
    assert "abandoned" in run("customers", "imports").stdout
    assert "cannot be abandoned" in run("customers", "abandon-import", number, "--confirm", number, code=1).stderr
    assert "no import called 77" in run("customers", "abandon-import", "77", "--confirm", "77", code=1).stderr
