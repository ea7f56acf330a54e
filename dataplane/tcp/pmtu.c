/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors as RFC 5927 has them, and the size of segments: path MTU discovery (RFC 1191, RFC
 * 8201), its protection against forged messages (RFC 5927 7.2), and black holes, where big segments
 * vanish without a word (RFC 4821 7.7, RFC 2923 2.1).
 */
#include <errno.h>

#include <rte_mbuf.h>

#include "ip/ip.h"
#include "tcp/established.h"

enum {
	MTU_MIN_V4 = 68,        /* RFC 791: less is a lie */
	MTU_FLOOR_V4 = 552,     /* less than that is not adopted */
	MTU_FLOOR_V6 = 1280,    /* RFC 8201 4 */
	BLACK_HOLE_BACKOFF = 3, /* retransmissions of a full segment */
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

static uint32_t
mtu_in_use(const struct pv_pcb *pcb)
{
	return pcb->snd_mss + option_space(pcb) + fixed_headers(pcb);
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

static uint32_t
plateau_below(uint32_t size)
{
	for (unsigned int i = 0; i < PV_COUNT_OF(plateaus); i++) {
		if (plateaus[i] < size)
			return plateaus[i];
	}
	return MTU_FLOOR_V4;
}

static void
set_mss(struct pv_pcb *pcb, uint32_t mtu)
{
	uint32_t mss = mtu - fixed_headers(pcb) - option_space(pcb);

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
		if ((rtx->flags & (PV_RTX_SACKED | PV_RTX_LOST)) == 0 &&
				pv_rtx_len(rtx) > pcb->snd_mss) {
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
	pv_ip_mtu_lower(ctx, &pcb->tuple.peer, (uint16_t)mtu);
	set_mss(pcb, mtu);
	pcb->data->max_acked = 0; /* of the path as it was */
	resend_smaller(ctx, pcb);
}

static void
too_big(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_icmp_error *error)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t mtu = error->mtu != 0 ? error->mtu : plateau_below(error->quoted_len);

	if (pcb->state < PV_ESTABLISHED || mtu < (pcb->is_v4 ? MTU_MIN_V4 : MTU_FLOOR_V6))
		return;
	/* Larger segments have arrived: wait whether they still do (RFC 5927 7.2). */
	if (d->max_acked != 0 && d->max_acked + option_space(pcb) + fixed_headers(pcb) > mtu)
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

void
pv_pmtu_timeout(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t in_use = mtu_in_use(pcb), known = pv_ip_mtu(ctx, &pcb->tuple.peer);

	if (d->mtu_claim != 0) {
		lower(ctx, pcb, d->mtu_claim);
	} else if (known < in_use) {
		set_mss(pcb, known);
	} else if (d->config->mtu_probing && d->backoff >= BLACK_HOLE_BACKOFF &&
			pv_rtx_len(d->rtx.first) >= pcb->snd_mss &&
			in_use > (pcb->is_v4 ? MTU_FLOOR_V4 : MTU_FLOOR_V6)) {
		pv_count(&ctx->counters, PV_C_BLACK_HOLE);
		lower(ctx, pcb, plateau_below(in_use));
	}
}

/* Other connections learn of a lower one, and one that was lowered may have aged (RFC 1191 6.3). */
void
pv_pmtu_look(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	uint32_t known = pv_ip_mtu(ctx, &pcb->tuple.peer), in_use = mtu_in_use(pcb);

	pcb->data->mtu_checked = ctx->now;
	if (known == in_use || (known > in_use && pcb->snd_mss == pcb->data->mss_most))
		return;
	set_mss(pcb, known);
	if (mtu_in_use(pcb) > in_use)
		pv_count(&ctx->counters, PV_C_MTU_RAISED);
}
