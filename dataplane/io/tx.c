/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/tx.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_mbuf.h>
#include <rte_pause.h>

#include "base/packet.h"

#define STAGE 256
#define TRIES 64

struct stage {
	struct pv_port *port;
	uint16_t queue;
	uint16_t n;
	uint32_t bytes;
	struct rte_mbuf *frames[STAGE];
};

struct pv_tx {
	uint16_t n_port;
	struct stage stage[];
};

static void
flush(struct pv_ctx *ctx, struct stage *s)
{
	uint16_t sent = 0;

	for (uint32_t tries = 0; sent < s->n && tries < TRIES; tries++) {
		sent = (uint16_t)(sent + pv_port_send(s->port, s->queue, s->frames + sent,
							 (uint16_t)(s->n - sent), ctx->now));
		if (pv_unlikely(sent < s->n))
			rte_pause();
	}
	pv_count_n(&ctx->counters, PV_C_TX_FRAMES, sent);
	pv_count_n(&ctx->counters, PV_C_TX_BYTES, s->bytes);
	s->bytes = 0;
	if (pv_unlikely(sent < s->n)) {
		pv_count_n(&ctx->counters, PV_C_TX_DROPPED, s->n - sent);
		rte_pktmbuf_free_bulk(s->frames + sent, (unsigned int)(s->n - sent));
	}
	s->n = 0;
}

static void
transmit(struct pv_ctx *ctx, uint16_t port, struct rte_mbuf *frame)
{
	struct stage *s;

	if (port == PV_PORT_LOOPBACK) {
		pv_ip_loopback(ctx, frame);
		return;
	}
	s = &ctx->tx->stage[port];
	if (s->n == STAGE)
		flush(ctx, s);
	s->bytes += frame->pkt_len;
	s->frames[s->n++] = frame;
}

int
pv_tx_init(struct pv_ctx *ctx, struct pv_port *ports, uint16_t n_port)
{
	struct pv_tx *tx = calloc(1, sizeof(*tx) + n_port * sizeof(tx->stage[0]));

	if (tx == NULL)
		return -ENOMEM;
	tx->n_port = n_port;
	for (uint16_t i = 0; i < n_port; i++) {
		tx->stage[i].port = &ports[i];
		tx->stage[i].queue = ports[i].n_tx > ctx->worker ? ctx->worker : 0;
	}
	ctx->tx = tx;
	ctx->transmit = transmit;
	return 0;
}

void
pv_tx_fini(struct pv_ctx *ctx)
{
	struct pv_tx *tx = ctx->tx;

	if (tx == NULL)
		return;
	for (uint16_t i = 0; i < tx->n_port; i++)
		rte_pktmbuf_free_bulk(tx->stage[i].frames, tx->stage[i].n);
	free(tx);
	ctx->tx = NULL;
}

void
pv_tx_flush(struct pv_ctx *ctx)
{
	struct pv_tx *tx = ctx->tx;

	for (uint16_t i = 0; i < tx->n_port; i++)
		if (tx->stage[i].n != 0)
			flush(ctx, &tx->stage[i]);
}
