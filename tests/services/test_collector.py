"""The collector of cycles runs seldom during an import, and as before behind it."""

import gc
from collections.abc import Iterator

import pytest
from sqlalchemy.engine import Engine

from incident_app.domain.customers import RowsRefused
from incident_app.services import checking, customers
from incident_app.services.collector import SELDOM, seldom_collected
from tests import builders

ORDINARY = (701, 11, 12)


@pytest.fixture(autouse=True)
def ordinary() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(*ORDINARY)
    yield
    gc.set_threshold(*before)


def test_the_last_of_several_sets_it_as_it_was() -> None:
    first, second = seldom_collected(), seldom_collected()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert gc.get_threshold() == SELDOM, "somebody is still inside"
    second.__exit__(None, None, None)
    assert gc.get_threshold() == ORDINARY
    assert gc.isenabled()


def test_an_import_sets_it_back_also_when_it_is_refused(instance: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = checking.check_file

    def looking(*arguments: object) -> None:
        seen.append(gc.get_threshold())
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(customers, "check_file", looking)
    builders.import_text(instance, builders.CUSTOMERS)
    with pytest.raises(RowsRefused):
        builders.import_text(instance, builders.CUSTOMERS + "C9,nobody,customer,ja,JP,x,,,\n")
    assert seen == [SELDOM, SELDOM]
    assert gc.get_threshold() == ORDINARY
