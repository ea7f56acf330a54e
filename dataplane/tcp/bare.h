/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_BARE_H
#define PV_TCP_BARE_H

/* Segments that no control block stands behind: RSTs, ACKs of records, SYN-ACKs sent again. Without
 * data, but for a block. */

#include <rte_mbuf.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/packet.h"
#include "base/types.h"
#include "ip/ip.h"
#include "wire/tcp_hdr.h"
#include "wire/tcp_opt.h"

struct pv_bare {
	const struct pv_tuple *tuple;
	uint32_t seq, ack;
	uint16_t window;  /* unscaled */
	uint8_t flags;    /* PV_TCP_* */
	uint8_t tos, ttl; /* ttl 0: as configured */
	uint8_t options_len;
	uint16_t data_len; /* of a block */
	const uint8_t *data;
	uint8_t options[PV_TCP_OPTIONS_MAX];
};

/* The timestamps option is all that such a segment has, but for SYN-ACKs. */
static inline void
pv_bare_timestamps(struct pv_bare *bare, uint32_t tsval, uint32_t tsecr)
{
	const struct pv_tcp_opts opts = {
		.present = PV_TCP_OPT_TS,
		.tsval = tsval,
		.tsecr = tsecr,
	};

	bare->options_len = (uint8_t)pv_tcp_opt_build(bare->options, &opts);
}

/* Builds it in a new mbuf and hands it to ip/. */
void pv_bare_send(struct pv_ctx *ctx, const struct pv_bare *bare);

/* The same in the mbuf of the packet that it answers, where that can be used. */
void pv_bare_reply(struct pv_ctx *ctx, struct pv_packet *packet, const struct pv_bare *bare);

/* Is the packet's mbuf ours alone, in one piece, with room for the longest answer around the place
 * where its TCP header lies? */
static inline bool
pv_bare_reusable(const struct rte_mbuf *m, uint32_t l4_offset)
{
	uint32_t at = m->data_off + l4_offset;

	return m->nb_segs == 1 && RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1 &&
	       at >= PV_HEADROOM && at + PV_TCP_HDR_MAX <= m->buf_len;
}

#endif
