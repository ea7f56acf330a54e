/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames to ourselves: a bounded queue that the worker empties into its own input. */
#include "ip/state.h"

void
pv_ip_loopback(struct pv_ctx *ctx, struct rte_mbuf *frame)
{
	struct pv_ip *ip = ctx->ip;

	if (ip->looped_n == PV_LOOPBACK_FRAMES) {
		pv_count(&ctx->counters, PV_C_TX_DROPPED);
		rte_pktmbuf_free(frame);
		return;
	}
	frame->ol_flags = 0;
	ip->looped[(ip->looped_head + ip->looped_n++) % PV_LOOPBACK_FRAMES] = frame;
}

uint32_t
pv_ip_loopback_take(struct pv_ctx *ctx, struct rte_mbuf **frames, uint32_t n)
{
	struct pv_ip *ip = ctx->ip;

	n = RTE_MIN(n, ip->looped_n);
	for (uint32_t i = 0; i < n; i++)
		frames[i] = ip->looped[(ip->looped_head + i) % PV_LOOPBACK_FRAMES];
	ip->looped_head = (ip->looped_head + n) % PV_LOOPBACK_FRAMES;
	ip->looped_n -= n;
	pv_count_n(&ctx->counters, PV_C_LOOPBACK, n);
	return n;
}

bool
pv_ip_loopback_waiting(const struct pv_ctx *ctx)
{
	return ctx->ip->looped_n != 0;
}
