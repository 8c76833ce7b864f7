"""Who may do what: roles, permissions, and the one table that joins them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Permission(StrEnum):
    """One thing an account may be allowed to do."""

    INCIDENT_READ = "incident.read"
    INCIDENT_WRITE = "incident.write"
    IMPACT_DETERMINE = "impact.determine"
    OBLIGATION_DECIDE = "obligation.decide"
    STEP_WORK = "step.work"
    NOTICE_WRITE = "notice.write"
    REPORT_WRITE = "report.write"
    REPORT_FILE = "report.file"
    APPROVE = "approve"
    DISPATCH_RUN = "dispatch.run"
    RECIPIENTS_READ = "recipients.read"
    TIMELINE_WRITE = "timeline.write"
    TIMELINE_EXPORT = "timeline.export"
    INVENTORY_READ = "inventory.read"
    INVENTORY_WRITE = "inventory.write"
    ACCOUNTS_MANAGE = "accounts.manage"


class Role(StrEnum):
    """What a person is to the response (H1)."""

    RESPONDER = "responder"
    PRIVACY_OFFICER = "privacy_officer"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Membership(StrEnum):
    """What a person is to one incident: a word of a closed set, for it stays in the chain of events for ever."""

    LEAD = "lead"
    MEMBER = "member"
    APPROVER = "approver"
    OBSERVER = "observer"


_P = Permission
_READING = frozenset({_P.INCIDENT_READ, _P.TIMELINE_EXPORT, _P.INVENTORY_READ})
_RESPONDING = _READING | {
    _P.INCIDENT_WRITE,
    _P.IMPACT_DETERMINE,
    _P.STEP_WORK,
    _P.NOTICE_WRITE,
    _P.REPORT_WRITE,
    _P.TIMELINE_WRITE,
}

PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.RESPONDER: _RESPONDING,
    Role.PRIVACY_OFFICER: _RESPONDING
    | {_P.OBLIGATION_DECIDE, _P.REPORT_FILE, _P.DISPATCH_RUN, _P.RECIPIENTS_READ, _P.APPROVE},
    Role.APPROVER: _READING | {_P.APPROVE, _P.TIMELINE_WRITE},
    Role.AUDITOR: _READING,
    Role.ADMIN: frozenset({_P.ACCOUNTS_MANAGE, _P.INVENTORY_READ, _P.INVENTORY_WRITE}),
}


def permissions_of(roles: Iterable[Role]) -> frozenset[Permission]:
    """Return everything that an account with these roles may do."""
    return frozenset().union(*(PERMISSIONS[role] for role in roles))
