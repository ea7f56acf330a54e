"""All of Winsock's names: what `pyprov.spi` and a bound provider offer beside calls."""

# ruff: noqa: F403, PLC0414 - it gathers what is to be read from elsewhere

from pyprov.core.events import WSAEVENT as WSAEVENT
from pyprov.core.messages import MessageQueue as MessageQueue
from pyprov.core.upcalls import WSPUPCALLTABLE as WSPUPCALLTABLE
from pyprov.winsock.codes import *
from pyprov.winsock.constants import *
from pyprov.winsock.errors import WSA as WSA
from pyprov.winsock.errors import WSAError as WSAError
from pyprov.winsock.flags import *
from pyprov.winsock.ioctls import *
from pyprov.winsock.macros import *
from pyprov.winsock.options import *
from pyprov.winsock.protocol_info import WSAPROTOCOL_INFO as WSAPROTOCOL_INFO
from pyprov.winsock.protocol_info import WSAPROTOCOL_INFOW as WSAPROTOCOL_INFOW
from pyprov.winsock.protocol_info import WSAPROTOCOLCHAIN as WSAPROTOCOLCHAIN
from pyprov.winsock.provider_specific import QOS_SD_MODE as QOS_SD_MODE
from pyprov.winsock.provider_specific import QOS_SHAPING_RATE as QOS_SHAPING_RATE
from pyprov.winsock.provider_specific import RSVP_STATUS_INFO as RSVP_STATUS_INFO
from pyprov.winsock.provider_specific import build_objects as build_objects
from pyprov.winsock.provider_specific import parse_objects as parse_objects
from pyprov.winsock.qos import FLOWSPEC as FLOWSPEC
from pyprov.winsock.qos import QOS as QOS
from pyprov.winsock.service import *
from pyprov.winsock.structs import CSADDR_INFO as CSADDR_INFO
from pyprov.winsock.structs import GROUP as GROUP
from pyprov.winsock.structs import INTERFACE_INFO as INTERFACE_INFO
from pyprov.winsock.structs import LINGER as LINGER
from pyprov.winsock.structs import MSG as MSG
from pyprov.winsock.structs import SOCKET_ADDRESS_LIST as SOCKET_ADDRESS_LIST
from pyprov.winsock.structs import TCP_INITIAL_RTO_PARAMETERS as TCP_INITIAL_RTO_PARAMETERS
from pyprov.winsock.structs import WSABUF as WSABUF
from pyprov.winsock.structs import WSADATA as WSADATA
from pyprov.winsock.structs import WSAMSG as WSAMSG
from pyprov.winsock.structs import WSANETWORKEVENTS as WSANETWORKEVENTS
from pyprov.winsock.structs import WSAOVERLAPPED as WSAOVERLAPPED
from pyprov.winsock.structs import WSPDATA as WSPDATA
from pyprov.winsock.structs import tcp_keepalive as tcp_keepalive
from pyprov.winsock.tcp_info import TCPSTATE as TCPSTATE
from pyprov.winsock.tcp_info import TCP_INFO_v0 as TCP_INFO_v0
from pyprov.winsock.tcp_info import TCP_INFO_v1 as TCP_INFO_v1
