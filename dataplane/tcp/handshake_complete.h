/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_HANDSHAKE_COMPLETE_H
#define PV_TCP_HANDSHAKE_COMPLETE_H

/*
 * The end of a passive open: control block, status record and request of a connection whose SYN-ACK
 * was acknowledged. In line, so that what is known of the handshake where it ends (a record's or a
 * cookie's) costs nothing here.
 */

#include "bridge/backlog.h"
#include "tcp/exchange.h"
#include "tcp/handshake.h"
#include "tcp/offer.h"
#include "tcp/pcb_life.h"
#include "wire/tcp_hdr.h"

enum { PV_FLAGS_SHIFT = 4 }; /* from PV_AGREED_* to PV_PCB_* */

static_assert(PV_AGREED_WSCALE >> PV_FLAGS_SHIFT == PV_PCB_WSCALE &&
				PV_AGREED_SACK >> PV_FLAGS_SHIFT == PV_PCB_SACK &&
				PV_AGREED_TIMESTAMPS >> PV_FLAGS_SHIFT == PV_PCB_TIMESTAMPS &&
				PV_AGREED_ECN >> PV_FLAGS_SHIFT == PV_PCB_ECN,
		"what was agreed on moves into the flags as it is");

/* handshake_ack.c: the sizes that the listener was given; the ends for want of room. */
void pv_handshake_buffers(
		struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_listener *listener);
enum pv_counter pv_handshake_refuse(
		struct pv_ctx *ctx, const struct pv_packet *packet, enum pv_counter outcome);
enum pv_counter pv_handshake_without_exchange(
		struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet);

static inline uint32_t
pv_handshake_flags(const struct pv_tcp_config *config, const struct pv_handshake *handshake)
{
	uint32_t flags = PV_PCB_QUEUED | PV_PCB_MSS_SAID |
			 (uint32_t)handshake->agreed >> PV_FLAGS_SHIFT;

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

/* All but its identity: both sequence spaces, as the two SYNs and this ACK set them. */
static inline void
pv_handshake_fill(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet,
		const struct pv_handshake *handshake)
{
	const struct pv_listener *listener = handshake->listener;

	pcb->state = PV_ESTABLISHED;
	pcb->is_v4 = packet->is_v4;
	pcb->listener = listener->index;
	pcb->flags = pv_handshake_flags(&ctx->tcp_config, handshake);
	pcb->iss = handshake->iss;
	pcb->irs = handshake->irs;
	pcb->snd_una = pcb->snd_nxt = handshake->iss + 1;
	pcb->snd_wscale = handshake->agreed & PV_AGREED_WSCALE_MASK;
	pcb->rcv_wscale = (handshake->agreed & PV_AGREED_WSCALE) != 0 ? listener->rcv_wscale : 0;
	pcb->snd_wnd = pcb->max_wnd = (uint32_t)packet->window << pcb->snd_wscale;
	pcb->snd_wl1 = packet->seq;
	pcb->snd_wl2 = packet->ack;
	pcb->rcv_nxt = pcb->last_ack_sent = handshake->irs + 1 + handshake->block_len;
	pcb->rcv_adv = pcb->rcv_nxt + listener->window;
	if (handshake->agreed & PV_AGREED_TIMESTAMPS) {
		pcb->ts_recent = packet->seq == pcb->rcv_nxt ? packet->tsval : handshake->ts_recent;
		pcb->ts_offset = packet->ts_offset;
	} else {
		pcb->ts_recent = 0;
		pcb->ts_offset = 0;
	}
	pcb->ts_recent_ms = ctx->tcp->ms;
	pcb->syn_rtt_us = 0;
	if (handshake->syn_ns != 0 && !handshake->syn_ack_again)
		pcb->syn_rtt_us = (uint32_t)((ctx->now - handshake->syn_ns) / 1000) | 1;
	pcb->tos = listener->tos;
	pcb->ttl = listener->ttl;
	pcb->snd_mss = handshake->mss;
	pcb->rcv_mss = 0;
	if (pv_unlikely(listener->own_buffers))
		pv_handshake_buffers(ctx, pcb, listener);
}

static inline void
pv_handshake_publish(struct pv_status *status)
{
	status->state = PV_ESTABLISHED;
	status->writes = 1;
	status->ready = PV_READY_WRITE;
}

static inline uint32_t
pv_handshake_request_flags(const struct pv_handshake *handshake)
{
	return (handshake->cookie ? (uint32_t)PV_REQUEST_COOKIE : 0) |
	       (handshake->speaks ? (uint32_t)PV_REQUEST_OFFER : 0) |
	       (handshake->decided ? (uint32_t)PV_REQUEST_DECIDED : 0);
}

static inline void
pv_handshake_request(struct pv_ctx *ctx, const struct pv_pcb *pcb, struct pv_packet *packet,
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
		.flags = pv_handshake_request_flags(handshake),
		.qos = handshake->offer,
	};
}

/* A control block, in the slot that it has already or in a new one. NULL: there is none. */
static inline struct pv_pcb *
pv_handshake_pcb(struct pv_ctx *ctx, const struct pv_packet *packet, uint64_t handle,
		struct pv_status **status)
{
	if (pv_likely(handle == 0))
		return pv_pcb_new(ctx, &packet->tuple, packet->hash, status);
	*status = &pv_slot_at(ctx, pv_handle_index(handle))->status;
	return pv_pcb_adopt(ctx, handle, &packet->tuple, packet->hash);
}

/* See pv_handshake_complete. */
static inline enum pv_counter
pv_handshake_complete_in_line(struct pv_ctx *ctx, struct pv_packet *packet,
		const struct pv_handshake *handshake, const struct pv_flow_place *place)
{
	struct pv_flow_table *flows = &ctx->tcp->flows;
	struct pv_status *status = NULL;
	struct pv_pcb *pcb;
	uint32_t entry;

	if (pv_unlikely(!pv_listener_has_room(ctx, handshake->listener)))
		return pv_handshake_refuse(ctx, packet, PV_C_TCP_ACK_BACKLOG);
	pcb = pv_handshake_pcb(ctx, packet, handshake->handle, &status);
	if (pv_unlikely(pcb == NULL))
		return pv_handshake_refuse(ctx, packet, PV_C_TCP_ACK_MEMORY);
	entry = pv_flow_entry(PV_FLOW_CONNECTION, pcb->index);
	if (place != NULL) {
		place->bucket->entry[place->slot] = entry;
	} else if (pv_unlikely(!pv_flow_add_from(flows, packet->home, packet->hash, entry))) {
		pv_count(&ctx->counters, PV_C_FLOW_TABLE_FULL);
		pv_pcb_free(ctx, pcb);
		pv_slot_release(ctx, pcb->index, PV_SLOT_CONTROL);
		return pv_handshake_refuse(ctx, packet, PV_C_TCP_ACK_MEMORY);
	}
	pv_handshake_fill(ctx, pcb, packet, handshake);
	if (pv_unlikely(handshake->speaks && handshake->cookie)) {
		if (!pv_offer_expect(ctx, pcb))
			return pv_handshake_without_exchange(ctx, pcb, packet);
	} else {
		pv_handshake_publish(status);
		pv_handshake_request(ctx, pcb, packet, handshake);
	}
	pv_count(&ctx->counters, PV_C_TCP_ESTABLISHED);
	if (packet->payload_len != 0 || (packet->flags & PV_TCP_FIN) != 0)
		pv_conn_segment(ctx, pcb, packet);
	return handshake->cookie ? PV_C_TCP_ACK_COOKIE : PV_C_TCP_ACK_ACCEPTED;
}

#endif
