"""The records that listeners and connections are opened with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov._dataplane import ffi

if TYPE_CHECKING:
    from pyprov._dataplane import ConnectParams as ConnectRecord
    from pyprov._dataplane import ListenParams as ListenRecord
    from pyprov._dataplane import Pointer
    from pyprov.core.port import ConnectParams, ListenParams


def pack_listen(params: ListenParams) -> ListenRecord:
    """Return a listener's record."""
    record = ffi.new("struct pv_listen_params *")
    ffi.buffer(record.local.b)[:] = params.local
    record.port = params.port
    record.family = params.family
    record.backlog = params.backlog
    record.conditional = params.conditional
    record.paused = params.paused
    record.reuse = params.reuse
    record.recv_buffer = params.recv_buffer
    record.send_buffer = params.send_buffer
    record.backlog_overflow = params.backlog_overflow
    record.half_open_overflow = params.half_open_overflow
    record.syn_cookies = params.syn_cookies
    record.ttl = params.ttl
    record.tos = _tos(params.tos)
    return record


def pack_connect(params: ConnectParams, offer: Pointer) -> ConnectRecord:
    """Return an active open's record, which has the packed offer but does not keep it."""
    record = ffi.new("struct pv_connect_params *")
    ffi.buffer(record.local.b)[:] = params.local
    ffi.buffer(record.peer.b)[:] = params.peer
    record.local_port = params.local_port
    record.peer_port = params.peer_port
    record.recv_buffer = params.recv_buffer
    record.send_buffer = params.send_buffer
    record.rto_initial = params.rto_initial
    record.syn_retries = 0 if params.syn_retries is None else params.syn_retries + 1
    record.timestamps = 0 if params.timestamps is None else 2 - params.timestamps
    record.ttl = params.ttl
    record.tos = _tos(params.tos)
    record.offer = offer
    return record


def _tos(value: int | None) -> int:
    return 0 if value is None else value | 1
