/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_REST_H
#define PV_TCP_REST_H

/*
 * What remains of a connection's data (conn_data.h) while nothing is under way in it: a connection
 * that has been quiet for longer than its time-out gives its data back and keeps this record, until
 * a segment, a command or a question about it makes data again. What can be told from elsewhere
 * (control block, streams, the [tcp] table) is not in it, and the path counts as unknown as after
 * any pause (RFC 5681 4.1): congestion control begins anew, but for cwnd and ssthresh.
 *
 * Only an established connection can rest that has no timer, no option of its own and no counter
 * too large for this record; the others stay as they are. Times are ms of ctx->now, 0: never.
 */

#include <stddef.h>
#include <stdint.h>

#include "tcp/conns.h"

struct pv_rest {
	struct pv_conn_config *config_owner;
	uint32_t last_data, last_sent, last_acked;
	uint32_t srtt, rttvar, min_rtt; /* ns */
	uint32_t cwnd, ssthresh;
	uint32_t segs_out, segs_in, data_segs_out, data_segs_in;
	uint32_t bytes_resent, bytes_reordered;
	uint32_t limited[2]; /* us, by the window and by the buffer */
	uint16_t resent, dsacks, fast, timeouts, dup_acks;
	uint16_t peer_mss, mss_most, mss_bad, max_acked;
	uint8_t quick_acks, rack_mult, rack_persist;
	uint8_t congestion : 4, reordered : 1;
	uint8_t syns_resent;
	uint8_t pad;
};

static_assert(sizeof(struct pv_rest) == 96,
		"a quiet connection stays below 512 bytes with all that belongs to it");

/* NULL: it does not rest. */
static inline struct pv_rest *
pv_rest_of(const struct pv_ctx *ctx, const struct pv_pcb *pcb)
{
	const struct pv_pool *pool = &ctx->conns->rests;

	return pcb->rest == 0 ? NULL :
				(struct pv_rest *)(void *)(pool->base +
							   pool->size * (pcb->rest - 1));
}

/* No timer is due any more: lets it rest, or looks again later. */
void pv_rest_look(struct pv_ctx *ctx, struct pv_pcb *pcb);
/* Its data is made, as for one that is just established, and gets what its record kept. */
void pv_rest_end(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_rest *rest);

#endif
