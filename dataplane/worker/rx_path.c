/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/worker.h"

#include <rte_mbuf.h>

#include "io/coalesce.h"
#include "io/crowd.h"
#include "io/handover.h"
#include "ip/ip.h"
#include "wire/byteorder.h"

/* Device -> ip/ -> tcp/. With several workers a packet of another's connection goes over to it. */

#define PORTS_LEN 4 /* of a TCP header: as much as the owner depends on */
/* Of a port in a turn. Under load so many frames share the fixed costs of a turn, and their answers
 * still fit into what is staged for sending. */
#define BURSTS 4

static void
count_arrivals(struct pv_ctx *ctx, struct rte_mbuf *const *frames, uint32_t n)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < n; i++)
		bytes += frames[i]->pkt_len;
	pv_count_n(&ctx->counters, PV_C_RX_FRAMES, n);
	pv_count_n(&ctx->counters, PV_C_RX_BYTES, bytes);
}

/* More comes than can be served: those who are new wait outside. */
static uint32_t
thin(struct pv_ctx *ctx, struct rte_mbuf **frames, uint32_t n)
{
	uint32_t left = pv_crowd_thin(frames, n);

	pv_count_n(&ctx->counters, PV_C_TCP_SYN_UNREAD, n - left);
	return left;
}

static uint32_t
coalesce(struct pv_ctx *ctx, struct rte_mbuf **frames, uint32_t n)
{
	uint32_t left = pv_coalesce(frames, n);

	pv_count_n(&ctx->counters, PV_C_RX_COALESCED, n - left);
	return left;
}

static uint8_t
owner_of(struct pv_ctx *ctx, struct pv_packet *packet)
{
	const uint8_t *p =
			rte_pktmbuf_mtod_offset(packet->mbuf, const uint8_t *, packet->l4_offset);

	if (packet->l4_len < PORTS_LEN)
		return ctx->worker; /* too short for TCP: whoever has it counts it */
	packet->tuple.peer_port = pv_ld16be(p);
	packet->tuple.local_port = pv_ld16be(p + 2);
	return pv_tcp_owner(ctx, &packet->tuple);
}

static void
give(struct pv_ctx *ctx, uint8_t owner, const struct pv_packet *packet)
{
	if (ctx->hand_over(ctx, owner, packet->port, packet->mbuf)) {
		pv_count(&ctx->counters, PV_C_HANDED_OVER);
	} else {
		pv_count(&ctx->counters, PV_C_HANDOVER_FULL);
		rte_pktmbuf_free(packet->mbuf);
	}
}

/* Who owns a packet is a function of its 4-tuple alone. Returns how many stay. */
static uint32_t
keep_own(struct pv_ctx *ctx, struct pv_packet *packets, uint32_t n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint8_t owner = owner_of(ctx, &packets[i]);

		if (owner != ctx->worker) {
			give(ctx, owner, &packets[i]);
			continue;
		}
		if (kept != i)
			packets[kept] = packets[i];
		kept++;
	}
	return kept;
}

static void
to_tcp(struct pv_worker *w, uint16_t port, struct rte_mbuf **frames, uint32_t n)
{
	uint32_t packets = pv_ip_input(&w->ctx, port, frames, n, w->packets);

	if (w->ctx.n_worker > 1)
		packets = keep_own(&w->ctx, w->packets, packets);
	if (packets != 0)
		pv_tcp_input(&w->ctx, w->packets, packets);
}

void
pv_worker_take(struct pv_worker *w, uint16_t port, struct rte_mbuf **frames, uint32_t n)
{
	count_arrivals(&w->ctx, frames, n);
	to_tcp(w, port, frames, n);
}

static uint32_t
from_device(struct pv_worker *w, struct pv_port *port)
{
	struct rte_mbuf *frames[PV_BURST];
	uint32_t n = PV_BURST, left, work = 0;

	if (w->ctx.worker >= port->n_rx)
		return 0;
	for (uint32_t i = 0; i < BURSTS && n == PV_BURST; i++) {
		n = pv_port_receive(port, w->ctx.worker, frames, PV_BURST);
		if (n == 0)
			break;
		count_arrivals(&w->ctx, frames, n);
		left = n;
		if (pv_unlikely(n == PV_BURST && pv_port_crowded(port, w->ctx.worker)))
			left = thin(&w->ctx, frames, left);
		if (port->coalesce)
			left = coalesce(&w->ctx, frames, left);
		to_tcp(w, port->index, frames, left);
		work += n;
	}
	return work;
}

/* Frames that are to be sent go to the device, the others through the layers, as many at a time as
 * came from one port. */
static void
sort_handed_over(struct pv_worker *w, struct rte_mbuf **frames, uint32_t n)
{
	uint32_t first = 0;

	for (uint32_t i = 1; i <= n; i++) {
		uint16_t port = frames[first]->port;

		if (i < n && frames[i]->port == port)
			continue;
		if ((port & PV_HANDOVER_KIND) == PV_HANDOVER_SEND) {
			for (; first < i; first++)
				w->ctx.transmit(&w->ctx, port & (uint16_t)~PV_HANDOVER_KIND,
						frames[first]);
		} else {
			to_tcp(w, port, frames + first, i - first);
		}
		first = i;
	}
}

static uint32_t
from_workers(struct pv_worker *w)
{
	struct rte_mbuf *frames[PV_BURST];
	uint32_t n = pv_handover_take(w->handover, w->ctx.worker, frames, PV_BURST);

	if (n != 0)
		sort_handed_over(w, frames, n);
	return n;
}

uint32_t
pv_worker_receive(struct pv_worker *w)
{
	struct rte_mbuf *frames[PV_BURST];
	uint32_t n, work = 0;

	for (uint16_t i = 0; i < w->n_port; i++)
		work += from_device(w, &w->ports[i]);
	if (w->handover != NULL)
		work += from_workers(w);
	n = pv_ip_loopback_take(&w->ctx, frames, PV_BURST);
	if (n != 0)
		to_tcp(w, PV_PORT_LOOPBACK, frames, n);
	return work + n;
}
