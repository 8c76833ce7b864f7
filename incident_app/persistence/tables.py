"""Every table of the program, loaded at once: what migrations and `db check` compare with."""

from incident_app.persistence import (
    accounts,
    approvals,
    customers,
    impact,
    incidents,
    inventory,
    jobs,
    notices,
    obligations,
    outbox,
    playbooks,
    readiness,
    reports,
    timeline,
)
from incident_app.persistence.database import Base

__all__ = [
    "Base",
    "accounts",
    "approvals",
    "customers",
    "impact",
    "incidents",
    "inventory",
    "jobs",
    "notices",
    "obligations",
    "outbox",
    "playbooks",
    "readiness",
    "reports",
    "timeline",
]
