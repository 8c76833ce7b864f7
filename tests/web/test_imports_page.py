"""The page of imports: encodings, lists of refused lines, abandoning by the typed number."""

import io
import re

import flask
import pytest
from sqlalchemy.engine import Engine

from incident_app.services import customers
from incident_app.services.jobs import work_on_next
from tests.builders import KEY, NOW, SYSTEM
from tests.web.browsing import post, signed_in
from tests.web.test_pages import tools_of

pytestmark = pytest.mark.parametrize("instance_url", ["sqlite"], indirect=True)


def test_a_cp932_file_is_imported_and_its_refused_lines_are_handed_out(app: flask.Flask, instance: Engine) -> None:
    client = signed_in(app)
    content = "customer_number,name\nC1,髙﨑\nC1,二重\n".encode("cp932")
    fields = {"file": (io.BytesIO(content), "x.csv"), "keep_good": "yes", "encoding": "cp932"}
    assert post(client, "/customers", "/customers", **fields).status_code == 302
    assert work_on_next(instance, tools_of(app), owner="w", now=NOW)
    page = client.get("/customers").get_data(as_text=True)
    found = re.search(r'href="(/customers/\d+/refused\.csv)"', page)
    assert found is not None
    lines = client.get(found[1]).get_data(as_text=True).splitlines()
    assert lines == ["line,reason,person_kept", "3,duplicate of line 2,no"]
    assert not list(tools_of(app).uploads.glob("*.csv"))
    assert client.get("/customers/99/refused.csv").status_code == 404


def test_a_cut_off_import_is_abandoned_only_with_its_number_typed(
    app: flask.Flask,
    instance: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def crash(*_arguments: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(customers.Loader, "load_customers", crash)
    with pytest.raises(ConnectionError):
        customers.import_file(
            instance, b"customer_number,name\nC1,x\n", address_key=KEY, keep_good=False, actor=SYSTEM, now=NOW
        )
    (row,) = customers.list_imports(instance)
    client = signed_in(app)
    path = f"/customers/{row.id}/abandon"
    assert path in client.get("/customers").get_data(as_text=True)
    post(client, "/customers", path, confirm="0")
    assert customers.list_imports(instance)[0].status == "building"
    assert post(client, "/customers", path, confirm=str(row.id)).status_code == 302
    assert customers.list_imports(instance)[0].status == "abandoned"
    assert path not in client.get("/customers").get_data(as_text=True)
