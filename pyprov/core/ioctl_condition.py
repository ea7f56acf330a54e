"""Control codes about the compiled condition of a listener."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyprov.conditions import Condition, Program
from pyprov.core.failure import translate
from pyprov.core.port import DataplaneError
from pyprov.core.states import State
from pyprov.winsock.codes import WSAEFAULT, WSAEINVAL
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from pyprov.conditions import ConditionCounts
    from pyprov.core.ioctl import IoctlCall


def set_condition(call: IoctlCall) -> None:
    """SIO_SET_CONDITION: install a condition on a listener, or none with None.

    It takes the place of the one before at once, with counters and token buckets of its own.

    Raises:
        WSAError: WSAEFAULT for what is no condition; WSAEINVAL if the socket does not listen, the
            condition returns numbers, or the verifier refuses it.
    """
    program = _program(call.value)
    if call.socket.state is not State.LISTENING:
        raise WSAError(WSAEINVAL, "the socket does not listen")
    try:
        call.control.dataplane.set_condition(call.socket.handle, program)
    except DataplaneError as error:
        raise translate(error) from error


def _program(value: object) -> Program | None:
    if value is None or isinstance(value, Program):
        return value
    if not isinstance(value, Condition):
        raise WSAError(WSAEFAULT, f"{value!r} is no condition: decorate it with @condition")
    if value.program is None:
        raise WSAError(WSAEINVAL, f"{value!r} returns no verdict: only conditions can call it")
    return value.program


def condition_counts(call: IoctlCall) -> ConditionCounts | None:
    """SIO_GET_CONDITION: what the listener's condition has done; None if it has none.

    Raises:
        WSAError: WSAEINVAL if the socket does not listen.
    """
    if call.socket.state is not State.LISTENING:
        raise WSAError(WSAEINVAL, "the socket does not listen")
    try:
        return call.control.dataplane.condition_counts(call.socket.handle)
    except DataplaneError as error:
        raise translate(error) from error
