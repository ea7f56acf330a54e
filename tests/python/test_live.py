"""Live engines: worker threads, real time, doorbells. No device: a host talks to itself."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from pyprov.core import port
from pyprov.core.port import ConnectParams, DataplaneError, ListenParams
from pyprov.runtime.config import Config
from pyprov.runtime.waiter import Waiter
from tests.python import live
from tests.python.live import PATIENCE

SECOND = 1_000_000_000
TABLES = {
    "provider": {"memory": 24, "packet_buffers": 2048, "max_connections": 1024},
    "port": [{"device": "ring", "address": ["10.9.0.2/24"]}],
}


def start(workers=1):
    return live.start(Config.from_dict(TABLES | {"workers": {"count": workers}}))


@pytest.fixture(params=[1, 2], ids=["one-worker", "two-workers"])
def plane(request):
    made = start(request.param)
    yield made
    if made.home.alive:
        made.stop(0)


@pytest.fixture
def listener(plane):
    return plane.listen(ListenParams(port=80, backlog=50))


def until(plane, handle, mask):
    """Wait for one of these bits; a wait may end without."""
    while not plane.thread_waiter().wait_for(handle, mask, PATIENCE * SECOND):
        pass


def connect(plane, host="10.9.0.2"):
    handle = plane.connect(ConnectParams(peer=port.pack_address(host), peer_port=80))
    until(plane, handle, port.READY_CONNECT)
    assert plane.status(handle).error == 0
    return handle


def accept(plane, listener):
    until(plane, listener, port.READY_ACCEPT)
    return plane.accept(listener).handle


def receive(plane, handle, size):
    got, buffer = bytearray(), bytearray(65536)
    while len(got) < size:
        n = plane.recv(handle, buffer)
        if n is None:
            wanted = port.READY_READ | port.READY_ERROR
            until(plane, handle, wanted)
        else:
            assert n > 0
            got += buffer[:n]
    return bytes(got)


def send(plane, handle, data):
    left = memoryview(data)
    while left:
        n = plane.send(handle, left)
        if n is None:
            until(plane, handle, port.READY_WRITE)
        else:
            left = left[n:]


def shutdown_error(call, *args):
    with pytest.raises(DataplaneError) as caught:
        call(*args)
    return caught.value.error


@pytest.mark.parametrize("host", ["10.9.0.2", "127.0.0.1"])
def test_a_host_talks_to_itself_both_ways_at_once(plane, listener, host):
    there = connect(plane, host)
    here = accept(plane, listener)
    data = np.random.default_rng(1).bytes(3_000_000)
    sender = threading.Thread(target=send, args=(plane, here, data))
    echo = threading.Thread(target=lambda: send(plane, there, receive(plane, there, len(data))))
    sender.start()
    echo.start()
    assert receive(plane, here, len(data)) == data
    sender.join()
    echo.join()


def test_a_connection_can_begin_at_any_port_of_ours(plane, listener):
    """Its answers come to the worker that the four numbers belong to, whoever's turn it is."""
    for local_port in range(50000, 50016):
        handle = plane.connect(
            ConnectParams(peer=port.pack_address("10.9.0.2"), peer_port=80, local_port=local_port)
        )
        until(plane, handle, port.READY_CONNECT)
        assert plane.status(handle).error == 0
        assert plane.info(handle).local_port == local_port


def test_a_blocked_thread_lets_others_run(plane, listener):
    ended = threading.Event()

    def block():
        plane.thread_waiter().wait_for(listener, port.READY_ACCEPT)
        ended.set()

    thread = threading.Thread(target=block)
    thread.start()
    connect(plane)
    assert ended.wait(1)
    thread.join()


def test_a_timeout_takes_its_time(plane, listener):
    begin = time.monotonic()
    assert plane.thread_waiter().wait_for(listener, port.READY_ACCEPT, SECOND // 20) == 0
    assert 0.05 <= time.monotonic() - begin < 10
    begin = time.monotonic()
    event = os.eventfd(0)
    assert plane.wait_fds([event], SECOND // 20) == []
    assert 0.05 <= time.monotonic() - begin < 10
    os.close(event)


def test_stop_wakes_every_sleeper(plane, listener):
    errors = []
    ready = threading.Barrier(9)

    def sleep():
        plane.thread_waiter().wait_for(listener, port.READY_ACCEPT)

    def wait_for():
        ready.wait()
        errors.append(shutdown_error(sleep))

    def wait_fds():
        ready.wait()
        errors.append(shutdown_error(plane.wait_fds, []))

    threads = [threading.Thread(target=f) for f in [wait_for, wait_fds] * 4]
    for thread in threads:
        thread.start()
    view = plane.status(listener)
    assert view.generation != 0
    ready.wait()
    plane.stop(0)
    for thread in threads:
        thread.join()
    assert errors == [-errno.ESHUTDOWN] * 8
    assert (view.generation, view.ready) == (0, 0)
    assert shutdown_error(plane.stop, 0) == -errno.ESHUTDOWN


def test_stop_amid_calls_is_an_error_and_no_crash(plane, listener):
    """Threads hammer every verb while the engine goes away under them."""
    there = connect(plane)
    here = accept(plane, listener)
    ready = threading.Barrier(5)

    def hammer(call):
        ready.wait()
        ended.append(shutdown_error(repeat, call))

    def repeat(call):
        while True:
            call()

    ended = []
    view = plane.status(here)
    calls = [
        lambda: plane.send(there, b"x" * 1000),
        lambda: plane.recv(here, bytearray(500)),
        lambda: plane.accept(listener),
        lambda: (view.ready, plane.status(here).ready, plane.readable(here)),
    ]
    threads = [threading.Thread(target=hammer, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    ready.wait()
    plane.thread_waiter().wait(SECOND // 50)
    plane.stop(0)
    for thread in threads:
        thread.join()
    assert ended == [-errno.ESHUTDOWN] * 4


def test_a_signal_is_handled_and_the_wait_goes_on(plane, listener):
    came = []
    before = signal.signal(signal.SIGALRM, lambda *_: came.append(time.monotonic()))
    try:
        begin = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        assert plane.thread_waiter().wait_for(listener, port.READY_ACCEPT, SECOND // 10) == 0
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert 0.1 <= time.monotonic() - begin < 10
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert came


def test_no_signal_is_lost_on_the_way_into_a_wait(plane, listener):
    """The handler ends the wait, whenever it comes."""
    waiter = plane.thread_waiter()
    before = signal.signal(signal.SIGALRM, lambda *_: waiter.ring())
    try:
        for microseconds in range(1, 300):
            signal.setitimer(signal.ITIMER_REAL, microseconds / 1e6)
            assert waiter.wait_for(listener, port.READY_ACCEPT) == 0
    finally:
        signal.signal(signal.SIGALRM, before)


def test_calls_that_end_at_once_keep_other_python_threads_waiting(plane, listener):
    """Another thread runs whenever it may, and does not get to: nobody is sent to sleep."""
    turns, over = 0, threading.Event()

    def run():
        nonlocal turns
        while not over.is_set():
            turns += 1
            time.sleep(0)

    waiter, handle, record = plane.thread_waiter(), connect(plane), bytearray(1)
    other = threading.Thread(target=run)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # seconds: who has the interpreter keeps it unless he gives it up
    try:
        other.start()
        while turns < 1:
            time.sleep(0)
        seen = turns
        for _ in range(2000):
            plane.accept(listener)
            plane.status(handle)
            plane.send(handle, b"")
            plane.recv(handle, record)
            waiter.watch(handle, port.READY_READ)
            waiter.take()
            waiter.ring()
            with contextlib.suppress(DataplaneError):
                plane.close(0)
        assert turns == seen
    finally:
        over.set()
        sys.setswitchinterval(before)
        other.join()


def test_a_waiter_that_a_signal_kept_from_being_made_goes_quietly():
    Waiter.__new__(Waiter).__del__()


def test_an_exception_from_a_signal_ends_the_wait_and_leaves_nothing(plane, listener):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(KeyboardInterrupt):
            plane.thread_waiter().wait_for(listener, port.READY_ACCEPT)
    finally:
        signal.signal(signal.SIGALRM, before)
    connect(plane)
    assert plane.thread_waiter().take() == []


def test_engines_live_beside_each_other_and_come_back():
    planes = [start(), start(2)]
    for plane in planes:
        plane.listen(ListenParams(port=80))
        connect(plane)
    planes[0].stop(0)
    connect(planes[1])
    planes[1].stop(0)
    plane = start()
    plane.listen(ListenParams(port=80))
    connect(plane)
    plane.stop(0)


# ---- processes -----------------------------------------------------------------------------------

PROGRAM = f"""
import contextlib, os, signal, sys, threading
from pyprov.core import port
from pyprov.core.port import DataplaneError, ListenParams
from pyprov.runtime import engine
from pyprov.runtime.config import Config
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
config = Config.from_dict({TABLES!r})
plane = engine.start(config)
listener = plane.listen(ListenParams(port=80))
def wait():
    print("waits", flush=True)
    plane.thread_waiter().wait_for(listener, port.READY_ACCEPT)
"""


def program(script, number=None, wait="waits"):
    """Run a program with a live engine; send it a signal once it says that it waits."""
    words = [sys.executable, "-c", PROGRAM + script]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True) as process:
        said = ""
        if number is not None:
            said = process.stdout.readline()
            assert said.strip() == wait, process.stderr.read()
            process.send_signal(number)
        try:
            rest, errors = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    return process.returncode, said + rest, errors


def test_the_interpreters_exit_ends_the_engine():
    status, out, errors = program("print('end')")
    assert (status, out, errors) == (0, "end\n", "")


def test_an_engine_left_with_waiting_threads_does_not_hold_the_exit_up():
    script = """
def sleep():
    began.set()  # and no print: Python aborts when a daemon holds standard output at the end
    with contextlib.suppress(DataplaneError):
        plane.thread_waiter().wait_for(listener, port.READY_ACCEPT)
began = threading.Event()
threading.Thread(target=sleep, daemon=True).start()
began.wait()
"""
    assert program(script) == (0, "", "")


def test_stopping_survives_garbage_wherever_it_is_collected():
    """Also while Python fetches the threads' stacks, where it would wait for itself."""
    script = """
import gc
from pyprov.runtime.stacks import others_inside
gc.freeze()
for allocations in range(1, 400):
    gc.collect()
    gc.set_threshold(allocations)
    own = threading.local()
    own.value = [own]
    cycle = [own]
    cycle.append(cycle)
    del own, cycle
    others_inside(plane.stop.__code__)
print("end")
"""
    assert program(script) == (0, "end\n", "")


def test_control_c_ends_a_blocking_call():
    status, _, errors = program("wait()", signal.SIGINT)
    assert status == -signal.SIGINT
    assert "KeyboardInterrupt" in errors


def test_sigterm_ends_the_process_as_if_nobody_had_handled_it():
    status, out, errors = program("wait()", signal.SIGTERM)
    assert (status, out, errors) == (-signal.SIGTERM, "waits\n", "")


def test_the_applications_own_sigterm_handler_stays():
    script = """
def bye(*_):
    print("bye")
    sys.exit(3)
signal.signal(signal.SIGTERM, bye)
engine.stop(plane)
plane = engine.start(config)
listener = plane.listen(ListenParams(port=80))
wait()
"""
    status, out, errors = program(script, signal.SIGTERM)
    assert (status, out, errors) == (3, "waits\nbye\n", "")


def test_stop_gives_the_signal_back():
    script = "engine.stop(plane); print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)"
    assert program(script) == (0, "True\n", "")


def test_a_forked_child_is_told_and_the_parent_goes_on():
    script = """
child = os.fork()
if child == 0:
    for call in (lambda: plane.accept(listener), lambda: plane.stop(0),
                 lambda: plane.status(listener), plane.thread_waiter,
                 lambda: engine.start(config)):
        try:
            print(call())
        except (DataplaneError, engine.StartError) as error:
            print(type(error).__name__, error)
    sys.exit(0)
print(os.waitpid(child, 0)[1])
print(plane.accept(listener), plane.now() > 0)
"""
    status, out, errors = program(script)
    lines = out.splitlines()
    assert (status, errors) == (0, "")
    assert len(lines) == 7
    assert [line for line in lines[:5] if "forked" not in line] == []
    assert lines[5:] == ["0", "None True"]


def test_other_eal_parameters_in_one_process_are_one_clear_line():
    script = """
try:
    engine.start(Config.from_dict({"provider": {"eal": ["--match-allocations"]},
                                   "port": [{"device": "ring"}]}))
except engine.StartError as error:
    print(error)
"""
    status, out, errors = program(script)
    assert (status, errors) == (0, "")
    assert out.count("\n") == 1
    assert "other EAL parameters" in out
