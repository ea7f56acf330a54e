/* SPDX-License-Identifier: BSD-3-Clause */
/* What a connection knows about itself, as TCP_INFO does. */
#include <errno.h>
#include <string.h>

#include "ip/ip.h"
#include "tcp/established.h"

static uint32_t
us(uint64_t ns)
{
	return ns / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(ns / 1000);
}

static uint32_t
ago(const struct pv_ctx *ctx, uint64_t when)
{
	return when == 0 ? 0 : us(ctx->now - when);
}

static uint8_t
options(const struct pv_pcb *pcb)
{
	return (uint8_t)(((pcb->flags & PV_PCB_TIMESTAMPS) != 0) |
			 ((pcb->flags & PV_PCB_SACK) != 0) << 1 |
			 ((pcb->flags & PV_PCB_WSCALE) != 0) << 2 |
			 ((pcb->flags & PV_PCB_ECN) != 0) << 3);
}

static void
count_segments(const struct pv_conn_data *d, struct pv_info *out)
{
	for (const struct pv_rtx *rtx = d->rtx.first; rtx != NULL; rtx = rtx->next) {
		out->unacked++;
		out->sacked += (rtx->flags & PV_RTX_SACKED) != 0;
		out->lost += (rtx->flags & PV_RTX_LOST) != 0;
		out->retrans += (rtx->flags & PV_RTX_RESENT) != 0;
	}
}

/* Of a connection that has done nothing since: with what it will begin. */
static void
from_handshake(const struct pv_ctx *ctx, const struct pv_pcb *pcb, struct pv_info *out)
{
	const struct pv_tcp_config *config = &ctx->tcp_config;
	struct pv_rtt rtt = { 0 };

	pv_connect_first_rtt(pcb, config, ctx->now, &rtt);
	out->rto = us(rtt.rto);
	out->srtt = us(rtt.srtt);
	out->rttvar = us(rtt.rttvar);
	out->min_rtt = us(rtt.min);
	out->snd_cwnd = pv_cc_initial_window(pcb, config);
	out->snd_ssthresh = PV_SSTHRESH_FIRST;
	out->congestion = config->congestion;
}

static void
from_data(struct pv_ctx *ctx, const struct pv_pcb *pcb, struct pv_info *out)
{
	const struct pv_conn_data *d = pcb->data;
	const struct pv_conn_stats *stats = &d->stats;
	uint64_t limited[3] = { stats->limited[0], stats->limited[1], stats->limited[2] };
	uint64_t written = __atomic_load_n(&d->shared->tx.written, __ATOMIC_ACQUIRE);

	out->recovery = d->recovery;
	out->backoff = d->backoff;
	out->probes = d->probes;
	out->congestion = pv_cc_number(d->cc);
	out->rto = us(d->rtt.rto);
	out->srtt = us(d->rtt.srtt);
	out->rttvar = us(d->rtt.rttvar);
	out->min_rtt = us(d->rtt.min);
	out->snd_cwnd = d->cwnd;
	out->snd_ssthresh = d->ssthresh;
	count_segments(d, out);
	out->total_retrans = stats->resent;
	out->fast_retrans = stats->fast;
	out->timeouts = stats->timeouts;
	out->dup_acks = stats->dup_acks;
	out->syn_retrans = stats->syns_resent;
	out->bytes_reordered = stats->bytes_reordered;
	out->reordering = (d->flags & PV_DATA_REORDER_SEEN) != 0;
	out->dsack_dups = stats->dsacks;
	out->last_data_sent = ago(ctx, d->last_sent);
	out->last_data_recv = ago(ctx, d->last_data);
	out->last_ack_recv = ago(ctx, d->last_acked);
	if (pcb->state >= PV_ESTABLISHED && (pcb->flags & PV_PCB_FIN_SENT) == 0)
		out->notsent = (uint32_t)(written - pv_conn_pos(pcb, d, pcb->snd_nxt));
	out->bytes_sent = stats->bytes_sent;
	out->bytes_received = stats->bytes_received;
	out->bytes_acked = d->una_pos;
	out->bytes_retrans = stats->bytes_resent;
	out->segs_out = stats->segs_out;
	out->segs_in = stats->segs_in;
	out->data_segs_out = stats->data_segs_out;
	out->data_segs_in = stats->data_segs_in;
	out->pacing_rate = d->pace_rate;
	limited[d->limited] += ctx->now - d->limited_since;
	out->rwnd_limited = limited[PV_LIMITED_WINDOW] / 1000;
	out->sndbuf_limited = limited[PV_LIMITED_BUFFER] / 1000;
}

int
pv_tcp_info(struct pv_ctx *ctx, uint64_t handle, struct pv_info *out)
{
	struct pv_pcb *pcb = pv_pcb_of(ctx, handle);

	if (pcb == NULL)
		return -ENOTCONN;
	if ((pcb->flags & PV_PCB_TOUCHED) != 0 && pcb->rest != 0)
		pv_conn_data_get(ctx, pcb);
	pv_pmtu_settle(ctx, pcb);
	memset(out, 0, sizeof(*out));
	out->local = pcb->tuple.local;
	out->peer = pcb->tuple.peer;
	out->local_port = pcb->tuple.local_port;
	out->peer_port = pcb->tuple.peer_port;
	out->state = pcb->state;
	out->options = options(pcb);
	out->snd_wscale = pcb->snd_wscale;
	out->rcv_wscale = pcb->rcv_wscale;
	out->snd_mss = pcb->snd_mss;
	out->rcv_mss = pcb->data != NULL ? pcb->data->peer_mss : pcb->rcv_mss;
	out->pmtu = pv_ip_mtu((struct pv_ctx *)ctx, &pcb->tuple.peer);
	out->snd_wnd = pcb->snd_wnd;
	out->rcv_wnd = pcb->rcv_adv - pcb->rcv_nxt;
	out->rcv_buffer = pcb->rcv_buffer != 0 ? pcb->rcv_buffer : ctx->tcp_config.recv_buffer;
	if (pcb->state >= PV_ESTABLISHED)
		out->established_ns = pv_conn_established_ns(ctx, pcb);
	if (pcb->data != NULL)
		from_data(ctx, pcb, out);
	else
		from_handshake(ctx, pcb, out);
	return 0;
}
