"""The condition of `pyprov bench accept --condition compiled`, and what a decision costs."""

import statistics
import time
from typing import Final

import pyprov
from pyprov.conditions import ConnectionRequest, Endpoint, Program
from pyprov.runtime.condition import Runner

_REQUESTS: Final = 1024
_ROUNDS: Final = 200

GENERATOR: Final = pyprov.prefix("198.18.0.0/15", "2001:2::/64")


@pyprov.condition
def modest_clients(req: ConnectionRequest) -> int:
    """Accept the generator's clients, as an application's rule would."""
    if req.caller.address not in GENERATOR:
        return pyprov.DROP
    if req.backlog > 60_000 or req.syn.mss < 536 or req.ttl < 8:
        return pyprov.REJECT
    if (
        req.qos.sending.service_type == pyprov.GUARANTEED
        and req.qos.sending.token_rate > 10_000_000
    ):
        return pyprov.ASK
    return pyprov.ACCEPT


def program() -> Program:
    """Return the program of the condition."""
    made = modest_clients.program
    if made is None:
        raise TypeError("the condition returns no verdict")
    return made


def decision_ns() -> float:
    """Return what a decision costs outside of the worker, the context's 200 bytes included."""
    request = ConnectionRequest(
        caller=Endpoint("198.18.0.1", 40000), callee=Endpoint("10.9.0.2", 80), time=1
    )
    contexts = request.pack() * _REQUESTS
    runner = Runner(program())
    verdicts = runner.run(contexts)
    spent = []
    for _ in range(_ROUNDS):
        before = time.perf_counter_ns()
        verdicts = runner.run(contexts)
        spent.append((time.perf_counter_ns() - before) / _REQUESTS)
    runner.close()
    if set(verdicts) != {pyprov.ACCEPT}:
        raise ValueError("the condition does not accept what it is meant to")
    return statistics.median(spent)
