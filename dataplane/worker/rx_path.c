/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/worker.h"

#include <rte_mbuf.h>

#include "ip/ip.h"

/* Device -> ip/ -> tcp/. With several workers a packet of another's connection goes over by
 * hand_over. */

static void
count_arrivals(struct pv_ctx *ctx, struct rte_mbuf *const *frames, uint32_t n)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < n; i++) {
		pv_prefetch(rte_pktmbuf_mtod(frames[i], const void *));
		bytes += frames[i]->pkt_len;
	}
	pv_count_n(&ctx->counters, PV_C_RX_FRAMES, n);
	pv_count_n(&ctx->counters, PV_C_RX_BYTES, bytes);
}

static void
to_tcp(struct pv_worker *w, uint16_t port, struct rte_mbuf **frames, uint32_t n)
{
	uint32_t packets = pv_ip_input(&w->ctx, port, frames, n, w->packets);

	if (packets != 0)
		pv_tcp_input(&w->ctx, w->packets, packets);
}

static uint32_t
from_device(struct pv_worker *w, struct pv_port *port)
{
	struct rte_mbuf *frames[PV_BURST];
	uint32_t n;

	if (w->ctx.worker >= port->n_rx)
		return 0;
	n = pv_port_receive(port, w->ctx.worker, frames, PV_BURST);
	if (n != 0) {
		count_arrivals(&w->ctx, frames, n);
		to_tcp(w, port->index, frames, n);
	}
	return n;
}

uint32_t
pv_worker_receive(struct pv_worker *w)
{
	struct rte_mbuf *frames[PV_BURST];
	uint32_t n, work = 0;

	for (uint16_t i = 0; i < w->n_port; i++)
		work += from_device(w, &w->ports[i]);
	n = pv_ip_loopback_take(&w->ctx, frames, PV_BURST);
	if (n != 0)
		to_tcp(w, PV_PORT_LOOPBACK, frames, n);
	return work + n;
}
