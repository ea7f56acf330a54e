/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WIRE_TCP_OPT_H
#define PV_WIRE_TCP_OPT_H

/*
 * TCP options: RFC 9293 3.1 and 3.2 (end, no-operation, MSS), RFC 7323 (window scale, timestamps),
 * RFC 2018 (SACK), and the handshake option of hs_option.h.
 *
 * Options are p[0..n), n at most 40, everything between the fixed header and the data offset.
 * Values are in host order. The parser takes any option on any segment: that MSS, window scale and
 * SACK-permitted count on a SYN only is the caller's rule. Pure functions; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/byteorder.h"
#include "wire/hs_option.h"
#include "wire/tcp_hdr.h"

enum pv_tcp_kind {
	PV_TCP_KIND_END = 0,
	PV_TCP_KIND_NOP = 1,
	PV_TCP_KIND_MSS = 2,
	PV_TCP_KIND_WSCALE = 3,
	PV_TCP_KIND_SACKOK = 4,
	PV_TCP_KIND_SACK = 5,
	PV_TCP_KIND_TS = 8,
};

/* Bits of pv_tcp_opts.present. */
enum pv_tcp_opt_bit {
	PV_TCP_OPT_MSS = 0x01,
	PV_TCP_OPT_WSCALE = 0x02,
	PV_TCP_OPT_SACKOK = 0x04,
	PV_TCP_OPT_TS = 0x08,
	PV_TCP_OPT_LINUX_SYN = 0x0f, /* these four, which Linux's SYN has */
	PV_TCP_OPT_SACK = 0x10,
	PV_TCP_OPT_HS = 0x20,        /* the handshake option */
	PV_TCP_OPT_UNKNOWN = 0x40,   /* another kind was skipped */
	PV_TCP_OPT_MALFORMED = 0x80, /* a length of 0 or 1, past the end, or wrong for HS */
};

enum {
	PV_TCP_WSCALE_MAX = 14,
	PV_TCP_SACK_MAX = 4,
	/* Space of what pv_tcp_opt_build writes, padding included. */
	PV_TCP_SPACE_TS = 12,
	PV_TCP_SPACE_HS = 12,
	PV_TCP_SPACE_SACK = 4, /* and 8 a block */
};

/* In which order a SYN carries its options. */
enum pv_tcp_order {
	PV_TCP_ORDER_LINUX,
	PV_TCP_ORDER_FREEBSD,
};

/* right is the first number behind the block. */
struct pv_tcp_sack {
	uint32_t left;
	uint32_t right;
};

/*
 * What was there, and input of the builders. A field counts only where its bit is in present;
 * sack[] from n_sack on is undefined.
 */
struct pv_tcp_opts {
	uint32_t tsval;
	uint32_t tsecr;
	uint16_t mss;
	uint8_t present; /* PV_TCP_OPT_* */
	uint8_t wscale;  /* at most 14 (RFC 7323 2.3) */
	uint8_t n_sack;
	struct pv_hs_option hs;
	struct pv_tcp_sack sack[PV_TCP_SACK_MAX];
};

/*
 * The parser for any layout. Options after a malformed length are not read; a known kind with a
 * wrong length is skipped like an unknown one, as Linux and FreeBSD do (a block that HS announces
 * cannot be skipped with it). Of a repeated option the last one counts.
 */
void pv_tcp_opt_walk(const uint8_t *p, size_t n, struct pv_tcp_opts *out);

/* Parses options, the usual layouts (none, timestamps only, Linux's SYN) without a walk. */
static inline void
pv_tcp_opt_parse(const uint8_t *p, size_t n, struct pv_tcp_opts *out)
{
	if (n == 0) {
		out->present = 0;
		out->n_sack = 0;
	} else if (n == 12 && pv_ld32(p) == PV_HTON32(0x0101080a)) {
		out->present = PV_TCP_OPT_TS;
		out->n_sack = 0;
		out->tsval = pv_ld32be(p + 4);
		out->tsecr = pv_ld32be(p + 8);
	} else if (n == 20 && pv_ld16(p) == PV_HTON16(0x0204) &&
			pv_ld32(p + 4) == PV_HTON32(0x0402080a) &&
			pv_ld16(p + 16) == PV_HTON16(0x0103) && p[18] == 3) {
		out->present = PV_TCP_OPT_MSS | PV_TCP_OPT_SACKOK | PV_TCP_OPT_TS |
			       PV_TCP_OPT_WSCALE;
		out->n_sack = 0;
		out->mss = pv_ld16be(p + 2);
		out->tsval = pv_ld32be(p + 8);
		out->tsecr = pv_ld32be(p + 12);
		out->wscale = p[19] > PV_TCP_WSCALE_MAX ? PV_TCP_WSCALE_MAX : p[19];
	} else {
		pv_tcp_opt_walk(p, n, out);
	}
}

/*
 * Writes the options of a SYN or SYN-ACK: those of MSS, WSCALE, SACKOK, TS and HS that are present,
 * in a fixed layout, and returns their length, a multiple of 4 and at most 32.
 *
 * Linux:	mss, sackOK, TS, nop, wscale		mss, nop, nop, sackOK, nop, wscale
 *		mss, nop, wscale			(without timestamps; without both)
 * FreeBSD:	mss, nop, wscale, sackOK, TS		mss, nop, wscale, sackOK, end, 0
 *
 * The handshake option comes behind them: nop, nop, HS.
 */
size_t pv_tcp_opt_build_syn(uint8_t *p, const struct pv_tcp_opts *o, enum pv_tcp_order order);

/*
 * Writes the options of any later segment: nop, nop, TS [, nop, nop, HS] [, nop, nop, SACK], those
 * that are present, with as many SACK blocks as fit; returns their length, a multiple of 4 and at
 * most 40. The same as pv_tcp_opt_len(o).
 */
size_t pv_tcp_opt_build(uint8_t *p, const struct pv_tcp_opts *o);

/* How many SACK blocks fit beside what else is present (RFC 2018 3: three beside timestamps). */
static inline unsigned int
pv_tcp_opt_sack_room(uint8_t present)
{
	unsigned int room = PV_TCP_OPTIONS_MAX - PV_TCP_SPACE_SACK;

	if (present & PV_TCP_OPT_TS)
		room -= PV_TCP_SPACE_TS;
	if (present & PV_TCP_OPT_HS)
		room -= PV_TCP_SPACE_HS;
	return room / 8;
}

/* The length of what pv_tcp_opt_build would write. */
static inline size_t
pv_tcp_opt_len(const struct pv_tcp_opts *o)
{
	size_t len = 0;

	if (o->present & PV_TCP_OPT_TS)
		len += PV_TCP_SPACE_TS;
	if (o->present & PV_TCP_OPT_HS)
		len += PV_TCP_SPACE_HS;
	if ((o->present & PV_TCP_OPT_SACK) != 0 && o->n_sack != 0) {
		unsigned int room = pv_tcp_opt_sack_room(o->present);

		len += PV_TCP_SPACE_SACK + 8U * (o->n_sack < room ? o->n_sack : room);
	}
	return len;
}

#endif
