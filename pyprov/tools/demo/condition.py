"""The condition function of the demo, written as somebody would who tries this out."""

from pyprov import spi
from pyprov.winsock.address import SockAddr

asked: list[tuple[SockAddr, SockAddr]] = []


def condition(caller_id, caller_data, sqos, gqos, callee_id, callee_data, g, callback_data):
    asked.append((caller_id.address, callee_id.address))
    host = caller_id.address[0]
    if host.startswith("10.9.0.") and host != "10.9.0.66":
        return spi.CF_ACCEPT
    return spi.CF_REJECT
