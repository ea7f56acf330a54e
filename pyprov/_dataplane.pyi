# The typed face of the extension that is made from _dataplane.cdef.txt. A record and a pointer
# to it have the same attributes in cffi, so one class stands for both; of cffi itself only what
# runtime/dataplane.py uses is here.

from collections.abc import Sequence
from typing import Final, Generic, Literal, Protocol, Self, TypeVar, overload

from typing_extensions import Buffer

_T = TypeVar("_T")

class _NumpyArray(Protocol):
    @property
    def nbytes(self) -> int: ...

class Pointer:
    def __bool__(self) -> bool: ...

class Array(Pointer, Generic[_T]):
    def __getitem__(self, index: int) -> _T: ...
    def __setitem__(self, index: int, value: _T) -> None: ...
    def __len__(self) -> int: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

class Engine(Pointer): ...

class Addr(Pointer):
    b: Array[int]

class Cidr(Pointer):
    addr: Addr
    prefix: int

class TcpConfig(Pointer):
    sack: int
    timestamps: int
    window_scale: int
    ecn: int
    congestion: int
    delayed_ack: int
    nagle: int
    slow_start_after_idle: int
    rack: int
    f_rto: int
    mtu_probing: int
    syn_cookies: int
    option_order: int
    ttl: int
    dscp: int
    backlog_overflow: int
    half_open_overflow: int
    hystart: int
    tlp: int
    prr: int
    limited_transmit: int
    undo: int
    cluster: int
    initial_window: int
    rto_min: int
    rto_initial: int
    rto_max: int
    delayed_ack_time: int
    quick_ack_start: int
    syn_retries: int
    syn_ack_retries: int
    data_retries: int
    time_wait: int
    fin_wait_2: int
    keepalive_idle: int
    keepalive_interval: int
    keepalive_count: int
    user_timeout: int
    challenge_ack_limit: int
    invalid_ack_limit: int
    reset_limit: int
    mss_clamp: int
    recv_buffer: int
    recv_buffer_max: int
    send_buffer: int
    send_buffer_max: int
    epoch: int

class NeighbourConfig(Pointer):
    addr: Addr
    mac: Array[int]

class RouteConfig(Pointer):
    to: Cidr
    via: Addr

class PortConfig(Pointer):
    device: Array[bytes]
    address: Array[Cidr]
    gateway4: Addr
    gateway6: Addr
    route: Array[RouteConfig]
    neighbour: Array[NeighbourConfig]
    rate: int
    mac: Array[int]
    mtu: int
    vlan: Array[int]
    n_address: int
    n_route: int
    n_neighbour: int
    n_vlan: int
    queues: int
    checksum_offload: int
    dad: int
    segmentation_offload: int
    receive_offload: int

class Config(Pointer):
    tcp: TcpConfig
    port: Array[PortConfig]
    secret: Array[int]
    seed: int
    wall_ns: int
    max_connections: int
    half_open_max: int
    time_wait_max: int
    backlog_max: int
    listeners_max: int
    mbufs: int
    chunk_memory: int
    spin_us: int
    n_port: int
    n_worker: int
    lcore: Array[int]
    step: int
    has_secret: int
    busy_poll: int
    huge: int
    idle_turns: int
    nap_us: int
    nap_max_us: int

class Request(Pointer):
    handle: int
    peer: Addr
    local: Addr
    peer_port: int
    local_port: int
    qos: int
    when_ns: int
    listener: int
    flags: int

class Flowspec(Pointer):
    token_rate: int
    token_bucket_size: int
    peak_bandwidth: int
    latency: int
    delay_variation: int
    service_type: int
    max_sdu_size: int
    minimum_policed_size: int

class Offer(Pointer):
    present: int
    data_len: int
    provider_len: int
    group: int
    priority: int
    status: int
    reason: int
    kind: int
    sending: Flowspec
    receiving: Flowspec
    bytes: Array[int]

class RequestFacts(Pointer):
    when_ns: int
    peer: Addr
    local: Addr
    peer_port: int
    local_port: int
    flags: int
    backlog: int
    backlog_limit: int
    half_open: int
    load: int
    tsval: int
    mss: int
    window: int
    options: int
    wscale: int
    ttl: int
    dscp: int
    offer: int
    data_len: int
    data: Array[int]
    sending: Flowspec
    receiving: Flowspec

class Status(Pointer):
    generation: int
    ready: int
    reads: int
    writes: int
    oobs: int
    accepts: int
    closes: int
    qos: int
    error: int
    state: int
    queued: int
    watch: int
    rx_total: int
    tx_acked: int

class ListenParams(Pointer):
    local: Addr
    backlog: int
    recv_buffer: int
    send_buffer: int
    port: int
    family: int
    conditional: int
    backlog_overflow: int
    half_open_overflow: int
    syn_cookies: int
    paused: int
    reuse: int
    ttl: int
    tos: int

class ConnectParams(Pointer):
    local: Addr
    peer: Addr
    local_port: int
    peer_port: int
    recv_buffer: int
    send_buffer: int
    rto_initial: int
    syn_retries: int
    timestamps: int
    ttl: int
    tos: int
    offer: Pointer

class Iov(Pointer):
    base: Pointer
    len: int

class Info(Pointer):
    local: Addr
    peer: Addr
    local_port: int
    peer_port: int
    state: int
    options: int
    snd_wscale: int
    rcv_wscale: int
    recovery: int
    backoff: int
    probes: int
    congestion: int
    snd_mss: int
    rcv_mss: int
    pmtu: int
    rto: int
    srtt: int
    rttvar: int
    min_rtt: int
    snd_cwnd: int
    snd_ssthresh: int
    snd_wnd: int
    rcv_wnd: int
    unacked: int
    sacked: int
    lost: int
    retrans: int
    total_retrans: int
    reordering: int
    dsack_dups: int
    last_data_sent: int
    last_data_recv: int
    last_ack_recv: int
    notsent: int
    rcv_buffer: int
    fast_retrans: int
    timeouts: int
    dup_acks: int
    syn_retrans: int
    bytes_reordered: int
    bytes_sent: int
    bytes_received: int
    bytes_acked: int
    bytes_retrans: int
    segs_out: int
    segs_in: int
    data_segs_out: int
    data_segs_in: int
    pacing_rate: int
    rwnd_limited: int
    sndbuf_limited: int
    established_ns: int

class Ready(Pointer):
    handle: int
    cookie: int
    ready: int

class GeneratorParams(Pointer):
    server: Addr
    rate: int
    flows: int
    window: int
    flood: int
    timeout_ms: int
    seed: int
    server_port: int
    burst: int
    server_mac: Array[int]
    close: int
    flood_kind: int
    one_queue: int

class WireParams(Pointer):
    rate: int
    delay: int
    jitter: int
    reorder_delay: int
    queue: int
    loss: int
    burst: int
    reorder: int
    duplicate: int
    corrupt: int
    mtu: int

class WireStats(Pointer):
    frames: int
    bytes: int
    lost: int
    queue_lost: int
    too_large: int
    reordered: int
    duplicated: int
    corrupted: int
    flying: int

class WireJoin(Pointer):
    engine: Array[Engine]
    way: Array[WireParams]
    seed: int
    port: Array[int]
    keep: int

class Wire(Pointer): ...
class Condition(Pointer): ...

class ConditionContext(Pointer):
    time: int
    caller: Array[int]
    callee: Array[int]
    caller_port: int
    callee_port: int
    mss: int
    window: int
    scale: int
    sack: int
    timestamps: int
    family: int
    ttl: int
    dscp: int
    data_length: int
    backlog: int
    half_open: int
    load: int
    qos_given: int
    sending: Array[int]
    receiving: Array[int]
    data: Array[int]

class GeneratorStats(Pointer):
    syns: int
    handshakes: int
    closes: int
    refused: int
    lost: int
    resets: int
    repeated: int
    bad: int
    flood_sent: int
    flood_answers: int
    tx_full: int
    alive: int
    in_flight: int
    cycles: int
    resolved: int

class WorkerLoad(Pointer):
    turns: int
    busy_turns: int
    cycles: int
    busy_cycles: int

class ServiceStats(Pointer):
    connections: int
    taken: int
    given: int
    rounds: int

class Lib:
    PV_API_VERSION: Final[int]
    PV_MAX_ADDRESSES: Final[int]
    PV_MAX_NEIGHBOURS: Final[int]
    PV_MAX_ROUTES: Final[int]
    PV_MAX_VLANS: Final[int]
    PV_MAX_PORTS: Final[int]
    PV_MAX_WORKERS: Final[int]
    PV_HANDLE_LISTENER: Final[int]
    PV_LATENCY_BUCKETS: Final[int]
    PV_SYN_COOKIES_AUTO: Final[int]
    PV_SYN_COOKIES_ALWAYS: Final[int]
    PV_SYN_COOKIES_NEVER: Final[int]
    PV_CC_CUBIC: Final[int]
    PV_CC_NEWRENO: Final[int]
    PV_CC_DCTCP: Final[int]
    PV_OPTIONS_LINUX: Final[int]
    PV_OPTIONS_FREEBSD: Final[int]
    PV_OVERFLOW_DROP: Final[int]
    PV_OVERFLOW_RESET: Final[int]
    PV_REQUEST_HELD: Final[int]
    PV_REQUEST_COOKIE: Final[int]
    PV_REQUEST_OFFER: Final[int]
    PV_REQUEST_DECIDED: Final[int]
    PV_REQUEST_ENDED: Final[int]
    PV_OFFER_DATA_MAX: Final[int]
    PV_OFFER_MAX: Final[int]
    PV_OFFER_DATA: Final[int]
    PV_OFFER_SENDING: Final[int]
    PV_OFFER_RECEIVING: Final[int]
    PV_OFFER_PROVIDER: Final[int]
    PV_OFFER_GROUP: Final[int]
    PV_OFFER_STATUS: Final[int]
    PV_OFFER_REQUEST: Final[int]
    PV_OFFER_ANSWER: Final[int]
    PV_OFFER_QOS_ASK: Final[int]
    PV_OFFER_QOS_AGREE: Final[int]
    PV_OFFER_QOS_REFUSE: Final[int]
    PV_OFFER_DISCONNECT: Final[int]
    PV_OFFER_KINDS: Final[int]
    PV_VERDICT_ACCEPT: Final[int]
    PV_VERDICT_REJECT: Final[int]
    PV_VERDICT_DROP: Final[int]
    PV_VERDICT_ASK: Final[int]
    PV_VERDICTS: Final[int]
    PV_CONDITION_DATA: Final[int]
    PV_CONDITION_COUNTERS: Final[int]
    PV_CONDITION_CLAMPED: Final[int]
    PV_CONDITION_FORGOTTEN: Final[int]
    PV_CONDITION_OWN: Final[int]
    PV_CONDITION_STATS: Final[int]
    PV_REASON_REFUSED: Final[int]
    PV_REASON_QOS_ADMISSION: Final[int]
    PV_REASON_QOS_POLICY: Final[int]
    PV_REASON_QOS_INVALID: Final[int]
    PV_REASON_BACKLOG: Final[int]
    PV_READY_READ: Final[int]
    PV_READY_WRITE: Final[int]
    PV_READY_OOB: Final[int]
    PV_READY_ACCEPT: Final[int]
    PV_READY_CONNECT: Final[int]
    PV_READY_CLOSE: Final[int]
    PV_READY_QOS: Final[int]
    PV_READY_ERROR: Final[int]
    PV_READY_SENT: Final[int]
    PV_CLOSE_GRACEFUL: Final[int]
    PV_CLOSE_ABORT: Final[int]
    PV_CLOSE_DETACH: Final[int]
    PV_IO_PEEK: Final[int]
    PV_IO_OOB: Final[int]
    PV_IO_MORE: Final[int]
    PV_IO_WHOLE: Final[int]
    PV_URGENT_WAITS: Final[int]
    PV_URGENT_AHEAD: Final[int]
    PV_URGENT_HERE: Final[int]
    PV_OPT_NODELAY: Final[int]
    PV_OPT_KEEPALIVE: Final[int]
    PV_OPT_KEEPALIVE_IDLE: Final[int]
    PV_OPT_KEEPALIVE_INTERVAL: Final[int]
    PV_OPT_KEEPALIVE_COUNT: Final[int]
    PV_OPT_USER_TIMEOUT: Final[int]
    PV_OPT_MAXSEG: Final[int]
    PV_OPT_RECV_BUFFER: Final[int]
    PV_OPT_SEND_BUFFER: Final[int]
    PV_OPT_TTL: Final[int]
    PV_OPT_TOS: Final[int]
    PV_OPT_CONGESTION: Final[int]
    PV_OPT_OOB_INLINE: Final[int]
    PV_OPT_RATE: Final[int]
    PV_WAITER_QUEUE: Final[int]
    PV_WAITER_SIGNAL: Final[int]
    PV_WATCH_ONCE: Final[int]
    PV_WATCH_SINCE: Final[int]
    PV_GENERATOR_CLOSE_NONE: Final[int]
    PV_GENERATOR_CLOSE_RST: Final[int]
    PV_GENERATOR_CLOSE_FIN: Final[int]
    PV_GENERATOR_CLOSE_SERVER: Final[int]
    PV_GENERATOR_FLOOD_SYN: Final[int]
    PV_GENERATOR_FLOOD_ACK: Final[int]
    PV_GENERATOR_FLOOD_RST: Final[int]
    PV_SERVICE_NONE: Final[int]
    PV_SERVICE_COUNT: Final[int]
    PV_SERVICE_DISCARD: Final[int]
    PV_SERVICE_ECHO: Final[int]
    PV_SERVICE_HTTP: Final[int]
    PV_SERVICE_SOURCE: Final[int]
    PV_SERVICE_ASK: Final[int]
    def pv_api_version(self) -> int: ...
    def pv_api_record_size(self, n: int, /) -> int: ...
    def pv_eal_start(self, argc: int, argv: Pointer, err: Pointer, err_cap: int, /) -> int: ...
    def pv_engine_start(
        self, config: Config, engine: Array[Engine], err: Pointer, err_cap: int, /
    ) -> int: ...
    def pv_engine_stop(self, engine: Engine, flush_ns: int, /) -> int: ...
    def pv_after_fork_in_child(self) -> None: ...
    def pv_engine_now(self, engine: Engine, /) -> int: ...
    def pv_engine_configure(self, engine: Engine, tcp: TcpConfig, /) -> int: ...
    def pv_engine_reset(self, engine: Engine, /) -> int: ...
    def pv_engine_step(self, engine: Engine, now_ns: int, /) -> int: ...
    def pv_engine_inject(self, engine: Engine, port: int, data: Pointer, len_: int, /) -> int: ...
    def pv_engine_collect(
        self, engine: Engine, port: int, buf: Pointer, cap: int, when_ns: Pointer, /
    ) -> int: ...
    def pv_engine_deadline(self, engine: Engine, housekeeping: bool, /) -> int: ...
    def pv_status_of(self, engine: Engine, handle: int, /) -> Status: ...
    def pv_listen(self, engine: Engine, params: ListenParams, listener: Pointer, /) -> int: ...
    def pv_listener_update(self, engine: Engine, listener: int, params: ListenParams, /) -> int: ...
    def pv_listener_close(self, engine: Engine, listener: int, /) -> int: ...
    def pv_accept(self, engine: Engine, listener: int, out: Pointer, n: int, /) -> int: ...
    def pv_defer(self, engine: Engine, listener: int, request: Pointer, /) -> int: ...
    def pv_decide(
        self, engine: Engine, handle: int, verdict: int, reason: int, answer: Pointer, /
    ) -> int: ...
    def pv_decide_many(self, engine: Engine, handles: Pointer, n: int, verdict: int, /) -> int: ...
    def pv_request_read(
        self, engine: Engine, handle: int, facts: Pointer, offer: Pointer, /
    ) -> int: ...
    def pv_source(self, engine: Engine, peer: Addr, local: Addr, /) -> int: ...
    def pv_addresses_unused(self, engine: Engine, unused: Pointer, waiter: int, /) -> int: ...
    def pv_connect(self, engine: Engine, params: ConnectParams, handle: Pointer, /) -> int: ...
    def pv_offer_read(self, engine: Engine, handle: int, kind: int, offer: Pointer, /) -> int: ...
    def pv_offer_send(self, engine: Engine, handle: int, offer: Pointer, /) -> int: ...
    def pv_send(self, engine: Engine, handle: int, iov: Pointer, n: int, flags: int, /) -> int: ...
    def pv_recv(self, engine: Engine, handle: int, iov: Pointer, n: int, flags: int, /) -> int: ...
    def pv_readable(self, engine: Engine, handle: int, /) -> int: ...
    def pv_urgent(self, engine: Engine, handle: int, /) -> int: ...
    def pv_shutdown_send(self, engine: Engine, handle: int, /) -> int: ...
    def pv_shutdown_receive(self, engine: Engine, handle: int, /) -> int: ...
    def pv_close(self, engine: Engine, handle: int, how: int, /) -> int: ...
    def pv_close_many(self, engine: Engine, handles: Pointer, n: int, how: int, /) -> int: ...
    def pv_send_many(
        self, engine: Engine, handles: Pointer, iov: Pointer, results: Pointer, n: int, /
    ) -> int: ...
    def pv_recv_many(
        self, engine: Engine, handles: Pointer, iov: Pointer, results: Pointer, n: int, /
    ) -> int: ...
    def pv_set_option(self, engine: Engine, handle: int, option: int, value: int, /) -> int: ...
    def pv_get_info(self, engine: Engine, handle: int, out: Pointer, /) -> int: ...
    def pv_connections(
        self, engine: Engine, handles: Pointer, n: int, cursor: Pointer, /
    ) -> int: ...
    def pv_waiter_open(self, engine: Engine, kind: int, fd: int, /) -> int: ...
    def pv_waiter_close(self, engine: Engine, waiter: int, /) -> int: ...
    def pv_waiter_fd(self, engine: Engine, waiter: int, /) -> int: ...
    def pv_watch(
        self, engine: Engine, waiter: int, handle: int, mask: int, flags: int, cookie: int, /
    ) -> int: ...
    def pv_waiter_take(self, engine: Engine, waiter: int, out: Pointer, n: int, /) -> int: ...
    def pv_waiter_wait(self, engine: Engine, waiter: int, timeout_ns: int, also: int, /) -> int: ...
    def pv_waiter_ring(self, engine: Engine, waiter: int, /) -> int: ...
    def pv_generator_start(
        self,
        engine: Engine,
        port: int,
        params: GeneratorParams,
        cpu: int,
        err: Pointer,
        err_cap: int,
        /,
    ) -> int: ...
    def pv_generator_pause(self, engine: Engine, /) -> int: ...
    def pv_generator_read(self, engine: Engine, stats: Pointer, latency: Pointer, /) -> int: ...
    def pv_generator_stop(self, engine: Engine, /) -> int: ...
    def pv_worker_read(self, engine: Engine, worker: int, out: Pointer, /) -> int: ...
    def pv_tsc_hz(self) -> int: ...
    def pv_tsc(self) -> int: ...
    def pv_cache_line_bounce(self, cpu_a: int, cpu_b: int, cycles: Pointer, /) -> int: ...
    def pv_spin_gaps(self, cpu: int, ns: int, latency: Pointer, /) -> int: ...
    def pv_service_start(self, engine: Engine, listener: int, kind: int, /) -> int: ...
    def pv_service_adopt(self, engine: Engine, handle: int, kind: int, size: int, /) -> int: ...
    def pv_service_drop(self, engine: Engine, /) -> int: ...
    def pv_service_read(
        self, engine: Engine, worker: int, stats: ServiceStats, latency: Pointer, /
    ) -> int: ...
    def pv_latency_floor(self, bucket: int, /) -> int: ...
    def pv_wire_open(
        self, join: WireJoin, wire: Array[Wire], err: Array[bytes], err_cap: int, /
    ) -> int: ...
    def pv_wire_close(self, wire: Wire, /) -> int: ...
    def pv_wire_change(self, wire: Wire, direction: int, params: WireParams, /) -> int: ...
    def pv_wire_read(self, wire: Wire, direction: int, out: WireStats, /) -> int: ...
    def pv_wire_deadline(self, wire: Wire, /) -> int: ...
    def pv_wire_move(self, wire: Wire, now_ns: int, /) -> int: ...
    def pv_wire_clear(self, wire: Wire, /) -> int: ...
    def pv_counter_count(self) -> int: ...
    def pv_counter_name(self, counter: int, /) -> Pointer: ...
    def pv_counter_text(self, counter: int, /) -> Pointer: ...
    def pv_counter_kind(self, counter: int, /) -> int: ...
    def pv_counters(self, engine: Engine, worker: int, out: Pointer, n: int, /) -> int: ...
    def pv_condition_load(
        self,
        code: Pointer,
        n: int,
        workers: int,
        condition: Array[Condition],
        err: Array[bytes],
        err_cap: int,
        /,
    ) -> int: ...
    def pv_condition_free(self, condition: Condition, /) -> None: ...
    def pv_condition_run(
        self, condition: Condition, requests: Pointer, verdicts: Pointer, n: int, /
    ) -> int: ...
    def pv_condition_stats(self, condition: Condition, out: Array[int], /) -> int: ...
    def pv_listener_condition(
        self, engine: Engine, listener: int, condition: Pointer, /
    ) -> int: ...
    def pv_listener_condition_stats(
        self, engine: Engine, listener: int, out: Array[int], /
    ) -> int: ...

class CType:
    fields: Sequence[tuple[str, object]]

class FFI:
    NULL: Final[Pointer]

    @overload
    def new(self, cdecl: Literal["struct pv_config *"], /) -> Config: ...
    @overload
    def new(self, cdecl: Literal["struct pv_tcp_config *"], /) -> TcpConfig: ...
    @overload
    def new(self, cdecl: Literal["struct pv_addr *"], /) -> Addr: ...
    @overload
    def new(self, cdecl: Literal["struct pv_listen_params *"], /) -> ListenParams: ...
    @overload
    def new(self, cdecl: Literal["struct pv_connect_params *"], /) -> ConnectParams: ...
    @overload
    def new(self, cdecl: Literal["struct pv_request *"], /) -> Request: ...
    @overload
    def new(self, cdecl: Literal["struct pv_offer *"], /) -> Offer: ...
    @overload
    def new(self, cdecl: Literal["struct pv_request_facts *"], /) -> RequestFacts: ...
    @overload
    def new(self, cdecl: Literal["struct pv_info *"], /) -> Info: ...
    @overload
    def new(self, cdecl: Literal["struct pv_generator_params *"], /) -> GeneratorParams: ...
    @overload
    def new(self, cdecl: Literal["struct pv_generator_stats *"], /) -> GeneratorStats: ...
    @overload
    def new(self, cdecl: Literal["struct pv_worker_load *"], /) -> WorkerLoad: ...
    @overload
    def new(self, cdecl: Literal["struct pv_service_stats *"], /) -> ServiceStats: ...
    @overload
    def new(self, cdecl: Literal["struct pv_wire_params *"], /) -> WireParams: ...
    @overload
    def new(self, cdecl: Literal["struct pv_wire_stats *"], /) -> WireStats: ...
    @overload
    def new(self, cdecl: Literal["struct pv_wire_join *"], /) -> WireJoin: ...
    @overload
    def new(self, cdecl: Literal["struct pv_wire **"], /) -> Array[Wire]: ...
    @overload
    def new(self, cdecl: Literal["struct pv_condition **"], /) -> Array[Condition]: ...
    @overload
    def new(self, cdecl: Literal["struct pv_engine **"], /) -> Array[Engine]: ...
    @overload
    def new(self, cdecl: Literal["struct pv_iov[]"], init: int, /) -> Array[Iov]: ...
    @overload
    def new(self, cdecl: Literal["struct pv_ready[]"], init: int, /) -> Array[Ready]: ...
    @overload
    def new(self, cdecl: Literal["char[]"], init: int | bytes, /) -> Array[bytes]: ...
    @overload
    def new(self, cdecl: Literal["uint64_t *"], /) -> Array[int]: ...
    @overload
    def new(self, cdecl: Literal["uint64_t[]"], init: int, /) -> Array[int]: ...
    @overload
    def new(self, cdecl: Literal["uint32_t[]"], init: int, /) -> Array[int]: ...
    @overload
    def new(self, cdecl: Literal["char *[]"], init: Sequence[Array[bytes]], /) -> Pointer: ...
    @overload
    def from_buffer(
        self, python_buffer: Buffer | _NumpyArray, /, require_writable: bool = False
    ) -> Array[bytes]: ...
    @overload
    def from_buffer(
        self, cdecl: str, python_buffer: Buffer | _NumpyArray, /, require_writable: bool = False
    ) -> Pointer: ...
    def buffer(self, cdata: Pointer, size: int = ..., /) -> memoryview: ...
    def sizeof(self, cdecl: str, /) -> int: ...
    def typeof(self, cdecl: str, /) -> CType: ...
    def offsetof(self, cdecl: str, field: str, /) -> int: ...
    def string(self, cdata: Pointer, /) -> bytes: ...
    def unpack(self, cdata: Array[_T], length: int, /) -> list[_T]: ...

ffi: FFI
lib: Lib
