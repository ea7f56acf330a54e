/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IO_CUT_H
#define PV_IO_CUT_H

/*
 * What a device with offloads does to a frame before it sends it, in software: one TCP segment that
 * is too large becomes as many as are needed, each with numbers, lengths and checksums of its own.
 * Of the flags FIN and PSH belong to the last one, CWR to the first (RFC 3168 6.1.2).
 *
 * Pure functions; any thread.
 */

#include <stdint.h>

struct pv_cut {
	const uint8_t *frame;
	uint32_t len;
	uint16_t l2, l3, l4; /* lengths of the headers: link, IP without extensions, TCP */
	uint16_t mss;        /* payload of each piece; 0: all of it */
	uint32_t done;       /* payload that has been given out; 0 at first */
};

/* Writes the next piece, at most l2 + l3 + l4 + mss bytes; returns its length, 0 after the last. A
 * frame without payload is one piece. */
uint32_t pv_cut_next(struct pv_cut *cut, uint8_t *out);

#endif
