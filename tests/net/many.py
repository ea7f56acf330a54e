"""Ten thousand connections of the provider's to a server that says back what it hears.

python tests/net/many.py CONFIG HOST COUNT      prints how many were answered
"""

import sys

from pyprov.runtime import engine
from pyprov.runtime.config import Config
from pyprov.spi.provider import Provider

PORT = 7


def main():
    config, host, count = sys.argv[1:]
    plane = engine.start(Config.load(config))
    spi = Provider(plane)
    spi.WSPStartup(0x0202)
    family = spi.AF_INET6 if ":" in host else spi.AF_INET
    sockets = []
    for _ in range(int(count)):
        s = spi.WSPSocket(family, spi.SOCK_STREAM, spi.IPPROTO_TCP)
        spi.WSPConnect(s, (host, PORT))
        sockets.append(s)
    for number, s in enumerate(sockets):
        spi.WSPSend(s, b"%05d" % number)
    answered = 0
    for number, s in enumerate(sockets):
        got = bytearray()
        while len(got) < 5:
            memory = bytearray(5)
            n = spi.WSPRecv(s, memory)[0]
            assert n > 0, f"connection {number} ended"
            got += memory[:n]
        answered += got == b"%05d" % number
        spi.WSPCloseSocket(s)
    print(answered, flush=True)
    spi.WSPCleanup()
    engine.stop(plane)


if __name__ == "__main__":
    main()
