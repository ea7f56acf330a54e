/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_CONNS_H
#define PV_TCP_CONNS_H

/*
 * What the connections of one worker share once they carry data: pools, the list of those that have
 * something to do at the end of the turn, and the [tcp] table as it was when each was made.
 */

#include "tcp/conn.h"
#include "tcp/conn_data.h"
#include "tcp/pool.h"

/* A [tcp] table in use. The newest is what new connections get; older ones go with their last
 * connection. */
struct pv_conn_config {
	struct pv_tcp_config tcp;
	struct pv_conn_config *next;
	uint32_t users;
	uint32_t pad;
};

struct pv_conns {
	struct pv_pool data, rtx, pieces, rests;
	uint32_t *pending; /* ring of slot indices, each with PV_PCB_OUTPUT; some may have gone
			      since */
	uint32_t pending_head, pending_tail, pending_mask;
	uint32_t pad;
	struct pv_conn_config *configs; /* newest first */
	uint32_t ephemeral;             /* drifts with each active open (RFC 6056 3.3.3) */
	uint32_t orphans;               /* closed, with something left to send or to wait for */
	bool flushing;                  /* the engine stops: all are orphans */
};

/* The connection's data, made when it has none yet or rests (rest.h); NULL: none left (counted). */
struct pv_conn_data *pv_conn_data_make(struct pv_ctx *ctx, struct pv_pcb *pcb);
/* Everything but lines 0 and 1 and what the bridge holds: timer, queues, data. */
void pv_conn_data_drop(struct pv_ctx *ctx, struct pv_pcb *pcb);

/* What there is, without a look at the third line of a connection that never used it. NULL also for
 * one that rests. */
static inline struct pv_conn_data *
pv_conn_data_of(const struct pv_pcb *pcb)
{
	return (pcb->flags & PV_PCB_TOUCHED) != 0 ? pcb->data : NULL;
}

static inline struct pv_conn_data *
pv_conn_data_get(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	return pv_likely(pcb->data != NULL) ? pcb->data : pv_conn_data_make(ctx, pcb);
}

/* Looks at the connection at the end of the turn. */
void pv_conn_pend_slow(struct pv_ctx *ctx, struct pv_pcb *pcb);

static inline void
pv_conn_pend(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	if ((pcb->flags & PV_PCB_OUTPUT) == 0)
		pv_conn_pend_slow(ctx, pcb);
}

#endif
