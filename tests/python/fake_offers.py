"""The part of the fake dataplane about requests that wait for a verdict, and offers."""

import errno
from types import MappingProxyType

from pyprov.core.offer import VERDICT_REJECT
from pyprov.core.port import DataplaneError


class PeerOffers:
    """What a FakePeer said, by kind, and the (verdict, reason, answer) it was told."""

    verdict = None
    offers = MappingProxyType({})


class FakeOffers:
    """See core.offer.Deciding."""

    def decide(self, handle, verdict, reason=0, answer=None):
        peer = self.record(handle, "decide")
        peer.verdict = verdict, reason, answer
        if verdict == VERDICT_REJECT:
            peer.was_reset = True
        elif not peer.connected:
            peer.establish()

    def decide_many(self, handles, verdict):
        for handle in handles.tolist():
            self.decide(handle, verdict)

    def request_facts(self, handle):
        self.record(handle, "request_facts")

    def offer(self, handle, kind):
        return self.record(handle, "offer").offers.get(kind)

    def send_offer(self, handle, offer):
        self.record(handle, "send_offer")
        raise DataplaneError(-errno.EOPNOTSUPP, "send_offer")
