/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A SYN that is more than a SYN: somebody is to decide on it before it is answered, or it brings an
 * offer (wire.md's exchanges 1 to 3). The plain passive open is syn.c's.
 */
#include <errno.h>

#include "bridge/backlog.h"
#include "bridge/slot.h"
#include "tcp/handshake.h"
#include "tcp/held.h"
#include "tcp/reset.h"
#include "tcp/source.h"
#include "tcp/state.h"
#include "wire/tcp_hdr.h"
#include "wire/tcp_opt.h"

enum {
	CROWDED = 4, /* three of so many places are taken */
	SHARES = 8,  /* one source may have one of so many places while it is crowded */
};

/* ---- conditional accept: a place to be held in ---- */

static bool
is_crowded(uint32_t taken, uint32_t places)
{
	return (uint64_t)taken * CROWDED >= (uint64_t)places * (CROWDED - 1);
}

static bool
is_full(struct pv_ctx *ctx, const struct pv_listener *listener)
{
	return ctx->tcp->held.live >= ctx->tcp->held.pool.n ||
	       pv_backlog_queued(listener->shared) >= pv_backlog_limit(listener->shared);
}

/* May this SYN have a place, and is its source known? 0: yes. */
static enum pv_counter
find_place(struct pv_ctx *ctx, const struct pv_packet *packet, const struct pv_listener *listener,
		bool *proven)
{
	const struct pv_held_table *held = &ctx->tcp->held;
	uint32_t limit = pv_backlog_limit(listener->shared), source;

	*proven = false;
	if (!is_crowded(held->live, held->pool.n) &&
			!is_crowded(pv_backlog_queued(listener->shared), limit))
		return 0;
	source = pv_source_hash(ctx, &packet->tuple.peer);
	if (!pv_source_is_proven(ctx, source)) {
		pv_source_ask(ctx, packet);
		return PV_C_TCP_SYN_SOURCE_ASKED;
	}
	if (*pv_source_held(ctx, source) >= (limit > SHARES ? limit / SHARES : 1))
		return PV_C_TCP_SYN_SOURCE_LIMIT;
	*proven = true;
	if (!is_full(ctx, listener) || pv_held_evict(ctx, listener))
		return 0;
	return PV_C_TCP_SYN_HELD_FULL;
}

static struct pv_request
request_of(const struct pv_ctx *ctx, const struct pv_held *held)
{
	const struct pv_exchange *x = pv_exchange_of(ctx, pv_handle_index(held->handle));
	uint32_t offer = held->speaks ? PV_REQUEST_OFFER : 0;

	return (struct pv_request){
		.handle = held->handle,
		.peer = held->peer,
		.local = held->local,
		.peer_port = held->peer_port,
		.local_port = held->local_port,
		.qos = x != NULL ? pv_block_present(x->got[PV_OFFER_REQUEST]) : 0,
		.when_ns = held->facts.when_ns,
		.listener = held->listener,
		.flags = PV_REQUEST_HELD | offer,
	};
}

static enum pv_counter
hold(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener,
		struct pv_asked *asked)
{
	struct pv_request request;
	struct pv_held *held;
	bool proven;
	enum pv_counter refused;

	if (pv_ended_is(ctx->tcp, packet->hash, packet->seq)) {
		pv_reset_refuse(ctx, packet);
		return PV_C_TCP_SYN_HELD_OVER;
	}
	refused = find_place(ctx, packet, listener, &proven);

	if (refused != 0)
		return refused;
	asked->proven = proven;
	held = pv_held_add(ctx, packet, listener, asked, PV_HELD_WAITS);
	if (held == NULL)
		return PV_C_TCP_SYN_HELD_FULL;
	asked->block = NULL;
	request = request_of(ctx, held);
	if (pv_backlog_hold(ctx, listener->shared, &request))
		return PV_C_TCP_SYN_HELD;
	pv_held_end(ctx, held, -ECONNABORTED);
	pv_exchange_drop(ctx, pv_handle_index(request.handle));
	pv_slot_release(ctx, pv_handle_index(request.handle), PV_SLOT_CONTROL);
	return PV_C_TCP_SYN_HELD_FULL;
}

/* ---- the default listener, which answers an offer at once ---- */

static enum pv_counter
pend(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener,
		struct pv_asked *asked)
{
	const struct pv_held_table *table = &ctx->tcp->held;
	enum pv_counter refused = pv_syn_unwelcome(ctx, packet, listener);
	struct pv_held *held = NULL;

	if (refused != 0)
		return refused;
	if (!pv_syn_wants_cookie(ctx, listener) && !is_crowded(table->live, table->pool.n))
		held = pv_held_add(ctx, packet, listener, asked, PV_HELD_PENDED);
	if (held == NULL)
		return pv_syn_resend(ctx, packet, listener, asked->agreed);
	asked->block = NULL;
	pv_held_answer(ctx, held);
	return PV_C_TCP_SYN_PENDED;
}

enum pv_counter
pv_request_syn(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener,
		uint32_t iss)
{
	struct pv_asked asked = {
		.iss = iss,
		.agreed = pv_syn_negotiate(ctx, packet),
		.speaks = (packet->options & PV_TCP_OPT_HS) != 0,
	};
	struct pv_hs_option hs = { 0 };
	enum pv_counter outcome;
	int error = 0;

	if (packet->flags & PV_TCP_FIN)
		return PV_C_TCP_SYN_BAD_FLAGS;
	if (listener->paused)
		return pv_syn_unwelcome(ctx, packet, listener);
	if (asked.speaks)
		error = pv_hs_of(packet, &hs) ? pv_block_of(ctx, packet, &hs, &asked.block) :
						-EPROTO;
	if (error == -EPROTO)
		return PV_C_TCP_OFFER_BAD;
	outcome = pv_syn_decide(ctx, packet, listener, asked.block);
	if (outcome == 0 && packet->decided && !asked.speaks)
		outcome = pv_syn_accept(ctx, packet, listener);
	asked.decided = packet->decided;
	if (outcome != 0) {
		pv_block_free(ctx, asked.block);
		return outcome;
	}
	if (listener->conditional && !packet->decided)
		outcome = error == 0 ? hold(ctx, packet, listener, &asked) : PV_C_TCP_SYN_HELD_FULL;
	else
		outcome = error == 0 ? pend(ctx, packet, listener, &asked) :
				       pv_syn_resend(ctx, packet, listener, asked.agreed);
	pv_block_free(ctx, asked.block);
	return outcome;
}
