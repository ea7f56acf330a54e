"""Winsock's service provider interface.

This module is the default instance: the first WSPStartup starts this process's engine from a
configuration, the last WSPCleanup ends it. `Provider` is the same interface on an engine that
somebody else started. Names, constants and classes are Winsock's own.
"""

# ruff: noqa: F403 - all of this is to be read from here

from pyprov.spi.constants import *
from pyprov.spi.default import default
from pyprov.spi.many import READY_DTYPE as READY_DTYPE
from pyprov.spi.provider import Provider as Provider
from pyprov.spi.table import WSPPROC_TABLE as WSPPROC_TABLE

WSPStartup = default.WSPStartup
WSPCleanup = default.WSPCleanup
WSPAccept = default.WSPAccept
WSPAddressToString = default.WSPAddressToString
WSPAsyncSelect = default.WSPAsyncSelect
WSPBind = default.WSPBind
WSPCancelBlockingCall = default.WSPCancelBlockingCall
WSPCloseSocket = default.WSPCloseSocket
WSPConnect = default.WSPConnect
WSPDuplicateSocket = default.WSPDuplicateSocket
WSPEnumNetworkEvents = default.WSPEnumNetworkEvents
WSPEventSelect = default.WSPEventSelect
WSPGetOverlappedResult = default.WSPGetOverlappedResult
WSPGetPeerName = default.WSPGetPeerName
WSPGetSockName = default.WSPGetSockName
WSPGetSockOpt = default.WSPGetSockOpt
WSPGetQOSByName = default.WSPGetQOSByName
WSPIoctl = default.WSPIoctl
WSPJoinLeaf = default.WSPJoinLeaf
WSPListen = default.WSPListen
WSPRecv = default.WSPRecv
WSPRecvDisconnect = default.WSPRecvDisconnect
WSPRecvFrom = default.WSPRecvFrom
WSPSelect = default.WSPSelect
WSPSend = default.WSPSend
WSPSendDisconnect = default.WSPSendDisconnect
WSPSendTo = default.WSPSendTo
WSPSetSockOpt = default.WSPSetSockOpt
WSPShutdown = default.WSPShutdown
WSPSocket = default.WSPSocket
WSPStringToAddress = default.WSPStringToAddress
AcceptEx = default.AcceptEx
ConnectEx = default.ConnectEx
DisconnectEx = default.DisconnectEx
GetAcceptExSockaddrs = default.GetAcceptExSockaddrs
TransmitFile = default.TransmitFile
WSARecvMsg = default.WSARecvMsg
SleepEx = default.SleepEx
CompletionPort = default.CompletionPort
WPUCompleteOverlappedRequest = default.WPUCompleteOverlappedRequest
WSACreateEvent = default.WSACreateEvent
WSASetEvent = default.WSASetEvent
WSAResetEvent = default.WSAResetEvent
WSACloseEvent = default.WSACloseEvent
WSAWaitForMultipleEvents = default.WSAWaitForMultipleEvents
accept_many = default.accept_many
send_many = default.send_many
recv_many = default.recv_many
close_many = default.close_many
open_waiter = default.open_waiter
wait_many = default.wait_many
protocols = default.protocols
