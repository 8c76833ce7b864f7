"""A process that imports a file in small chunks and is killed in the middle of it."""

import os
import signal
import sys
from pathlib import Path

from incident_app.persistence.database import make_engine
from incident_app.services import customers, loading
from tests.builders import KEY, NOW, SYSTEM


def main(url: str, file: str, chunks_before_death: int) -> None:
    customers.PEOPLE_AT_ONCE = customers.HOLDINGS_AT_ONCE = 3
    left = [chunks_before_death]

    def counted(real: object) -> object:
        def load(*arguments: object, **named: object) -> object:
            result = real(*arguments, **named)
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)  # with the chunk written and not committed
            return result

        return load

    loading.Loader.load_customers = counted(loading.Loader.load_customers)
    loading.Loader.load_holdings = counted(loading.Loader.load_holdings)
    customers.import_file(make_engine(url), Path(file), address_key=KEY, keep_good=True, actor=SYSTEM, now=NOW)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
