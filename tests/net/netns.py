"""Network namespaces with the kernel's TCP in them, and programs that run inside."""

import contextlib
import ctypes
import itertools
import os
import selectors
import signal
import subprocess
import time
from pathlib import Path

from pyroute2 import NetNS, netns

NUMBERS = itertools.count(1)
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
DEADLINE = 10.0  # seconds for a program to get ready or to end


def enter(file):
    """Bring the calling thread into a namespace."""
    if LIBC.setns(file.fileno(), CLONE_NEWNET) < 0:
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    """A namespace of its own, gone with all that is in it at the end of the `with`."""

    def __init__(self):
        self.name = f"pyprov-{os.getpid()}-{next(NUMBERS)}"
        self.closing = contextlib.ExitStack()

    def __enter__(self):
        netns.create(self.name)
        self.closing.callback(netns.remove, self.name)
        self.ip = self.closing.enter_context(NetNS(self.name))
        self.up("lo")
        return self

    def __exit__(self, *exception):
        self.closing.close()

    def index(self, device):
        (number,) = self.ip.link_lookup(ifname=device)
        return number

    def appear(self, device, seconds=2 * DEADLINE):
        """Wait until somebody has made the device."""
        end = time.monotonic() + seconds
        while not self.ip.link_lookup(ifname=device):
            assert time.monotonic() < end, f"there is no {device}"

    def up(self, device, *addresses, mac=None):
        """Give a device addresses ("10.9.0.1/24") and set it up; no address is probed for."""
        number = self.index(device)
        if mac:
            self.ip.link("set", index=number, address=mac)
        for address in addresses:
            host, _, length = address.partition("/")
            flags = {"flags": 2} if ":" in host else {}  # IFA_F_NODAD
            self.ip.addr("add", index=number, address=host, prefixlen=int(length), **flags)
        self.ip.link("set", index=number, state="up")

    def veth(self, device, other, other_device):
        """Join two namespaces."""
        peer = {"ifname": other_device, "net_ns_fd": other.name}
        self.ip.link("add", ifname=device, kind="veth", peer=peer)

    @contextlib.contextmanager
    def inside(self):
        """Let the calling thread make sockets and devices in here."""
        home, here = map(Path, ("/proc/thread-self/ns/net", f"/run/netns/{self.name}"))
        with home.open() as home, here.open() as here:
            enter(here)
            try:
                yield
            finally:
                enter(home)

    def command(self, *words):
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def run(self, *words, check=True, timeout=DEADLINE, **options):
        """Run a program to its end; what it says is in .stdout and .stderr."""
        done = subprocess.run(
            self.command(*words), capture_output=True, timeout=timeout, check=False, **options
        )
        assert not check or done.returncode == 0, f"{words}: {done.returncode}\n{done.stderr}"
        return done

    def start(self, *words, **options):
        """Start a program that runs beside the test; end it with `Program.stop`."""
        program = Program(self.command(*words), **options)
        self.closing.callback(program.kill)
        return program

    def capture(self, device, path):
        """Record what a device sees, until `.stop()`."""
        words = ("tcpdump", "-i", device, "-U", "--immediate-mode", "-s2048", "-B65536", "-w", path)
        program = self.start(*words, stderr=True)
        program.wait_for("listening on")
        return program


class Program:
    """A program that runs beside the test; its output goes line by line through `wait_for`."""

    def __init__(self, words, *, stderr=False, **options):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            words, stdout=pipe, stderr=pipe if stderr else subprocess.STDOUT, **options
        )
        self.words = words
        self.out = self.process.stderr if stderr else self.process.stdout
        os.set_blocking(self.out.fileno(), False)
        self.said = b""

    def wait_for(self, text, seconds=DEADLINE):
        """Read until the text was said; the line with it is returned."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.out, selectors.EVENT_READ)
            end = time.monotonic() + seconds
            while True:
                lines = [line for line in self.said.splitlines() if text.encode() in line]
                if lines:
                    return lines[0].decode()
                ready = selector.select(end - time.monotonic())
                chunk = self.out.read() if ready else None
                assert chunk, f"{self.words} did not say {text!r}, but: {self.said.decode()}"
                self.said += chunk

    def stop(self, number=signal.SIGINT, seconds=DEADLINE):
        """Ask it to end; its exit status is returned."""
        self.process.send_signal(number)
        return self.end(seconds)

    def end(self, seconds=DEADLINE):
        """Let it end by itself; its exit status is returned."""
        rest, errors = self.process.communicate(timeout=seconds)
        self.said += (errors if self.out is self.process.stderr else rest) or b""
        return self.process.returncode

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


# What tshark warns of although nobody did anything wrong: a reader slower than its peer, the answer
# to a segment that came twice, and what net_tap writes as the checksum 0 (as good a sum).
HARMLESS = ("Zero Window segment", "completely full", "D-SACK", "0xffff instead of 0x0000")


def expert(path, display_filter=""):
    """Tshark's complaints (warnings and errors) about a capture, checksums looked at."""
    words = [
        *("tshark", "-r", str(path), "-T", "fields", "-e", "frame.number", "-e", "_ws.expert"),
        *("-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"),
        *("-d", "tcp.port==1-65535,data"),  # a port says nothing of what we carry
        *("-Y", f"_ws.expert.severity >= warning{display_filter and f' and ({display_filter})'}"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    lines = done.stdout.splitlines()
    return [line for line in lines if not any(text in line for text in HARMLESS)]
