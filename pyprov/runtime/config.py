"""The configuration of an engine: TOML in, frozen and checked dataclasses out.

Every key of a file is a field of one of the dataclasses here and in `config_port` and
`config_qos`; `configs/defaults.toml` lists them all. A key that nobody knows, a value of the wrong
type and values that cannot be together are errors that name the file, the key, the value and what
is allowed.
"""

import importlib.resources
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Self

from pyprov.runtime.config_port import Port, read_port
from pyprov.runtime.config_qos import Qos
from pyprov.runtime.rules import (
    ConfigError,
    as_list,
    as_text,
    build,
    choice,
    flag,
    integer,
    keys_of,
    parsed,
    refused,
    seconds,
    spell_key,
    unknown,
)

__all__ = ["Config", "ConfigError", "Observe", "Port", "Provider", "Qos", "Tcp", "Workers"]

# As many as the dataplane's configuration record has room for.
PORTS_MAX = 8
WORKERS_MAX = 16
SECRET_SIZE = 16

_PACKET_BUFFER_SIZE = 2432  # an mbuf, its headroom and 2 KiB of data
_INDEXES = (1 << 24) - 1  # a handle has 24 bits for the index
_LCORES = re.compile(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*")


def _read_lcores(value: object) -> tuple[int, ...]:
    allowed = 'CPUs like "2-5" or "1,3", each once, at most 16'
    text = as_text(value, allowed)
    if not text:
        return ()
    if not _LCORES.fullmatch(text) or len(text) > 255:
        raise refused(value, allowed)
    cpus: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if int(last or first) > 1023:
            raise refused(value, f"{allowed}, below 1024")
        cpus += range(int(first), int(last or first) + 1)
    if not cpus or len(set(cpus)) < len(cpus) or len(cpus) > WORKERS_MAX:
        raise refused(value, allowed)
    return tuple(cpus)


def _read_secret(value: object) -> bytes:
    allowed = f"{2 * SECRET_SIZE} hexadecimal digits"
    text = as_text(value, allowed)
    if not re.fullmatch(f"[0-9a-fA-F]{{{2 * SECRET_SIZE}}}|", text):
        raise refused("..." if text else value, allowed)  # a secret is not shown
    return bytes.fromhex(text)


def _read_arguments(value: object) -> tuple[str, ...]:
    allowed = 'a list of EAL arguments like ["--single-file-segments"]'
    return as_list(value, lambda item: as_text(item, allowed), allowed)


def _read_metrics(value: object) -> str:
    allowed = 'HOST:PORT like "127.0.0.1:9464", or "" for none'
    text = as_text(value, allowed)
    host, _, port = text.rpartition(":")
    if text and not (host and re.fullmatch("[0-9]{1,5}", port) and int(port) <= 0xFFFF):
        raise refused(value, allowed)
    return text


@dataclass(frozen=True, slots=True)
class Provider:
    """[provider]: limits and memory.

    Attributes:
        max_sockets: SOCKETs of one process; beyond it WSAEMFILE. Waiting requests do not count.
        max_connections: Connections of one worker.
        listeners_max: Listeners of the engine.
        backlog_max: What SOMAXCONN stands for, and the most that WSPListen gives.
        half_open_max: Handshakes under way at one worker.
        time_wait_max: Finished connections that one worker remembers.
        memory: MiB for packet buffers and stream chunks together.
        packet_buffers: Packet buffers of one worker; 0 gives them a quarter of `memory`.
        huge: Huge pages "auto" where there are any, "never", or "always" (an error without them).
        spin_us: Microseconds that a waiting call spins before it sleeps.
        backlog_overflow: What answers a request that finds the backlog full.
        half_open_overflow: What answers a SYN that finds no half-open entry and no cookie.
        shutdown_flush: Seconds that connections get to finish when the engine stops.
        eal: Further arguments for DPDK's EAL.
    """

    max_sockets: int = integer(131_072, 1, _INDEXES)
    max_connections: int = integer(65_536, 1, _INDEXES)
    listeners_max: int = integer(1024, 1, 65_536)
    backlog_max: int = integer(65_535, 1, 65_535)
    half_open_max: int = integer(65_536, 1, _INDEXES)
    time_wait_max: int = integer(65_536, 1, _INDEXES)
    memory: int = integer(256, 16, 1 << 20)
    packet_buffers: int = integer(0, 512, 1 << 22, zero="a quarter of the memory")
    huge: str = choice("auto", "auto", "never", "always")
    spin_us: int = integer(20, 0, 1_000_000)
    backlog_overflow: str = choice("reset", "reset", "drop")
    half_open_overflow: str = choice("drop", "drop", "reset")
    shutdown_flush: float = seconds(2.0, 0, 600)
    eal: tuple[str, ...] = parsed((), _read_arguments)


@dataclass(frozen=True, slots=True)
class Workers:
    """[workers]: the poll loops.

    Attributes:
        lcores: CPUs, one worker on each; none lets the workers float.
        count: Number of workers; 0 is one a CPU of `lcores`, or 1.
        poll: "adaptive" sleeps when there is nothing to do, "busy" never.
        idle_turns: Turns without work before it sleeps.
        nap_us: Microseconds of the first nap where no device can wake the worker (packet sockets):
            so long frames gather, and what was closed.
        nap_max_us: Each nap that finds nothing is twice as long as the one before, up to this.
    """

    lcores: tuple[int, ...] = parsed((), _read_lcores)
    count: int = integer(0, 1, WORKERS_MAX, zero="one a CPU of lcores")
    poll: str = choice("adaptive", "adaptive", "busy")
    idle_turns: int = integer(200, 1, 65_535)
    nap_us: int = integer(20, 1, 65_535)
    nap_max_us: int = integer(200, 1, 65_535)

    @property
    def cpus(self) -> tuple[int, ...]:
        """The CPU of each worker, -1 for one that floats."""
        return self.lcores or (-1,) * (self.count or 1)


@dataclass(frozen=True, slots=True)
class Tcp:
    """[tcp]: behaviour of connections made from now on. Times in seconds, buffers in bytes.

    Attributes:
        sack: Selective acknowledgments (RFC 2018).
        timestamps: The timestamps option (RFC 7323).
        window_scale: The window scale option (RFC 7323).
        ecn: Explicit congestion notification (RFC 3168).
        congestion: Congestion controller.
        hystart: HyStart++ (RFC 9406) in CUBIC's slow start.
        initial_window: Segments (RFC 6928).
        slow_start_after_idle: Restart from the initial window after an idle RTO (RFC 5681 4.1).
        rack: Loss detection by time (RFC 8985); without it by SACKed segments (RFC 6675).
        tlp: Tail loss probes (RFC 8985 7); they need `rack`.
        f_rto: Detection of spurious timeouts (RFC 5682).
        limited_transmit: New data on the first two duplicate ACKs (RFC 3042).
        prr: Sending in recovery in proportion to what arrives (RFC 6937); without it the window
            is halved at once.
        undo: Taking back what a retransmission that was not needed has cost, as timestamps
            (RFC 3522) and duplicate SACKs (RFC 3708) tell.
        rto_initial: Before the first round-trip sample (RFC 6298).
        rto_min: Least retransmission timeout.
        rto_max: Greatest retransmission timeout.
        delayed_ack: Whether acknowledgments are held back.
        delayed_ack_time: For how long at most.
        quick_ack_start: Data segments acknowledged at once after the start.
        nagle: Hold small segments back while data is unacknowledged.
        syn_retries: Retransmissions of a SYN before connect fails.
        syn_ack_retries: Retransmissions of a SYN-ACK before the request is forgotten.
        data_retries: Retransmissions of data before the connection is given up.
        user_timeout: Time without an acknowledgment after which a connection is given up; 0 leaves
            that to `data_retries`.
        time_wait: 2 MSL.
        fin_wait_2: How long an orphan waits for the peer's FIN.
        keepalive_idle: Silence before the first probe, on sockets with SO_KEEPALIVE.
        keepalive_interval: Between two unanswered probes.
        keepalive_count: Unanswered probes before the connection is given up.
        challenge_ack_limit: Challenge ACKs a second and worker (RFC 5961).
        invalid_ack_limit: Least time between two answers of a connection to segments out of window.
        reset_limit: RSTs a second and worker in answer to segments of no connection.
        syn_cookies: "auto" under pressure, "always" or "never".
        secret: Key of sequence numbers and cookies, 16 bytes, for reproducible runs and clusters;
            empty draws one at each start.
        epoch: Between two rotations of the cookie secret.
        cluster: Take the cookies of all who have this secret and this epoch, by the wall clock.
        mtu_probing: Search for the path MTU when full segments are lost (RFC 4821).
        mss_clamp: Largest segment sent or offered, bytes; 0 is what the MTU gives.
        ttl: Time to live, hop limit.
        dscp: Code point of connections without QoS.
        recv_buffer: Receive buffer at the start; recv_buffer_max is what it may grow to.
        send_buffer: Send buffer at the start; send_buffer_max is what it may grow to.
        option_order: Whose order the options of a SYN have.
    """

    sack: bool = flag(default=True)
    timestamps: bool = flag(default=True)
    window_scale: bool = flag(default=True)
    ecn: bool = flag(default=False)
    congestion: str = choice("cubic", "cubic", "newreno", "dctcp")
    hystart: bool = flag(default=True)
    initial_window: int = integer(10, 1, 256)
    slow_start_after_idle: bool = flag(default=True)
    rack: bool = flag(default=True)
    tlp: bool = flag(default=True)
    f_rto: bool = flag(default=True)
    limited_transmit: bool = flag(default=True)
    prr: bool = flag(default=True)
    undo: bool = flag(default=True)
    rto_initial: float = seconds(1.0, 0.001, 60)
    rto_min: float = seconds(0.2, 0.001, 60)
    rto_max: float = seconds(120.0, 1, 3600)
    delayed_ack: bool = flag(default=True)
    delayed_ack_time: float = seconds(0.04, 0.001, 0.499)
    quick_ack_start: int = integer(0, 0, 1000)
    nagle: bool = flag(default=True)
    syn_retries: int = integer(6, 0, 127)
    syn_ack_retries: int = integer(5, 0, 127)
    data_retries: int = integer(15, 1, 127)
    user_timeout: float = seconds(0.0, 0.001, 4_000_000, zero="none")
    time_wait: float = seconds(60.0, 0, 3600)
    fin_wait_2: float = seconds(60.0, 0, 3600)
    keepalive_idle: float = seconds(7200.0, 0.001, 4_000_000)
    keepalive_interval: float = seconds(1.0, 0.001, 4_000_000)
    keepalive_count: int = integer(10, 1, 255)
    challenge_ack_limit: int = integer(1000, 0, 1_000_000_000)
    invalid_ack_limit: float = seconds(0.5, 0, 60)
    reset_limit: int = integer(10_000, 0, 1_000_000_000)
    syn_cookies: str = choice("auto", "auto", "always", "never")
    secret: bytes = parsed(b"", _read_secret)
    epoch: int = integer(64, 1, 3600)
    cluster: bool = flag(default=False)
    mtu_probing: bool = flag(default=True)
    mss_clamp: int = integer(0, 48, 65_495, zero="none")
    ttl: int = integer(128, 1, 255)
    dscp: int = integer(0, 0, 63)
    recv_buffer: int = integer(65_536, 2048, 1 << 30)
    recv_buffer_max: int = integer(4_194_304, 2048, 1 << 30)
    send_buffer: int = integer(65_536, 2048, 1 << 30)
    send_buffer_max: int = integer(4_194_304, 2048, 1 << 30)
    option_order: str = choice("linux", "linux", "freebsd")


@dataclass(frozen=True, slots=True)
class Observe:
    """[observe]: what can be seen from outside.

    Attributes:
        telemetry: DPDK's telemetry socket with the provider's own commands.
        metrics: HOST:PORT where Prometheus reads; empty for none.
        capture: MiB of the most recent frames kept for `pyprov capture`; 0 for none.
        log: Least severity that is logged.
    """

    telemetry: bool = flag(default=True)
    metrics: str = parsed("", _read_metrics)
    capture: int = integer(0, 1, 65_536, zero="none")
    log: str = choice("warning", "error", "warning", "info", "debug")


@dataclass(frozen=True, slots=True)
class Config:
    """All of it.

    Attributes:
        provider: Limits and memory.
        ports: The devices, [[port]].
        workers: The poll loops.
        tcp: Behaviour of connections.
        qos: Quality of service.
        observe: What can be seen from outside.
        source: The file, for messages.
    """

    provider: Provider = field(default_factory=Provider)
    ports: tuple[Port, ...] = ()
    workers: Workers = field(default_factory=Workers)
    tcp: Tcp = field(default_factory=Tcp)
    qos: Qos = field(default_factory=Qos)
    observe: Observe = field(default_factory=Observe)
    source: str = ""

    @classmethod
    def load(cls, name: str | Path) -> Self:
        """Read a file, or a shipped configuration by its bare name ("ring").

        Raises:
            ConfigError: If there is no such file, it is no TOML, or it cannot be.
        """
        file, source = _find(name)
        try:
            tables = tomllib.loads(file.read_bytes().decode())
        except OSError as error:
            raise ConfigError("", f"cannot be read: {error.strerror}", file=source) from None
        except ValueError as error:
            raise ConfigError("", f"is no TOML: {error}", file=source) from None
        return cls.from_dict(tables, source=source)

    @classmethod
    def from_dict(cls, tables: Mapping[str, object], *, source: str = "") -> Self:
        """Check what a TOML file says, given as its tables.

        Raises:
            ConfigError: Naming the key and what is allowed.
        """
        return cls(source=source).updated(tables)

    def updated(self, tables: Mapping[str, object]) -> Self:
        """Return a copy with the keys of some tables replaced; [[port]] replaces all ports.

        Raises:
            ConfigError: As `from_dict`.
        """
        try:
            return self._updated(tables)
        except ConfigError as error:
            raise error.within("", self.source) from None

    @property
    def packet_buffers(self) -> int:
        """Packet buffers of one worker."""
        quarter = (self.provider.memory << 20) // 4 // _PACKET_BUFFER_SIZE
        return self.provider.packet_buffers or max(512, quarter // len(self.workers.cpus))

    @property
    def chunk_memory(self) -> int:
        """MiB of stream chunks, all workers together: what the packet buffers leave."""
        taken = self.packet_buffers * len(self.workers.cpus) * _PACKET_BUFFER_SIZE >> 20
        return self.provider.memory - taken

    def _updated(self, tables: Mapping[str, object]) -> Self:
        parts = {part.name: getattr(self, part.name) for part in fields(self)}
        _check_names(tables)
        for name in (name for name in _SECTIONS if name in tables):
            try:
                parts[name] = build(parts[name], tables[name])
            except ConfigError as error:
                raise error.within(name) from None
        if "port" in tables:
            try:
                parts["ports"] = as_list(tables["port"], read_port, "tables headed [[port]]")
            except ConfigError as error:
                raise error.within("port") from None
        made = replace(self, **parts)
        _check_values(made)
        _check_ports(made.ports)
        return made


_SECTIONS = {
    "provider": keys_of(Provider),
    "workers": keys_of(Workers),
    "tcp": keys_of(Tcp),
    "qos": keys_of(Qos),
    "observe": keys_of(Observe),
}


def shipped() -> list[str]:
    """Return the names of the configurations that come with the package."""
    files = importlib.resources.files("pyprov") / "configs"
    names = [file.name for file in files.iterdir()]
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def _find(name: str | Path) -> tuple[Traversable, str]:
    """Return the file that a path or a shipped name stands for, and what to call it."""
    path = Path(name)
    if path.exists() or not re.fullmatch(r"[\w-]+", str(name)):
        return path, str(path)
    names = shipped()
    if str(name) not in names:
        problem = unknown(str(name), names).replace("unknown key", "no such file or configuration")
        raise ConfigError("", problem.replace("known here", "shipped"), file=str(name))
    return importlib.resources.files("pyprov") / "configs" / f"{name}.toml", f"{name}.toml"


def _check_names(tables: Mapping[str, object]) -> None:
    """Raise an unknown table; a key that has lost its table is told where it belongs."""
    for name in tables:
        if name in _SECTIONS or name == "port":
            continue
        for section, keys in _SECTIONS.items():
            if name in keys:
                raise ConfigError(name, f"belongs into [{section}]")
        problem = unknown(name, [*_SECTIONS, "port"]).replace("key", "table", 1)
        raise ConfigError(spell_key(name), problem)


def _check_values(config: Config) -> None:
    """Raise values of different keys that cannot be together."""
    workers, tcp = config.workers, config.tcp
    if workers.lcores and workers.count not in {0, len(workers.lcores)}:
        problem = f"lcores names {len(workers.lcores)} CPUs; leave one of the two out"
        raise ConfigError("workers.count", problem, value=workers.count)
    for low, high in (
        ("rto_min", "rto_max"),
        ("rto_initial", "rto_max"),
        ("recv_buffer", "recv_buffer_max"),
        ("send_buffer", "send_buffer_max"),
    ):
        least, most = getattr(tcp, low), getattr(tcp, high)
        if least > most:
            raise ConfigError(f"tcp.{low}", f"must not exceed {high} = {most}", value=least)
    if tcp.cluster and not tcp.secret:
        raise ConfigError("tcp.cluster", "needs a secret that all nodes share", value=tcp.cluster)
    if config.chunk_memory < 1:
        problem = f"the packet buffers leave nothing of memory = {config.provider.memory}"
        raise ConfigError("provider.packet_buffers", problem, value=config.packet_buffers)


def _check_ports(ports: tuple[Port, ...]) -> None:
    if len(ports) > PORTS_MAX:
        raise ConfigError("port", f"there can be at most {PORTS_MAX}, not {len(ports)}")
    devices: dict[str, int] = {}
    hosts: dict[object, int] = {}
    for index, port in enumerate(ports):
        name = port.device.partition(",")[0]
        if name in devices and name != "step" and not name.startswith("ring"):
            problem = f"port[{devices[name]}] has the same device"
            raise ConfigError(f"port[{index}].device", problem, value=port.device)
        devices[name] = index
        for interface in port.address:
            if interface.ip in hosts:
                problem = f"port[{hosts[interface.ip]}] has the same address"
                raise ConfigError(f"port[{index}].address", problem, value=str(interface))
            hosts[interface.ip] = index
