"""WSPStartup, WSPCleanup, the table."""

import threading

import pytest

from pyprov import spi as module
from pyprov.core.limits import Limits
from pyprov.spi.provider import AllCalls
from pyprov.spi.startup import Engine
from pyprov.spi.table import ORDER
from tests.python.failing import fails
from tests.python.fakes import FakeDataplane

ANY_CALL = {
    "WSPSocket": (2, 1, 6),
    "WSPBind": (4, ("10.9.0.2", 80)),
    "WSPListen": (4, 5),
    "WSPAccept": (4,),
    "WSPConnect": (4, ("10.9.0.1", 80)),
    "WSPSend": (4, b"x"),
    "WSPRecv": (4, bytearray(1)),
    "WSPShutdown": (4, 2),
    "WSPCloseSocket": (4,),
    "WSPGetSockName": (4,),
    "WSPGetPeerName": (4,),
    "WSPEventSelect": (4, None, 0),
    "WSPEnumNetworkEvents": (4,),
    "WSPSelect": ([4], None, None),
    "WSPCleanup": (),
    "accept_many": (4, 1),
}


class Own:
    """A provider that starts engines of its own, as the default one does."""

    def __init__(self):
        self.engines = []
        self.stopped = []
        self.spi = AllCalls(self.start)

    def start(self, config):
        fake = FakeDataplane()
        self.engines.append((config, fake))
        return Engine(fake, Limits(), lambda: (fake.stop(0), self.stopped.append(fake)))

    def close(self):
        for _, fake in self.engines:
            fake.__exit__(None, None, None)


@pytest.fixture
def own():
    made = Own()
    yield made
    made.close()


@pytest.mark.parametrize("name", ANY_CALL)
def test_a01_before_startup_every_call_fails_with_10093(own, name):
    with fails("NOTINITIALISED"):
        getattr(own.spi, name)(*ANY_CALL[name])


def test_a01_the_module_itself_is_not_started_either():
    with fails("NOTINITIALISED"):
        module.WSPSocket(module.AF_INET, module.SOCK_STREAM, module.IPPROTO_TCP)


@pytest.mark.parametrize("requested", [0x0202, 0x0302, 0xFF02, 0x0003, 0x00FF])
def test_a03_versions_from_2_2_on_are_answered_with_2_2(own, requested):
    data, table = own.spi.WSPStartup(requested)
    assert data.wVersion == data.wHighVersion == 0x0202
    assert data.szDescription
    assert len(table) == 30


@pytest.mark.parametrize("requested", [0x0102, 0x0002, 0x0101, 0x0001, 0xFF01, 0x0000, 0xFF00])
def test_a04_versions_below_2_2_are_not_supported(own, requested):
    with fails("VERNOTSUPPORTED"):
        own.spi.WSPStartup(requested)
    assert not own.engines


def test_a06_handles_of_before_the_last_cleanup_are_no_sockets(own):
    own.spi.WSPStartup()
    s = own.spi.WSPSocket(2, 1, 6)
    own.spi.WSPCleanup()
    own.spi.WSPStartup()
    for call in (own.spi.WSPGetSockName, own.spi.WSPCloseSocket):
        with fails("ENOTSOCK"):
            call(s)
    with fails("ENOTSOCK"):
        own.spi.WSPSend(s, b"x")
    assert own.spi.WSPSocket(2, 1, 6) != s


@pytest.mark.parametrize("bad", ["no table", 7, {}])
def test_a09_arguments_of_a_wrong_type_are_refused(own, bad):
    with fails("EFAULT"):
        own.spi.WSPStartup(0x0202, bad)
    with fails("EFAULT"):
        own.spi.WSPStartup(0x0202, None, bad)
    for version in (None, "2.2", -1, 0x10000):
        with fails("EINVAL"):
            own.spi.WSPStartup(version)


def test_startups_are_counted_and_the_last_cleanup_stops_the_engine(own):
    own.spi.WSPStartup(config="first")
    own.spi.WSPStartup(config="ignored")
    assert [config for config, _ in own.engines] == ["first"]
    own.spi.WSPCleanup()
    assert own.spi.WSPSocket(2, 1, 6)
    assert not own.stopped
    own.spi.WSPCleanup()
    assert own.stopped == [own.engines[0][1]]
    with fails("NOTINITIALISED"):
        own.spi.WSPCleanup()


def test_startup_after_cleanup_works(own):
    for config in ("one", "two"):
        own.spi.WSPStartup(config=config)
        s = own.spi.WSPSocket(2, 1, 6)
        own.spi.WSPBind(s, ("10.9.0.2", 80))
        own.spi.WSPCleanup()
    assert len(own.engines) == len(own.stopped) == 2


def test_an_engine_that_does_not_start_leaves_nothing_started(own):
    def refuse(config):
        raise module.WSAError(module.WSASYSNOTREADY, "no device")

    provider = AllCalls(refuse)
    with fails("SYSNOTREADY"):
        provider.WSPStartup()
    with fails("NOTINITIALISED"):
        provider.WSPCleanup()


def test_the_upcalls_of_the_most_recent_startup_are_used(own):
    closed = []
    first, second = module.WSPUPCALLTABLE(), module.WSPUPCALLTABLE()
    first.WPUCloseSocketHandle = lambda s: closed.append((1, s))
    second.WPUCloseSocketHandle = lambda s: closed.append((2, s))
    own.spi.WSPStartup(UpcallTable=first)
    one, two = (own.spi.WSPSocket(2, 1, 6) for _ in range(2))
    own.spi.WSPCloseSocket(one)
    own.spi.WSPStartup(UpcallTable=second)
    own.spi.WSPCloseSocket(two)
    assert closed == [(1, one), (2, two)]


def test_a_replaced_upcall_makes_the_socket_handles(own):
    table = module.WSPUPCALLTABLE()
    numbers = iter((4711, 4712))
    asked = []

    def create(catalog_id, context):
        asked.append(catalog_id)
        return next(numbers)

    table.WPUCreateSocketHandle = create
    own.spi.WSPStartup(UpcallTable=table)
    assert own.spi.WSPSocket(2, 1, 6) == 4711
    assert own.spi.WSPSocket(23, 1, 6) == 4712
    assert asked == [entry.dwCatalogEntryId for entry in own.spi.protocols()]
    own.spi.WSPCloseSocket(4711)


def test_the_default_upcalls_work(own):
    table = module.WSPUPCALLTABLE()
    with fails("EINVAL"):
        table.WPUCreateSocketHandle(1001, None)
    own.spi.WSPStartup(UpcallTable=table)
    event = table.WPUCreateEvent()
    table.WPUSetEvent(event)
    assert event.is_set()
    table.WPUResetEvent(event)
    assert not event.is_set()
    table.WPUCloseEvent(event)
    with fails("WSA_INVALID_HANDLE"):
        table.WPUSetEvent(event)
    s = own.spi.WSPSocket(2, 1, 6)
    assert table.WPUFDIsSet(s, [s])
    assert not table.WPUFDIsSet(s, [])
    assert table.WPUQuerySocketHandleContext(s)
    with fails("ENOTSOCK"):
        table.WPUQuerySocketHandleContext(s + 4)
    assert table.WPUCreateSocketHandle(1001, None) != s
    assert table.WPUModifyIFSHandle(1001, s) == s
    assert table.WPUGetProviderPath(module.WSAPROTOCOL_INFO().ProviderId).endswith("pyprov")
    assert table.WPUQueryBlockingCallback(1001) is None
    assert table.WPUOpenCurrentThread() == threading.get_ident()
    assert table.WPUCloseThread(threading.get_ident()) is None


def test_the_table_has_the_thirty_functions_in_the_spis_order(own):
    _, table = own.spi.WSPStartup()
    assert [function.__name__ for function in table] == list(ORDER)
    assert table.WSPSocket == own.spi.WSPSocket
    assert list(table) == [getattr(table, name) for name in ORDER]
    for name in ORDER:
        assert getattr(module, name).__name__ == name


def test_a_bound_provider_reads_the_constants_through(spi):
    assert spi.AF_INET6 == 23
    assert spi.WSAError is module.WSAError
    assert spi.SIO_GET_QOS == 0xC8000007
    for structure in ("RSVP_STATUS_INFO", "QOS_SD_MODE", "TCP_INFO_v1", "WSAMSG", "FLOWSPEC"):
        assert isinstance(getattr(spi, structure), type)
    with pytest.raises(AttributeError):
        _ = spi.no_such_name


def test_cleanup_of_a_bound_provider_closes_its_sockets_hard(world):
    s, client = world.pair()
    world.spi.WSPCleanup()
    assert client.was_reset
    with fails("NOTINITIALISED"):
        world.spi.WSPSend(s, b"x")
    world.spi.WSPStartup()
    with fails("ENOTSOCK"):
        world.spi.WSPSend(s, b"x")


def test_cleanup_wakes_blocked_calls(world):
    spi = world.spi
    listener = world.listener()
    s, _client = world.pair(81)
    accepting = world.spawn(spi.WSPAccept, listener)
    receiving = world.spawn(spi.WSPRecv, s, bytearray(1))
    world.advance(0.1)
    spi.WSPCleanup()
    for job in (accepting, receiving):
        with fails("EINTR"):
            job.result()


def test_cleanup_ends_the_thread_that_posts_messages(world):
    spi = world.spi
    table, posted = spi.WSPUPCALLTABLE(), []
    table.WPUPostMessage = lambda *message: posted.append(message) or True
    spi.WSPStartup(UpcallTable=table)
    listener = world.listener()
    spi.WSPAsyncSelect(listener, "window", 1, spi.FD_ACCEPT)
    world.client(80)
    world.settle()
    assert [message[:2] for message in posted] == [("window", 1)]
    thread = spi._control().pump._thread
    assert thread.running
    spi.WSPCleanup()
    assert thread.running
    spi.WSPCleanup()
    assert not thread.running


def test_bad_input_of_the_upcalls(own):
    table = module.WSPUPCALLTABLE()
    own.spi.WSPStartup(UpcallTable=table)
    closed = table.WPUCreateEvent()
    table.WPUCloseEvent(closed)
    for call in (table.WPUSetEvent, table.WPUResetEvent, table.WPUCloseEvent):
        for bad in (closed, None, 7, "event"):
            with fails("WSA_INVALID_HANDLE"):
                call(bad)
    for bad in (0, None, "s", [1]):
        with fails("ENOTSOCK"):
            table.WPUQuerySocketHandleContext(bad)
    for bad in (None, 7):
        with fails("EFAULT"):
            table.WPUFDIsSet(4, bad)
    for bad in (None, "provider", 7):
        with fails("EINVAL"):
            table.WPUGetProviderPath(bad)
    for bad in (None, "window"):
        assert table.WPUPostMessage(bad, 1, 2, 3) is False
