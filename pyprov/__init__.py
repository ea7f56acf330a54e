"""A kernel-bypass TCP provider on DPDK with a Winsock 2 SPI."""

from pyprov.conditions import ACCEPT as ACCEPT
from pyprov.conditions import ASK as ASK
from pyprov.conditions import DROP as DROP
from pyprov.conditions import REJECT as REJECT
from pyprov.conditions import Condition as Condition
from pyprov.conditions import ConditionError as ConditionError
from pyprov.conditions import ConnectionRequest as ConnectionRequest
from pyprov.conditions import condition as condition
from pyprov.conditions import prefix as prefix
from pyprov.winsock.service import SERVICETYPE_BESTEFFORT as BEST_EFFORT
from pyprov.winsock.service import SERVICETYPE_CONTROLLEDLOAD as CONTROLLED_LOAD
from pyprov.winsock.service import SERVICETYPE_GUARANTEED as GUARANTEED
from pyprov.winsock.service import SERVICETYPE_NETWORK_CONTROL as NETWORK_CONTROL
from pyprov.winsock.service import SERVICETYPE_QUALITATIVE as QUALITATIVE

__all__ = [
    "ACCEPT",
    "ASK",
    "BEST_EFFORT",
    "CONTROLLED_LOAD",
    "DROP",
    "GUARANTEED",
    "NETWORK_CONTROL",
    "QUALITATIVE",
    "REJECT",
    "Condition",
    "ConditionError",
    "ConnectionRequest",
    "condition",
    "prefix",
]
