/* SPDX-License-Identifier: BSD-3-Clause */
/* The ACK that completes a passive open. */
#include "bridge/backlog.h"
#include "bridge/slot.h"
#include "tcp/conn.h"
#include "tcp/exchange.h"
#include "tcp/handshake.h"
#include "tcp/offer.h"
#include "tcp/reset.h"
#include "tcp/state.h"
#include "wire/ip6.h"
#include "wire/tcp_hdr.h"
#include "wire/tcp_opt.h"

enum { FLAGS_SHIFT = 4 }; /* from PV_AGREED_* to PV_PCB_* */

static_assert(PV_AGREED_WSCALE >> FLAGS_SHIFT == PV_PCB_WSCALE &&
				PV_AGREED_SACK >> FLAGS_SHIFT == PV_PCB_SACK &&
				PV_AGREED_TIMESTAMPS >> FLAGS_SHIFT == PV_PCB_TIMESTAMPS &&
				PV_AGREED_ECN >> FLAGS_SHIFT == PV_PCB_ECN,
		"what was agreed on moves into the flags as it is");

static inline uint32_t
flags_of(const struct pv_tcp_config *config, const struct pv_handshake *handshake)
{
	uint32_t flags = PV_PCB_QUEUED | (uint32_t)handshake->agreed >> FLAGS_SHIFT;

	if (!config->nagle)
		flags |= PV_PCB_NODELAY;
	if (handshake->cookie)
		flags |= PV_PCB_COOKIE;
	if (handshake->syn_ack_again)
		flags |= PV_PCB_SYN_LOST;
	if (pv_unlikely(handshake->speaks))
		flags |= PV_PCB_EXCHANGE;
	return flags;
}

static void
fill_mss(struct pv_ctx *ctx, struct pv_pcb *pcb, uint16_t peer_mss)
{
	uint32_t headers = (pcb->is_v4 ? PV_IP4_HDR_LEN : PV_IP6_HDR_LEN) + PV_TCP_HDR_LEN;
	uint32_t clamp = ctx->tcp_config.mss_clamp;
	uint32_t ours = pv_ip_mtu(ctx, &pcb->tuple.peer) - headers;
	uint32_t mss = peer_mss < PV_MSS_FLOOR ? PV_MSS_FLOOR : peer_mss;

	if (clamp != 0 && ours > clamp)
		ours = clamp;
	if (mss > ours)
		mss = ours;
	if (pcb->flags & PV_PCB_TIMESTAMPS)
		mss -= PV_TCP_SPACE_TS;
	pcb->rcv_mss = (uint16_t)ours;
	pcb->snd_mss = (uint16_t)mss;
}

/* The sizes that the listener was given. */
static pv_cold void
take_buffers(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_listener *listener)
{
	const struct pv_listen_params *params = pv_listener_params(listener->shared);

	pcb->flags |= PV_PCB_TOUCHED;
	if (params->recv_buffer != 0) {
		pcb->rcv_buffer = params->recv_buffer;
		pcb->flags |= PV_PCB_RECV_FIXED;
	}
	if (params->send_buffer != 0) {
		pcb->snd_buffer = params->send_buffer;
		pv_stream_set_limit(ctx->bridge, &pv_slot_at(ctx, pcb->index)->tx, pcb->snd_buffer);
	}
}

/* Both sequence spaces, as the two SYNs and this ACK set them. */
static void
fill(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet,
		const struct pv_handshake *handshake)
{
	const struct pv_listener *listener = handshake->listener;

	pcb->state = PV_ESTABLISHED;
	pcb->listener = listener->index;
	pcb->flags = flags_of(&ctx->tcp_config, handshake);
	pcb->iss = handshake->iss;
	pcb->irs = handshake->irs;
	pcb->snd_una = pcb->snd_nxt = handshake->iss + 1;
	if (handshake->agreed & PV_AGREED_WSCALE) {
		pcb->snd_wscale = handshake->agreed & PV_AGREED_WSCALE_MASK;
		pcb->rcv_wscale = listener->rcv_wscale;
	}
	pcb->snd_wnd = pcb->max_wnd = packet->window << pcb->snd_wscale;
	pcb->snd_wl1 = packet->seq;
	pcb->snd_wl2 = packet->ack;
	pcb->rcv_nxt = pcb->last_ack_sent = handshake->irs + 1 + handshake->block_len;
	pcb->rcv_adv = pcb->rcv_nxt + listener->window;
	if (handshake->agreed & PV_AGREED_TIMESTAMPS) {
		pcb->ts_recent = packet->seq == pcb->rcv_nxt ? packet->tsval : handshake->ts_recent;
		pcb->ts_offset = packet->ts_offset;
	}
	pcb->ts_recent_ms = ctx->tcp->ms;
	if (handshake->syn_ns != 0 && !handshake->syn_ack_again)
		pcb->syn_rtt_us = (uint32_t)((ctx->now - handshake->syn_ns) / 1000) | 1;
	pcb->tos = (uint8_t)(ctx->tcp_config.dscp << 2);
	pcb->ttl = ctx->tcp_config.ttl;
	fill_mss(ctx, pcb, handshake->mss);
	if (pv_unlikely(listener->own_buffers))
		take_buffers(ctx, pcb, listener);
}

static void
publish(struct pv_ctx *ctx, const struct pv_pcb *pcb)
{
	struct pv_status *status = &pv_slot_at(ctx, pcb->index)->status;

	status->state = PV_ESTABLISHED;
	status->writes = 1;
	status->ready = PV_READY_WRITE;
}

static inline uint32_t
request_flags(const struct pv_handshake *handshake)
{
	return (handshake->cookie ? (uint32_t)PV_REQUEST_COOKIE : 0) |
	       (handshake->speaks ? (uint32_t)PV_REQUEST_OFFER : 0) |
	       (handshake->decided ? (uint32_t)PV_REQUEST_DECIDED : 0);
}

static void
request(struct pv_ctx *ctx, const struct pv_pcb *pcb, struct pv_packet *packet,
		const struct pv_handshake *handshake)
{
	struct pv_burst_requests *requests = &ctx->tcp->requests;
	struct pv_request *request;

	if (pv_unlikely(requests->n != 0 && requests->request[0].listener != pcb->listener))
		pv_handshake_flush(ctx);
	requests->packet[requests->n] = packet;
	request = &requests->request[requests->n++];
	*request = (struct pv_request){
		.handle = pcb->handle,
		.peer = pcb->tuple.peer,
		.local = pcb->tuple.local,
		.peer_port = pcb->tuple.peer_port,
		.local_port = pcb->tuple.local_port,
		.when_ns = handshake->syn_ns != 0 ? handshake->syn_ns : ctx->now,
		.listener = pcb->listener,
		.flags = request_flags(handshake),
		.qos = handshake->offer,
	};
}

static pv_cold enum pv_counter
refuse(struct pv_ctx *ctx, const struct pv_packet *packet, enum pv_counter outcome)
{
	pv_reset_refuse(ctx, packet);
	return outcome;
}

/* There is no room for the block that comes. */
static pv_cold enum pv_counter
without_exchange(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet)
{
	uint32_t index = pcb->index;

	pv_pcb_free(ctx, pcb);
	pv_slot_release(ctx, index, PV_SLOT_CONTROL);
	return refuse(ctx, packet, PV_C_TCP_ACK_MEMORY);
}

void
pv_handshake_late(struct pv_ctx *ctx, const struct pv_pcb *pcb, struct pv_packet *packet,
		uint32_t offer)
{
	const struct pv_handshake handshake = { .offer = offer, .cookie = 1, .speaks = 1 };

	publish(ctx, pcb);
	request(ctx, pcb, packet, &handshake);
}

enum pv_counter
pv_handshake_complete(struct pv_ctx *ctx, struct pv_packet *packet,
		const struct pv_handshake *handshake, const struct pv_flow_place *place)
{
	struct pv_flow_table *flows = &ctx->tcp->flows;
	struct pv_pcb *pcb;
	uint32_t entry;

	if (pv_unlikely(!pv_backlog_room(ctx, handshake->listener->shared)))
		return refuse(ctx, packet, PV_C_TCP_ACK_BACKLOG);
	if (pv_unlikely(handshake->handle != 0))
		pcb = pv_pcb_adopt(ctx, handshake->handle, &packet->tuple, packet->hash);
	else
		pcb = pv_pcb_new(ctx, &packet->tuple, packet->hash);
	if (pv_unlikely(pcb == NULL))
		return refuse(ctx, packet, PV_C_TCP_ACK_MEMORY);
	entry = pv_flow_entry(PV_FLOW_CONNECTION, pcb->index);
	if (place != NULL) {
		place->bucket->entry[place->slot] = entry;
	} else if (pv_unlikely(!pv_flow_add(flows, packet->hash, entry))) {
		pv_count(&ctx->counters, PV_C_FLOW_TABLE_FULL);
		pv_pcb_free(ctx, pcb);
		pv_slot_release(ctx, pcb->index, PV_SLOT_CONTROL);
		return refuse(ctx, packet, PV_C_TCP_ACK_MEMORY);
	}
	fill(ctx, pcb, packet, handshake);
	if (pv_unlikely(handshake->speaks && handshake->cookie)) {
		if (!pv_offer_expect(ctx, pcb))
			return without_exchange(ctx, pcb, packet);
	} else {
		publish(ctx, pcb);
		request(ctx, pcb, packet, handshake);
	}
	pv_count(&ctx->counters, PV_C_TCP_ESTABLISHED);
	if (packet->payload_len != 0 || (packet->flags & PV_TCP_FIN) != 0)
		pv_conn_segment(ctx, pcb, packet);
	return handshake->cookie ? PV_C_TCP_ACK_COOKIE : PV_C_TCP_ACK_ACCEPTED;
}

/* Whoever was asked for its block again brings it with its first byte; who was not, does not. */
static pv_cold enum pv_counter
check_resent(struct pv_ctx *ctx, const struct pv_packet *packet, bool resend)
{
	struct pv_hs_option hs;

	if ((packet->options & PV_TCP_OPT_HS) == 0)
		return pv_reset_closed(ctx, packet,
				packet->payload_len != 0 ? PV_C_TCP_OFFER_MISSING :
							   PV_C_TCP_ACK_COOKIE_BAD);
	if (!resend || !pv_hs_of(packet, &hs) || (hs.flags & PV_HS_REQ) == 0 || hs.block_len == 0)
		return PV_C_TCP_OFFER_BAD;
	return 0;
}

enum pv_counter
pv_cookie_segment(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener)
{
	const struct pv_isn *isn = &ctx->tcp->isn;
	bool timestamps = (packet->options & PV_TCP_OPT_TS) != 0 && ctx->tcp_config.timestamps;
	struct pv_cookie cookie;

	if (!pv_isn_fresh(isn, listener->stamp) ||
			!pv_isn_fresh(isn, *pv_flow_stamp(&ctx->tcp->flows, packet->hash)))
		return pv_reset_closed(ctx, packet, PV_C_TCP_NO_CONNECTION);
	if (pv_ended_is(ctx->tcp, packet->hash, packet->ack - 1))
		return pv_reset_closed(ctx, packet, PV_C_TCP_NO_CONNECTION);
	if (!pv_cookie_open(isn, packet, timestamps, &cookie))
		return pv_reset_closed(ctx, packet, PV_C_TCP_ACK_COOKIE_BAD);
	if (pv_unlikely(cookie.resend || (packet->options & PV_TCP_OPT_HS) != 0)) {
		enum pv_counter refused = check_resent(ctx, packet, cookie.resend != 0);

		if (refused != 0)
			return refused;
	}
	return pv_handshake_complete(ctx, packet,
			&(struct pv_handshake){
					.listener = listener,
					.irs = packet->seq - 1,
					.iss = packet->ack - 1,
					.ts_recent = packet->tsval,
					.mss = cookie.mss,
					.agreed = cookie.agreed,
					.cookie = 1,
					.decided = cookie.decided,
					.speaks = cookie.resend,
			},
			NULL);
}

/* A connection that did not get into its backlog: nobody will ever take it. */
static pv_cold void
undo(struct pv_ctx *ctx, const struct pv_request *request, struct pv_packet *packet)
{
	uint32_t index = pv_handle_index(request->handle);
	struct pv_pcb *pcb = pv_pcb_of(ctx, request->handle);

	packet->outcome = PV_C_TCP_ACK_BACKLOG;
	if (pcb != NULL)
		pv_conn_destroy(ctx, pcb, 0, true);
	pv_slot_release(ctx, index, PV_SLOT_CONTROL);
}

void
pv_handshake_flush(struct pv_ctx *ctx)
{
	struct pv_burst_requests *requests = &ctx->tcp->requests;
	uint32_t n = requests->n, put;

	if (n == 0)
		return;
	put = pv_backlog_put(ctx,
			ctx->tcp->listeners.listener[requests->request[0].listener].shared,
			requests->request, n);
	for (uint32_t i = put; i < n; i++)
		undo(ctx, &requests->request[i], requests->packet[i]);
	pv_count_n(&ctx->counters, PV_C_TCP_REQUESTS, put);
	requests->n = 0;
}
