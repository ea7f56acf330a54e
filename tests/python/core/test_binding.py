"""Who may bind beside whom: the whole table, pair by pair."""

import pytest

from pyprov.core.binding import EPHEMERAL_COUNT, Bindings
from pyprov.core.options import Options
from pyprov.winsock.address import Address
from pyprov.winsock.errors import WSAError

PLAIN = Options()
REUSE = Options(reuse_address=True)
EXCLUSIVE = Options(exclusive_address=True)
FIRSTS = (PLAIN, REUSE, EXCLUSIVE)
WILDCARD = "0.0.0.0"
SPECIFIC = "10.9.0.2"
COLUMNS = [(options, host) for options in FIRSTS for host in (WILDCARD, SPECIFIC)]
TABLE = {
    # second:      plain W S    reuse W S    exclusive W S
    (0, WILDCARD): "INUSE ok    ACC   ok     INUSE ok",
    (0, SPECIFIC): "ok    INUSE ok    ACC    INUSE INUSE",
    (1, WILDCARD): "INUSE ok    ok    ok     INUSE ok",
    (1, SPECIFIC): "ok    INUSE ok    ok     INUSE INUSE",
    (2, WILDCARD): "INUSE ACC   ACC   ACC    INUSE ACC",
    (2, SPECIFIC): "ok    INUSE ok    ACC    INUSE INUSE",
}
CODES = {"ok": 0, "INUSE": 10048, "ACC": 10013}


def bind(bindings, host, options, port=80):
    family = 23 if ":" in host else 2
    try:
        return bindings.bind(Address.from_tuple((host, port), family), options)
    except WSAError as error:
        return int(error.code)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}-{row[1]}")
def test_the_second_gets_what_the_table_says(row):
    first = FIRSTS[row[0]]
    for (second, host), word in zip(COLUMNS, TABLE[row].split(), strict=True):
        bindings = Bindings()
        bind(bindings, row[1], first)
        result = bind(bindings, host, second)
        assert (result if isinstance(result, int) else 0) == CODES[word], (row, second, host)


def test_two_specific_addresses_never_meet():
    bindings = Bindings()
    for host in ("10.9.0.2", "10.9.0.3", "127.0.0.1"):
        assert not isinstance(bind(bindings, host, EXCLUSIVE), int)


def test_a_refused_binding_leaves_no_trace():
    bindings = Bindings()
    first = bind(bindings, SPECIFIC, PLAIN)
    assert bind(bindings, SPECIFIC, PLAIN) == 10048
    bindings.release(first)
    second = bind(bindings, SPECIFIC, PLAIN)
    assert second.users == 1


def test_a_binding_lives_as_long_as_its_last_user():
    bindings = Bindings()
    first = bind(bindings, SPECIFIC, EXCLUSIVE)
    first.users += 1
    bindings.release(first)
    assert bind(bindings, SPECIFIC, PLAIN) == 10048
    bindings.release(first)
    assert not isinstance(bind(bindings, SPECIFIC, PLAIN), int)


def test_a_dual_wildcard_meets_both_families():
    for other in (WILDCARD, "::"):
        bindings = Bindings()
        bind(bindings, "::", Options(v6_only=False))
        assert bind(bindings, other, PLAIN) == 10048
    bindings = Bindings()
    bind(bindings, "::", PLAIN)
    assert not isinstance(bind(bindings, WILDCARD, PLAIN), int)


def test_ephemeral_ports_run_out_with_10055():
    bindings = Bindings()
    for _ in range(EPHEMERAL_COUNT - 1):
        bindings._by_port[len(bindings._by_port) + 49152] = []
    assert bind(bindings, SPECIFIC, PLAIN, port=0).port == 65535
    assert bind(bindings, SPECIFIC, PLAIN, port=0) == 10055
