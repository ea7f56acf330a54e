"""A server of `pyprov bench compare` on the kernel's sockets, in Python.

    python -m pyprov.tools.bench.kernel_accept HOST PORT

The same work as `kernel_peer server`, with `socket.accept`: take a connection, reset it. A line on
standard input is answered by "accepts N"; its end ends the program.
"""

import os
import socket
import struct
import sys
import threading

_RESET = struct.pack("ii", 1, 0)  # struct linger: on, no time


def main() -> None:
    """Serve until standard input ends."""
    accepts = 0
    listener = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=65535)

    def answer() -> None:
        for _ in sys.stdin:
            os.write(1, f"accepts {accepts}\n".encode())
        os._exit(0)

    threading.Thread(target=answer, daemon=True).start()
    os.write(1, b"ready\n")
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        connection.close()
        accepts += 1


if __name__ == "__main__":
    main()
