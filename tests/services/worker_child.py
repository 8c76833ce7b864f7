"""A worker in a process of its own, to be killed by a test."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from incident_app.persistence.database import make_engine
from tests.builders import a_worker

if __name__ == "__main__":
    url, port, folder = sys.argv[1:]
    worker = a_worker(make_engine(url), int(port), Path(folder), lambda: datetime.now(UTC))
    asyncio.run(worker.run(asyncio.Event()))
