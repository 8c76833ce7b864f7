"""Every table of the program, loaded at once: what migrations and `db check` compare with."""

from incident_app.persistence import (
    accounts,
    approvals,
    commitments,
    customers,
    impact,
    incidents,
    inventory,
    jobs,
    notices,
    obligations,
    outbox,
    playbooks,
    reports,
    timeline,
)
from incident_app.persistence.database import Base

__all__ = [
    "Base",
    "accounts",
    "approvals",
    "commitments",
    "customers",
    "impact",
    "incidents",
    "inventory",
    "jobs",
    "notices",
    "obligations",
    "outbox",
    "playbooks",
    "reports",
    "timeline",
]
