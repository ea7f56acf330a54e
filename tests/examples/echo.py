"""What the examples have in common: they start the provider, and talk with themselves.

Each example is an echo server and its client in one of Winsock's styles, on an engine without a
device. Run one with `python tests/examples/blocking.py`.
"""

import contextlib
import sys
import threading

from pyprov import spi

HOST = "10.9.0.2"
CONFIG = {
    "provider": {"memory": 24, "packet_buffers": 2048, "max_connections": 4096, "huge": "never"},
    "port": [{"device": "ring", "address": [f"{HOST}/24"]}],
}
TEXTS = [b"one", b"two two", b"three " * 5000]


def listening(port):
    """A listener, as every style begins."""
    s = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    spi.WSPBind(s, (HOST, port))
    spi.WSPListen(s, spi.SOMAXCONN)
    return s


@contextlib.contextmanager
def pending():
    """A request may be done at once or later; its end is told in both cases."""
    try:
        yield
    except spi.WSAError as error:
        if error.code != spi.WSA_IO_PENDING:
            raise


@contextlib.contextmanager
def would_block():
    """A call on a non-blocking socket may have to be made again."""
    try:
        yield
    except spi.WSAError as error:
        if error.code != spi.WSAEWOULDBLOCK:
            raise


def run(server, client, port=7):
    """Serve some clients at a time, and see that each gets back what it has sent.

    Args:
        server: called with a listener and the number of clients to serve.
        client: called with an address and a text; returns what came back.
        port: where to listen.
    """
    spi.WSPStartup(0x0202, config=CONFIG)
    listener = listening(port)
    answers = {}

    def ask(text):
        answers[text] = client((HOST, port), text)

    threads = [threading.Thread(target=server, args=(listener, len(TEXTS)), daemon=True)]
    threads += [threading.Thread(target=ask, args=(text,), daemon=True) for text in TEXTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    spi.WSPCloseSocket(listener)
    spi.WSPCleanup()
    if answers != {text: text for text in TEXTS}:
        sys.exit("not everything came back")
    sys.stdout.write(f"{len(answers)} texts came back\n")
