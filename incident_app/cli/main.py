"""The root of the command line: every noun is a group."""

from __future__ import annotations

import json
from typing import Any

import click

from incident_app import __version__
from incident_app.cli import (
    accounts,
    addresses,
    approvals,
    bounces,
    channels,
    commitment,
    counts,
    customers,
    database,
    deadlines,
    demo,
    dispatch,
    genuine,
    impact,
    incidents,
    inventory,
    letters,
    limits,
    merges,
    notices,
    obligations,
    outcomes,
    parties,
    policies,
    publications,
    readiness,
    reports,
    scopes,
    serve,
    severity,
    steps,
    timeline,
    trying_out,
    unreached,
)


class Root(click.Group):
    """The root group: with --json, wrong usage too is one JSON document on standard output."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - as the library states it
    ) -> click.Context:
        words = list(args)
        try:
            context = super().make_context(info_name, args, parent, **extra)
        except click.UsageError as problem:
            _tell(problem, words)
            raise
        context.meta[WORDS] = words
        return context

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - whatever a command returns
        try:
            return super().invoke(ctx)
        except click.UsageError as problem:
            _tell(problem, ctx.meta[WORDS])
            raise


WORDS = "incident_app.words"


def _tell(problem: click.UsageError, words: list[str]) -> None:
    if "--json" in words:
        click.echo(json.dumps({"refused": "WrongUsage", "message": problem.format_message()}, ensure_ascii=False))


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Breach response: who is affected, what is due, who was told, and the proof.

    Exit codes: 0 done, 1 refused by a rule (with the reason), 2 wrong usage or settings.
    """


for noun in (
    accounts.user,
    addresses.addresses,
    approvals.approval,
    bounces.bounces,
    channels.channel,
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
    letters.letters,
    limits.limits,
    merges.merge,
    notices.notice,
    obligations.obligations,
    parties.parties,
    unreached.person,
    policies.policy,
    publications.publications,
    readiness.readiness,
    reports.report,
    scopes.scope,
    serve.serve,
    serve.worker,
    severity.severity,
    steps.step,
    bounces.suppressions,
    timeline.timeline,
):
    main.add_command(noun)
for verb in (trying_out.pace, trying_out.rehearse, trying_out.test_send):
    dispatch.dispatch.add_command(verb)

dispatch.dispatch.add_command(outcomes.outcomes)
notices.notice.add_command(genuine.verify_page)
notices.notice.add_command(genuine.withdraw)
