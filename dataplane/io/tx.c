/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/tx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "base/packet.h"
#include "io/handover.h"

#define STAGE 256 /* frames a port */
/* From here on new segments wait; the rest is for what can't, like RSTs and answers to ARP. */
#define STALLED 192
/* Frames a turn: after these, what came in is looked at before more is made. */
#define TURN 512
/* A device that took nothing for so long does not hold up connections that have another one. */
#define DEAD_NS UINT64_C(200000000)

struct stage {
	struct pv_port *port;
	uint16_t queue;
	uint16_t n;
	uint16_t turn;   /* frames since the last turn's end */
	uint8_t foreign; /* no queue of our own: the port's owner sends */
	uint32_t bytes;
	uint64_t progress; /* ns: when it took a frame last, or got the first one */
	struct rte_mbuf *frames[STAGE];
};

struct pv_tx {
	uint16_t n_port;
	struct stage stage[];
};

static uint32_t
bytes_of(struct rte_mbuf *const *frames, uint16_t n)
{
	uint32_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		bytes += frames[i]->pkt_len;
	return bytes;
}

/* What the device does not take moves to the front. */
static uint16_t
flush(struct pv_ctx *ctx, struct stage *s)
{
	uint16_t sent = pv_port_send(s->port, s->queue, s->frames, s->n, ctx->now);
	uint16_t left = (uint16_t)(s->n - sent);
	uint32_t bytes = left == 0 ? 0 : bytes_of(s->frames + sent, left);

	pv_count_n(&ctx->counters, PV_C_TX_FRAMES, sent);
	pv_count_n(&ctx->counters, PV_C_TX_BYTES, s->bytes - bytes);
	if (sent != 0)
		s->progress = ctx->now;
	if (pv_unlikely(left >= STALLED && ctx->now - s->progress < DEAD_NS))
		ctx->tx_stalled = true;
	if (pv_unlikely(left != 0 && sent != 0))
		memmove(s->frames, s->frames + sent, left * sizeof(s->frames[0]));
	s->n = left;
	s->bytes = bytes;
	return sent;
}

static void
drop(struct pv_ctx *ctx, struct rte_mbuf *frame)
{
	pv_count(&ctx->counters, PV_C_TX_DROPPED);
	rte_pktmbuf_free(frame);
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
	if (pv_unlikely(s->foreign)) {
		if (!ctx->hand_over(ctx, s->port->facts.owner, port | PV_HANDOVER_SEND, frame))
			drop(ctx, frame);
		return;
	}
	if (pv_unlikely(s->n == STAGE) && flush(ctx, s) == 0) {
		drop(ctx, frame);
		return;
	}
	if (s->n == 0)
		s->progress = ctx->now;
	s->bytes += frame->pkt_len;
	s->frames[s->n++] = frame;
	s->turn = (uint16_t)(s->turn + frame->nb_segs);
	if (pv_unlikely(s->turn >= TURN))
		ctx->tx_stalled = true;
	if (pv_unlikely(s->n == STALLED))
		flush(ctx, s);
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
		tx->stage[i].queue = ctx->worker;
		tx->stage[i].foreign = ctx->worker >= ports[i].n_tx;
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

	ctx->tx_stalled = false;
	for (uint16_t i = 0; i < tx->n_port; i++) {
		tx->stage[i].turn = 0;
		if (tx->stage[i].n != 0)
			flush(ctx, &tx->stage[i]);
	}
}

bool
pv_tx_empty(const struct pv_ctx *ctx)
{
	for (uint16_t i = 0; i < ctx->tx->n_port; i++)
		if (ctx->tx->stage[i].n != 0)
			return false;
	return true;
}
