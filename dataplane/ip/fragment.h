/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IP_FRAGMENT_H
#define PV_IP_FRAGMENT_H

/*
 * Reassembly on rte_ip_frag: a bounded number of packets at a time, at most eight fragments each,
 * a minute. Fragments must fit without a gap and without overlap (RFC 5722 for both
 * families), a first fragment holds the whole transport header, no other begins in it (RFC 1858 3),
 * and a packet never gets larger than one of our frame buffers: a larger one was sent by nobody who
 * keeps to our MSS. A fragment that the network duplicated is no overlap (RFC 8200 4.5): the second
 * copy goes alone.
 */

#include <stdint.h>

#include "base/ctx.h"
#include "base/wheel.h"
#include "wire/ip4.h"
#include "wire/ip6.h"

struct rte_mbuf;
struct rte_ip_frag_tbl;
struct rte_ip_frag_death_row;
struct pv_ip_frame;

struct pv_fragment_note;

struct pv_fragments {
	struct rte_ip_frag_tbl *table; /* made at the first fragment */
	struct rte_ip_frag_death_row *death_row;
	struct pv_fragment_note *notes; /* `max`, of the packets that wait */
	struct pv_timer timer;          /* while something may be waiting */
	uint64_t last;                  /* when the last one came */
	uint32_t max;                   /* packets at a time */
	uint32_t pad;
};

void pv_fragments_init(struct pv_ctx *ctx, struct pv_fragments *fragments);
void pv_fragments_fini(struct pv_fragments *fragments);
void pv_fragments_reset(struct pv_ctx *ctx);
void pv_fragments_timer(struct pv_ctx *ctx, struct pv_timer *timer);

/* Takes a fragment. True: `frame` is now the whole packet, *ip its header; false: the fragment was
 * kept or dropped, and counted. */
bool pv_fragment4(struct pv_ctx *ctx, struct pv_ip_frame *frame, struct pv_ip4 *ip);
bool pv_fragment6(struct pv_ctx *ctx, struct pv_ip_frame *frame, struct pv_ip6 *ip,
		struct pv_ip6_upper *upper);

#endif
