"""The process's own provider, behind the functions of the module `pyprov.spi`.

Its first WSPStartup starts an engine from a configuration, its last WSPCleanup ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyprov.core import port
from pyprov.core.limits import Limits, QosRules, TcpDefaults
from pyprov.spi.provider import AllCalls
from pyprov.spi.startup import Engine
from pyprov.winsock.codes import WSAEFAULT, WSASYSNOTREADY
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.runtime.config import Config, Tcp

_OVERFLOW: Final = {"drop": port.OVERFLOW_DROP, "reset": port.OVERFLOW_RESET}
_SYN_COOKIES: Final = {
    "auto": port.SYN_COOKIES_AUTO,
    "always": port.SYN_COOKIES_ALWAYS,
    "never": port.SYN_COOKIES_NEVER,
}
_CONGESTION: Final = {"cubic": 0, "newreno": 1, "dctcp": 2}
_MS: Final = 1000
_USUAL_RATE: Final = 10_000_000_000  # bits a second of a port whose rate nobody says


def limits_of(config: Config) -> Limits:
    """Return what a configuration says of the control plane."""
    provider = config.provider
    return Limits(
        max_sockets=provider.max_sockets,
        backlog_max=provider.backlog_max,
        backlog_overflow=_OVERFLOW[provider.backlog_overflow],
        half_open_overflow=_OVERFLOW[provider.half_open_overflow],
        syn_cookies=_SYN_COOKIES[config.tcp.syn_cookies],
        tcp=_tcp_defaults(config.tcp),
        qos=_qos_rules(config),
    )


def _qos_rules(config: Config) -> QosRules:
    qos = config.qos
    return QosRules(
        reservable=qos.reservable,
        rates=tuple(port.rate or _USUAL_RATE for port in config.ports),
        dscp=qos.dscp,
        names=tuple(qos.names()),
        template=qos.template,
    )


def _tcp_defaults(tcp: Tcp) -> TcpDefaults:
    return TcpDefaults(
        recv_buffer=tcp.recv_buffer,
        send_buffer=tcp.send_buffer,
        keep_idle=round(tcp.keepalive_idle * _MS),
        keep_interval=round(tcp.keepalive_interval * _MS),
        keep_count=tcp.keepalive_count,
        give_up=round(tcp.user_timeout * _MS),
        congestion=_CONGESTION[tcp.congestion],
        timestamps=tcp.timestamps,
        hops=tcp.ttl,
        tos=tcp.dscp << 2,
    )


def _start_engine(given: object) -> Engine:
    """Start the engine of WSPStartup's `config`.

    Raises:
        WSAError: WSASYSNOTREADY, with the cause and the cure; WSAEFAULT for what is neither a path
            nor tables.
    """
    # Only here: a lab and the tests need neither EAL nor the extension.
    from pyprov.runtime import engine  # noqa: PLC0415
    from pyprov.runtime.config import Config, ConfigError  # noqa: PLC0415

    try:
        match given:
            case str() | Path():
                config = Config.load(given)
            case Mapping():
                config = Config.from_dict(given)
            case Config():
                config = given
            case _:
                message = "config must be a TOML file's path, a shipped name, or its tables"
                raise WSAError(WSAEFAULT, f"{message}, not {given!r}")
        dataplane = engine.start(config)
    except (ConfigError, engine.StartError) as error:
        raise WSAError(WSASYSNOTREADY, str(error)) from error
    return Engine(dataplane, limits_of(config), lambda: engine.stop(dataplane))


default = AllCalls(_start_engine)
