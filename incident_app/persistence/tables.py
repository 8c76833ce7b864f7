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
    merging,
    notices,
    obligations,
    outbox,
    person_counts,
    playbooks,
    reports,
    severity,
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
    "merging",
    "notices",
    "obligations",
    "outbox",
    "person_counts",
    "playbooks",
    "reports",
    "severity",
    "timeline",
]
