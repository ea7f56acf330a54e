/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/source.h"

#include <errno.h>

#include "base/mem.h"
#include "tcp/bare.h"
#include "tcp/state.h"
#include "wire/byteorder.h"

enum {
	SOURCES = 1 << 16,
	GOOD_FOR = 300, /* s that a proof lasts */
};

#define PROOF     UINT32_C(0x736f7572) /* stands where a peer's ISS would */
#define NEAR      UINT32_C(0x20000)    /* what a SYN with data could have acknowledged, and more */
#define FAR_AWAY  UINT32_C(0x80000000)
#define SECOND_NS UINT64_C(1000000000)

int
pv_sources_init(struct pv_sources *sources)
{
	sources->proven = pv_mem_map(SOURCES * sizeof(*sources->proven), false);
	sources->when = pv_mem_map(SOURCES * sizeof(*sources->when), false);
	sources->held = pv_mem_map(SOURCES * sizeof(*sources->held), false);
	if (sources->proven == NULL || sources->when == NULL || sources->held == NULL)
		return -ENOMEM;
	return 0;
}

void
pv_sources_fini(struct pv_sources *sources)
{
	pv_mem_unmap(sources->proven, SOURCES * sizeof(*sources->proven));
	pv_mem_unmap(sources->when, SOURCES * sizeof(*sources->when));
	pv_mem_unmap(sources->held, SOURCES * sizeof(*sources->held));
}

void
pv_sources_reset(struct pv_sources *sources)
{
	pv_mem_zero(sources->when, SOURCES * sizeof(*sources->when));
	pv_mem_zero(sources->held, SOURCES * sizeof(*sources->held));
}

uint32_t
pv_source_hash(const struct pv_ctx *ctx, const struct pv_addr *peer)
{
	const uint8_t *p = pv_addr_is_v4(peer) ? peer->b + 12 : peer->b;

	return (uint32_t)pv_siphash13(&ctx->tcp->isn.hash, p, pv_addr_is_v4(peer) ? 4 : 8);
}

static uint32_t
now_s(const struct pv_ctx *ctx)
{
	return (uint32_t)(ctx->now / SECOND_NS);
}

bool
pv_source_is_proven(const struct pv_ctx *ctx, uint32_t hash)
{
	const struct pv_sources *sources = &ctx->tcp->sources;
	uint32_t i = hash % SOURCES;

	return sources->when[i] != 0 && sources->proven[i] == hash &&
	       now_s(ctx) + 1 - sources->when[i] < GOOD_FOR;
}

uint32_t *
pv_source_held(const struct pv_ctx *ctx, uint32_t hash)
{
	return &ctx->tcp->sources.held[hash % SOURCES];
}

void
pv_source_ask(struct pv_ctx *ctx, const struct pv_packet *syn)
{
	const struct pv_isn *isn = &ctx->tcp->isn;
	struct pv_bare bare = {
		.tuple = &syn->tuple,
		.seq = syn->isn,
		.ack = pv_isn_prf_one(&isn->now, &syn->tuple, PROOF),
		.flags = PV_TCP_SYN | PV_TCP_ACK,
	};

	if (bare.ack - syn->seq < NEAR)
		bare.ack ^= FAR_AWAY;
	pv_bare_send(ctx, &bare);
}

static bool
is_proof(const struct pv_siphash_key *key, const struct pv_packet *rst)
{
	uint32_t proof = pv_isn_prf_one(key, &rst->tuple, PROOF);

	return rst->seq == proof || rst->seq == (proof ^ FAR_AWAY);
}

bool
pv_source_answered(struct pv_ctx *ctx, const struct pv_packet *rst)
{
	struct pv_sources *sources = &ctx->tcp->sources;
	const struct pv_isn *isn = &ctx->tcp->isn;
	uint32_t hash;

	if (!is_proof(&isn->now, rst) && !is_proof(&isn->before, rst))
		return false;
	hash = pv_source_hash(ctx, &rst->tuple.peer);
	sources->proven[hash % SOURCES] = hash;
	sources->when[hash % SOURCES] = now_s(ctx) + 1;
	return true;
}
