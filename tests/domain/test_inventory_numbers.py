"""Numbers of inventory files: within what a database keeps and a calendar reaches."""

import json

import pytest

from incident_app.domain.errors import FaultyFile
from incident_app.domain.inventory_files import json_text, read_json
from tests.domain.test_inventory_files import EMPTY, INVENTORY


@pytest.mark.parametrize(
    ("table", "column", "number"),
    [
        ("store_items", "keep_for_days", 0),
        ("store_items", "keep_for_days", 36_526),
        ("store_items", "keep_for_days", 10**20),
        ("parties", "contract_notice_hours", -1),
        ("parties", "contract_notice_hours", 10**20),
    ],
)
def test_a_number_that_no_calendar_reaches_is_named_and_not_handed_to_the_database(
    table: str, column: str, number: int
) -> None:
    content = json.loads(json_text(INVENTORY))
    content[table][0][column] = number
    with pytest.raises(FaultyFile, match=f"{column}: must be at least"):
        read_json(json.dumps(content), file="register.json", current=EMPTY)
