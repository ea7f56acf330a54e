/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/exchange.h"

#include <errno.h>
#include <rte_mbuf.h>

#include "base/mem.h"
#include "tcp/parse.h"
#include "tcp/state.h"
#include "wire/tcp_opt.h"

static_assert(PV_OFFER_DATA == (int)PV_HS_HAS_DATA && PV_OFFER_SENDING == (int)PV_HS_HAS_SENDING &&
				PV_OFFER_RECEIVING == (int)PV_HS_HAS_RECEIVING &&
				PV_OFFER_PROVIDER == (int)PV_HS_HAS_PROVIDER &&
				PV_OFFER_GROUP == (int)PV_HS_HAS_GROUP &&
				PV_OFFER_STATUS == (int)PV_HS_HAS_STATUS,
		"an offer's bits are those of a block");
static_assert(sizeof(struct pv_flowspec) == sizeof(struct pv_hs_flowspec), "the same words");
static_assert((int)PV_OFFER_MAX == PV_HS_BLOCK_MAX, "an offer holds what a block can carry");

int
pv_exchanges_init(struct pv_exchanges *all, uint32_t n_slots, uint32_t n)
{
	all->n_slots = n_slots;
	all->of_slot = pv_mem_map(n_slots * sizeof(struct pv_exchange *), false);
	if (all->of_slot == NULL ||
			pv_pool_init(&all->blocks, sizeof(struct pv_block), 2 * n, false) != 0 ||
			pv_pool_init(&all->pool, sizeof(struct pv_exchange), n, false) != 0)
		return -ENOMEM;
	return 0;
}

void
pv_exchanges_fini(struct pv_exchanges *all)
{
	pv_pool_fini(&all->pool);
	pv_pool_fini(&all->blocks);
	pv_mem_unmap(all->of_slot, all->n_slots * sizeof(struct pv_exchange *));
	all->of_slot = NULL;
}

struct pv_block *
pv_block_new(struct pv_ctx *ctx)
{
	struct pv_block *block = pv_pool_take(&ctx->tcp->exchanges.blocks);

	if (block == NULL) {
		pv_count(&ctx->counters, PV_C_OFFERS_FULL);
		return NULL;
	}
	memset(block, 0, offsetof(struct pv_block, bytes));
	return block;
}

void
pv_block_free(struct pv_ctx *ctx, struct pv_block *block)
{
	if (block != NULL)
		pv_pool_give(&ctx->tcp->exchanges.blocks, block);
}

int
pv_block_write(struct pv_block *block, const struct pv_offer *offer, size_t cap)
{
	struct pv_hs_block b = {
		.data = offer->bytes,
		.data_len = offer->data_len,
		.provider = offer->bytes + offer->data_len,
		.provider_len = offer->provider_len,
		.group = offer->group,
		.priority = offer->priority,
		.status = offer->status,
		.present = offer->present,
	};

	if ((uint32_t)offer->data_len + offer->provider_len > sizeof(offer->bytes))
		return -EMSGSIZE;
	if (offer->present == 0) {
		b.present = PV_HS_HAS_DATA;
		b.data_len = 0;
	}
	memcpy(&b.sending, &offer->sending, sizeof(b.sending));
	memcpy(&b.receiving, &offer->receiving, sizeof(b.receiving));
	block->reason = offer->reason;
	block->len = (uint16_t)pv_hs_block_encode(block->bytes, cap, &b);
	return block->len != 0 ? 0 : -EMSGSIZE;
}

static void
read_bytes(const struct pv_hs_block *b, struct pv_offer *out)
{
	if (b->present & PV_HS_HAS_DATA) {
		out->data_len = b->data_len;
		memcpy(out->bytes, b->data, b->data_len);
	}
	if (b->present & PV_HS_HAS_PROVIDER) {
		out->provider_len = b->provider_len;
		memcpy(out->bytes + out->data_len, b->provider, b->provider_len);
	}
}

bool
pv_block_read(const struct pv_block *block, enum pv_offer_kind kind, struct pv_offer *out)
{
	struct pv_hs_block b;

	if (pv_hs_block_decode(block->bytes, block->len, &b) != PV_HS_BLOCK_OK)
		return false;
	if (out == NULL)
		return true;
	memset(out, 0, sizeof(*out));
	out->present = b.present;
	out->reason = block->reason;
	out->kind = (uint8_t)kind;
	if (b.present & PV_HS_HAS_GROUP) {
		out->group = b.group;
		out->priority = b.priority;
	}
	if (b.present & PV_HS_HAS_STATUS)
		out->status = b.status;
	if (b.present & PV_HS_HAS_SENDING)
		memcpy(&out->sending, &b.sending, sizeof(out->sending));
	if (b.present & PV_HS_HAS_RECEIVING)
		memcpy(&out->receiving, &b.receiving, sizeof(out->receiving));
	read_bytes(&b, out);
	return true;
}

uint32_t
pv_block_present(const struct pv_block *block)
{
	struct pv_hs_block b;

	if (block == NULL || pv_hs_block_decode(block->bytes, block->len, &b) != PV_HS_BLOCK_OK)
		return 0;
	return b.present;
}

struct pv_exchange *
pv_exchange_of(const struct pv_ctx *ctx, uint32_t slot)
{
	return slot < ctx->tcp->exchanges.n_slots ? ctx->tcp->exchanges.of_slot[slot] : NULL;
}

struct pv_exchange *
pv_exchange_make(struct pv_ctx *ctx, uint32_t slot)
{
	struct pv_exchanges *all = &ctx->tcp->exchanges;
	struct pv_exchange *x = all->of_slot[slot];

	if (x != NULL)
		return x;
	x = pv_pool_take(&all->pool);
	if (x == NULL) {
		pv_count(&ctx->counters, PV_C_OFFERS_FULL);
		return NULL;
	}
	memset(x, 0, sizeof(*x));
	all->of_slot[slot] = x;
	return x;
}

void
pv_exchange_drop(struct pv_ctx *ctx, uint32_t slot)
{
	struct pv_exchange *x = pv_exchange_of(ctx, slot);

	if (x == NULL)
		return;
	for (int kind = 0; kind < PV_OFFER_KINDS; kind++)
		pv_block_free(ctx, x->got[kind]);
	while (x->out != NULL) {
		struct pv_block *block = x->out;

		x->out = block->next;
		pv_block_free(ctx, block);
	}
	pv_block_free(ctx, x->coming);
	pv_block_free(ctx, x->syn);
	pv_block_free(ctx, x->parting);
	ctx->tcp->exchanges.of_slot[slot] = NULL;
	pv_pool_give(&ctx->tcp->exchanges.pool, x);
}

void
pv_exchange_drop_all(struct pv_ctx *ctx)
{
	struct pv_exchanges *all = &ctx->tcp->exchanges;

	for (uint32_t slot = 0; all->pool.used != 0 && slot < all->n_slots; slot++)
		pv_exchange_drop(ctx, slot);
}

void
pv_exchange_keep(struct pv_ctx *ctx, struct pv_exchange *x, enum pv_offer_kind kind,
		struct pv_block *block)
{
	pv_block_free(ctx, x->got[kind]);
	x->got[kind] = block;
}

bool
pv_hs_of(const struct pv_packet *packet, struct pv_hs_option *out)
{
	uint32_t len;
	const uint8_t *p = pv_packet_options(packet, &len);
	struct pv_tcp_opts opts;

	pv_tcp_opt_walk(p, len, &opts);
	*out = opts.hs;
	return pv_hs_option_check(out, packet->flags, packet->payload_len) == PV_HS_OPTION_OK;
}

int
pv_block_of(struct pv_ctx *ctx, const struct pv_packet *packet, const struct pv_hs_option *hs,
		struct pv_block **block)
{
	struct pv_block *b;
	const uint8_t *p;

	*block = NULL;
	if (hs->block_len == 0)
		return 0;
	if (hs->block_len > PV_HS_BLOCK_MAX)
		return -EPROTO;
	b = pv_block_new(ctx);
	if (b == NULL)
		return -ENOBUFS;
	p = rte_pktmbuf_read(packet->mbuf, packet->payload_offset, hs->block_len, b->bytes);
	if (p != b->bytes)
		memcpy(b->bytes, p, hs->block_len);
	b->len = hs->block_len;
	b->flags = hs->flags;
	b->reason = hs->reason;
	if (!pv_block_read(b, 0, NULL)) {
		pv_block_free(ctx, b);
		return -EPROTO;
	}
	*block = b;
	return 0;
}
