/* SPDX-License-Identifier: BSD-3-Clause */
/* What workers tell each other of neighbours: messages in packet buffers, over the rings that
 * frames go by as well. */
#include "ip/neigh.h"
#include "ip/state.h"

enum message_kind {
	ASK,     /* to the owner: who is this? */
	CONFIRM, /* to the owner: TCP heard from it */
	TELL,    /* from the owner: this is its link header */
	GONE,    /* from the owner: nobody answers */
};

struct message {
	uint8_t kind; /* enum message_kind */
	uint8_t from;
	uint16_t port;
	struct pv_addr addr;
	uint8_t l2[18];
	uint8_t l2_len;
	uint8_t unsure; /* TELL: not confirmed lately */
};

static void
say(struct pv_ctx *ctx, uint8_t to, const struct message *message)
{
	struct rte_mbuf *m = pv_ip_alloc(ctx);

	if (m == NULL)
		return;
	memcpy(pv_ip_append(m, sizeof(*message)), message, sizeof(*message));
	if (!ctx->hand_over(ctx, to, PV_PORT_MESSAGE, m))
		rte_pktmbuf_free(m);
}

static struct message
message_about(const struct pv_ctx *ctx, const struct pv_neighbour *n, enum message_kind kind)
{
	struct message message = { .kind = (uint8_t)kind,
		.from = ctx->worker,
		.port = n->path.port,
		.addr = n->addr,
		.l2_len = n->path.l2_len,
		.unsure = n->state != PV_NEIGH_REACHABLE };

	memcpy(message.l2, n->path.l2, sizeof(message.l2));
	return message;
}

void
pv_neigh_tell_all(struct pv_ctx *ctx, const struct pv_neighbour *n, bool known)
{
	struct message message;

	if (ctx->n_worker < 2)
		return;
	message = message_about(ctx, n, known ? TELL : GONE);
	for (uint8_t w = 0; w < ctx->n_worker; w++) {
		if (w != ctx->worker)
			say(ctx, w, &message);
	}
}

void
pv_neigh_tell_owner(struct pv_ctx *ctx, const struct pv_neighbour *n, bool confirmed)
{
	struct message message = message_about(ctx, n, confirmed ? CONFIRM : ASK);

	say(ctx, ctx->ip->port[n->path.port].facts.owner, &message);
}

static void
asked(struct pv_ctx *ctx, const struct message *message)
{
	struct pv_neighbour *n = pv_neigh_use(ctx, message->port, &message->addr);
	struct message answer;

	if (n == NULL)
		return;
	if (message->kind == CONFIRM)
		pv_neigh_confirm(ctx, n);
	if (n->path.resolved) {
		answer = message_about(ctx, n, TELL);
		say(ctx, message->from, &answer);
	} else if (n->state == PV_NEIGH_NEW) {
		pv_neigh_ask(ctx, n);
	}
}

static void
told(struct pv_ctx *ctx, const struct message *message)
{
	struct pv_neighbour *n = pv_neigh_find(ctx, message->port, &message->addr);

	if (n == NULL || n->state == PV_NEIGH_PERMANENT)
		return;
	if (message->kind == GONE) {
		pv_neigh_give_up(ctx, n);
		return;
	}
	memcpy(n->path.l2, message->l2, sizeof(n->path.l2));
	n->path.l2_len = message->l2_len;
	n->unsure = message->unsure;
	pv_neigh_reachable(ctx, n);
	pv_neigh_resolved(ctx, n);
}

void
pv_neigh_message(struct pv_ctx *ctx, struct rte_mbuf *message)
{
	struct message m;

	memcpy(&m, rte_pktmbuf_mtod(message, const void *), sizeof(m));
	if (m.kind == ASK || m.kind == CONFIRM)
		asked(ctx, &m);
	else
		told(ctx, &m);
	rte_pktmbuf_free(message);
}
