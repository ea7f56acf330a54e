"""A checked configuration as the dataplane's record.

Every field of struct pv_config is written here and nowhere else; none has a default in C.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from pyprov.core.port import pack_address

if TYPE_CHECKING:
    from pyprov._dataplane import Addr, Array, Cidr, PortConfig, TcpConfig
    from pyprov._dataplane import Config as Record
    from pyprov.runtime.config import Config, Port, Provider, Tcp
    from pyprov.runtime.config_port import IPInterface, IPNetwork

_OVERFLOW: Final = ("drop", "reset")
_CONGESTION: Final = ("cubic", "newreno", "dctcp")
_SYN_COOKIES: Final = ("auto", "always", "never")
_OPTION_ORDER: Final = ("linux", "freebsd")

# Same name and same unit on both sides.
_AS_IS: Final = (
    "sack",
    "timestamps",
    "window_scale",
    "ecn",
    "delayed_ack",
    "nagle",
    "slow_start_after_idle",
    "rack",
    "f_rto",
    "mtu_probing",
    "ttl",
    "dscp",
    "hystart",
    "tlp",
    "prr",
    "limited_transmit",
    "undo",
    "cluster",
    "initial_window",
    "quick_ack_start",
    "syn_retries",
    "syn_ack_retries",
    "data_retries",
    "keepalive_count",
    "challenge_ack_limit",
    "reset_limit",
    "mss_clamp",
    "recv_buffer",
    "recv_buffer_max",
    "send_buffer",
    "send_buffer_max",
    "epoch",
)
# Seconds here, milliseconds there.
_MILLISECONDS: Final = (
    "rto_min",
    "rto_initial",
    "rto_max",
    "delayed_ack_time",
    "time_wait",
    "fin_wait_2",
    "keepalive_idle",
    "keepalive_interval",
    "user_timeout",
    "invalid_ack_limit",
)


def fill_tcp(record: TcpConfig, tcp: Tcp, provider: Provider) -> None:
    """Write the [tcp] table."""
    for name in _AS_IS:
        setattr(record, name, int(getattr(tcp, name)))
    for name in _MILLISECONDS:
        setattr(record, name, round(getattr(tcp, name) * 1000))
    record.congestion = _CONGESTION.index(tcp.congestion)
    record.syn_cookies = _SYN_COOKIES.index(tcp.syn_cookies)
    record.option_order = _OPTION_ORDER.index(tcp.option_order)
    record.backlog_overflow = _OVERFLOW.index(provider.backlog_overflow)
    record.half_open_overflow = _OVERFLOW.index(provider.half_open_overflow)


def fill(record: Record, config: Config, *, huge: bool, step: bool = False, seed: int = 0) -> None:
    """Write a whole configuration into a zeroed record.

    Args:
        record: struct pv_config.
        config: what to write.
        huge: tables may lie in huge pages.
        step: a lab's engine, without a thread and on a virtual clock.
        seed: of its random source.
    """
    provider, cpus = config.provider, config.workers.cpus
    fill_tcp(record.tcp, config.tcp, provider)
    record.n_port = len(config.ports)
    for i, port in enumerate(config.ports):
        _fill_port(record.port[i], port)
    _copy(record.secret, config.tcp.secret)
    record.has_secret = bool(config.tcp.secret)
    record.seed = seed % 2**64
    record.wall_ns = time.time_ns() if config.tcp.cluster and not step else 0
    record.max_connections = provider.max_connections
    record.half_open_max = provider.half_open_max
    record.time_wait_max = provider.time_wait_max
    record.backlog_max = provider.backlog_max
    record.listeners_max = provider.listeners_max
    record.mbufs = config.packet_buffers
    record.chunk_memory = config.chunk_memory
    record.spin_us = 0 if step else provider.spin_us
    record.n_worker = len(cpus)
    for i, cpu in enumerate(cpus):
        record.lcore[i] = cpu
    record.step = step
    record.busy_poll = config.workers.poll == "busy"
    record.idle_turns = config.workers.idle_turns
    record.nap_us = config.workers.nap_us
    record.nap_max_us = max(config.workers.nap_us, config.workers.nap_max_us)
    record.huge = huge


def _fill_port(record: PortConfig, port: Port) -> None:
    for i, byte in enumerate(port.device.encode()):
        record.device[i] = bytes([byte])
    record.n_address = len(port.address)
    for i, interface in enumerate(port.address):
        _fill_network(record.address[i], str(interface.ip), interface)
    for gateway in port.gateway:
        _fill_address(record.gateway4 if gateway.version == 4 else record.gateway6, str(gateway))
    record.n_route = len(port.route)
    for i, route in enumerate(port.route):
        _fill_network(record.route[i].to, str(route.to.network_address), route.to)
        _fill_address(record.route[i].via, str(route.via))
    record.n_neighbour = len(port.neighbour)
    for i, neighbour in enumerate(port.neighbour):
        _fill_address(record.neighbour[i].addr, str(neighbour.address))
        _copy(record.neighbour[i].mac, neighbour.mac)
    record.n_vlan = len(port.vlan)
    for i, tag in enumerate(port.vlan):
        record.vlan[i] = tag
    record.rate = port.rate
    _copy(record.mac, port.mac)
    record.mtu = port.mtu
    record.queues = port.queues
    record.checksum_offload = port.checksum_offload
    record.segmentation_offload = port.segmentation_offload
    record.receive_offload = port.receive_offload
    record.dad = port.dad


def _fill_network(record: Cidr, host: str, of: IPInterface | IPNetwork) -> None:
    length = of.network.prefixlen if hasattr(of, "network") else of.prefixlen
    _fill_address(record.addr, host)
    record.prefix = length + (96 if of.version == 4 else 0)


def _fill_address(record: Addr, host: str) -> None:
    _copy(record.b, pack_address(host))


def _copy(array: Array[int], data: bytes) -> None:
    for i, byte in enumerate(data):
        array[i] = byte
