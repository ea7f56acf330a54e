"""Offers and facts of requests: core.port's records as the dataplane has them."""

from __future__ import annotations

import errno
from dataclasses import fields
from typing import TYPE_CHECKING, Final

from pyprov._dataplane import ffi, lib
from pyprov.core.offer import FlowWords, Offer, RequestFacts
from pyprov.core.port import DataplaneError

if TYPE_CHECKING:
    from pyprov._dataplane import Flowspec, Pointer
    from pyprov._dataplane import Offer as OfferRecord
    from pyprov._dataplane import RequestFacts as FactsRecord

_FLOW: Final = tuple(name for name, _ in ffi.typeof("struct pv_flowspec").fields)
_FACTS: Final = tuple(
    field.name for field in fields(RequestFacts) if field.name not in {"peer", "local", "offer"}
)


def pack_offer(offer: Offer | None) -> Pointer:
    """Return a struct pv_offer, NULL for none.

    Raises:
        DataplaneError: -EMSGSIZE, more than a block can carry.
    """
    if offer is None:
        return ffi.NULL
    record = ffi.new("struct pv_offer *")
    record.kind = offer.kind
    record.reason = offer.reason
    _pack_bytes(record, offer)
    _pack_flow(record, record.sending, offer.sending, lib.PV_OFFER_SENDING)
    _pack_flow(record, record.receiving, offer.receiving, lib.PV_OFFER_RECEIVING)
    if offer.group is not None:
        record.present |= lib.PV_OFFER_GROUP
        record.group, record.priority = offer.group
    if offer.status is not None:
        record.present |= lib.PV_OFFER_STATUS
        record.status = offer.status
    return record


def _pack_bytes(record: OfferRecord, offer: Offer) -> None:
    data, provider = offer.data or b"", offer.provider or b""
    if len(data) + len(provider) > lib.PV_OFFER_MAX:
        raise DataplaneError(-errno.EMSGSIZE, "offer")
    if offer.data is not None:
        record.present |= lib.PV_OFFER_DATA
    if offer.provider is not None:
        record.present |= lib.PV_OFFER_PROVIDER
    record.data_len, record.provider_len = len(data), len(provider)
    ffi.buffer(record.bytes)[: len(data) + len(provider)] = data + provider


def _pack_flow(record: OfferRecord, flow: Flowspec, words: FlowWords | None, bit: int) -> None:
    if words is None:
        return
    record.present |= bit
    for name, word in zip(_FLOW, words, strict=True):
        setattr(flow, name, word)


def unpack_offer(record: OfferRecord) -> Offer:
    """Return what a struct pv_offer says."""
    present = record.present
    content = bytes(ffi.buffer(record.bytes))
    middle = record.data_len
    end = middle + record.provider_len
    return Offer(
        kind=record.kind,
        data=content[:middle] if present & lib.PV_OFFER_DATA else None,
        sending=_words(record.sending) if present & lib.PV_OFFER_SENDING else None,
        receiving=_words(record.receiving) if present & lib.PV_OFFER_RECEIVING else None,
        provider=content[middle:end] if present & lib.PV_OFFER_PROVIDER else None,
        group=(record.group, record.priority) if present & lib.PV_OFFER_GROUP else None,
        status=record.status if present & lib.PV_OFFER_STATUS else None,
        reason=record.reason,
    )


def unpack_facts(record: FactsRecord, offer: OfferRecord) -> RequestFacts:
    """Return what is known of a request."""
    return RequestFacts(
        peer=bytes(ffi.buffer(record.peer.b)),
        local=bytes(ffi.buffer(record.local.b)),
        offer=unpack_offer(offer),
        **{name: getattr(record, name) for name in _FACTS},
    )


def _words(flow: Flowspec) -> FlowWords:
    rate, bucket, peak, latency, variation, service, sdu, least = (
        getattr(flow, name) for name in _FLOW
    )
    return rate, bucket, peak, latency, variation, service, sdu, least
