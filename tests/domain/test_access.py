"""Roles: what each may not do, written out, so that a widened table is noticed."""

from __future__ import annotations

import pytest

from incident_app.domain.access import PERMISSIONS, Permission, Role, permissions_of

P = Permission
FORBIDDEN: dict[Role, set[Permission]] = {
    Role.RESPONDER: {
        P.OBLIGATION_DECIDE,
        P.REPORT_FILE,
        P.APPROVE,
        P.DISPATCH_RUN,
        P.RECIPIENTS_READ,
        P.INVENTORY_WRITE,
        P.ACCOUNTS_MANAGE,
    },
    Role.PRIVACY_OFFICER: {P.INVENTORY_WRITE, P.ACCOUNTS_MANAGE},
    Role.APPROVER: {
        P.INCIDENT_WRITE,
        P.IMPACT_DETERMINE,
        P.OBLIGATION_DECIDE,
        P.STEP_WORK,
        P.NOTICE_WRITE,
        P.REPORT_WRITE,
        P.REPORT_FILE,
        P.DISPATCH_RUN,
        P.RECIPIENTS_READ,
        P.INVENTORY_WRITE,
        P.ACCOUNTS_MANAGE,
    },
    Role.AUDITOR: set(Permission) - {P.INCIDENT_READ, P.TIMELINE_EXPORT, P.INVENTORY_READ},
    Role.ADMIN: set(Permission) - {P.ACCOUNTS_MANAGE, P.INVENTORY_READ, P.INVENTORY_WRITE},
}


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_do_exactly_what_is_not_forbidden_to_it(role: Role) -> None:
    assert PERMISSIONS[role] == set(Permission) - FORBIDDEN[role]


def test_somebody_may_do_each_thing() -> None:
    assert permissions_of(Role) == set(Permission)


def test_who_manages_accounts_sees_no_incident() -> None:
    for permissions in PERMISSIONS.values():
        assert not {P.ACCOUNTS_MANAGE, P.INCIDENT_READ} <= permissions


def test_several_roles_add_up_and_no_role_may_do_nothing() -> None:
    assert permissions_of([Role.AUDITOR, Role.ADMIN]) == PERMISSIONS[Role.AUDITOR] | PERMISSIONS[Role.ADMIN]
    assert permissions_of([]) == frozenset()
