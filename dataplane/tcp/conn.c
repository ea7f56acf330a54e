/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection as a whole: its state, what the application is told, its end. */
#include <errno.h>

#include "tcp/offer.h"
#include "tcp/conn_reset.h"

void
pv_conn_set_state(struct pv_ctx *ctx, struct pv_pcb *pcb, enum pv_tcp_state state)
{
	struct pv_shared *shared = pv_slot_at(ctx, pcb->index);

	pcb->state = (uint8_t)state;
	__atomic_store_n(&shared->status.state, (uint32_t)state, __ATOMIC_RELAXED);
}

void
pv_conn_report(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t set, uint32_t clear,
		uint32_t arrived)
{
	pv_report(ctx, &pv_slot_at(ctx, pcb->index)->status, pcb->handle, set, clear, arrived);
}

static inline void
raise_counter(uint32_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

/* Everything written is acknowledged, the FIN included when there is one. */
static bool
all_acked(const struct pv_pcb *pcb, const struct pv_conn_data *d)
{
	if (pcb->snd_una != pcb->snd_nxt)
		return false;
	if ((pcb->flags & (PV_PCB_FIN_QUEUED | PV_PCB_FIN_SENT)) == PV_PCB_FIN_QUEUED)
		return false;
	return d->una_pos == __atomic_load_n(&d->shared->tx.written, __ATOMIC_ACQUIRE) +
					     (d->exchange != NULL ? d->exchange->inserted : 0);
}

void
pv_conn_report_turn(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pv_conn_data_of(pcb);
	struct pv_status *status;
	uint32_t set = 0, clear = 0;

	if (d == NULL || (d->flags & (PV_DATA_RECEIVED | PV_DATA_ROOM | PV_DATA_URGENT)) == 0)
		return;
	status = &d->shared->status;
	if (d->flags & PV_DATA_RECEIVED) {
		raise_counter(&status->reads);
		__atomic_store_n(&status->rx_total, d->shared->rx.written, __ATOMIC_RELAXED);
		set |= PV_READY_READ;
	}
	if (d->flags & PV_DATA_URGENT) {
		raise_counter(&status->oobs);
		set |= PV_READY_OOB;
	}
	if (d->flags & PV_DATA_ROOM) {
		__atomic_store_n(&status->tx_acked,
				d->una_pos - (d->exchange != NULL ? pv_offer_before(d->exchange,
										    d->una_pos) :
								    0),
				__ATOMIC_RELAXED);
		if (pv_stream_relieved(ctx->bridge, &d->shared->tx)) {
			raise_counter(&status->writes);
			set |= PV_READY_WRITE;
		}
		if (all_acked(pcb, d))
			set |= PV_READY_SENT;
	}
	d->flags &= ~(uint32_t)(PV_DATA_RECEIVED | PV_DATA_ROOM | PV_DATA_URGENT);
	if (set != 0)
		pv_report(ctx, status, pcb->handle, set, clear, set);
}

void
pv_conn_send_rst(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_segment_out out = {
		.seq = pcb->snd_nxt,
		.flags = PV_TCP_RST | PV_TCP_ACK,
	};

	if (pcb->state == PV_SYN_SENT) {
		pv_offer_withdraw(ctx, pcb);
		return;
	}
	pv_count(&ctx->counters, PV_C_TCP_RST_SENT);
	pv_segment_send(ctx, pcb, &out);
}

/* What the application learns last. */
void
pv_conn_report_end(struct pv_ctx *ctx, struct pv_pcb *pcb, int error)
{
	struct pv_status *status = &pv_slot_at(ctx, pcb->index)->status;
	uint32_t set = PV_READY_READ | PV_READY_WRITE | PV_READY_CLOSE;

	if (pcb->state == PV_SYN_SENT || (pcb->flags & PV_PCB_CONNECTING) != 0 ||
			(pcb->state == PV_SYN_RECEIVED && pcb->flags & PV_PCB_ACTIVE))
		set = PV_READY_CONNECT | PV_READY_WRITE;
	if (error != 0) {
		__atomic_store_n(&status->error, error, __ATOMIC_RELEASE);
		set |= PV_READY_ERROR;
	} else {
		set |= PV_READY_SENT;
	}
	if ((set & PV_READY_CLOSE) != 0 && status->closes == 0)
		raise_counter(&status->closes);
	__atomic_store_n(&status->state, PV_CLOSED, __ATOMIC_RELAXED);
	pv_report(ctx, status, pcb->handle, set, 0, set);
}

void
pv_conn_destroy(struct pv_ctx *ctx, struct pv_pcb *pcb, int error, bool send_rst)
{
	/* Its request is not complete, so that nobody has heard of it. */
	bool nobodys = (pcb->flags & PV_PCB_EXCHANGE) != 0 && pcb->data != NULL &&
		       (pcb->data->exchange->flags & PV_EXCHANGE_EXPECTS) != 0;

	if (send_rst)
		pv_conn_send_rst(ctx, pcb);
	if (send_rst && error != 0)
		pv_count(&ctx->counters, PV_C_TCP_ABORTED);
	if (error == -ETIMEDOUT)
		pv_count(&ctx->counters, PV_C_TCP_TIMED_OUT);
	pv_conn_report_turn(ctx, pcb);
	pv_conn_conclude(ctx, pcb, error);
	pv_conn_data_drop(ctx, pcb);
	if (pv_unlikely(nobodys)) {
		uint32_t index = pcb->index;

		pv_exchange_drop(ctx, index);
		pv_pcb_free(ctx, pcb);
		pv_slot_release(ctx, index, PV_SLOT_CONTROL);
		return;
	}
	pv_pcb_free(ctx, pcb);
}
