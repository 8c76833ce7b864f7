"""Loading a policy: what the file says reaches the tables, in whatever order it says it."""

from __future__ import annotations

import re
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.persistence.inventory import DataCategory, JointUseItem
from incident_app.services import policies
from incident_app.services.transaction import reading
from tests.builders import author, playbook_files
from tests.conftest import NOW

LATER = NOW + timedelta(days=1)
CHILD = """[[categories]]
code = "contract-bank"
name_ja = "口座"
name_en = "Bank account"
section = "1"
parent = "bank"

[[categories]]
code = "bank"
name_ja = "銀行"
name_en = "Bank"
section = "1"

"""


def test_a_category_may_stand_before_its_parent(instance: Engine) -> None:
    (path,) = playbook_files("policies")
    text = re.sub(r'^version = ".*"', 'version = "next"', path.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE)
    text = text.replace("[[categories]]", CHILD + "[[categories]]", 1)
    policies.load_policy(instance, text, file=path.name, actor=author(instance).actor, now=LATER)
    with reading(instance) as session:
        child = session.get_one(DataCategory, "contract-bank")
        order = list(session.scalars(sa.select(DataCategory.code).order_by(DataCategory.position)))
    assert child.parent_code == "bank"
    assert order[:2] == ["contract-bank", "bank"]


def test_joint_use_that_ends_with_and_others_leaves_every_further_item_uncertain(instance: Engine) -> None:
    with reading(instance) as session:
        uncertain = {row.item_code: row.uncertain for row in session.scalars(sa.select(JointUseItem))}
    assert uncertain["name"] is False
    assert uncertain["card-number"] is True
