"""The demo itself: an engine on a tap, a condition function, curl; each step checked and told."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import subprocess
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyroute2 import IPRoute

from pyprov.runtime import engine
from pyprov.runtime.config import Config
from pyprov.runtime.counters import counter_texts
from pyprov.spi import Provider
from pyprov.spi.default import limits_of
from pyprov.tools.arguments import Where
from pyprov.tools.demo.condition import asked, condition
from pyprov.tools.demo.watch import Watch, in_words
from pyprov.tools.serve import http, listen
from pyprov.tools.serve.acceptor import Acceptor

if TYPE_CHECKING:
    from pyprov.core.port import Dataplane
    from pyprov.winsock.address import SockAddr

_INTERFACE: Final = "pv0"
_OURS: Final = "10.9.0.2"
_WELCOME: Final = "10.9.0.1"
_UNWELCOME: Final = "10.9.0.66"
_PREFIX: Final = 24
_MEGABYTES: Final = 10_000_000
_PATIENCE: Final = "20"
_CURL_REFUSED: Final = 7
_CURL_RESET: Final = (56, 55, 7)  # as it waits for the answer, as it asks, before it has looked

_PICTURE: Final = f"""\
The Linux kernel connects to a TCP that is not its own:

  curl - kernel's TCP - interface {_INTERFACE} = tap = DPDK's net_tap - worker - backlog - WSPAccept
         {_WELCOME}                                   |______________ pyprov ______________|
         {_UNWELCOME}                                              {_OURS}
"""

_ON: Final = """\
How to go on:
  ./dev bench            how many connections a second, beside what the kernel does
  ./dev shell            a shell with `pyprov` at hand; try `pyprov doctor`, or as root
                         pyprov serve --listen 10.9.0.2:80 --condition MODULE:FUNCTION
  README.md              the same server in ten lines of Python, and where things are
"""


class Disappointed(Exception):  # noqa: N818 - it is what the demo is when a step goes wrong
    """A step did not end as it should."""


def tell() -> None:
    """Tell the story in the network namespace of this process.

    Raises:
        StartError: the engine does not start.
        Disappointed: something did not happen as it should.
    """
    print(_PICTURE)
    with contextlib.ExitStack() as closing:
        begin = time.monotonic()
        config = Config.load("tap").updated({"provider": {"huge": "never"}})
        _calm()
        dataplane = engine.start(config)
        closing.callback(engine.stop, dataplane)
        spi = Provider(dataplane, limits_of(config))
        acceptor = Acceptor(
            dataplane, spi, listen(spi, Where(_OURS, 80), 128), http.serve, condition
        )
        closing.callback(acceptor.stop)
        _address()
        print(f"Ready after {time.monotonic() - begin:.2f} s. Who may connect is up to this:\n")
        print(textwrap.indent(inspect.getsource(condition), "  "))
        watch = Watch(_INTERFACE)
        closing.callback(watch.close)
        _greet(watch)
        _megabytes()
        _reject(watch)
        _refuse()
        _count(dataplane, acceptor)
    print(_ON, end="")


def _calm() -> None:
    """Keep the kernel from looking for IPv6 routers on the tap, which clutters the view."""
    for which in ("all", "default"):
        with contextlib.suppress(OSError):
            Path(f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6").write_text("1")


def _address() -> None:
    """Give the kernel's side of the tap its addresses."""
    with IPRoute() as ip:
        (index,) = ip.link_lookup(ifname=_INTERFACE)
        for host in (_WELCOME, _UNWELCOME):
            ip.addr("add", index=index, address=host, prefixlen=_PREFIX)
        ip.link("set", index=index, state="up")


def _greet(watch: Watch) -> None:
    print(f"1. curl http://{_OURS}/ from {_WELCOME}\n")
    watch.take()
    done = _curl(f"http://{_OURS}/")
    _show(watch)
    _expect(done.returncode == 0 and done.stdout == http.GREETING, _complaint(done))
    _expect(len(asked) == 1, "the condition function was not asked once")
    print(f"   The condition function was asked: {_name(asked[0][0])} would like to talk to")
    print(f"   {_name(asked[0][1])}. It said CF_ACCEPT, and curl got:\n")
    print(textwrap.indent(done.stdout.decode(), "     "))


def _megabytes() -> None:
    print(f"2. {_MEGABYTES:,} bytes each way\n")
    data = (bytes(range(251)) * (_MEGABYTES // 251 + 1))[:_MEGABYTES]
    digest = hashlib.sha256(data).hexdigest()
    begin = time.monotonic()
    down = _curl(f"http://{_OURS}/{_MEGABYTES}")
    middle = time.monotonic()
    up = _curl("--data-binary", "@-", f"http://{_OURS}/", data=data)
    end = time.monotonic()
    _expect(down.stdout == data, _complaint(down) or "what came down is not what was sent")
    _expect(up.stdout.decode().split()[1:] == [digest], _complaint(up) or "not what was sent")
    for name, seconds in (("from", middle - begin), ("to", end - middle)):
        rate = _MEGABYTES / seconds / 1e6
        print(f"   {name:4} pyprov  {seconds:6.3f} s  {rate:6.1f} MB/s  SHA-256 {digest[:16]}...")
    print("   The same bytes at both ends, each time.\n")


def _reject(watch: Watch) -> None:
    print(f"3. curl http://{_OURS}/ from {_UNWELCOME}\n")
    watch.take()
    before = len(asked)
    done = _curl("--interface", _UNWELCOME, f"http://{_OURS}/")
    _show(watch)
    _expect(done.returncode in _CURL_RESET, _complaint(done) or "it was not rejected")
    _expect([caller[0] for caller, _ in asked[before:]] == [_UNWELCOME], "nobody asked")
    print("   A request waits in the backlog with its handshake done, as everywhere; then the")
    print(f"   condition function saw {_name(asked[-1][0])} and said CF_REJECT. curl says:")
    print(f"     {done.stderr.decode().strip()}\n")


def _refuse() -> None:
    begin = time.monotonic()
    done = _curl(f"http://{_OURS}:81/")
    milliseconds = (time.monotonic() - begin) * 1000
    _expect(done.returncode == _CURL_REFUSED, _complaint(done) or "port 81 is not closed")
    print(f"4. A port where nobody listens: refused, curl was back after {milliseconds:.0f} ms\n")


def _count(dataplane: Dataplane, acceptor: Acceptor) -> None:
    print("Every frame ended in exactly one counter; these are not 0:\n")
    texts = counter_texts()
    for name, number in dataplane.counters().items():
        if number:
            print(f"  {name:22} {number:>10,}  {texts[name]}")
    print(f"\n{acceptor.accepted} connections accepted, {acceptor.rejected} rejected.\n")


def _show(watch: Watch) -> None:
    for line in in_words(watch.take()):
        print(f"   {line}")
    print()


def _curl(*words: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = ["curl", "-q", "-sS", "--noproxy", "*", "--max-time", _PATIENCE, *words]
    return subprocess.run(command, input=data, capture_output=True, check=False)


def _complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode().strip()


def _expect(as_it_should_be: bool, complaint: str) -> None:
    if not as_it_should_be:
        raise Disappointed(complaint or "this is not what should have happened")


def _name(address: SockAddr) -> str:
    return f"{address[0]}:{address[1]}"
