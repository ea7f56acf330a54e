/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BRIDGE_URGENT_H
#define PV_BRIDGE_URGENT_H

/*
 * Urgent data beside the bytes of a stream (RFC 6093).
 *
 * rx: the octets that the worker took out of the stream, oldest first, few enough for one word
 * (`urgent`), which both sides change by compare-and-exchange; and the mark (`mark`): the position
 * where the latest one stood or, in line, stands, plus 1. The worker sets the mark before it
 * appends what lies behind it, so whoever sees those bytes sees the mark.
 *
 * tx: the position behind the urgent octet (`mark`), 0: none. The application sets it before it
 * publishes the octet; until `written` has reached it, it says nothing.
 */

#include "bridge/stream.h"

#define PV_URGENT_MAX 7 /* octets that wait; those that come while they do stay in the stream */

/* ---- worker ---- */

/* False: no room, the octet stays in the stream. */
bool pv_urgent_put(struct pv_bridge *bridge, struct pv_stream *rx, uint8_t octet);
/* The octet that comes next in the stream is, or would have been, urgent. */
void pv_urgent_set_mark(struct pv_bridge *bridge, struct pv_stream *rx);
/* The pointer is known, its octet has yet to come. */
void pv_urgent_await(struct pv_bridge *bridge, struct pv_stream *rx, bool awaited);
/* Whether octets that come from now on stay in the stream. */
void pv_urgent_set_inline(struct pv_bridge *bridge, struct pv_stream *rx, bool in_line);
bool pv_urgent_is_inline(const struct pv_stream *rx);

/* ---- application ---- */

/* 1, -EAGAIN: it is yet to come, -EINVAL: there is none. */
int pv_urgent_take(struct pv_stream *rx, uint8_t *octet, bool peek);
/* Where a read of [pos, end) ends: never across the mark. */
uint64_t pv_urgent_stop(const struct pv_stream *rx, uint64_t pos, uint64_t end);
/* enum pv_urgent_bits */
int pv_urgent_bits(const struct pv_stream *rx);

/* ---- any side ---- */

/* Has the reader still to learn of it, or to take it? The level of PV_READY_OOB. */
bool pv_urgent_pending(const struct pv_stream *rx);

#endif
