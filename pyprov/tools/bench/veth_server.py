"""A server of `pyprov bench compare` on pyprov's TCP, over a socket for frames on the veth.

    python -m pyprov.tools.bench.veth_server DEVICE ADDRESS/PREFIX PORT CPU

The worker and Python share a CPU with the kernel's part, and nothing wakes the worker but time: it
naps long enough that frames gather, and spins for nothing.

The same work as `kernel_peer server`: take connections, reset them. A line on standard input is
answered by "accepts N"; its end ends the program.
"""

import os
import sys
import threading
from typing import Final

from pyprov.core.port import SYN_COOKIES_AUTO
from pyprov.runtime import engine
from pyprov.runtime.config import Config
from pyprov.tools.bench.accept_server import BatchServer, listen_params

_NAP_US: Final = 500


def main() -> None:
    """Serve until standard input ends."""
    device, network, port, cpu = sys.argv[1:]
    tables = {
        "port": [{"device": device, "address": [network]}],
        "workers": {"lcores": cpu, "idle_turns": 2, "nap_us": _NAP_US, "nap_max_us": _NAP_US},
        "provider": {"huge": "never", "spin_us": 0},
    }
    dataplane = engine.start(Config.from_dict(tables))
    params = listen_params(network.partition("/")[0], int(port), 65_535, SYN_COOKIES_AUTO)
    server = BatchServer(dataplane, params, gather=_NAP_US / 1e6)
    ended = threading.Event()

    def answer() -> None:
        for _ in sys.stdin:
            os.write(1, f"accepts {server.accepts}\n".encode())
        ended.set()

    threading.Thread(target=answer, daemon=True).start()
    os.write(1, b"ready\n")
    server.serve(lambda: not ended.is_set())
    engine.stop(dataplane)


if __name__ == "__main__":
    main()
