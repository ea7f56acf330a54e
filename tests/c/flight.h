/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments of the engine's by their number, the first being 0, all full; for tests of what becomes
 * of them. They share one peer.
 */
#ifndef PV_TESTS_FLIGHT_H
#define PV_TESTS_FLIGHT_H

#include "peer.h"

#define MSS 1448u

extern struct peer peer;

uint32_t nth(uint32_t i); /* the number of its first byte */
bool is_nth(uint32_t i);  /* the next segment is the nth */
void ack(uint32_t i);     /* of the segments before it */
/* An ACK of segments before `i`, and of those from left to before right. */
void sack(uint32_t i, uint32_t left, uint32_t right);
void flight(uint32_t bytes); /* ten segments are in flight, 100 ms old */
/* The same, but nothing comes back: what goes out next is the first one again. */
void flight_timed_out(uint32_t bytes);

#endif
