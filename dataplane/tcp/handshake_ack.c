/* SPDX-License-Identifier: BSD-3-Clause */
/* The ACK that completes a passive open. */
#include "tcp/handshake_complete.h"
#include "tcp/reset.h"
#include "wire/tcp_opt.h"

pv_cold void
pv_handshake_buffers(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_listener *listener)
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

pv_cold enum pv_counter
pv_handshake_refuse(struct pv_ctx *ctx, const struct pv_packet *packet, enum pv_counter outcome)
{
	pv_reset_refuse(ctx, packet);
	return outcome;
}

/* There is no room for the block that comes. */
pv_cold enum pv_counter
pv_handshake_without_exchange(
		struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet)
{
	uint32_t index = pcb->index;

	pv_pcb_free(ctx, pcb);
	pv_slot_release(ctx, index, PV_SLOT_CONTROL);
	return pv_handshake_refuse(ctx, packet, PV_C_TCP_ACK_MEMORY);
}

void
pv_handshake_late(struct pv_ctx *ctx, const struct pv_pcb *pcb, struct pv_packet *packet,
		uint32_t offer)
{
	const struct pv_handshake handshake = { .offer = offer, .cookie = 1, .speaks = 1 };

	pv_handshake_publish(&pv_slot_at(ctx, pcb->index)->status);
	pv_handshake_request(ctx, pcb, packet, &handshake);
}

enum pv_counter
pv_handshake_complete(struct pv_ctx *ctx, struct pv_packet *packet,
		const struct pv_handshake *handshake, const struct pv_flow_place *place)
{
	return pv_handshake_complete_in_line(ctx, packet, handshake, place);
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

	if (!ctx->tcp_config.cluster &&
			(!pv_isn_fresh(isn, listener->stamp) ||
					!pv_isn_fresh(isn, *pv_flow_stamp(packet->home,
									   packet->hash))))
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
