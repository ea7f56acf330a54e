"""The states of a socket, and what each call answers in each of them.

A socket goes from left to right:

    OPEN ── bind ──> BOUND ── listen ──> LISTENING
      └───────────────┴── connect ──> CONNECTING ──> CONNECTED ── DisconnectEx ──> DISCONNECTED
                      (failed: back to where it came from)
    an accepted socket begins CONNECTED

ACCEPTING is a socket that waits as the second argument of a pending AcceptEx, CONNECTING_EX one
with a pending ConnectEx; each becomes CONNECTED, or what it was before. From everywhere
WSPCloseSocket leads to CLOSED, which only a call that was under way can see.

What is guaranteed:

- OPEN has neither address nor handle. BOUND has a local address, and no handle.
- LISTENING has the handle of a listener; its backlog is the dataplane's.
- CONNECTING and CONNECTED have the handle of a connection. That the peer has gone does not change
  the state: the dataplane answers for the connection then, and `shut` says which directions this
  side has closed.
- DISCONNECTED has no handle any more.

A change of state happens under `Control.lock`. The dataplane is not called under it: a thread that
has to call it first claims the socket (`Control.claim`), and others get WSAEINPROGRESS meanwhile.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from pyprov.winsock.codes import (
    WSAEALREADY,
    WSAEINVAL,
    WSAEISCONN,
    WSAENOTCONN,
    WSAESHUTDOWN,
)
from pyprov.winsock.errors import WSAError


class State(IntEnum):
    """See above; the order is that of the columns of `ANSWERS`."""

    OPEN = 0
    BOUND = 1
    LISTENING = 2
    CONNECTING = 3
    CONNECTED = 4
    ACCEPTING = 5
    CONNECTING_EX = 6
    DISCONNECTED = 7
    CLOSED = 8


class Call(IntEnum):
    """What somebody wants to do with a socket; the rows of `ANSWERS`."""

    BIND = 0
    LISTEN = 1
    ACCEPT = 2
    CONNECT = 3
    SEND = 4
    RECV = 5
    SHUTDOWN = 6
    SOCK_NAME = 7
    PEER_NAME = 8
    CONNECT_EX = 9


_OK: Final = 0
_INVAL: Final = int(WSAEINVAL)
_ALREADY: Final = int(WSAEALREADY)
_IS_CONN: Final = int(WSAEISCONN)
_NOT_CONN: Final = int(WSAENOTCONN)
_SHUT: Final = int(WSAESHUTDOWN)

# fmt: off
ANSWERS: Final[dict[Call, tuple[int, ...]]] = {
    #                OPEN       BOUND      LISTENING  CONNECTING CONNECTED
    #                ACCEPTING  CONNECTING_EX         DISCONNECTED         CLOSED
    Call.BIND:      (_OK,       _INVAL,    _INVAL,    _INVAL,    _INVAL,
                     _INVAL,    _INVAL,               _INVAL,              _INVAL),
    Call.LISTEN:    (_INVAL,    _OK,       _OK,       _INVAL,    _IS_CONN,
                     _INVAL,    _INVAL,               _IS_CONN,            _INVAL),
    Call.ACCEPT:    (_INVAL,    _INVAL,    _OK,       _INVAL,    _INVAL,
                     _INVAL,    _INVAL,               _INVAL,              _INVAL),
    Call.CONNECT:   (_OK,       _OK,       _INVAL,    _ALREADY,  _IS_CONN,
                     _INVAL,    _INVAL,               _IS_CONN,            _INVAL),
    Call.SEND:      (_NOT_CONN, _NOT_CONN, _NOT_CONN, _NOT_CONN, _OK,
                     _NOT_CONN, _NOT_CONN,            _SHUT,               _NOT_CONN),
    Call.RECV:      (_INVAL,    _NOT_CONN, _NOT_CONN, _NOT_CONN, _OK,
                     _NOT_CONN, _NOT_CONN,            _SHUT,               _NOT_CONN),
    Call.SHUTDOWN:  (_NOT_CONN, _NOT_CONN, _NOT_CONN, _NOT_CONN, _OK,
                     _NOT_CONN, _NOT_CONN,            _OK,                 _NOT_CONN),
    Call.SOCK_NAME: (_INVAL,    _OK,       _OK,       _OK,       _OK,
                     _INVAL,    _OK,                  _OK,                 _INVAL),
    Call.PEER_NAME: (_NOT_CONN, _NOT_CONN, _NOT_CONN, _OK,       _OK,
                     _NOT_CONN, _NOT_CONN,            _NOT_CONN,           _NOT_CONN),
    Call.CONNECT_EX:(_INVAL,    _OK,       _INVAL,    _INVAL,    _IS_CONN,
                     _INVAL,    _INVAL,               _IS_CONN,            _INVAL),
}
# fmt: on


def check(call: Call, state: State) -> None:
    """Raise what the call answers in this state, if it is an error."""
    code = ANSWERS[call][state]
    if code:
        raise WSAError(code, f"{call.name.lower()} on a socket that is {state.name.lower()}")
