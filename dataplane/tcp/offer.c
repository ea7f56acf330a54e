/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks among what a connection sends: where they stand, how they are cut into segments. */
#include "tcp/offer.h"

#include <errno.h>

static uint64_t
end_of(const struct pv_block *block)
{
	return block->pos + block->len;
}

uint64_t
pv_offer_before(const struct pv_exchange *x, uint64_t pos)
{
	uint64_t before = x->gone;

	for (const struct pv_block *b = x->out; b != NULL && b->pos < pos; b = b->next)
		before += end_of(b) <= pos ? b->len : pos - b->pos;
	return before;
}

const struct pv_block *
pv_offer_at(const struct pv_exchange *x, uint64_t pos)
{
	const struct pv_block *b = x->out;

	while (b != NULL && end_of(b) <= pos)
		b = b->next;
	return b != NULL && b->pos <= pos ? b : NULL;
}

static uint32_t
least(uint64_t a, uint64_t b)
{
	return (uint32_t)(a < b ? a : b);
}

uint32_t
pv_offer_cut(const struct pv_pcb *pcb, uint64_t pos, uint32_t len, uint32_t room, bool *cut)
{
	const struct pv_block *b = pcb->data->exchange->out;
	uint32_t before = len, most;

	while (b != NULL && end_of(b) <= pos)
		b = b->next;
	*cut = false;
	if (b == NULL)
		return len;
	if (b->pos > pos) {
		len = least(len, b->pos - pos);
		*cut = len < before;
		return len;
	}
	most = pcb->snd_mss > PV_TCP_SPACE_HS + 8 ? pcb->snd_mss - PV_TCP_SPACE_HS : 8;
	len = least(least(len, most), end_of(b) - pos);
	/* The last part of what goes with the FIN goes nowhere without it. */
	if ((b->flags & PV_HS_DISC) != 0 && pos + len == end_of(b) && room <= len)
		len--;
	*cut = true;
	return len;
}

void
pv_offer_option(const struct pv_exchange *x, uint64_t pos, uint32_t len, struct pv_tcp_opts *opts)
{
	const struct pv_block *b = pv_offer_at(x, pos);

	if (b == NULL)
		return;
	opts->present |= PV_TCP_OPT_HS;
	opts->hs.flags = b->flags;
	opts->hs.reason = b->reason;
	opts->hs.block_len = (uint16_t)len;
	if (pos + len < end_of(b))
		opts->hs.flags |= PV_HS_MORE;
}

void
pv_offer_acked(struct pv_ctx *ctx, struct pv_exchange *x, uint64_t pos)
{
	while (x->out != NULL && end_of(x->out) <= pos) {
		struct pv_block *block = x->out;

		x->out = block->next;
		x->gone += block->len;
		pv_block_free(ctx, block);
	}
}

void
pv_offer_append(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_block *block)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_exchange *x = d->exchange;
	struct pv_block **at = &x->out;

	while (*at != NULL)
		at = &(*at)->next;
	block->next = NULL;
	block->pos = __atomic_load_n(&d->shared->tx.written, __ATOMIC_ACQUIRE) + x->inserted;
	x->inserted += block->len;
	*at = block;
	pv_conn_pend(ctx, pcb);
}

void
pv_offer_prepend(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_block *block)
{
	struct pv_exchange *x = pcb->data->exchange;

	for (struct pv_block *b = x->out; b != NULL; b = b->next)
		b->pos += block->len;
	block->next = x->out;
	block->pos = pcb->data->una_pos;
	x->inserted += block->len;
	x->out = block;
	pv_conn_pend(ctx, pcb);
}

void
pv_offer_part(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_exchange *x = pcb->data->exchange;
	struct pv_block *block = x->parting;

	x->parting = NULL;
	if (block != NULL)
		pv_offer_append(ctx, pcb, block);
}

static uint8_t
flags_of(enum pv_offer_kind kind)
{
	switch (kind) {
	case PV_OFFER_QOS_ASK:
		return PV_HS_QOS | PV_HS_REQ;
	case PV_OFFER_QOS_AGREE:
		return PV_HS_QOS | PV_HS_ACC;
	case PV_OFFER_QOS_REFUSE:
		return PV_HS_QOS | PV_HS_REJ;
	case PV_OFFER_DISCONNECT:
		return PV_HS_DISC;
	case PV_OFFER_REQUEST:
	case PV_OFFER_ANSWER:
	case PV_OFFER_KINDS:
		break;
	}
	return 0;
}

/* 0, or why it cannot be said now. */
static int
may_send(const struct pv_pcb *pcb, const struct pv_exchange *x, enum pv_offer_kind kind)
{
	if (pcb->state != PV_ESTABLISHED && pcb->state != PV_CLOSE_WAIT)
		return -ENOTCONN;
	if (x == NULL || (x->flags & PV_EXCHANGE_SPEAKS) == 0)
		return -EOPNOTSUPP;
	if ((pcb->flags & PV_PCB_FIN_QUEUED) != 0)
		return -EPIPE;
	if (flags_of(kind) == 0)
		return -EINVAL;
	if (kind == PV_OFFER_QOS_ASK && (x->flags & PV_EXCHANGE_ASKING) != 0)
		return -EALREADY;
	return kind == PV_OFFER_DISCONNECT && x->parting != NULL ? -EALREADY : 0;
}

static void
forget(struct pv_ctx *ctx, struct pv_exchange *x, enum pv_offer_kind kind)
{
	struct pv_block *block = x->got[kind];

	x->got[kind] = NULL;
	pv_block_free(ctx, block);
}

/* A question makes old answers void, an answer the question. PV_READY_QOS stands for what is left
 * to be read. */
static void
turn_page(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_exchange *x, enum pv_offer_kind kind)
{
	if (kind == PV_OFFER_QOS_ASK) {
		x->flags |= PV_EXCHANGE_ASKING;
		forget(ctx, x, PV_OFFER_QOS_AGREE);
		forget(ctx, x, PV_OFFER_QOS_REFUSE);
	} else {
		forget(ctx, x, PV_OFFER_QOS_ASK);
	}
	if (x->got[PV_OFFER_QOS_ASK] == NULL && x->got[PV_OFFER_QOS_AGREE] == NULL &&
			x->got[PV_OFFER_QOS_REFUSE] == NULL)
		pv_conn_report(ctx, pcb, 0, PV_READY_QOS, 0);
}

int
pv_tcp_offer_send(struct pv_ctx *ctx, uint64_t handle, const struct pv_offer *offer)
{
	enum pv_offer_kind kind = (enum pv_offer_kind)offer->kind;
	struct pv_pcb *pcb = pv_pcb_of(ctx, handle);
	struct pv_exchange *x = pcb != NULL ? pv_exchange_of(ctx, pcb->index) : NULL;
	int error = pcb != NULL ? may_send(pcb, x, kind) : -ENOTCONN;
	struct pv_block *block;

	if (error != 0)
		return error;
	if (pv_conn_data_get(ctx, pcb) == NULL)
		return -ENOBUFS;
	block = pv_block_new(ctx);
	if (block == NULL)
		return -ENOBUFS;
	error = pv_block_write(block, offer, PV_HS_BLOCK_MAX);
	if (error != 0) {
		pv_block_free(ctx, block);
		return error;
	}
	block->flags = flags_of(kind);
	if (kind == PV_OFFER_DISCONNECT) {
		x->parting = block;
		return 0;
	}
	turn_page(ctx, pcb, x, kind);
	pv_offer_append(ctx, pcb, block);
	return 0;
}
