/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_STATE_H
#define PV_TCP_STATE_H

/*
 * All that a worker's TCP knows, but for what connections keep once they carry data (ctx->conns).
 * Only files of tcp/ include this.
 */

#include <stdint.h>

#include "base/ctx.h"
#include "base/packet.h"
#include "base/wheel.h"
#include "bridge/backlog.h"
#include "tcp/flow_table.h"
#include "tcp/exchange.h"
#include "tcp/half_open.h"
#include "tcp/held.h"
#include "tcp/isn.h"
#include "tcp/last_ack.h"
#include "tcp/listener.h"
#include "tcp/rate.h"
#include "tcp/record.h"
#include "tcp/shed.h"
#include "tcp/source.h"
#include "tcp/syn_ack.h"
#include "tcp/time_wait.h"

/* Connections established in the burst under way, all of one listener, to be put into its backlog
 * together. */
struct pv_burst_requests {
	uint32_t n;
	struct pv_packet *packet[PV_BURST]; /* whose ACKs they came by */
	struct pv_request request[PV_BURST];
};

#define PV_ENDED 16384

/* A connection that came by cookie, or by a verdict on its held SYN, and left no TIME-WAIT: its ACK
 * or SYN, should it come again, does not open it again. In a table by hash, where later ones push
 * out earlier ones. */
struct pv_ended {
	uint32_t hash;
	uint32_t number; /* cookie: our ISS; held: the peer's */
};

struct pv_tcp {
	struct pv_flow_table flows;
	struct pv_isn isn;
	struct pv_listener_table listeners;
	struct pv_half_open half_open;
	struct pv_time_wait time_wait;
	struct pv_last_ack last_ack; /* its records are those of time_wait */
	struct pv_pcb *pcb;          /* by slot index */
	uint32_t n_pcb;
	uint32_t pcb_fresh; /* from here on no control block was ever used */
	uint32_t live;      /* control blocks in use */
	uint32_t ms;        /* ctx->now in ms; set at the start of a burst */
	struct pv_rate resets, refusals, challenges;
	struct pv_shed shed;
	struct pv_timer rotation; /* of the cookie secret; in the housekeeping wheel */
	uint32_t last_stamp;      /* last epoch in which any SYN was answered without a record */
	uint8_t offer;            /* enum pv_agreed: what the configuration lets us agree on */
	struct pv_burst_requests requests;
	struct pv_held_table held;
	struct pv_exchanges exchanges;
	struct pv_sources sources;
	struct pv_ended ended[PV_ENDED];
	uint64_t bursts; /* begun so far */
	struct pv_syn_ack_form syn_ack_form[PV_SYN_ACK_FORMS];
} pv_cache_aligned;

/* Is there room in the backlog? Asked once a burst: what a burst adds is put there at its end,
 * where there has to be room again. */
static inline bool
pv_listener_has_room(struct pv_ctx *ctx, struct pv_listener *listener)
{
	if (pv_likely(listener->room_seen == ctx->tcp->bursts))
		return true;
	if (!pv_backlog_room(ctx, listener->shared))
		return false;
	listener->room_seen = ctx->tcp->bursts;
	return true;
}

static inline void
pv_ended_note(struct pv_tcp *tcp, uint32_t hash, uint32_t number)
{
	tcp->ended[hash % PV_ENDED] = (struct pv_ended){ hash, number };
}

static inline bool
pv_ended_is(const struct pv_tcp *tcp, uint32_t hash, uint32_t number)
{
	const struct pv_ended *ended = &tcp->ended[hash % PV_ENDED];

	return pv_unlikely(ended->hash == hash && ended->number == number);
}

/* The same SYN came again, and is answered alike. */
static inline void
pv_ended_forget(struct pv_tcp *tcp, uint32_t hash, uint32_t iss)
{
	if (pv_ended_is(tcp, hash, iss))
		tcp->ended[hash % PV_ENDED].number = ~iss;
}

static inline uint32_t
pv_tcp_ms(const struct pv_ctx *ctx)
{
	return (uint32_t)(ctx->now / 1000000);
}

#endif
