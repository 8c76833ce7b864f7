"""Pages with a worker beside them: a worker that breaks is seen and begun again."""

import asyncio
import time
from pathlib import Path

from incident_app.cli.serve import WorkerBeside, pages_with_health
from incident_app.settings import Settings


class BreaksOnce:
    """Stands for a worker that meets something nobody thought of, then works."""

    def __init__(self) -> None:
        self.begun = 0

    async def run(self, stop: asyncio.Event) -> None:
        self.begun += 1
        if self.begun == 1:
            raise OverflowError
        await stop.wait()


def until(holds: object) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.01)
    return False


def test_a_worker_that_breaks_is_begun_again_and_says_so_meanwhile() -> None:
    worker = BreaksOnce()
    beside = WorkerBeside(worker, rest_seconds=0.3)
    beside.start()
    try:
        assert until(lambda: not beside.is_well)
        assert until(lambda: worker.begun == 2)
        assert until(lambda: beside.is_well)
    finally:
        beside.end()
    assert not beside.is_well


def test_the_health_page_answers_503_while_the_worker_does_not_work(tmp_path: Path) -> None:
    settings = Settings.from_environment({"INCIDENT_APP_HOME": str(tmp_path)})
    well = [True]
    client = pages_with_health(settings, lambda: well[0]).test_client()
    assert client.get("/healthz").status_code == 200
    well[0] = False
    assert client.get("/healthz").status_code == 503
