/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Urgent data (RFC 6093): the pointer, sent and received, names the octet behind the urgent one.
 * Each octet that a pointer names is taken out of the stream, unless the application wants it in
 * line; where it stood is the mark.
 */
#include "bridge/urgent.h"

#include "tcp/established.h"
#include "tcp/exchange.h"

/* Pointers that came, in order; a new one among too many pushes the first out, whose octet is an
 * ordinary one then. False: known already. */
static bool
insert(struct pv_conn_data *d, uint32_t octet)
{
	uint32_t i = d->n_urgent;

	while (i > 0 && pv_seq_gt(d->urgent[i - 1], octet))
		i--;
	if (i > 0 && d->urgent[i - 1] == octet)
		return false;
	if (d->n_urgent == PV_COUNT_OF(d->urgent)) {
		if (i == 0)
			return false;
		i--;
		memmove(d->urgent, d->urgent + 1, i * sizeof(d->urgent[0]));
	} else {
		memmove(d->urgent + i + 1, d->urgent + i, (d->n_urgent - i) * sizeof(d->urgent[0]));
		d->n_urgent++;
	}
	d->urgent[i] = octet;
	return true;
}

void
pv_urgent_received(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t pointer)
{
	const uint32_t nobody_reads = PV_PCB_FIN_RECEIVED | PV_PCB_ORPHAN | PV_PCB_RECEIVE_SHUT;
	struct pv_conn_data *d = pcb->data;

	if ((pcb->flags & nobody_reads) != 0 || pv_seq_le(pointer, pcb->rcv_nxt))
		return;
	if ((d->flags & PV_DATA_FIN_SEEN) != 0 && pv_seq_gt(pointer, d->fin_seq))
		return;
	if (!insert(d, pointer - 1))
		return;
	pv_urgent_await(ctx->bridge, &d->shared->rx, true);
	d->flags |= PV_DATA_URGENT;
	pv_count(&ctx->counters, PV_C_URGENT);
	pv_conn_pend(ctx, pcb);
}

bool
pv_urgent_octet(struct pv_ctx *ctx, struct pv_pcb *pcb, uint8_t octet)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_stream *rx = &d->shared->rx;
	bool out = false;

	d->n_urgent--;
	memmove(d->urgent, d->urgent + 1, d->n_urgent * sizeof(d->urgent[0]));
	pv_urgent_set_mark(ctx->bridge, rx);
	if (!pv_urgent_is_inline(rx))
		out = pv_urgent_put(ctx->bridge, rx, octet);
	if (d->n_urgent == 0)
		pv_urgent_await(ctx->bridge, rx, false);
	d->flags |= PV_DATA_URGENT;
	return out;
}

void
pv_urgent_look(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	uint64_t mark = __atomic_load_n(&d->shared->tx.mark, __ATOMIC_ACQUIRE);
	uint32_t pointer;

	if (mark > __atomic_load_n(&d->shared->tx.written, __ATOMIC_ACQUIRE))
		return;
	if (d->exchange != NULL)
		mark += d->exchange->inserted;
	if (mark <= d->una_pos)
		return;
	pointer = pcb->snd_una + (uint32_t)(mark - d->una_pos);
	if ((d->flags & PV_DATA_SND_URGENT) != 0 && pointer == d->snd_up)
		return;
	d->snd_up = pointer;
	d->flags |= PV_DATA_SND_URGENT;
	/* The peer learns of it also while its window is closed. */
	if (!pv_seq_gt(pcb->snd_una + pcb->snd_wnd, pcb->snd_nxt))
		pv_ack_now(ctx, pcb);
}
