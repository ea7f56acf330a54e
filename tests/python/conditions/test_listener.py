"""A condition that is installed on a listener decides before anybody else."""

import pytest

import pyprov
from pyprov.conditions import Program
from pyprov.lab import Lab
from tests.python.failing import fails

PORT = 80
LIMIT = 1


@pyprov.condition
def accept(req):
    return pyprov.ACCEPT


@pyprov.condition
def reject(req):
    req.counter("rejected")
    return pyprov.REJECT


@pyprov.condition
def drop(req):
    return pyprov.DROP


@pyprov.condition
def ask(req):
    return pyprov.ASK


@pyprov.condition
def what_it_sees(req):
    """Counts what is not as it must be."""
    if req.caller.address not in ("10.9.0.1", "fd09::1"):
        req.counter("caller")
    if req.callee.address not in ("10.9.0.2", "fd09::2") or req.callee.port != 80:
        req.counter("callee")
    if req.caller.port != 5000:
        req.counter("port")
    v6 = req.caller.address in pyprov.prefix("::/0")
    if req.syn.mss != 1460 - 20 * v6 or req.syn.scale == 0:
        req.counter("mss")
    if not req.syn.sack or not req.syn.timestamps or req.syn.window < 1000:
        req.counter("options")
    if req.ttl != 128 or req.dscp != 0:
        req.counter("header")
    if req.data.length or req.data[0] or req.qos.given or req.qos.sending.service_type != 6:
        req.counter("extras")
    if req.backlog != 1 or req.half_open or req.load or req.time == 0:
        req.counter("state")
    return pyprov.ACCEPT


@pyprov.condition
def what_comes_with_it(req):
    """Counts what is not as it must be."""
    if req.data.length != 70 or req.data[0] != 104 or req.data[63] != 104:
        req.counter("data")
    if not req.qos.given or req.qos.receiving.token_rate != 100:
        req.counter("receiving")
    if req.qos.sending.token_rate != 200 or req.qos.sending.service_type != pyprov.GUARANTEED:
        req.counter("sending")
    if req.qos.receiving.minimum_policed_size != 64 or req.qos.receiving.latency != 0xFFFF_FFFF:
        req.counter("more")
    return pyprov.ACCEPT


@pyprov.condition
def once(req):
    if req.per_source(rate=1, burst=1):
        return pyprov.ACCEPT
    return pyprov.REJECT


@pyprov.condition
def number(req):
    return 3


@pytest.fixture(params=["auto", "always"], ids=["record", "cookie"])
def pair(request):
    with Lab.pair(config={"tcp": {"syn_cookies": request.param}}) as made:
        yield made


def listen(pair, condition=None, host=None):
    spi = pair.b.spi
    family = spi.AF_INET6 if host and ":" in host else spi.AF_INET
    s = spi.WSPSocket(family, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    spi.WSPBind(s, (host or pair.b.address, PORT))
    spi.WSPListen(s, 5)
    if condition is not None:
        spi.WSPIoctl(s, spi.SIO_SET_CONDITION, condition)
    return s


def connect(pair, host=None, source=None):
    spi = pair.a.spi
    family = spi.AF_INET6 if host and ":" in host else spi.AF_INET
    s = spi.WSPSocket(family, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    if source:
        spi.WSPBind(s, source)
    spi.WSPConnect(s, (host or pair.b.address, PORT))
    return s


def never(*_):
    raise AssertionError("nobody is to be asked")


def test_accept_asks_nobody_else(pair):
    s = listen(pair, accept)
    connect(pair)
    made, _ = pair.b.spi.WSPAccept(s, never)
    pair.b.spi.WSPSend(made, b"in")


@pytest.mark.parametrize("condition", [ask, None], ids=["ask", "none"])
def test_ask_leaves_it_to_the_condition_function(pair, condition):
    spi = pair.b.spi
    s = listen(pair, condition)
    connect(pair)
    asked = []
    spi.WSPAccept(s, lambda *_: asked.append(1) or spi.CF_ACCEPT)
    assert asked == [1]


def test_reject_resets(pair):
    s = listen(pair, reject)
    with fails("ECONNREFUSED"):
        connect(pair)
    counts = pair.b.spi.WSPIoctl(s, pair.b.spi.SIO_GET_CONDITION)
    assert counts.verdicts[pyprov.REJECT] == counts.counters["rejected"] == 1
    assert pair.b.dataplane.counters()["TCP_SYN_REJECTED"] == 1


def test_drop_is_silence(pair):
    listen(pair, drop)
    with fails("ETIMEDOUT"):
        connect(pair)
    assert pair.b.dataplane.counters()["TCP_SYN_DROPPED_CONDITION"] > 1
    assert pair.b.dataplane.counters()["TCP_RST_SENT"] == 0


@pytest.mark.parametrize("six", [False, True], ids=["ipv4", "ipv6"])
def test_it_sees_what_the_syn_says(pair, six):
    theirs, ours = (pair.b.address6, pair.a.address6) if six else (pair.b.address, pair.a.address)
    spi = pair.b.spi
    s = listen(pair, host=theirs)
    connect(pair, theirs)
    spi.WSPIoctl(s, spi.SIO_SET_CONDITION, what_it_sees)
    connect(pair, theirs, source=(ours, 5000))
    counts = spi.WSPIoctl(s, spi.SIO_GET_CONDITION)
    assert counts.verdicts[pyprov.ACCEPT] == 1
    assert {name: n for name, n in counts.counters.items() if n} == {}


def test_one_takes_the_place_of_another_at_once(pair):
    spi = pair.b.spi
    s = listen(pair, reject)
    for condition in (accept, reject, None):
        spi.WSPIoctl(s, spi.SIO_SET_CONDITION, condition)
        if condition is reject:
            with fails("ECONNREFUSED"):
                connect(pair)
        else:
            connect(pair)
            spi.WSPAccept(s)
    assert spi.WSPIoctl(s, spi.SIO_GET_CONDITION) is None


def test_a_source_gets_tokens_with_time(pair):
    listen(pair, once)
    connect(pair)
    with fails("ECONNREFUSED"):
        connect(pair)
    pair.advance(1.1)
    connect(pair)


def test_what_is_no_condition_is_refused(pair):
    spi = pair.b.spi
    s = listen(pair)
    for value in (never, 3, b"code"):
        with fails("EFAULT"):
            spi.WSPIoctl(s, spi.SIO_SET_CONDITION, value)
    with fails("EINVAL"):
        spi.WSPIoctl(s, spi.SIO_SET_CONDITION, number)
    other = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    for code, value in ((spi.SIO_SET_CONDITION, accept), (spi.SIO_GET_CONDITION, None)):
        with fails("EINVAL"):
            spi.WSPIoctl(other, code, value)


def test_what_the_verifier_refuses_leaves_the_old_one(pair):
    spi = pair.b.spi
    s = listen(pair, reject)
    reads_past_the_context = bytes([0x79, 0x10, 200, 0, 0, 0, 0, 0]) + bytes([0x95]) + bytes(7)
    for code in (reads_past_the_context, b"", bytes(8)):
        with fails("EINVAL"):
            spi.WSPIoctl(s, spi.SIO_SET_CONDITION, Program("bad", code, ()))
    with fails("ECONNREFUSED"):
        connect(pair)


def test_closing_the_listener_ends_its_condition(pair):
    spi = pair.b.spi
    s = listen(pair, reject)
    spi.WSPCloseSocket(s)
    s = listen(pair)
    assert spi.WSPIoctl(s, spi.SIO_GET_CONDITION) is None
    connect(pair)


@pytest.mark.parametrize("conditional", [False, True], ids=["default", "conditional"])
def test_it_sees_caller_data_and_flowspecs_and_leaves_reservations_to_python(conditional):
    with Lab.pair() as pair:
        spi = pair.b.spi
        s = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
        spi.WSPBind(s, (pair.b.address, PORT))
        if conditional:
            spi.WSPSetSockOpt(s, spi.SOL_SOCKET, spi.SO_CONDITIONAL_ACCEPT, b"\1\0\0\0")
        spi.WSPListen(s, 5)
        spi.WSPIoctl(s, spi.SIO_SET_CONDITION, what_comes_with_it)
        asked = []
        for kind in (spi.SERVICETYPE_GUARANTEED, spi.SERVICETYPE_BESTEFFORT):
            flows = [
                spi.FLOWSPEC(TokenRate=rate, ServiceType=kind, MinimumPolicedSize=64)
                for rate in (100, 200)
            ]
            client = pair.a.spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
            job = pair.spawn(
                pair.a.spi.WSPConnect,
                client,
                (pair.b.address, PORT),
                b"h" * 70,
                None,
                spi.QOS(*flows),
            )
            made, _ = spi.WSPAccept(s, lambda *_: asked.append(1) or spi.CF_ACCEPT)
            job.result()
            assert spi.WSPIoctl(made, spi.SIO_GET_QOS).SendingFlowspec.TokenRate == 200
            counts = spi.WSPIoctl(s, spi.SIO_GET_CONDITION)
            if kind == spi.SERVICETYPE_GUARANTEED:
                assert {name: n for name, n in counts.counters.items() if n} == {}
        assert counts.verdicts[pyprov.ACCEPT] == 2
        assert asked == [1]  # only for the one that reserves bandwidth
