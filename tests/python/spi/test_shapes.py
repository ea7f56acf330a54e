"""The calls' shapes: names and defaults of their arguments, and what the constants are.

Code written against the interface passes arguments by position and by name; both stay valid.
"""

import inspect

import pytest

from pyprov import spi as module
from pyprov.spi.table import ORDER

TEXT = """
WSPStartup(wVersionRequested=0x0202, lpProtocolInfo=None, UpcallTable=None, *, config=None)
WSPCleanup()
WSPSocket(af, type, protocol, protocol_info=None, g=0, flags=WSA_FLAG_OVERLAPPED)
WSPBind(s, name)
WSPListen(s, backlog)
WSPAccept(s, condition=None, callback_data=0)
WSPConnect(s, name, caller_data=None, callee_data=None, sqos=None, gqos=None)
WSPJoinLeaf(s, name, caller_data=None, callee_data=None, sqos=None, gqos=None, flags=0)
WSPSend(s, buffers, flags=0, overlapped=None, routine=None)
WSPSendTo(s, buffers, flags=0, to=None, overlapped=None, routine=None)
WSPRecv(s, buffers, flags=0, overlapped=None, routine=None)
WSPRecvFrom(s, buffers, flags=0, overlapped=None, routine=None)
WSPSendDisconnect(s, data=None)
WSPRecvDisconnect(s, data=None)
WSPShutdown(s, how)
WSPCloseSocket(s)
WSPSelect(readfds, writefds, exceptfds, timeout=None)
WSPEventSelect(s, event, network_events)
WSPAsyncSelect(s, hWnd, message, events)
WSPEnumNetworkEvents(s, event=None)
WSPGetOverlappedResult(s, overlapped, wait)
WSPGetSockName(s)
WSPGetPeerName(s)
WSPGetSockOpt(s, level, optname, optlen=None)
WSPSetSockOpt(s, level, optname, value)
WSPIoctl(s, code, value=None, outlen=None, overlapped=None, routine=None)
WSPGetQOSByName(s, name)
WSPDuplicateSocket(s, process_id)
WSPAddressToString(addr, protocol_info=None)
WSPStringToAddress(text, family, protocol_info=None)
WSPCancelBlockingCall(thread_id=None)
AcceptEx(listener, acceptor, buffer, receive_len, local_len, remote_len, overlapped)
ConnectEx(s, name, data=None, overlapped=None)
DisconnectEx(s, overlapped=None, flags=0)
TransmitFile(s, file, count=0, per_send=0, overlapped=None, head=None, tail=None, flags=0)
WSARecvMsg(s, msg, overlapped=None)
GetAcceptExSockaddrs(buffer, receive_len, local_len, remote_len)
SleepEx(seconds, alertable=False)
accept_many(s, n, out=None)
send_many(handles, buffers)
recv_many(handles, out)
close_many(handles, how=0)
wait_many(waiter, out)
"""
SHAPES = TEXT.strip().splitlines()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.partition("(")[0])
def test_a_call_takes_these_arguments(spi, shape):
    name = shape.partition("(")[0]
    wanted = eval(f"lambda {shape[len(name) + 1 : -1]}: 0", vars(module))

    def taken(function):
        parameters = inspect.signature(function).parameters.values()
        return [(p.name, p.kind, p.default) for p in parameters]

    for function in (getattr(spi, name), getattr(module, name)):
        assert taken(function) == taken(wanted)


def test_the_shapes_of_all_thirty_functions_are_here():
    assert set(ORDER) <= {shape.partition("(")[0] for shape in SHAPES}
