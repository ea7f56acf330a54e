/* SPDX-License-Identifier: BSD-3-Clause */
/* What all controllers share. */
#include "tcp/cc.h"

#include "base/ctx.h"

#include "tcp/conn_data.h"
#include "tcp/hystart.h"

const struct pv_cc *
pv_cc_of(uint32_t congestion)
{
	switch (congestion) {
	case PV_CC_NEWRENO:
		return &pv_cc_newreno;
	case PV_CC_DCTCP:
		return &pv_cc_dctcp;
	default:
		return &pv_cc_cubic;
	}
}

uint8_t
pv_cc_number(const struct pv_cc *cc)
{
	return cc == &pv_cc_newreno ? PV_CC_NEWRENO :
	       cc == &pv_cc_dctcp   ? PV_CC_DCTCP :
				      PV_CC_CUBIC;
}

uint32_t
pv_cc_initial_window(const struct pv_pcb *pcb, const struct pv_tcp_config *config)
{
	uint32_t mss = pcb->snd_mss, segments = config->initial_window;
	uint32_t least = 2 * mss, most = 14600;

	if ((pcb->flags & PV_PCB_SYN_LOST) != 0)
		return mss;
	/* RFC 6928 2 for its ten segments; another number is taken as it is. */
	if (segments == 10 && 10 * mss > (least > most ? least : most))
		return least > most ? least : most;
	return segments * mss;
}

uint32_t
pv_cc_slow_start(struct pv_pcb *pcb, uint32_t bytes, uint32_t segments, uint32_t divisor)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t most = segments * pcb->snd_mss, room = d->ssthresh - d->cwnd, more;

	more = (bytes < most ? bytes : most) / divisor;
	if (more < room) {
		d->cwnd += more;
		return 0;
	}
	d->cwnd = d->ssthresh;
	return more - room;
}

uint32_t
pv_cc_exponential(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_cc_ack *ack,
		struct pv_hystart *h)
{
	struct pv_conn_data *d = pcb->data;
	uint8_t in_css = h->in_css;
	bool over;
	/* RFC 3465 2.3: after a time-out one segment an ACK. */
	uint32_t segments = d->recovery == PV_LOSS ? 1 : h->off ? 2 : PV_HYSTART_SEGMENTS;

	over = pv_hystart_acked(h, ack->rtt, pcb->snd_una, pcb->snd_nxt);
	if (h->in_css && !in_css)
		pv_count(&ctx->counters, PV_C_HYSTART_CSS);
	if (over) {
		d->ssthresh = d->cwnd;
		pv_count(&ctx->counters, PV_C_HYSTART);
		return ack->bytes;
	}
	pv_count(&ctx->counters, PV_C_CC_SLOW_START);
	return pv_cc_slow_start(pcb, ack->bytes, segments, pv_hystart_divisor(h));
}
