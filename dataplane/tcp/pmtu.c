/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors as RFC 5927 has them, and the size of segments: path MTU discovery (RFC 1191, RFC
 * 8201), its protection against forged messages (RFC 5927 7.2), and black holes, where big segments
 * vanish without a word (RFC 4821 7.7, RFC 2923 2.1). Behind a black hole the largest size that
 * passes is searched for: now and then one segment is larger than the others, and its loss alone is
 * no congestion (RFC 4821 7.3 to 7.6).
 */
#include <errno.h>

#include <rte_mbuf.h>

#include "ip/ip.h"
#include "tcp/established.h"

enum {
	MTU_MIN_V4 = 68,        /* RFC 791: less is a lie */
	MTU_FLOOR_V4 = 552,     /* less than that is not adopted */
	MTU_FLOOR_V6 = 1280,    /* RFC 8201 4 */
	BLACK_HOLE_BACKOFF = 3, /* retransmissions of a segment that may be too big */
	PROBE_STEP = 16,        /* the search ends when so little can be won */
	PROBE_FOLLOWERS = 4,    /* segments behind a probe, which show its loss */
	PROBE_PAUSE_MS = 1000,  /* after one that told nothing */
};

/* RFC 1191 7, and what tunnels leave of 1500. */
static const uint16_t plateaus[] = { 32000, 17914, 8166, 4352, 2002, 1492, 1280, 1006, 576 };

static uint32_t
fixed_headers(const struct pv_pcb *pcb)
{
	return pcb->is_v4 ? 40 : 60;
}

static uint32_t
option_space(const struct pv_pcb *pcb)
{
	return (pcb->flags & PV_PCB_TIMESTAMPS) != 0 ? PV_TCP_SPACE_TS : 0;
}

/* Of the packet that carries so much. */
static uint32_t
mtu_of(const struct pv_pcb *pcb, uint32_t mss)
{
	return mss + option_space(pcb) + fixed_headers(pcb);
}

static uint32_t
mtu_in_use(const struct pv_pcb *pcb)
{
	return mtu_of(pcb, pcb->snd_mss);
}

uint32_t
pv_pmtu_room(const struct pv_ctx *ctx)
{
	return rte_pktmbuf_data_room_size(ctx->mbufs) - RTE_PKTMBUF_HEADROOM - PV_TCP_HDR_MAX;
}

uint32_t
pv_pmtu_snd_mss(struct pv_ctx *ctx, const struct pv_pcb *pcb, uint32_t peer_mss)
{
	uint32_t most = pv_ip_mtu(ctx, &pcb->tuple.peer) - fixed_headers(pcb);
	uint32_t mss = peer_mss < most ? peer_mss : most;

	if (ctx->tcp_config.mss_clamp != 0 && mss > ctx->tcp_config.mss_clamp)
		mss = ctx->tcp_config.mss_clamp;
	if (mss < PV_MSS_FLOOR)
		mss = PV_MSS_FLOOR;
	mss -= option_space(pcb);
	return mss < pv_pmtu_room(ctx) ? mss : pv_pmtu_room(ctx);
}

void
pv_pmtu_settle(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	uint32_t ours, clamp = ctx->tcp_config.mss_clamp;

	if ((pcb->flags & PV_PCB_MSS_SAID) == 0)
		return;
	pcb->flags &= ~(uint32_t)PV_PCB_MSS_SAID;
	ours = pv_ip_mtu(ctx, &pcb->tuple.peer) - fixed_headers(pcb);
	pcb->rcv_mss = (uint16_t)(clamp != 0 && ours > clamp ? clamp : ours);
	pcb->snd_mss = (uint16_t)pv_pmtu_snd_mss(ctx, pcb, pcb->snd_mss);
}

static uint32_t
plateau_below(uint32_t size)
{
	for (unsigned int i = 0; i < PV_COUNT_OF(plateaus); i++) {
		if (plateaus[i] < size)
			return plateaus[i];
	}
	return MTU_FLOOR_V4;
}

/* The size of a segment that a path of this MTU takes. */
static uint32_t
mss_of(const struct pv_pcb *pcb, uint32_t mtu)
{
	return mtu - fixed_headers(pcb) - option_space(pcb);
}

static void
set_mss(struct pv_pcb *pcb, uint32_t mtu)
{
	uint32_t mss = mss_of(pcb, mtu);

	pcb->snd_mss = (uint16_t)(mss < pcb->data->mss_most ? mss : pcb->data->mss_most);
}

/* What was too big is sent again at once, cut up, without a word to congestion control (RFC
 * 1191 6.4, RFC 8201 5.4). */
static void
resend_smaller(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	bool some = false;

	for (struct pv_rtx *rtx = d->rtx.first; rtx != NULL; rtx = rtx->next) {
		bool open = (rtx->flags & (PV_RTX_SACKED | PV_RTX_LOST)) == 0 ||
			    (rtx->flags & PV_RTX_RESENT) != 0;

		if (open && pv_rtx_len(rtx) > pcb->snd_mss) {
			pv_rtx_mark_lost(&d->rtx, rtx);
			some = true;
		}
	}
	if (!some)
		return;
	if (d->recovery < PV_RECOVERY) {
		d->recovery = PV_LOSS;
		d->recover = pcb->snd_nxt;
		d->frto = 0;
		d->flags &= ~(uint32_t)PV_DATA_UNDO;
	}
	pv_conn_timer_clear(d, PV_CONN_LOSS);
	pv_conn_pend(ctx, pcb);
}

/* Takes a smaller path MTU over. */
static void
lower(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t mtu)
{
	uint32_t floor = pcb->is_v4 ? MTU_FLOOR_V4 : MTU_FLOOR_V6;

	if (mtu < floor)
		mtu = floor;
	pcb->data->mtu_claim = 0;
	if (mtu >= mtu_in_use(pcb))
		return;
	pcb->data->probe_mss = 0;
	pv_ip_mtu_lower(ctx, &pcb->tuple.peer, (uint16_t)mtu);
	set_mss(pcb, mtu);
	pcb->data->max_acked = 0; /* of the path as it was */
	resend_smaller(ctx, pcb);
}

/* Not that large: what the probe held is sent once more, without a word to congestion control. */
static void
probe_failed(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t mss_bad)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t end = d->probe_seq + d->probe_mss, undo = d->flags & PV_DATA_UNDO;
	struct pv_rtx *rtx;

	pv_count(&ctx->counters, PV_C_MTU_PROBES_LOST);
	d->mss_bad = (uint16_t)mss_bad;
	d->probe_mss = 0;
	/* Where it had been forgotten that more does not pass. */
	pv_ip_mtu_lower(ctx, &pcb->tuple.peer, (uint16_t)mtu_in_use(pcb));
	d->flags &= ~(uint32_t)PV_DATA_UNDO; /* no part of a recovery */
	while ((rtx = pv_rtx_next_lost(&d->rtx)) != NULL && pv_seq_lt(rtx->seq, end) &&
			pv_output_resend(ctx, pcb, rtx))
		;
	d->flags |= undo;
}

static struct pv_rtx *
record_of_probe(const struct pv_conn_data *d)
{
	struct pv_rtx *rtx = d->rtx.first;

	while (rtx != NULL && pv_seq_lt(rtx->seq, d->probe_seq))
		rtx = rtx->next;
	return rtx;
}

/* The router's word on a segment that was larger than the others. */
static void
probe_too_big(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t mtu)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_rtx *rtx = record_of_probe(d);

	if (mtu < mtu_in_use(pcb) || mss_of(pcb, mtu) >= d->probe_mss || rtx == NULL ||
			(rtx->flags & (PV_RTX_SACKED | PV_RTX_LOST)) != 0)
		return;
	pv_rtx_mark_lost(&d->rtx, rtx);
	probe_failed(ctx, pcb, mss_of(pcb, mtu) + 1);
}

bool
pv_pmtu_probe_lost(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	const struct pv_rtx *lost = pv_rtx_next_lost(&d->rtx);

	if (pv_likely(d->probe_mss == 0))
		return false;
	if (lost == NULL || lost->seq != d->probe_seq || pv_rtx_len(lost) != d->probe_mss ||
			d->rtx.lost - d->rtx.retrans != d->probe_mss) {
		pv_pmtu_probe_void(ctx, pcb);
		return false;
	}
	probe_failed(ctx, pcb, d->probe_mss);
	return true;
}

void
pv_pmtu_probe_void(const struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	pcb->data->probe_mss = 0;
	pcb->data->probe_ms = pv_ms(ctx->now) + PROBE_PAUSE_MS;
}

void
pv_pmtu_probe_acked(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;

	pcb->snd_mss = d->probe_mss;
	d->probe_mss = 0;
	pv_ip_mtu_raise(ctx, &pcb->tuple.peer, (uint16_t)mtu_in_use(pcb));
}

uint32_t
pv_pmtu_probe(const struct pv_ctx *ctx, const struct pv_pcb *pcb, uint64_t waiting)
{
	const struct pv_conn_data *d = pcb->data;
	uint32_t window = pcb->snd_wnd < d->cwnd ? pcb->snd_wnd : d->cwnd, size, needed;

	if (d->probe_mss != 0 || d->recovery != PV_OPEN || d->exchange != NULL ||
			pv_ms(ctx->now) - d->probe_ms > INT32_MAX)
		return 0;
	if (d->mss_bad > d->mss_most)
		size = d->mss_most;
	else if (d->mss_bad <= pcb->snd_mss + PROBE_STEP)
		return 0;
	else
		size = ((uint32_t)pcb->snd_mss + d->mss_bad) / 2;
	needed = size + (uint32_t)PROBE_FOLLOWERS * pcb->snd_mss;
	return size > pcb->snd_mss && waiting >= needed && window >= needed ? size : 0;
}

static void
too_big(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_icmp_error *error)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t mtu = error->mtu != 0 ? error->mtu : plateau_below(error->quoted_len);

	if (pcb->state < PV_ESTABLISHED || mtu < (pcb->is_v4 ? MTU_MIN_V4 : MTU_FLOOR_V6))
		return;
	if (pv_unlikely(d->probe_mss != 0))
		probe_too_big(ctx, pcb, mtu);
	/* Larger segments have arrived: wait whether they still do (RFC 5927 7.2). */
	if (d->max_acked != 0 && mtu_of(pcb, d->max_acked) > mtu)
		d->mtu_claim = mtu;
	else
		lower(ctx, pcb, mtu);
}

bool
pv_conn_icmp(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_icmp_error *error)
{
	struct pv_conn_data *d = pcb->data;

	pv_conn_assert_valid(pcb);
	if (d == NULL || pv_seq_lt(error->seq, pcb->snd_una) ||
			!pv_seq_lt(error->seq, pcb->snd_nxt))
		return false;
	switch ((enum pv_icmp_error_kind)error->kind) {
	case PV_ICMP_TOO_BIG:
		too_big(ctx, pcb, error);
		break;
	case PV_ICMP_HARD:
		if (pcb->state == PV_SYN_SENT) {
			pv_conn_destroy(ctx, pcb, -ECONNREFUSED, false);
			return true;
		}
		d->soft_error = -ECONNREFUSED;
		break;
	case PV_ICMP_SOFT:
		d->soft_error = -EHOSTUNREACH;
		break;
	}
	return true;
}

/* Also what the window or the end of the data keeps below a full segment may be too big, but for
 * what nearly every path carries. When the path was only dead for a while nothing is known: the
 * search goes up to what was in use. */
static void
suspect_black_hole(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t len = pv_rtx_len(d->rtx.first), sent;
	bool full = len >= pcb->snd_mss;

	sent = mtu_of(pcb, full ? pcb->snd_mss : len);
	if (!d->config->mtu_probing || d->backoff < BLACK_HOLE_BACKOFF ||
			sent <= (pcb->is_v4 && full ? MTU_FLOOR_V4 : MTU_FLOOR_V6))
		return;
	pv_count(&ctx->counters, PV_C_BLACK_HOLE);
	if (d->backoff == BLACK_HOLE_BACKOFF || d->mss_bad == 0)
		d->mss_bad = pcb->snd_mss;
	d->probe_ms = pv_ms(ctx->now);
	lower(ctx, pcb, plateau_below(sent));
}

void
pv_pmtu_timeout(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t known = pv_ip_mtu(ctx, &pcb->tuple.peer);

	if (d->probe_mss != 0)
		pv_pmtu_probe_void(ctx, pcb);
	if (d->mtu_claim != 0) {
		lower(ctx, pcb, d->mtu_claim);
	} else if (known < mtu_in_use(pcb)) {
		set_mss(pcb, known);
	} else {
		suspect_black_hole(ctx, pcb);
	}
}

/* Other connections learn of a lower one, and one that was lowered may have aged (RFC 1191 6.3). */
void
pv_pmtu_look(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	uint32_t known = pv_ip_mtu(ctx, &pcb->tuple.peer), in_use = mtu_in_use(pcb);

	pcb->data->mtu_checked = ctx->now;
	/* What vanished in silence may do so again: it is tried with one segment. */
	if (pcb->data->mss_bad != 0 && mss_of(pcb, known) >= pcb->data->mss_most) {
		pcb->data->mss_bad = (uint16_t)(pcb->data->mss_most + 1);
		pcb->data->probe_ms = pv_ms(ctx->now);
		return;
	}
	if (known == in_use || (known > in_use && pcb->snd_mss == pcb->data->mss_most))
		return;
	set_mss(pcb, known);
	if (mtu_in_use(pcb) > in_use)
		pv_count(&ctx->counters, PV_C_MTU_RAISED);
}
