/* SPDX-License-Identifier: BSD-3-Clause */
/* The two FINs (RFC 9293 3.6), half-close, orphans, and closing with data that nobody read (RFC
 * 2525 2.17). */
#include <errno.h>

#include "bridge/urgent.h"
#include "tcp/last_ack.h"
#include "tcp/offer.h"

/* Idle connections that an engine that stops closes in order. */
enum { FLUSHED_IDLE = 65536 };

/* The application has written its last byte. */
void
pv_conn_fin_queued(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	if ((pcb->flags & PV_PCB_FIN_QUEUED) != 0 || pv_conn_data_get(ctx, pcb) == NULL)
		return;
	if (pv_unlikely((pcb->flags & PV_PCB_EXCHANGE) != 0))
		pv_offer_part(ctx, pcb);
	pcb->flags |= PV_PCB_FIN_QUEUED;
	if (pcb->state == PV_ESTABLISHED)
		pv_conn_set_state(ctx, pcb, PV_FIN_WAIT_1);
	else if (pcb->state == PV_CLOSE_WAIT)
		pv_conn_set_state(ctx, pcb, PV_LAST_ACK);
	pv_conn_pend(ctx, pcb);
}

/* The end of both directions: the record of TIME-WAIT answers what still comes. */
static void
enter_time_wait(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	if ((pcb->flags & PV_PCB_ACK_NOW) != 0)
		pv_ack_send(ctx, pcb);
	pv_conn_set_state(ctx, pcb, PV_TIME_WAIT);
	pv_conn_report_turn(ctx, pcb);
	if ((pcb->flags & PV_PCB_ORPHAN) != 0)
		pv_close_no_orphan(ctx, pcb);
	pv_count(&ctx->counters, PV_C_TCP_CLOSED);
	pv_conn_data_drop(ctx, pcb);
	pv_time_wait_enter(ctx, pcb);
}

void
pv_conn_fin_taken(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_shared *shared = pv_slot_at(ctx, pcb->index);
	struct pv_status *status = &shared->status;

	pcb->rcv_nxt++;
	pcb->flags |= PV_PCB_FIN_RECEIVED;
	pv_stream_finish(ctx->bridge, &shared->rx);
	if ((pcb->flags & PV_PCB_ORPHAN) == 0) {
		pv_conn_report_turn(ctx, pcb);
		__atomic_store_n(&status->closes, status->closes + 1, __ATOMIC_RELAXED);
		pv_conn_report(ctx, pcb, PV_READY_CLOSE | PV_READY_READ, 0,
				PV_READY_CLOSE | PV_READY_READ);
	}
}

bool
pv_conn_fin_received(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	pv_conn_fin_taken(ctx, pcb);
	pv_ack_now(ctx, pcb);
	if (pcb->state == PV_ESTABLISHED) {
		pv_conn_set_state(ctx, pcb, PV_CLOSE_WAIT);
		if ((pcb->flags & PV_PCB_ORPHAN) != 0) /* detached: nobody else will close it */
			pv_conn_fin_queued(ctx, pcb);
	} else if (pcb->state == PV_FIN_WAIT_1) {
		pv_conn_set_state(ctx, pcb, PV_CLOSING);
	} else if (pcb->state == PV_FIN_WAIT_2) {
		enter_time_wait(ctx, pcb);
		return false;
	}
	return true;
}

/* SND.UNA stands behind our FIN. */
bool
pv_conn_fin_acked(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;

	switch (pcb->state) {
	case PV_FIN_WAIT_1:
		pv_conn_set_state(ctx, pcb, PV_FIN_WAIT_2);
		if ((pcb->flags & PV_PCB_ORPHAN) != 0)
			pv_conn_timer_set(ctx, pcb, PV_CONN_LIMIT,
					ctx->now + d->config->fin_wait_2 * PV_MS);
		return true;
	case PV_CLOSING:
		enter_time_wait(ctx, pcb);
		return false;
	case PV_LAST_ACK:
		pv_conn_destroy(ctx, pcb, 0, false);
		return false;
	default:
		return true;
	}
}

/* Nobody is left to read what the peer may still send, and it has had its time to close (H13). */
bool
pv_close_limit_fired(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	if (pcb->data->exchange != NULL &&
			(pcb->data->exchange->flags & PV_EXCHANGE_EXPECTS) != 0) {
		pv_conn_destroy(ctx, pcb, -ETIMEDOUT, true);
		return false;
	}
	if (pcb->state != PV_FIN_WAIT_2 || (pcb->flags & PV_PCB_ORPHAN) == 0)
		return true;
	pv_conn_destroy(ctx, pcb, 0, false);
	return false;
}

/* Nobody holds its handle any more. It counts once it was closed as well. */
static void
orphan(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	if ((pcb->flags & (PV_PCB_ORPHAN | PV_PCB_DETACHED)) == PV_PCB_ORPHAN)
		return;
	pcb->flags &= ~(uint32_t)PV_PCB_DETACHED;
	pcb->flags |= PV_PCB_ORPHAN;
	ctx->conns->orphans++;
}

/* Letting go of a request without a verdict is one. */
static pv_cold bool
reject_undecided(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	const struct pv_exchange *x = pv_exchange_of(ctx, pcb->index);

	if (x == NULL || (x->flags & (PV_EXCHANGE_UNDECIDED | PV_EXCHANGE_EXPECTS)) !=
					 PV_EXCHANGE_UNDECIDED)
		return false;
	pv_offer_reject(ctx, pcb, PV_HS_REFUSED, NULL);
	return true;
}

/* Half of all connections may be such that only finish what they have to send. When the engine
 * stops all may, but not millions that have nothing to send: a reset costs those no more than time.
 */
static bool
too_many_orphans(const struct pv_ctx *ctx, const struct pv_pcb *pcb)
{
	if (pv_unlikely(ctx->conns->flushing))
		return ctx->conns->orphans > FLUSHED_IDLE && pv_conn_data_of(pcb) == NULL;
	return ctx->conns->orphans > ctx->config->max_connections / 2 + 1;
}

/* Is something there that the application has not come to (RFC 2525 2.17)? An urgent octet that it
 * has read past does not count. */
static bool
is_unread(const struct pv_shared *shared)
{
	int urgent = pv_urgent_bits(&shared->rx);

	return pv_stream_waiting(&shared->rx) != 0 ||
	       ((urgent & PV_URGENT_WAITS) != 0 &&
			       (urgent & (PV_URGENT_AHEAD | PV_URGENT_HERE)) != 0);
}

void
pv_conn_close(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	const struct pv_shared *shared = pv_slot_at(ctx, pcb->index);

	orphan(ctx, pcb);
	if (pv_unlikely((pcb->flags & PV_PCB_EXCHANGE) != 0) && reject_undecided(ctx, pcb))
		return;
	if (pcb->state == PV_SYN_SENT || (pcb->flags & PV_PCB_CONNECTING) != 0) {
		pv_conn_destroy(ctx, pcb, -ECONNABORTED, true);
		return;
	}
	if (!is_unread(shared) && pv_last_ack_close(ctx, pcb, shared))
		return;
	if (pv_unlikely(too_many_orphans(ctx, pcb))) {
		pv_count(&ctx->counters, PV_C_TCP_ORPHANS_LIMITED);
		pv_conn_destroy(ctx, pcb, -ECONNABORTED, true);
		return;
	}
	if (is_unread(shared) || pv_conn_data_get(ctx, pcb) == NULL) {
		pv_conn_destroy(ctx, pcb, -ECONNABORTED, true);
		return;
	}
	pv_conn_fin_queued(ctx, pcb);
	if (pcb->state == PV_FIN_WAIT_2)
		pv_conn_timer_set(ctx, pcb, PV_CONN_LIMIT,
				ctx->now + pcb->data->config->fin_wait_2 * PV_MS);
}

void
pv_tcp_close(struct pv_ctx *ctx, uint64_t handle, int how)
{
	struct pv_pcb *pcb = pv_pcb_of(ctx, handle);

	if (pcb == NULL) {
		pv_tcp_let_go(ctx, handle);
		return;
	}
	pv_conn_assert_valid(pcb);
	if (how == PV_CLOSE_ABORT) {
		orphan(ctx, pcb);
		if (pv_unlikely((pcb->flags & PV_PCB_EXCHANGE) != 0) && reject_undecided(ctx, pcb))
			return;
		pv_conn_destroy(ctx, pcb, -ECONNABORTED, true);
	} else if (how == PV_CLOSE_DETACH) {
		pcb->flags |= PV_PCB_ORPHAN | PV_PCB_DETACHED;
	} else {
		pv_conn_close(ctx, pcb);
	}
}

void
pv_tcp_shutdown_receive(struct pv_ctx *ctx, uint64_t handle)
{
	struct pv_pcb *pcb = pv_pcb_of(ctx, handle);

	if (pcb == NULL)
		return;
	pv_conn_assert_valid(pcb);
	pcb->flags |= PV_PCB_RECEIVE_SHUT;
	if (pcb->data != NULL && is_unread(pcb->data->shared))
		pv_conn_destroy(ctx, pcb, -ECONNABORTED, true); /* what waits is lost too */
}

/* Bytes or a FIN wait in the tx stream. */
void
pv_tcp_send_ready(struct pv_ctx *ctx, uint64_t handle)
{
	struct pv_pcb *pcb = pv_pcb_of(ctx, handle);
	struct pv_conn_data *d = pcb != NULL ? pv_conn_data_get(ctx, pcb) : NULL;

	if (d == NULL)
		return;
	pv_conn_assert_valid(pcb);
	pv_stream_kicked(&d->shared->tx);
	if (pv_unlikely(d->shared->tx.mark != 0))
		pv_urgent_look(ctx, pcb);
	if (pv_stream_finished(&d->shared->tx))
		pv_conn_fin_queued(ctx, pcb);
	pv_conn_report(ctx, pcb, 0, PV_READY_SENT, 0);
	pv_conn_pend(ctx, pcb);
}

/* The application has taken bytes. */
void
pv_tcp_window_update(struct pv_ctx *ctx, uint64_t handle)
{
	struct pv_pcb *pcb = pv_pcb_of(ctx, handle);

	if (pcb == NULL || pv_conn_data_get(ctx, pcb) == NULL)
		return;
	pv_conn_assert_valid(pcb);
	pv_stream_kicked(&pcb->data->shared->rx);
	pv_window_watch(ctx, pcb);
}
