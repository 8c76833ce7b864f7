"""Faults in files are told with the right line, once, whatever the shape of the file."""

import pytest

from incident_app.domain.errors import FaultyFile
from incident_app.domain.inventories import read_inventory
from incident_app.domain.policies import read_policy
from incident_app.domain.tables import Document
from tests.domain.test_policies import INVENTORY, LINES, POLICY, TEXT

NESTED = """title = "two lists, one inside the other"

[[stores]]
code = "a"
  [[stores.items]]
  item = "one"
  [[stores.items]]
  item = "two"

[[stores]]
code = "b"
  [[stores.items]]
  item = "three"
[about]
code = "c"
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("title", 1),
        ("stores[0].code", 4),
        ("stores[0].items[1].item", 8),
        ("stores[1].items[0].item", 13),
        ("stores[1].items[0].purpose", 12),
        ("stores[1].name_ja", 10),
        ("about.code", 15),
        ("about.name", 14),
    ],
)
def test_a_key_has_its_own_line_and_a_missing_one_that_of_its_table(path: str, line: int) -> None:
    document = Document(NESTED, file="nested.toml")
    document.fault(path, "is odd")
    assert document.faults == [f"{path} (line {line}): is odd"]


def test_a_missing_table_has_no_line() -> None:
    document = Document(NESTED, file="nested.toml")
    document.fault("parties", "is missing")
    assert document.faults == ["parties: is missing"]


def test_what_looks_like_a_key_inside_a_long_text_is_none() -> None:
    text = '[about]\ntext = """\ncode = 1\n[other]\n"""\ncode = "c"\n'
    document = Document(text, file="long.toml")
    document.fault("about.code", "is odd")
    assert document.faults == ["about.code (line 6): is odd"]


def test_a_fault_is_told_once() -> None:
    with pytest.raises(FaultyFile) as refusal:
        read_policy(TEXT.replace('code = "fax"\n', "", 1), file="mine.toml")
    assert len(refusal.value.fault_list) == 1


def test_a_missing_key_names_the_line_of_its_own_table() -> None:
    lines = TEXT.split("\n")
    for position, path in LINES[::9]:
        header = max(at for at in range(position) if lines[at].startswith("["))
        with pytest.raises(FaultyFile) as refusal:
            read_policy("\n".join([*lines[:position], *lines[position + 1 :]]), file="mine.toml")
        assert f"{path} (line {header + 1}): is missing" in refusal.value.fault_list


def test_a_time_is_no_date() -> None:
    with pytest.raises(FaultyFile, match="without a time"):
        read_policy(TEXT.replace("2014-04-01\n", "2014-04-01T00:00:00\n", 1), file="mine.toml")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('purpose = "equipment"', 'purpose = "fun"', "purpose 'fun' is not defined in the policy"),
        ('country = "JP"', 'country = "Japan"', "two capital letters"),
        ("keep_for_days = 90", "keep_for_days = -90", "must be at least 1"),
        ("keep_for_days = 90", "held_from = 2026-02-01\nheld_until = 2026-01-01", "must not lie before held_from"),
    ],
)
def test_an_inventory_that_cannot_be_is_refused(old: str, new: str, fault: str) -> None:
    with pytest.raises(FaultyFile, match=fault):
        read_inventory(INVENTORY.replace(old, new, 1), file="mine.toml", policy=POLICY)
