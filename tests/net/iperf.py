"""What iperf3 speaks, on the provider's sockets: a test of a second over one stream.

    python tests/net/iperf.py CONFIG server HOST            serves one test, stays until SIGTERM
    python tests/net/iperf.py CONFIG client HOST [reverse]  runs one against an iperf3 server

The client's result is one line of JSON: bytes that arrived, and at whom. Between the two ends of a
control connection go single bytes (a state), and JSON behind its length in four bytes.
"""

import json
import signal
import struct
import sys
import threading
import time

from pyprov.runtime import engine
from pyprov.runtime.config import Config
from pyprov.spi.provider import Provider
from pyprov.winsock.errors import WSAError

PORT = 5201
COOKIE = b"pyprov-" + b"x" * 29 + b"\0"
PIECE = 1 << 16
RATE = 100_000_000
(TEST_START, TEST_RUNNING, TEST_END) = (1, 2, 4)
(PARAM_EXCHANGE, CREATE_STREAMS, EXCHANGE_RESULTS, DISPLAY_RESULTS, DONE) = (9, 10, 13, 14, 16)


class Control:
    """One connection."""

    def __init__(self, spi, s):
        self.spi = spi
        self.s = s

    def send(self, data):
        left = memoryview(data)
        while left:
            left = left[self.spi.WSPSend(self.s, left) :]

    def receive(self, size):
        got = bytearray()
        while len(got) < size:
            memory = bytearray(size - len(got))
            n = self.spi.WSPRecv(self.s, memory)[0]
            if n == 0:
                raise EOFError
            got += memory[:n]
        return bytes(got)

    def state(self, number):
        self.send(bytes([number]))

    def expect(self, number):
        (state,) = self.receive(1)
        assert state == number, f"state {state} instead of {number}"

    def send_json(self, value):
        text = json.dumps(value).encode()
        self.send(struct.pack(">I", len(text)) + text)

    def receive_json(self):
        (size,) = struct.unpack(">I", self.receive(4))
        return json.loads(self.receive(size))

    def drain(self):
        """Read to the end; yields how much came at a time."""
        memory = bytearray(PIECE)
        try:
            while n := self.spi.WSPRecv(self.s, memory)[0]:
                yield n
        except WSAError as error:
            # iperf3 closes what it sends on with data under way.
            print(f"the stream ended: {error}", file=sys.stderr)


def results(moved, seconds):
    stream = {
        "id": 1,
        "bytes": moved,
        "retransmits": -1,
        "jitter": 0,
        "errors": 0,
        "packets": 0,
        "start_time": 0,
        "end_time": seconds,
    }
    times = {"cpu_util_total": 0, "cpu_util_user": 0, "cpu_util_system": 0}
    return {**times, "sender_has_retransmits": -1, "streams": [stream]}


def send_for(stream, seconds, rate):
    """Send at a rate, bits a second."""
    data, total, begin = bytes(PIECE), 0, time.monotonic()
    clock = threading.Event()  # never set
    while (now := time.monotonic() - begin) < seconds:
        total += stream.spi.WSPSend(stream.s, data)
        clock.wait(max(0, total * 8 / rate - now))
    return total


class Moved:
    """A thread that reads all of a stream."""

    def __init__(self, stream):
        self.total = 0
        self.thread = threading.Thread(target=self.run, args=(stream,), daemon=True)
        self.thread.start()

    def run(self, stream):
        for n in stream.drain():
            self.total += n


def serve(spi, listener):
    control = Control(spi, spi.WSPAccept(listener)[0])
    control.receive(len(COOKIE))
    control.state(PARAM_EXCHANGE)
    wanted = control.receive_json()
    control.state(CREATE_STREAMS)
    stream = Control(spi, spi.WSPAccept(listener)[0])
    stream.receive(len(COOKIE))
    control.state(TEST_START)
    control.state(TEST_RUNNING)
    if wanted.get("reverse"):
        moved = send_for(stream, wanted["time"], wanted["bandwidth"])
        control.expect(TEST_END)
    else:
        reader = Moved(stream)
        control.expect(TEST_END)
        moved = reader.total
    control.state(EXCHANGE_RESULTS)
    control.receive_json()
    control.send_json(results(moved, wanted["time"]))
    control.state(DISPLAY_RESULTS)
    control.expect(DONE)
    print("served", flush=True)


def connect(spi, host):
    six = ":" in host
    s = spi.WSPSocket(spi.AF_INET6 if six else spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    spi.WSPConnect(s, (host, PORT))
    made = Control(spi, s)
    made.send(COOKIE)
    return made


def call(spi, host, *, reverse):
    control = connect(spi, host)
    control.expect(PARAM_EXCHANGE)
    wanted = {"tcp": True, "omit": 0, "time": 1, "num": 0, "blockcount": 0, "parallel": 1}
    wanted |= {"len": PIECE, "pacing_timer": 1000, "client_version": "3.12", "bandwidth": RATE}
    control.send_json(wanted | ({"reverse": True} if reverse else {}))
    control.expect(CREATE_STREAMS)
    stream = connect(spi, host)
    control.expect(TEST_START)
    control.expect(TEST_RUNNING)
    reader = Moved(stream) if reverse else None
    if reader is None:
        moved = send_for(stream, wanted["time"], wanted["bandwidth"])
    else:
        threading.Event().wait(wanted["time"])
        moved = 1
    control.state(TEST_END)
    control.expect(EXCHANGE_RESULTS)
    control.send_json(results(moved, wanted["time"]))
    (theirs,) = control.receive_json()["streams"]
    control.expect(DISPLAY_RESULTS)
    control.state(DONE)
    spi.WSPCloseSocket(stream.s)
    if reader is not None:
        reader.thread.join(5)
        moved = reader.total
    print(json.dumps({"ours": moved, "theirs": theirs["bytes"]}), flush=True)


def main():
    config, role, host, *more = sys.argv[1:]
    plane = engine.start(Config.load(config))
    spi = Provider(plane)
    spi.WSPStartup(0x0202)
    if role == "client":
        call(spi, host, reverse="reverse" in more)
    else:
        listener = spi.WSPSocket(
            spi.AF_INET6 if ":" in host else spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP
        )
        spi.WSPBind(listener, (host, PORT))
        spi.WSPListen(listener, 5)
        print("ready", flush=True)
        serve(spi, listener)
        signal.pause()
    spi.WSPCleanup()
    engine.stop(plane)


if __name__ == "__main__":
    main()
