"""WSPPROC_TABLE: the thirty functions in the SPI's binary order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Function(Protocol):
    """One of the thirty."""

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Do it; the arguments are its own."""


ORDER: Final = (
    "WSPAccept",
    "WSPAddressToString",
    "WSPAsyncSelect",
    "WSPBind",
    "WSPCancelBlockingCall",
    "WSPCleanup",
    "WSPCloseSocket",
    "WSPConnect",
    "WSPDuplicateSocket",
    "WSPEnumNetworkEvents",
    "WSPEventSelect",
    "WSPGetOverlappedResult",
    "WSPGetPeerName",
    "WSPGetSockName",
    "WSPGetSockOpt",
    "WSPGetQOSByName",
    "WSPIoctl",
    "WSPJoinLeaf",
    "WSPListen",
    "WSPRecv",
    "WSPRecvDisconnect",
    "WSPRecvFrom",
    "WSPSelect",
    "WSPSend",
    "WSPSendDisconnect",
    "WSPSendTo",
    "WSPSetSockOpt",
    "WSPShutdown",
    "WSPSocket",
    "WSPStringToAddress",
)


class WSPPROC_TABLE:  # noqa: N801 - the name is ws2spi.h's
    """The functions by name; iterated, in order."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self._functions = tuple(functions[name] for name in ORDER)
        for name, function in zip(ORDER, self._functions, strict=True):
            setattr(self, name, function)

    def __iter__(self) -> Iterator[Function]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)
