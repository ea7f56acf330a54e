/* SPDX-License-Identifier: BSD-3-Clause */
/* A SYN to a listener (RFC 9293 3.10.7.2). */
#include "bridge/backlog.h"
#include "tcp/bare.h"
#include "tcp/condition.h"
#include "tcp/half_open_table.h"
#include "tcp/handshake.h"
#include "tcp/held.h"
#include "tcp/parse.h"
#include "tcp/reset.h"
#include "tcp/state.h"
#include "tcp/syn_ack_form.h"
#include "wire/tcp_opt.h"

enum {
	OPTIONS_SHIFT = 3, /* from PV_TCP_OPT_* to PV_AGREED_* */
	OPTIONS = PV_AGREED_WSCALE | PV_AGREED_SACK | PV_AGREED_TIMESTAMPS,
	ECN_SETUP = PV_TCP_ECE | PV_TCP_CWR, /* RFC 3168 6.1.1: an ECN-setup SYN has both */
};

static_assert(PV_TCP_OPT_WSCALE << OPTIONS_SHIFT == PV_AGREED_WSCALE &&
				PV_TCP_OPT_SACKOK << OPTIONS_SHIFT == PV_AGREED_SACK &&
				PV_TCP_OPT_TS << OPTIONS_SHIFT == PV_AGREED_TIMESTAMPS,
		"options are agreed on all at once");

uint8_t
pv_syn_offer(const struct pv_tcp_config *config)
{
	uint8_t offer = 0;

	if (config->window_scale)
		offer |= PV_AGREED_WSCALE;
	if (config->sack)
		offer |= PV_AGREED_SACK;
	if (config->timestamps)
		offer |= PV_AGREED_TIMESTAMPS;
	if (config->ecn || config->congestion == PV_CC_DCTCP)
		offer |= PV_AGREED_ECN;
	return offer;
}

/* What is agreed on if this SYN is answered: what it has and we offer. */
static inline uint8_t
negotiate(const struct pv_ctx *ctx, const struct pv_packet *packet)
{
	uint32_t asked = (uint32_t)packet->options << OPTIONS_SHIFT & OPTIONS;

	if (pv_unlikely((packet->flags & ECN_SETUP) == ECN_SETUP))
		asked |= PV_AGREED_ECN;
	asked &= ctx->tcp->offer;
	if (asked & PV_AGREED_WSCALE)
		asked |= packet->wscale;
	return (uint8_t)asked;
}

static void
answer(struct pv_ctx *ctx, struct pv_packet *packet, const struct pv_listener *listener,
		uint32_t iss, uint32_t tsval, uint8_t agreed)
{
	const struct pv_syn_ack s = {
		.tuple = &packet->tuple,
		.listener = listener,
		.iss = iss,
		.ack = packet->seq + 1,
		.tsval = tsval,
		.tsecr = packet->tsval,
		.agreed = agreed,
	};

	pv_syn_ack_reply(ctx, packet, &s);
}

/* The cookie that says: send your block again. Never a plain one. */
enum pv_counter
pv_syn_resend(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener,
		uint8_t agreed)
{
	struct pv_tcp *tcp = ctx->tcp;
	const struct pv_cookie cookie = {
		.mss = pv_packet_mss(packet),
		.agreed = agreed,
		.decided = packet->decided,
		.resend = 1,
	};
	const struct pv_syn_ack s = {
		.tuple = &packet->tuple,
		.listener = listener,
		.iss = packet->isn + pv_cookie_index(&tcp->isn, &cookie),
		.ack = packet->seq + 1,
		.tsval = pv_cookie_tsval(tcp->ms + packet->ts_offset, &cookie),
		.tsecr = packet->tsval,
		.agreed = agreed,
		.hs = PV_HS_RESEND,
	};

	if (listener->syn_cookies == PV_SYN_COOKIES_NEVER)
		return PV_C_TCP_SYN_DROPPED_FULL;
	tcp->last_stamp = tcp->isn.epoch;
	listener->stamp = tcp->isn.epoch;
	*pv_flow_stamp(packet->home, packet->hash) = tcp->isn.epoch;
	pv_syn_ack_send(ctx, &s);
	return PV_C_TCP_SYN_COOKIE;
}

/* The ISS that is a cookie; our TSval, which is part of it, goes to *tsval. */
static inline uint32_t
bake(struct pv_tcp *tcp, const struct pv_packet *packet, struct pv_listener *listener,
		uint8_t agreed, uint32_t *tsval)
{
	const struct pv_cookie cookie = {
		.mss = pv_packet_mss(packet), .agreed = agreed, .decided = packet->decided
	};
	uint32_t iss = packet->isn + pv_cookie_index(&tcp->isn, &cookie);

	*tsval = pv_cookie_tsval(tcp->ms + packet->ts_offset, &cookie);
	pv_ended_forget(tcp, packet->hash, iss);
	tcp->last_stamp = tcp->isn.epoch;
	listener->stamp = tcp->isn.epoch;
	*pv_flow_stamp(packet->home, packet->hash) = tcp->isn.epoch;
	return iss;
}

static enum pv_counter
with_cookie(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener,
		uint8_t agreed)
{
	uint32_t tsval, iss = bake(ctx->tcp, packet, listener, agreed, &tsval);

	answer(ctx, packet, listener, iss, tsval, agreed);
	return PV_C_TCP_SYN_COOKIE;
}

/* A listener in auto mode goes over when the table is full or three quarters of it are its own. */
static pv_cold void
go_over(struct pv_ctx *ctx, struct pv_listener *listener)
{
	if (listener->cookies_on)
		return;
	listener->cookies_on = 1;
	pv_count(&ctx->counters, PV_C_COOKIE_ON);
}

/* It comes back when less than half of it is its own and an eighth is free. */
static pv_cold bool
come_back(struct pv_ctx *ctx, struct pv_listener *listener)
{
	const struct pv_record_pool *pool = &ctx->tcp->half_open.pool;

	if (listener->half_open >= (pool->size + 1) / 2 ||
			pool->in_use + pool->size / 8 >= pool->size)
		return false;
	listener->cookies_on = 0;
	pv_count(&ctx->counters, PV_C_COOKIE_OFF);
	return true;
}

static inline bool
wants_cookie(struct pv_ctx *ctx, struct pv_listener *listener)
{
	const struct pv_record_pool *pool = &ctx->tcp->half_open.pool;

	if (listener->syn_cookies != PV_SYN_COOKIES_AUTO)
		return listener->syn_cookies == PV_SYN_COOKIES_ALWAYS;
	if (pv_unlikely(listener->cookies_on))
		return !come_back(ctx, listener);
	if (pv_likely(listener->half_open < pool->size - pool->size / 4))
		return false;
	go_over(ctx, listener);
	return true;
}

static inline bool
full(const struct pv_ctx *ctx)
{
	return ctx->tcp->half_open.pool.in_use == ctx->tcp->half_open.pool.size;
}

/* No record could be made. */
static pv_cold enum pv_counter
without_record(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener,
		uint8_t agreed)
{
	if (listener->syn_cookies == PV_SYN_COOKIES_AUTO) {
		if (full(ctx))
			go_over(ctx, listener);
		return with_cookie(ctx, packet, listener, agreed);
	}
	if (listener->half_open_overflow == PV_OVERFLOW_DROP)
		return PV_C_TCP_SYN_DROPPED_FULL;
	pv_reset_refuse(ctx, packet);
	return PV_C_TCP_SYN_RESET_FULL;
}

static pv_cold enum pv_counter
refuse(struct pv_ctx *ctx, struct pv_packet *packet, const struct pv_listener *listener)
{
	if (packet->flags & PV_TCP_FIN)
		return PV_C_TCP_SYN_BAD_FLAGS;
	if (!listener->paused && listener->backlog_overflow == PV_OVERFLOW_DROP)
		return PV_C_TCP_SYN_DROPPED_BACKLOG;
	pv_reset_refuse(ctx, packet);
	return listener->paused ? PV_C_TCP_SYN_RESET_PAUSED : PV_C_TCP_SYN_RESET_BACKLOG;
}

static inline bool
welcome(struct pv_ctx *ctx, const struct pv_packet *packet, struct pv_listener *listener)
{
	return (packet->flags & PV_TCP_FIN) == 0 && !listener->paused &&
	       pv_listener_has_room(ctx, listener);
}

/* The listener's program, for a SYN that there is room for. 0, or the outcome that ends it. */
static enum pv_counter
decide(struct pv_ctx *ctx, struct pv_packet *packet, const struct pv_listener *listener,
		const struct pv_block *block)
{
	switch (pv_condition_ask(ctx, packet, listener, block)) {
	case PV_VERDICT_ACCEPT:
		packet->decided = 1;
		return 0;
	case PV_VERDICT_DROP:
		return PV_C_TCP_SYN_DROPPED_CONDITION;
	case PV_VERDICT_ASK:
		return 0;
	case PV_VERDICT_REJECT:
	case PV_VERDICTS:
		break;
	}
	pv_reset_refuse(ctx, packet);
	return PV_C_TCP_SYN_REJECTED;
}

/* Is it to be answered? 0, or the outcome that ends it. */
static inline enum pv_counter
admit(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener)
{
	packet->decided = 0;
	if (pv_unlikely(!welcome(ctx, packet, listener)))
		return refuse(ctx, packet, listener);
	if (pv_unlikely(ctx->tcp->shed.tight))
		return PV_C_TCP_SYN_DROPPED_MEMORY;
	return pv_likely(listener->condition == NULL) ? 0 : decide(ctx, packet, listener, NULL);
}

uint8_t
pv_syn_negotiate(const struct pv_ctx *ctx, const struct pv_packet *packet)
{
	return negotiate(ctx, packet);
}

bool
pv_syn_wants_cookie(struct pv_ctx *ctx, struct pv_listener *listener)
{
	return wants_cookie(ctx, listener);
}

enum pv_counter
pv_syn_unwelcome(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener)
{
	return welcome(ctx, packet, listener) ? 0 : refuse(ctx, packet, listener);
}

/* Is there more to it than an answer? */
static inline bool
is_plain(const struct pv_packet *packet, const struct pv_listener *listener)
{
	return ((packet->options & PV_TCP_OPT_HS) | listener->conditional) == 0;
}

/* What was agreed on already is answered, with a record or a cookie. */
static inline enum pv_counter
open_half(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener)
{
	struct pv_tcp *tcp = ctx->tcp;
	uint8_t agreed = negotiate(ctx, packet);
	uint32_t iss;

	if (wants_cookie(ctx, listener))
		return with_cookie(ctx, packet, listener, agreed);
	if (pv_unlikely(full(ctx)) && listener->syn_cookies == PV_SYN_COOKIES_NEVER)
		pv_half_open_displace(ctx, &packet->tuple.peer);
	iss = packet->isn + pv_isn_record_index(&tcp->isn, ctx->now);
	if (pv_unlikely(pv_half_open_add(ctx, packet, listener, iss, agreed) == NULL))
		return without_record(ctx, packet, listener, agreed);
	answer(ctx, packet, listener, iss, tcp->ms + packet->ts_offset, agreed);
	return PV_C_TCP_SYN_ACCEPTED;
}

enum pv_counter
pv_syn_accept(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener)
{
	return welcome(ctx, packet, listener) ? open_half(ctx, packet, listener) :
						refuse(ctx, packet, listener);
}

enum pv_counter
pv_syn_decide(struct pv_ctx *ctx, struct pv_packet *packet, const struct pv_listener *listener,
		const struct pv_block *block)
{
	packet->decided = 0;
	return listener->condition == NULL ? 0 : decide(ctx, packet, listener, block);
}

enum pv_counter
pv_syn_segment(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener)
{
	enum pv_counter ended;

	if (pv_unlikely(!is_plain(packet, listener)))
		return pv_request_syn(ctx, packet, listener,
				packet->isn + pv_isn_record_index(&ctx->tcp->isn, ctx->now));
	ended = admit(ctx, packet, listener);
	return pv_likely(ended == 0) ? open_half(ctx, packet, listener) : ended;
}

enum pv_counter
pv_syn_refuse(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener)
{
	if (!is_plain(packet, listener))
		return 0;
	if (full(ctx))
		return PV_C_TCP_SYN_DROPPED_FULL;
	return admit(ctx, packet, listener);
}

enum pv_counter
pv_syn_reopen(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener,
		uint32_t iss)
{
	uint8_t agreed = negotiate(ctx, packet);

	if (!is_plain(packet, listener))
		return pv_request_syn(ctx, packet, listener, iss);
	if (pv_never(ctx, pv_half_open_add(ctx, packet, listener, iss, agreed) == NULL))
		return PV_C_TCP_SYN_DROPPED_FULL;
	answer(ctx, packet, listener, iss, ctx->tcp->ms + packet->ts_offset, agreed);
	return PV_C_TCP_TIME_WAIT_REUSED;
}

/* ---- many of them ---------------------------------------------------------------------------- */

/* What those that follow each other have in common. */
struct run {
	const struct pv_packet *first;
	struct pv_listener *listener;
	const struct pv_path *path;
	const struct pv_syn_ack_form *form;
	struct pv_path_block block;
	uint32_t records_end; /* with so many the listener goes over to cookies */
	bool cookies;
};

/* Is it one more, of which nothing is known? */
static inline bool
continues(const struct run *run, const struct pv_packet *packet)
{
	const struct pv_packet *first = run->first;

	return packet->outcome == 0 && packet->flags == first->flags &&
	       packet->options == first->options && packet->is_v4 == first->is_v4 &&
	       packet->tuple.local_port == first->tuple.local_port &&
	       pv_addr_equal(&packet->tuple.local, &first->tuple.local) &&
	       pv_path_block_has(&run->block, &packet->tuple.peer, first->is_v4) &&
	       pv_bare_reusable(packet->mbuf, packet->l4_offset) &&
	       pv_flow_match(packet->home, pv_flow_signature(packet->hash)) == 0 &&
	       packet->home->displaced == 0;
}

static bool
begin_run(struct pv_ctx *ctx, struct run *run, const struct pv_packet *first)
{
	const struct pv_record_pool *pool = &ctx->tcp->half_open.pool;
	struct pv_listener *listener =
			pv_listener_find(&ctx->tcp->listeners, &first->tuple, first->is_v4);
	const struct pv_syn_ack s = {
		.tuple = &first->tuple, .listener = listener, .agreed = negotiate(ctx, first)
	};

	if (listener == NULL || !is_plain(first, listener) || listener->condition != NULL ||
			ctx->tcp->shed.tight || !welcome(ctx, first, listener))
		return false;
	run->first = first;
	run->listener = listener;
	run->records_end = listener->syn_cookies == PV_SYN_COOKIES_AUTO ?
					   pool->size - pool->size / 4 :
					   pool->size;
	run->path = pv_ip_path_around(ctx, &first->tuple.peer, &run->block);
	if (run->path == NULL || !run->path->resolved)
		return false;
	run->form = pv_syn_ack_form_of(ctx, &s, run->path, first->is_v4 != 0);
	if (run->form == NULL || !continues(run, first))
		return false;
	/* That stays as it is while there is no other packet between them. */
	run->cookies = wants_cookie(ctx, listener);
	return true;
}

/* Sequence number and timestamp of its answer, once its record is made if it gets one. */
static inline bool
open_in_run(struct pv_ctx *ctx, const struct run *run, const struct pv_packet *packet,
		struct pv_syn_ack *s)
{
	struct pv_tcp *tcp = ctx->tcp;

	if (run->cookies) {
		s->iss = bake(tcp, packet, run->listener, s->agreed, &s->tsval);
		return true;
	}
	s->tsval = tcp->ms + packet->ts_offset;
	s->iss = packet->isn + pv_isn_record_index(&tcp->isn, ctx->now);
	return pv_half_open_add(ctx, packet, run->listener, s->iss, s->agreed) != NULL;
}

uint32_t
pv_syn_run(struct pv_ctx *ctx, struct pv_packet *packets, uint32_t n)
{
	enum pv_counter outcome;
	uint32_t i, answered = 0;
	struct run run;

	if (!begin_run(ctx, &run, packets))
		return 0;
	outcome = run.cookies ? PV_C_TCP_SYN_COOKIE : PV_C_TCP_SYN_ACCEPTED;
	for (i = 0; i < n && continues(&run, &packets[i]); i++) {
		struct pv_packet *packet = &packets[i];
		struct pv_syn_ack s = {
			.tuple = &packet->tuple,
			.ack = packet->seq + 1,
			.tsecr = packet->tsval,
			.agreed = negotiate(ctx, packet),
		};

		if (!run.cookies && (run.listener->half_open >= run.records_end || full(ctx)))
			break;
		packet->decided = 0;
		if (pv_unlikely(!open_in_run(ctx, &run, packet, &s))) {
			packet->outcome = (uint8_t)without_record(
					ctx, packet, run.listener, s.agreed);
			continue;
		}
		pv_syn_ack_answer(ctx, packet, run.path, run.form, &s);
		packet->outcome = (uint8_t)outcome;
		answered++;
	}
	pv_syn_ack_count(ctx, answered);
	return i;
}
