/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The deadlines of a connection on its one timer. The timer is armed for the earliest, or earlier:
 * moving a deadline away costs one store, and the timer finds out when it fires.
 */
#include "tcp/established.h"
#include "tcp/rest.h"

/* Alive. */
static bool
fire(struct pv_ctx *ctx, struct pv_pcb *pcb, enum pv_conn_timer which)
{
	switch (which) {
	case PV_CONN_LOSS:
		pv_loss_fired(ctx, pcb);
		return true;
	case PV_CONN_RETRANSMIT:
		if (pcb->state < PV_ESTABLISHED)
			return pv_connect_fired(ctx, pcb);
		if ((pcb->data->flags & PV_DATA_PERSIST) != 0)
			return pv_persist_fired(ctx, pcb);
		return pv_rto_fired(ctx, pcb);
	case PV_CONN_DELAYED_ACK:
		pv_ack_delayed_fired(ctx, pcb);
		return true;
	case PV_CONN_KEEPALIVE:
		return pv_keepalive_fired(ctx, pcb);
	case PV_CONN_LIMIT:
		return pv_close_limit_fired(ctx, pcb);
	case PV_CONN_PACE:
		pv_conn_pend(ctx, pcb);
		return true;
	case PV_CONN_TIMERS:
		break;
	}
	return true;
}

/* The earliest deadline, of equal ones the first in the enum; PV_CONN_TIMERS: none. */
static enum pv_conn_timer
earliest(const struct pv_conn_data *d)
{
	enum pv_conn_timer first = PV_CONN_TIMERS;

	for (unsigned int i = 0; i < PV_CONN_TIMERS; i++) {
		if (d->deadline[i] != 0 &&
				(first == PV_CONN_TIMERS || d->deadline[i] < d->deadline[first]))
			first = (enum pv_conn_timer)i;
	}
	return first;
}

void
pv_conn_timer_fired(struct pv_ctx *ctx, struct pv_timer *timer)
{
	struct pv_pcb *pcb = pv_container_of(timer, struct pv_pcb, timer);
	struct pv_conn_data *d = pcb->data;

	for (;;) {
		enum pv_conn_timer which = earliest(d);

		if (which == PV_CONN_TIMERS) {
			pv_rest_look(ctx, pcb);
			return;
		}
		if (d->deadline[which] > ctx->now) {
			pv_timer_arm(&ctx->wheel, timer, PV_TIMER_CONNECTION, d->deadline[which]);
			return;
		}
		pv_conn_timer_clear(d, which);
		if (!fire(ctx, pcb, which))
			return;
	}
}
