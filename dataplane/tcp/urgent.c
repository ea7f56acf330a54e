/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Urgent data (RFC 6093): the pointer, sent and received, names the octet behind the urgent one.
 * Here the urgent octet stays in the stream; its position is known.
 */
#include "tcp/established.h"

void
pv_urgent_received(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t up = p->seq + p->urgent;

	if ((pcb->flags & PV_PCB_FIN_RECEIVED) != 0 || pv_seq_le(up, pcb->rcv_nxt))
		return;
	if ((d->flags & PV_DATA_RCV_URGENT) != 0 && pv_seq_le(up, d->rcv_up))
		return;
	d->rcv_up = up;
	d->flags |= PV_DATA_RCV_URGENT | PV_DATA_URGENT;
	pv_count(&ctx->counters, PV_C_URGENT);
	pv_conn_pend(ctx, pcb);
}

void
pv_tcp_urgent(struct pv_ctx *ctx, uint64_t handle, uint64_t position)
{
	struct pv_pcb *pcb = pv_pcb_of(ctx, handle);
	struct pv_conn_data *d = pcb != NULL ? pv_conn_data_get(ctx, pcb) : NULL;

	if (d == NULL || pcb->state < PV_ESTABLISHED || position <= d->una_pos)
		return;
	d->snd_up = pcb->snd_una + (uint32_t)(position - d->una_pos);
	d->flags |= PV_DATA_SND_URGENT;
	pv_conn_pend(ctx, pcb);
}
