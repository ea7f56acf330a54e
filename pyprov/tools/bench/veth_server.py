"""A server of `pyprov bench compare` on pyprov's TCP, over a packet socket on the veth.

    python -m pyprov.tools.bench.veth_server INTERFACE ADDRESS/PREFIX PORT CPU

The same work as `kernel_peer server`: take connections, reset them. A line on standard input is
answered by "accepts N"; its end ends the program.
"""

import os
import sys
import threading

from pyprov.core.port import SYN_COOKIES_AUTO
from pyprov.runtime import engine
from pyprov.runtime.config import Config
from pyprov.tools.bench.accept_server import BatchServer, listen_params


def main() -> None:
    """Serve until standard input ends."""
    interface, network, port, cpu = sys.argv[1:]
    tables = {
        "port": [{"device": f"net_af_packet0,iface={interface}", "address": [network]}],
        "workers": {"lcores": cpu},
        "provider": {"huge": "never"},
    }
    dataplane = engine.start(Config.from_dict(tables))
    params = listen_params(network.partition("/")[0], int(port), 65_535, SYN_COOKIES_AUTO)
    server = BatchServer(dataplane, params)
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
