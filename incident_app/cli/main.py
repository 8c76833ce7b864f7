"""The root of the command line: every noun is a group."""

from __future__ import annotations

import click

from incident_app import __version__
from incident_app.cli import (
    accounts,
    approvals,
    commitment,
    counts,
    customers,
    database,
    deadlines,
    demo,
    dispatch,
    impact,
    incidents,
    inventory,
    merges,
    notices,
    obligations,
    policies,
    readiness,
    reports,
    scopes,
    serve,
    severity,
    steps,
    timeline,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Breach response: who is affected, what is due, who was told, and the proof.

    Exit codes: 0 done, 1 refused by a rule (with the reason), 2 wrong usage or settings.
    """


for noun in (
    accounts.user,
    approvals.approval,
    commitment.commitment,
    counts.count,
    customers.customers,
    database.db,
    deadlines.deadlines,
    demo.demo,
    dispatch.dispatch,
    impact.impact,
    incidents.clock,
    incidents.incident,
    inventory.inventory,
    merges.merge,
    notices.notice,
    obligations.obligations,
    dispatch.person,
    policies.policy,
    readiness.readiness,
    reports.report,
    scopes.scope,
    serve.serve,
    serve.worker,
    severity.severity,
    steps.step,
    timeline.timeline,
):
    main.add_command(noun)
