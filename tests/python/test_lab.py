"""Step mode from Python."""

import gc
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP

from pyprov.core import port
from pyprov.core.port import ConnectParams, DataplaneError, ListenParams
from pyprov.lab import Deadlock, Lab
from pyprov.runtime.config import ConfigError
from tests.python.live import PATIENCE
from tests.python.peer import Peer


@pytest.fixture
def lab():
    with Lab(seed=1) as made:
        yield made


@pytest.fixture
def peer(lab):
    return Peer(lab)


def run(script):
    """Run Python in a process of its own, whose EAL is fresh."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_lab_answers_arp_and_solicitations_with_its_own_address(lab, peer):
    peer.announce()
    peer.send(ARP(op=1, hwsrc=peer.mac, psrc=peer.address, pdst=lab.address))
    (reply,) = peer.frames()
    assert (reply[ARP].op, reply[ARP].hwsrc, reply[ARP].psrc) == (2, lab.mac, "10.9.0.2")
    peer.send(IP(src=peer.address, dst=lab.address) / ICMP(seq=7) / b"data")
    (pong,) = peer.frames()
    assert (pong.src, pong[ICMP].type, pong[ICMP].seq) == (lab.mac, 0, 7)
    peer.send(IPv6(src=peer.address6, dst=lab.address6) / ICMPv6EchoRequest(seq=9))
    (pong,) = peer.frames()
    assert pong[ICMPv6EchoReply].seq == 9


def test_static_neighbours_are_never_asked_for():
    neighbour = {"address": "10.9.0.1", "mac": "02:00:00:00:00:99"}
    with Lab(config={"port": [{"neighbour": [neighbour]}]}) as lab:
        echo = IP(src="10.9.0.1", dst=lab.address) / ICMP()
        Peer(lab).send(echo, src="02:00:00:00:00:55")
        ((_, frame),) = lab.collect()
        assert frame[:6] == bytes.fromhex("020000000099")


def test_time_stands_still_until_it_is_let(lab):
    assert lab.now == 0
    time_before = lab.dataplane.now()
    lab.advance(0.25)
    assert lab.now == 0.25
    assert lab.dataplane.now() - time_before == 250_000_000
    lab.advance(0)
    assert lab.now == 0.25
    with pytest.raises(ValueError, match="back"):
        lab.advance(-1)


def test_frames_carry_the_time_at_which_they_were_sent(lab, peer):
    peer.announce()
    lab.advance(0.5)
    peer.send(IP(src=peer.address, dst=lab.address) / ICMP())
    lab.advance(0.5)
    (pong,) = peer.frames()
    assert pong.time == 0.5


def test_a_deadlock_is_told_and_a_timeout_is_none(lab):
    waiter = lab.dataplane.thread_waiter()
    listener = lab.dataplane.listen(ListenParams(port=80))
    assert waiter.wait_for(listener, port.READY_ACCEPT, 5_000_000_000) == 0
    assert lab.now == 5
    job = lab.spawn(lambda: lab.dataplane.thread_waiter().wait())
    with pytest.raises(Deadlock, match="lambda"):
        waiter.wait()
    with pytest.raises(Deadlock):
        job.result()


def test_a_deadlock_that_was_seen_by_who_waited_for_the_job_is_not_raised_again():
    with Lab() as lab:
        job = lab.spawn(lambda: lab.dataplane.thread_waiter().wait())
        with pytest.raises(Deadlock):
            job.result()


def test_unknown_keys_are_errors():
    with pytest.raises(ConfigError, match="sacks"):
        Lab(config={"tcp": {"sacks": True}})
    with Lab() as lab, pytest.raises(ConfigError, match="sacks"):
        lab.configure(sacks=True)
    with Lab() as lab:
        lab.configure(sack=False, rto_min=0.05)
        assert lab.config.tcp.rto_min == 0.05


def test_many_labs_live_beside_each_other():
    labs = [Lab(seed=i) for i in range(10)]
    for number, lab in enumerate(labs):
        lab.advance(number)
    assert [lab.now for lab in labs] == list(range(10))
    for lab in labs:
        lab.__exit__(None, None, None)


def open_files():
    gc.collect()  # a lab stays as long as the trace of an error that came out of it
    return len(list(Path("/proc/self/fd").iterdir()))


def test_labs_come_and_go():
    before = open_files()
    for seed in range(100):
        with Lab(seed=seed):
            pass
    assert open_files() <= before + 2


START = """
import time
from pyprov.lab import Lab
begin = time.process_time()
with Lab() as lab:
    print(time.process_time() - begin)
"""


def test_the_first_lab_of_a_process_starts_at_once():
    # The processor's time: the machine may be busy.
    assert any(float(run(START)) < 0.3 for _ in range(10))


WITHOUT_RIGHTS = """
import os
from pyprov.lab import Lab
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
with Lab() as lab:
    lab.advance(1)
    print(os.geteuid(), lab.now)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="has no rights to lose")
def test_a_lab_needs_no_rights():
    assert run(WITHOUT_RIGHTS) == "65534 1.0\n"


PINNED = """
import os, threading
from pyprov.lab import Lab
before = os.sched_getaffinity(0)
with Lab():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)))
    thread.start()
    thread.join()
    print(before == os.sched_getaffinity(0) == seen[0])
"""


def test_no_thread_is_pinned():
    assert run(PINNED).strip() == "True"


def talk(seed, **wire):
    """A transfer each way between two labs; what was on the wire, and when it ended."""
    with Lab.pair(seed=seed, **wire) as two:
        a, b = two.a.dataplane, two.b.dataplane

        def serve():
            listener = b.listen(ListenParams(port=80))
            assert b.thread_waiter().wait_for(listener, port.READY_ACCEPT)
            return exchange(b, b.accept(listener).handle, b"y" * 20_000)

        def call():
            params = ConnectParams(peer=port.pack_address(two.b.address), peer_port=80)
            handle = a.connect(params)
            a.thread_waiter().wait_for(handle, port.READY_CONNECT)
            return exchange(a, handle, b"x" * 30_000)

        served, called = two.spawn(serve), two.spawn(call)
        assert served.result() == b"x" * 30_000
        assert called.result() == b"y" * 20_000
        return two.a.collect(), two.b.collect(), two.now


def exchange(dataplane, handle, data):
    """Send all, say so, and receive until the other has said so."""
    waiter, left, got = dataplane.thread_waiter(), memoryview(data), bytearray()
    buffer = bytearray(4096)
    while left:
        n = dataplane.send(handle, left)
        if n is None:
            waiter.wait_for(handle, port.READY_WRITE)
        else:
            left = left[n:]
    dataplane.shutdown_send(handle)
    while (n := dataplane.recv(handle, buffer)) != 0:
        if n is None:
            waiter.wait_for(handle, port.READY_READ | port.READY_CLOSE)
        else:
            got += buffer[:n]
    return bytes(got)


WILD = {"loss": 0.03, "reorder": 0.05, "duplicate": 0.02, "delay": 0.01}


def test_a_pair_talks_over_its_wire():
    sent_a, sent_b, now = talk(1, rate=1e9, delay=0.01)
    assert sum(len(frame) for _, frame in sent_a) > 30_000
    assert sum(len(frame) for _, frame in sent_b) > 20_000
    assert 0.04 < now < 1


def test_same_seed_same_bytes():
    first = talk(3, **WILD)
    assert first == talk(3, **WILD)
    assert first[:2] != talk(4, **WILD)[:2]


def test_a_pair_is_where_it_says():
    with Lab.pair() as two:
        assert (two.a.address, two.a.address6) == ("10.9.0.1", "fd09::1")
        assert (two.b.address, two.b.address6) == ("10.9.0.2", "fd09::2")
        two.advance(1)
        assert two.now == 1
        assert two.a.dataplane.now() == two.b.dataplane.now()


def test_real_time_does_not_matter():
    begin = time.process_time()
    with Lab() as lab:
        lab.advance(86400)
        assert lab.now == 86400
    assert time.process_time() - begin < 5


def test_the_thirty_functions_block_in_virtual_time():
    with Lab.pair(delay=0.05) as two:
        a, b = two.a.spi, two.b.spi
        listener = b.WSPSocket(b.AF_INET, b.SOCK_STREAM, b.IPPROTO_TCP)
        b.WSPBind(listener, (two.b.address, 80))
        b.WSPListen(listener, 5)
        begin = two.now
        job = two.spawn(b.WSPAccept, listener)
        caller = a.WSPSocket(a.AF_INET, a.SOCK_STREAM, a.IPPROTO_TCP)
        a.WSPConnect(caller, (two.b.address, 80))
        connection, (host, _) = job.result()
        assert host == two.a.address
        assert two.now - begin >= 0.1
        a.WSPSend(caller, b"hello")
        buffer = bytearray(10)
        assert b.WSPRecv(connection, buffer)[0] == 5
        assert buffer[:5] == b"hello"


def test_startups_and_cleanups_need_not_match():
    with Lab() as lab:
        lab.spi.WSPStartup(0x0202)
    with Lab() as lab:
        lab.spi.WSPCleanup()
    with Lab() as lab:
        lab.dataplane.stop(0)
        lab.advance(1)


@pytest.mark.parametrize(
    "call",
    [
        lambda lab, view: lab.inject(view, port=7),
        lambda lab, view: lab.dataplane.send(0, view),
        lambda lab, view: lab.dataplane.recv(0, [view, view]),
        lambda lab, view: lab.dataplane.send_many(np.zeros(2, np.uint64), [view]),
    ],
    ids=["inject", "send", "recv", "send_many"],
)
def test_an_error_does_not_hold_the_callers_memory(lab, call):
    """Python crashes when it collects a memoryview together with who exports it."""
    view = memoryview(bytearray(60))
    with pytest.raises((DataplaneError, ValueError)) as error:
        call(lab, view)
    view.release()
    assert error.tb is not None  # until here


def test_configure_reaches_listeners_made_later(lab, peer):
    lab.configure(syn_cookies="always")
    spi = lab.spi
    listener = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    spi.WSPBind(listener, (lab.address, 80))
    spi.WSPListen(listener, 5)
    peer.tcp(80).handshake()
    assert lab.dataplane.counters()["TCP_SYN_COOKIE"] == 1
