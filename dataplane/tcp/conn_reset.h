/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_CONN_RESET_H
#define PV_TCP_CONN_RESET_H

/* The end of a connection that carried nothing, by its peer's RST: in line. */

#include <errno.h>

#include "tcp/established.h"
#include "tcp/pcb_life.h"

/* What the application learns last (conn.c). */
void pv_conn_report_end(struct pv_ctx *ctx, struct pv_pcb *pcb, int error);

/* It is told and counted. */
static inline void
pv_conn_conclude(struct pv_ctx *ctx, struct pv_pcb *pcb, int error)
{
	if (pv_likely((pcb->flags & PV_PCB_ORPHAN) != 0))
		pv_close_no_orphan(ctx, pcb);
	else
		pv_conn_report_end(ctx, pcb, error);
	if (pv_unlikely((pcb->flags & PV_PCB_COOKIE) != 0))
		pv_ended_note(ctx->tcp, pcb->hash, pcb->iss);
	else if (pv_unlikely((pcb->flags & PV_PCB_HELD) != 0))
		pv_ended_note(ctx->tcp, pcb->hash, pcb->irs);
	pv_count(&ctx->counters, PV_C_TCP_CLOSED);
}

/* For an idle connection, of which the place in the flow table is known. */
static inline enum pv_counter
pv_conn_reset_idle(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet,
		const struct pv_flow_place *place)
{
	if (pv_unlikely(packet->seq != pcb->rcv_nxt))
		return pv_conn_reset_other(ctx, pcb, packet);
	pv_conn_conclude(ctx, pcb, -ECONNRESET);
	pv_flow_remove(&ctx->tcp->flows, place);
	pv_pcb_end(ctx, pcb);
	return PV_C_TCP_RST;
}

#endif
