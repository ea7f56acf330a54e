"""The configuration reaches the dataplane's record complete and in its units."""

import re
from pathlib import Path

import cffi
import pytest

from pyprov.runtime import convert
from pyprov.runtime.config import Config, Tcp

TOP = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ffi():
    told = cffi.FFI()
    told.cdef((TOP / "pyprov/_dataplane.cdef.txt").read_text())
    return told


@pytest.fixture
def record(ffi):
    return ffi.new("struct pv_config *")


def filled(record, tables=None, **options):
    config = Config.from_dict({"port": [{"device": "step"}]} | (tables or {}))
    convert.fill(record, config, **{"huge": False} | options)
    return record


def test_times_are_milliseconds_and_words_numbers(record):
    tcp = {"rto_min": 0.05, "time_wait": 2, "user_timeout": 1.5, "congestion": "dctcp"}
    tcp |= {"sack": False, "syn_cookies": "never", "option_order": "freebsd", "ttl": 61}
    made = filled(record, {"tcp": tcp, "provider": {"backlog_overflow": "drop"}}).tcp
    assert (made.rto_min, made.time_wait, made.user_timeout) == (50, 2000, 1500)
    assert (made.congestion, made.syn_cookies, made.option_order) == (2, 2, 1)
    assert (made.sack, made.timestamps, made.ttl) == (0, 1, 61)
    assert (made.backlog_overflow, made.half_open_overflow) == (0, 0)


def test_no_field_of_the_tcp_table_is_forgotten(ffi):
    """Each field is changed by some key: two tables that differ everywhere give two records."""
    numbers = {
        "rto_min": 3, "rto_initial": 4, "rto_max": 5, "delayed_ack_time": 0.3, "time_wait": 6,
        "fin_wait_2": 7, "keepalive_idle": 8, "keepalive_interval": 9, "user_timeout": 10,
        "invalid_ack_limit": 11, "ttl": 12, "dscp": 13, "initial_window": 14, "quick_ack_start": 15,
        "syn_retries": 16, "syn_ack_retries": 17, "data_retries": 18, "keepalive_count": 19,
        "challenge_ack_limit": 20, "reset_limit": 21, "mss_clamp": 220, "recv_buffer": 4097,
        "recv_buffer_max": 4098, "send_buffer": 4099, "send_buffer_max": 4100, "epoch": 23,
    }  # fmt: skip
    flags = [name for name, field in Tcp.__annotations__.items() if field is bool]
    words = {
        "secret": "01" * 16,
        "congestion": "newreno",
        "syn_cookies": "always",
        "option_order": "freebsd",
    }
    provider = {"backlog_overflow": "drop", "half_open_overflow": "reset"}
    off = {"ecn", "cluster"}  # as it comes
    other = {name: name in off for name in flags} | numbers | words
    plain = filled(ffi.new("struct pv_config *"))
    changed = filled(ffi.new("struct pv_config *"), {"tcp": other, "provider": provider})
    names = [n for n, _ in ffi.typeof("struct pv_tcp_config").fields if not n.startswith("pad")]
    assert [n for n in names if getattr(plain.tcp, n) == getattr(changed.tcp, n)] == []


def test_a_port_is_written_out(ffi, record):
    port = {
        "device": "net_af_packet0,iface=pv0",
        "address": ["10.9.0.2/24", "fd09::2/64"],
        "gateway": ["10.9.0.1", "fd09::1"],
        "route": [{"to": "10.8.0.0/16", "via": "10.9.0.7"}],
        "neighbour": [{"address": "10.9.0.7", "mac": "02:00:00:00:00:07"}],
        "vlan": [5, 6],
        "mtu": 9000,
        "mac": "02:00:00:00:00:02",
        "rate": "25G",
        "queues": 3,
        "checksum_offload": False,
        "segmentation_offload": False,
        "receive_offload": True,
    }
    made = filled(record, {"port": [{"device": "ring"}, port]}).port[1]
    v4 = bytes(10) + b"\xff\xff\x0a\x09\x00"
    assert ffi.string(made.device) == b"net_af_packet0,iface=pv0"
    assert (record.n_port, made.n_address, made.n_vlan, made.n_route) == (2, 2, 2, 1)
    assert (made.address[0].prefix, made.address[1].prefix) == (96 + 24, 64)
    assert bytes(ffi.buffer(made.address[0].addr.b)) == v4 + b"\x02"
    assert bytes(ffi.buffer(made.gateway4.b)) == v4 + b"\x01"
    assert bytes(ffi.buffer(made.gateway6.b))[-2:] == b"\x00\x01"
    assert made.route[0].to.prefix == 96 + 16
    assert bytes(ffi.buffer(made.route[0].to.addr.b))[12:] == b"\x0a\x08\x00\x00"
    assert bytes(ffi.buffer(made.neighbour[0].mac)) == b"\x02\x00\x00\x00\x00\x07"
    assert bytes(ffi.buffer(made.mac)) == b"\x02\x00\x00\x00\x00\x02"
    assert list(made.vlan)[:3] == [5, 6, 0]
    assert (made.mtu, made.rate, made.queues) == (9000, 25 * 10**9, 3)
    assert (made.checksum_offload, made.segmentation_offload, made.dad) == (0, 0, 1)
    assert made.receive_offload == 1


def test_no_field_of_a_port_is_forgotten(ffi):
    names = [n for n, _ in ffi.typeof("struct pv_port_config").fields if n != "pad"]
    source = (TOP / "pyprov/runtime/convert.py").read_text()
    assert [n for n in names if not re.search(rf"\brecord\.{n}\b", source)] == []


def test_workers_and_limits(record):
    tables = {
        "workers": {"lcores": "2-3", "poll": "busy", "nap_us": 300},
        "provider": {"memory": 512, "packet_buffers": 4096, "max_connections": 1000},
        "tcp": {"secret": "00112233445566778899aabbccddeeff"},
    }
    filled(record, tables, huge=True, step=True, seed=-1)
    assert (record.n_worker, list(record.lcore)[:3]) == (2, [2, 3, 0])
    assert (record.busy_poll, record.huge, record.step) == (1, 1, 1)
    assert (record.idle_turns, record.nap_us, record.nap_max_us) == (200, 300, 300)
    assert (record.mbufs, record.max_connections) == (4096, 1000)
    assert (record.has_secret, bytes(record.secret)) == (
        1,
        bytes.fromhex("00112233445566778899aabbccddeeff"),
    )
    assert record.seed == 2**64 - 1
    assert 0 < record.chunk_memory < 512


def test_without_a_secret_one_is_drawn(record):
    assert filled(record).has_secret == 0
