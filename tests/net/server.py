"""The provider as a program: what the kernel's TCP talks to in these tests.

    python tests/net/server.py CONFIG

CONFIG is a TOML file. It says "ready" when it listens, and serves until a signal ends it:

    7     echo
    80    HTTP: GET /N gives N bytes of `pattern`; PUT gives the SHA-256 of the body
    81    a condition function that accepts nobody
    82    many at once: one thread, one waiter, one byte back for each byte
    83    a long answer that is left to the flush at the end
"""

import hashlib
import sys
import threading

import numpy as np

from pyprov import spi
from pyprov.core import port

HOST = "10.9.0.2"


def pattern(size):
    """Bytes that tell their place."""
    return np.arange(-(-size // 4), dtype="<u4").tobytes()[:size]


def listen(number, backlog=200):
    s = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    spi.WSPBind(s, (HOST, number))
    spi.WSPListen(s, backlog)
    return s


def send_all(s, data):
    left = memoryview(data)
    while left:
        left = left[spi.WSPSend(s, left) :]


def each(listener, serve):
    """A thread for every connection."""

    def run(s):
        try:
            serve(s)
        except spi.WSAError as error:
            print("connection:", error, flush=True)
        spi.WSPCloseSocket(s)

    while True:
        s, _ = spi.WSPAccept(listener)
        threading.Thread(target=run, args=(s,), daemon=True).start()


def echo(s):
    buffer = bytearray(65536)
    while n := spi.WSPRecv(s, buffer)[0]:
        send_all(s, memoryview(buffer)[:n])
    spi.WSPShutdown(s, spi.SD_SEND)


def http(s):
    buffer, head = bytearray(262144), b""
    while b"\r\n\r\n" not in head:
        n, _ = spi.WSPRecv(s, buffer)
        if n == 0:
            return
        head += buffer[:n]
    head, _, rest = head.partition(b"\r\n\r\n")
    method, path, _ = head.split(b"\r\n")[0].split()
    if method == b"GET":
        body = pattern(int(path.strip(b"/") or 0))
    else:
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if fields.get(b"expect") == b"100-continue":
            send_all(s, b"HTTP/1.1 100 Continue\r\n\r\n")
        body = digest(s, rest, int(fields[b"content-length"]), buffer)
    send_all(s, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
    send_all(s, body)
    spi.WSPShutdown(s, spi.SD_SEND)
    while spi.WSPRecv(s, buffer)[0]:
        pass


def digest(s, first, size, buffer):
    total, left = hashlib.sha256(first), size - len(first)
    while left:
        n, _ = spi.WSPRecv(s, buffer)
        total.update(memoryview(buffer)[:n])
        left -= n
    return total.hexdigest().encode() + b"\n"


def refuse_all(listener):
    def condition(*_):
        return spi.CF_REJECT

    while True:
        try:
            spi.WSPAccept(listener, condition)
        except spi.WSAError as error:
            print("condition:", error.name, flush=True)


def many(listener):
    """All connections in one thread; a handle each, no object and no descriptor."""
    waiter = spi.open_waiter()
    changed = np.zeros(256, spi.READY_DTYPE)
    threading.Thread(target=welcome, args=(listener, waiter), daemon=True).start()
    while True:
        handles = np.array(spi.wait_many(waiter, changed)["handle"])
        buffers = [bytearray(100) for _ in handles]
        counts = spi.recv_many(handles, buffers)
        got = counts > 0
        answers = [buffer[:n] for buffer, n in zip(buffers, counts, strict=True) if n > 0]
        spi.send_many(handles[got], answers)
        spi.close_many(handles[counts == 0])


def welcome(listener, waiter):
    while True:
        for row in spi.accept_many(listener, 256):
            waiter.watch(int(row["handle"]), port.READY_READ | port.READY_CLOSE)


def leave_behind(s):
    send_all(s, pattern(200_000))
    print("left", flush=True)
    spi.WSPRecv(s, bytearray(1))


def main():
    spi.WSPStartup(0x0202, config=sys.argv[1])
    jobs = [
        (each, listen(7), echo),
        (each, listen(80), http),
        (refuse_all, listen(81)),
        (many, listen(82, backlog=2000)),
        (each, listen(83), leave_behind),
    ]
    threads = [threading.Thread(target=f, args=words, daemon=True) for f, *words in jobs]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    threads[0].join()


if __name__ == "__main__":
    main()
