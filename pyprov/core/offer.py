"""What the two sides of a connection tell each other beside the stream, and about a request.

Words are those of the dataplane: Winsock's QoS structures become flow specifications in core's
negotiation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Verdicts, and reasons of a refusal (offers carry them to the peer)
VERDICT_ACCEPT: Final = 0
VERDICT_REJECT: Final = 1
REASON_REFUSED: Final = 0
REASON_QOS_ADMISSION: Final = 1
REASON_QOS_POLICY: Final = 2
REASON_QOS_INVALID: Final = 3
REASON_BACKLOG: Final = 4

# `kind` of an offer
OFFER_REQUEST: Final = 0  # came with the connection request
OFFER_ANSWER: Final = 1  # answered it, with or without success
OFFER_QOS_ASK: Final = 2  # asks for another QoS on a connection
OFFER_QOS_AGREE: Final = 3  # what holds from now on
OFFER_QOS_REFUSE: Final = 4  # the old level stays; the reason says why
OFFER_DISCONNECT: Final = 5

FlowWords: TypeAlias = tuple[int, int, int, int, int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What one side of a connection tells the other beside the stream; None: not said.

    Attributes:
        kind: OFFER_*.
        data: caller, callee or disconnect data.
        sending: flow specification of the direction in which whoever says this sends: token rate,
            token bucket size, peak bandwidth, latency, delay variation, service type, largest SDU,
            smallest policed size.
        receiving: the same of the other direction.
        provider: provider-specific QoS bytes.
        group: group number and priority.
        status: a Winsock code.
        reason: REASON_*, with a refusal.
    """

    kind: int = OFFER_ANSWER
    data: bytes | None = None
    sending: FlowWords | None = None
    receiving: FlowWords | None = None
    provider: bytes | None = None
    group: tuple[int, int] | None = None
    status: int | None = None
    reason: int = REASON_REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """What is known of a connection request: what a condition sees.

    `options`: 1 timestamps, 2 SACK, 4 window scale, 8 ECN, 16 MSS. `half_open` and `load`
    (thousandths) are the worker's.
    """

    when_ns: int
    peer: bytes
    local: bytes
    peer_port: int
    local_port: int
    flags: int
    backlog: int
    backlog_limit: int
    half_open: int
    load: int
    tsval: int
    mss: int
    window: int
    options: int
    wscale: int
    ttl: int
    dscp: int
    offer: Offer


class Deciding(Protocol):
    """Requests that wait for a verdict, and offers: a part of core.port.Dataplane."""

    def decide(
        self,
        handle: int,
        verdict: int,
        reason: int = REASON_REFUSED,
        answer: Offer | None = None,
    ) -> None:
        """Accept or reject a request that has REQUEST_HELD or REQUEST_OFFER.

        Every such request that is taken gets a verdict, goes back by `defer`, or is closed, which
        rejects it. After VERDICT_REJECT its handle is to be closed.

        Raises:
            DataplaneError: -ENOTCONN, it has died (seen with an answer only; the end shows in its
                status); -EMSGSIZE, the answer is too long.
        """

    def decide_many(self, handles: npt.NDArray[np.uint64], verdict: int) -> None:
        """Give many requests one verdict, without an answer."""

    def request_facts(self, handle: int) -> RequestFacts | None:
        """Return what is known of a request that was taken and not decided; None: no more."""

    def offer(self, handle: int, kind: int) -> Offer | None:
        """Return the peer's last offer of a kind, also after the connection's end."""

    def send_offer(self, handle: int, offer: Offer) -> None:
        """Tell the peer of a connection, behind what was sent.

        OFFER_QOS_ASK, OFFER_QOS_AGREE, OFFER_QOS_REFUSE; OFFER_DISCONNECT goes with the FIN of the
        shutdown_send that follows.

        Raises:
            DataplaneError: -EOPNOTSUPP, the peer does not speak the option; -EALREADY, one of this
                kind is on its way; -EMSGSIZE; -ENOTCONN.
        """
