/* SPDX-License-Identifier: BSD-3-Clause */
/* Verdicts on connection requests, and what is known of them: commands of the control plane. */
#include <errno.h>

#include "api/pv_condition.h"
#include "bridge/backlog.h"
#include "bridge/slot.h"
#include "tcp/bare.h"
#include "tcp/handshake.h"
#include "tcp/offer.h"
#include "tcp/state.h"
#include "wire/ip6.h"

enum { FLAGS_SHIFT = 4 }; /* from PV_AGREED_* to PV_PCB_*, as in handshake_ack.c */

/* The block of an answer; NULL where none is to be sent or there is no room for one. */
static int
answer_block(struct pv_ctx *ctx, const struct pv_offer *answer, struct pv_block **block)
{
	static const struct pv_offer nothing;
	int error;

	*block = pv_block_new(ctx);
	if (*block == NULL)
		return -ENOBUFS;
	error = pv_block_write(*block, answer != NULL ? answer : &nothing, PV_HS_BLOCK_MAX);
	if (error != 0) {
		pv_block_free(ctx, *block);
		*block = NULL;
	}
	return error;
}

/* ---- a held request is accepted: its SYN is answered now ---- */

static void
fill(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_held *held,
		const struct pv_listener *listener)
{
	const struct pv_tcp_config *config = &ctx->tcp_config;

	pcb->flags = PV_PCB_QUEUED | PV_PCB_HELD | (uint32_t)held->agreed >> FLAGS_SHIFT |
		     (config->nagle ? 0 : PV_PCB_NODELAY) | (held->speaks ? PV_PCB_EXCHANGE : 0);
	pcb->listener = listener->index;
	pcb->iss = pcb->snd_una = held->iss;
	pcb->snd_nxt = held->iss + 1;
	pcb->irs = held->irs;
	pcb->rcv_nxt = pcb->last_ack_sent = held->irs + 1 + held->block_len;
	pcb->rcv_adv = pcb->rcv_nxt + listener->window;
	pcb->snd_wnd = pcb->max_wnd = held->facts.window;
	pcb->snd_wl1 = held->irs;
	pcb->ts_recent = held->ts_recent;
	pcb->ts_recent_ms = pv_ms(ctx->now);
	pcb->ts_offset = pv_ts_offset(ctx, &pcb->tuple);
	if (held->agreed & PV_AGREED_WSCALE) {
		pcb->snd_wscale = held->agreed & PV_AGREED_WSCALE_MASK;
		pcb->rcv_wscale = listener->rcv_wscale;
	}
	pcb->rcv_buffer = pv_listener_params(listener->shared)->recv_buffer;
	pcb->snd_buffer = pv_listener_params(listener->shared)->send_buffer;
	if (pcb->rcv_buffer == 0)
		pcb->rcv_buffer = config->recv_buffer;
	pcb->ttl = listener->ttl;
	pcb->tos = listener->tos;
	pcb->flags |= PV_PCB_MSS_SAID;
	pcb->snd_mss = held->mss;
}

/* A SYN-ACK never carries more than its SYN did, so that nobody is hit by more than was spent. */
static bool
fits(const struct pv_held *held, const struct pv_block *block)
{
	uint32_t len = (pv_addr_is_v4(&held->peer) ? PV_IP4_HDR_LEN : PV_IP6_HDR_LEN) +
		       PV_TCP_HDR_LEN + 4 + PV_TCP_SPACE_HS;

	if (held->agreed & (PV_AGREED_TIMESTAMPS | PV_AGREED_SACK))
		len += held->agreed & PV_AGREED_TIMESTAMPS ? PV_TCP_SPACE_TS : 4;
	if (held->agreed & PV_AGREED_WSCALE)
		len += 4;
	return len + block->len <= held->syn_len;
}

/* The answer goes with the SYN-ACK, or behind the handshake. */
static void
give_answer(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_held *held,
		struct pv_block *block)
{
	struct pv_exchange *x = pcb->data->exchange;

	x->flags &= ~(uint32_t)PV_EXCHANGE_UNDECIDED;
	block->flags = PV_HS_ACC;
	if (fits(held, block)) {
		x->syn = block;
		pcb->snd_nxt += block->len;
	} else {
		pv_offer_prepend(ctx, pcb, block);
	}
}

static int
accept_held(struct pv_ctx *ctx, struct pv_held *held, const struct pv_offer *answer)
{
	const struct pv_listener *listener = &ctx->tcp->listeners.listener[held->listener];
	struct pv_block *block = NULL;
	struct pv_flow_place place;
	struct pv_tuple tuple;
	struct pv_pcb *pcb;
	int error = held->speaks ? answer_block(ctx, answer, &block) : 0;

	if (error != 0)
		return error;
	pv_held_tuple(held, &tuple);
	pcb = pv_pcb_adopt(ctx, held->handle, &tuple, held->hash);
	if (pv_never(ctx, pcb == NULL))
		return -ENOBUFS;
	pcb->state = PV_SYN_RECEIVED;
	fill(ctx, pcb, held, listener);
	if (pv_never(ctx, !pv_held_place(ctx, held, &place)) || pv_conn_data_get(ctx, pcb) == NULL)
		return -ENOBUFS;
	place.bucket->entry[place.slot] = pv_flow_entry(PV_FLOW_CONNECTION, pcb->index);
	if (block != NULL)
		give_answer(ctx, pcb, held, block);
	pv_held_leave(ctx, held);
	pv_count(&ctx->counters, PV_C_HELD_ACCEPTED);
	pv_conn_set_state(ctx, pcb, PV_SYN_RECEIVED);
	pcb->data->stalled_since = ctx->now;
	pv_connect_send_syn(ctx, pcb);
	pv_conn_timer_set(ctx, pcb, PV_CONN_RETRANSMIT, ctx->now + pcb->data->rtt.rto);
	return 0;
}

/* ---- a connection that waits for our verdict ---- */

/* As it would have been held, so that the verdict can be kept. */
static struct pv_held
as_held(const struct pv_pcb *pcb, uint8_t reason)
{
	return (struct pv_held){
		.local = pcb->tuple.local,
		.peer = pcb->tuple.peer,
		.local_port = pcb->tuple.local_port,
		.peer_port = pcb->tuple.peer_port,
		.hash = pcb->hash,
		.irs = pcb->irs,
		.block_len = (uint16_t)(pcb->rcv_nxt - pcb->irs - 1),
		.listener = pcb->listener,
		.reason = reason,
		.speaks = 1,
	};
}

static void
send_rejection(struct pv_ctx *ctx, const struct pv_pcb *pcb, uint8_t reason,
		const struct pv_block *block)
{
	struct pv_tcp_opts opts = { .present = PV_TCP_OPT_HS };
	struct pv_bare rst = {
		.tuple = &pcb->tuple,
		.seq = pcb->snd_nxt,
		.ack = pcb->rcv_nxt,
		.flags = PV_TCP_RST | PV_TCP_ACK,
		.data = block != NULL ? block->bytes : NULL,
		.data_len = block != NULL ? block->len : 0,
	};

	opts.hs.flags = PV_HS_REJ;
	opts.hs.reason = reason;
	opts.hs.block_len = rst.data_len;
	rst.options_len = (uint8_t)pv_tcp_opt_build(rst.options, &opts);
	pv_count(&ctx->counters, PV_C_TCP_RST_SENT);
	pv_bare_send(ctx, &rst);
}

void
pv_offer_reject(struct pv_ctx *ctx, struct pv_pcb *pcb, uint8_t reason, struct pv_block *block)
{
	struct pv_held kept = as_held(pcb, reason);

	send_rejection(ctx, pcb, reason, block);
	pv_conn_destroy(ctx, pcb, -ECONNABORTED, false);
	pv_held_keep(ctx, &kept, block);
}

static int
decide_undecided(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_command *c)
{
	struct pv_exchange *x = pv_exchange_of(ctx, pcb->index);
	const struct pv_offer *answer = c->p;
	struct pv_block *block = NULL;
	int error = 0;

	if (c->a == PV_VERDICT_ACCEPT || answer != NULL)
		error = answer_block(ctx, answer, &block);
	if (error != 0)
		return error;
	if (c->a != PV_VERDICT_ACCEPT) {
		pv_offer_reject(ctx, pcb, (uint8_t)c->b, block);
		return 0;
	}
	if (pv_conn_data_get(ctx, pcb) == NULL) {
		pv_block_free(ctx, block);
		return -ENOBUFS;
	}
	x->flags &= ~(uint32_t)PV_EXCHANGE_UNDECIDED;
	block->flags = PV_HS_ACC;
	pv_offer_prepend(ctx, pcb, block);
	return 0;
}

int
pv_tcp_decide(struct pv_ctx *ctx, const struct pv_command *c)
{
	struct pv_held *held = pv_held_of(ctx, c->handle);
	struct pv_pcb *pcb = held == NULL ? pv_pcb_of(ctx, c->handle) : NULL;
	const struct pv_exchange *x = pcb != NULL ? pv_exchange_of(ctx, pcb->index) : NULL;
	struct pv_block *block = NULL;

	if (held == NULL) {
		if (x == NULL || (x->flags & PV_EXCHANGE_UNDECIDED) == 0)
			return pcb != NULL ? 0 : -ENOTCONN;
		return decide_undecided(ctx, pcb, c);
	}
	if (c->a == PV_VERDICT_ACCEPT)
		return accept_held(ctx, held, c->p);
	if (c->p != NULL && held->speaks) {
		int error = answer_block(ctx, c->p, &block);

		if (error != 0)
			return error;
	}
	pv_held_reject(ctx, held, (uint8_t)c->b, block);
	return 0;
}

/* A handle without a connection: a held request is rejected, and nothing that its peer said is
 * kept any longer. */
void
pv_tcp_let_go(struct pv_ctx *ctx, uint64_t handle)
{
	struct pv_held *held = pv_held_of(ctx, handle);
	uint32_t slot = pv_handle_index(handle);

	if (held != NULL)
		pv_held_reject(ctx, held, PV_HS_REFUSED, NULL);
	if (ctx->tcp->exchanges.pool.used != 0 && pv_exchange_of(ctx, slot) != NULL &&
			pv_slot_at(ctx, slot)->status.generation == pv_handle_generation(handle))
		pv_exchange_drop(ctx, slot);
}

/* ---- what is known ---- */

static void
fill_facts(struct pv_request_facts *facts, const struct pv_tuple *tuple,
		const struct pv_syn_facts *syn)
{
	*facts = (struct pv_request_facts){
		.when_ns = syn->when_ns,
		.peer = tuple->peer,
		.local = tuple->local,
		.peer_port = tuple->peer_port,
		.local_port = tuple->local_port,
		.tsval = syn->tsval,
		.mss = syn->mss,
		.window = syn->window,
		.options = syn->options,
		.wscale = syn->wscale,
		.ttl = syn->ttl,
		.dscp = syn->tos >> 2,
	};
}

static void
add_listener(const struct pv_ctx *ctx, struct pv_request_facts *facts, uint16_t index)
{
	const struct pv_listener *listener = &ctx->tcp->listeners.listener[index];

	facts->load = 10u * ctx->load;
	if (index == PV_LISTENER_NONE || listener->shared == NULL)
		return;
	facts->backlog = pv_backlog_queued(listener->shared);
	facts->backlog_limit = pv_backlog_limit(listener->shared);
	facts->half_open = listener->half_open + ctx->tcp->held.live;
}

static void
add_offer(struct pv_request_facts *facts, const struct pv_offer *offer)
{
	uint32_t len = offer->data_len;

	facts->offer = offer->present;
	facts->data_len = len;
	memcpy(facts->data, offer->bytes, len < sizeof(facts->data) ? len : sizeof(facts->data));
	facts->sending = offer->sending;
	facts->receiving = offer->receiving;
}

int
pv_tcp_request_read(struct pv_ctx *ctx, uint64_t handle, struct pv_request_facts *facts,
		struct pv_offer *offer)
{
	const struct pv_held *held = pv_held_of(ctx, handle);
	const struct pv_pcb *pcb = held == NULL ? pv_pcb_of(ctx, handle) : NULL;
	const struct pv_exchange *x = pv_exchange_of(ctx, pv_handle_index(handle));
	struct pv_tuple tuple;

	memset(offer, 0, sizeof(*offer));
	if (held == NULL && (pcb == NULL || x == NULL))
		return -ENOENT;
	if (held != NULL)
		pv_held_tuple(held, &tuple);
	else
		tuple = pcb->tuple;
	fill_facts(facts, &tuple, held != NULL ? &held->facts : &x->facts);
	add_listener(ctx, facts, held != NULL ? held->listener : pcb->listener);
	facts->flags = (held != NULL ? (uint32_t)PV_REQUEST_HELD : 0) |
		       (x != NULL ? (uint32_t)PV_REQUEST_OFFER : 0);
	if (x != NULL && x->got[PV_OFFER_REQUEST] != NULL &&
			pv_block_read(x->got[PV_OFFER_REQUEST], PV_OFFER_REQUEST, offer))
		add_offer(facts, offer);
	return 0;
}

int
pv_tcp_offer_read(struct pv_ctx *ctx, uint64_t handle, int kind, struct pv_offer *offer)
{
	const struct pv_exchange *x = pv_exchange_of(ctx, pv_handle_index(handle));
	const struct pv_status *status;

	if (x == NULL || x->got[kind] == NULL)
		return -ENOENT;
	status = &pv_slot_at(ctx, pv_handle_index(handle))->status;
	if (status->generation != pv_handle_generation(handle))
		return -EBADF;
	return pv_block_read(x->got[kind], (enum pv_offer_kind)kind, offer) ? 0 : -ENOENT;
}
