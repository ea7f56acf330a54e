"""Two processes of ours, joined by shared memory, tell each other more than a stream."""

import subprocess

import pytest

from tests.python.live import PATIENCE
from tests.python.two_processes import program

CONFIG = """
[provider]
huge = "never"
memory = 128
[[port]]
device = "net_memif0,role={role},id=0,socket={folder}/memif,socket-abstract=no"
address = ["10.9.0.{number}/24"]
mac = "02:00:00:00:00:0{number}"
"""
SERVER = """
import sys
from pyprov import spi

def condition(caller_id, caller_data, sqos, gqos, callee_id, callee_data, g, callback_data):
    rates = sqos.SendingFlowspec.TokenRate, sqos.ReceivingFlowspec.TokenRate
    print("asked", bytes(caller_data).decode(), *rates, flush=True)
    callee_data.write(b"welcome")
    sqos.SendingFlowspec.TokenRate = 50
    return spi.CF_ACCEPT

spi.WSPStartup(0x0202, config=sys.argv[1])
s = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
spi.WSPBind(s, ("10.9.0.2", 80))
spi.WSPSetSockOpt(s, spi.SOL_SOCKET, spi.SO_CONDITIONAL_ACCEPT, int(sys.argv[2]))
spi.WSPListen(s, 5)
print("ready", flush=True)
conn, _ = spi.WSPAccept(s, condition)
buffer, parting = bytearray(100), spi.WSABUF(100)
n, _ = spi.WSPRecv(conn, buffer)
print("received", buffer[:n].decode())
while spi.WSPRecv(conn, buffer)[0]:
    pass
spi.WSPRecvDisconnect(conn, parting)
print("parting", bytes(parting).decode())
spi.WSPCloseSocket(conn)
spi.WSPCleanup()
"""
CLIENT = """
import sys
from pyprov import spi

spi.WSPStartup(0x0202, config=sys.argv[1])
s = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
answer = spi.WSABUF(100)
wanted = spi.QOS(*(spi.FLOWSPEC(TokenRate=rate, TokenBucketSize=1500, MinimumPolicedSize=64,
                                ServiceType=spi.SERVICETYPE_GUARANTEED) for rate in (100, 200)))
spi.WSPConnect(s, ("10.9.0.2", 80), b"a caller", answer, wanted)
got = spi.WSPIoctl(s, spi.SIO_GET_QOS)
rates = got.SendingFlowspec.TokenRate, got.ReceivingFlowspec.TokenRate
print("answer", bytes(answer).decode(), *rates)
spi.WSPSend(s, b"stream")
spi.WSPSendDisconnect(s, b"goodbye")
spi.WSPRecv(s, bytearray(10))
spi.WSPCloseSocket(s)
spi.WSPCleanup()
"""
ANSWER = "answer welcome 100 50\n"
SAID = "asked a caller 200 100\nreceived stream\nparting goodbye\n"


def start(folder, role, number, text, *words):
    config = folder / f"{role}.toml"
    config.write_text(CONFIG.format(role=role, folder=folder, number=number))
    return program(text, config, *words, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("conditional", ["0", "1"], ids=["default", "conditional"])
def test_two_processes_exchange_data_in_the_handshake(tmp_path, conditional):
    with start(tmp_path, "server", 2, SERVER, conditional) as server:
        assert server.stdout.readline() == "ready\n"
        with start(tmp_path, "client", 1, CLIENT) as client:
            assert client.communicate(timeout=PATIENCE)[0] == ANSWER
        said = server.communicate(timeout=PATIENCE)[0]
    assert said == SAID
    assert (server.returncode, client.returncode) == (0, 0)
