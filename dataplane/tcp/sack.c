/* SPDX-License-Identifier: BSD-3-Clause */
/* SACK received: the scoreboard (RFC 2018, RFC 6675) and duplicates (RFC 2883). */
#include <rte_mbuf.h>

#include "tcp/established.h"
#include "tcp/parse.h"

#define DUP_THRESH 3

/* RFC 2883 4: the first block lies below the ACK, or within the second block. */
static bool
is_dsack(const struct pv_tcp_opts *o, uint32_t ack)
{
	const struct pv_tcp_sack *b = o->sack;

	if (pv_seq_lt(b[0].left, ack) && pv_seq_le(b[0].right, ack))
		return true;
	return o->n_sack > 1 && pv_seq_le(b[1].left, b[0].left) &&
	       pv_seq_le(b[0].right, b[1].right);
}

static void
take_dsack(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_tcp_sack *block,
		struct pv_delivery *dlv)
{
	struct pv_conn_data *d = pcb->data;

	/* What was never sent, or long ago, is nobody's duplicate. */
	if (!pv_seq_lt(block->left, block->right) || pv_seq_gt(block->right, pcb->snd_nxt) ||
			pv_seq_lt(block->left, pcb->snd_una - pcb->max_wnd))
		return;
	dlv->dsack = 1;
	d->stats.dsacks++;
	pv_count(&ctx->counters, PV_C_TCP_DSACK);
	pv_rack_dsack(pcb);
	if ((d->flags & PV_DATA_UNDO) != 0 && pv_seq_ge(block->left, d->undo_una))
		d->undo_dups++;
}

/* The record that holds seq, searched from where the last block ended. */
static struct pv_rtx *
find(const struct pv_rtx_queue *queue, uint32_t seq)
{
	struct pv_rtx *rtx = queue->hint != NULL ? queue->hint : queue->first;

	while (rtx != NULL && pv_seq_gt(rtx->seq, seq) && rtx->prev != NULL)
		rtx = rtx->prev;
	while (rtx != NULL && pv_seq_le(rtx->end, seq))
		rtx = rtx->next;
	return rtx;
}

/* What of the block the last ACK did not say already; blocks grow at their ends. */
static struct pv_tcp_sack
unseen(const struct pv_conn_data *d, const struct pv_tcp_sack *block)
{
	struct pv_tcp_sack part = *block;

	for (unsigned int i = 0; i < PV_TCP_SACK_MAX; i++) {
		const struct pv_tcp_sack *seen = &d->sack_seen[i];

		if (seen->left == seen->right)
			break;
		if (pv_seq_le(seen->left, part.left) && pv_seq_gt(seen->right, part.left))
			part.left = seen->right;
		else if (pv_seq_gt(seen->left, part.left) && pv_seq_le(seen->left, part.right) &&
				pv_seq_ge(seen->right, part.right))
			part.right = seen->left;
	}
	return part;
}

/* Marks every record that the block covers whole. One that only reaches into `part` is looked at
 * again, now that it may be covered. */
static void
mark(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p,
		const struct pv_tcp_sack *block, struct pv_delivery *dlv)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_tcp_sack part = unseen(d, block);
	struct pv_rtx *rtx;

	if (!pv_seq_lt(part.left, part.right))
		return;
	for (rtx = find(&d->rtx, part.left); rtx != NULL && pv_seq_lt(rtx->seq, part.right);
			rtx = rtx->next) {
		d->rtx.hint = rtx;
		if ((rtx->flags & PV_RTX_SACKED) != 0 || pv_seq_lt(rtx->seq, block->left) ||
				pv_seq_gt(rtx->end, block->right))
			continue;
		dlv->sacked += pv_rtx_len(rtx);
		dlv->delivered += pv_rtx_len(rtx);
		if ((rtx->flags & PV_RTX_EVER) == 0) {
			dlv->original |= pv_seq_le(rtx->end, d->recover);
			dlv->rtt = ctx->now - rtx->sent + (ctx->now == rtx->sent);
		}
		pv_rack_delivered(ctx, pcb, rtx, p, dlv);
		pv_rtx_mark_sacked(&d->rtx, rtx);
		pv_count(&ctx->counters, PV_C_TCP_SACKED);
	}
}

void
pv_sack_input(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p,
		struct pv_delivery *dlv)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_tcp_sack seen[PV_TCP_SACK_MAX] = { 0 };
	const uint8_t *options;
	struct pv_tcp_opts o;
	unsigned int i = 0, n = 0;
	uint32_t len;

	options = pv_packet_options(p, &len);
	pv_tcp_opt_walk(options, len, &o);
	if (o.n_sack == 0)
		return;
	if (is_dsack(&o, p->ack)) {
		take_dsack(ctx, pcb, &o.sack[0], dlv);
		i = 1;
	}
	for (; i < o.n_sack; i++) {
		const struct pv_tcp_sack *block = &o.sack[i];

		if (!pv_seq_lt(block->left, block->right) || pv_seq_le(block->left, pcb->snd_una) ||
				pv_seq_lt(block->left, p->ack) ||
				pv_seq_gt(block->right, pcb->snd_nxt))
			continue;
		mark(ctx, pcb, p, block, dlv);
		seen[n++] = *block;
	}
	memcpy(d->sack_seen, seen, sizeof(seen));
}

/* RFC 6675 4, IsLost: three SACKed segments above it, or more than two segments' worth of bytes. */
void
pv_sack_detect(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_rtx_queue *queue = &pcb->data->rtx;
	uint32_t bytes = 0, n = 0;

	if (queue->n_sacked == 0)
		return;
	for (struct pv_rtx *rtx = queue->last; rtx != NULL; rtx = rtx->prev) {
		if ((rtx->flags & PV_RTX_SACKED) != 0) {
			n++;
			bytes += pv_rtx_len(rtx);
		} else if ((rtx->flags & (PV_RTX_LOST | PV_RTX_RESENT)) == 0 &&
				(n >= DUP_THRESH ||
						bytes > (DUP_THRESH - 1) * (uint32_t)pcb->snd_mss)) {
			pv_rtx_mark_lost(queue, rtx);
			pv_count(&ctx->counters, PV_C_TCP_SACK_LOST);
		}
	}
}
