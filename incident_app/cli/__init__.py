"""The command line: `incident-app NOUN VERB`, one thin command per use case."""

from incident_app.cli.main import main

__all__ = ["main"]
