/* SPDX-License-Identifier: BSD-3-Clause */
/* Ownership of a tuple against DPDK's Toeplitz hash, which is what devices compute. */

#include <rte_thash.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "tap.h"
#include "tcp/tcp.h"
#include "wire/byteorder.h"

static struct pv_addr
random_addr(struct pv_rng *rng, bool v4)
{
	struct pv_addr a;

	if (v4)
		return pv_addr_from_v4((uint32_t)pv_rng_u64(rng));
	pv_st64(a.b, pv_rng_u64(rng) | 0xfd);
	pv_st64(a.b + 8, pv_rng_u64(rng));
	return a;
}

/* As a device would: source and destination in the order of the packet, from the peer to us. */
static uint8_t
by_device(const struct pv_tuple *tuple, bool v4, uint32_t n_worker)
{
	uint8_t key[40];
	uint32_t input[9], n = 0, hash;

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = i % 2 ? 0x5a : 0x6d;
	for (size_t at = v4 ? 12 : 0; at < 16; at += 4)
		input[n++] = pv_ld32be(tuple->peer.b + at);
	for (size_t at = v4 ? 12 : 0; at < 16; at += 4)
		input[n++] = pv_ld32be(tuple->local.b + at);
	input[n++] = (uint32_t)tuple->peer_port << 16 | tuple->local_port;
	hash = rte_softrss(input, n, key);
	return (uint8_t)(hash % 128 % n_worker);
}

int
main(void)
{
	static struct pv_ctx worker;
	struct pv_ctx *ctx = &worker;
	uint32_t wrong = 0, crooked = 0, count[2] = { 0, 0 };
	struct pv_rng rng;

	pv_rng_seed(&rng, 1);
	for (uint32_t i = 0; i < 20000; i++) {
		bool v4 = i % 2 == 0;
		struct pv_tuple tuple = {
			.local = random_addr(&rng, v4),
			.peer = random_addr(&rng, v4),
			.local_port = (uint16_t)pv_rng_u64(&rng),
			.peer_port = (uint16_t)pv_rng_u64(&rng),
		}, back = { tuple.peer, tuple.local, tuple.peer_port, tuple.local_port };

		ctx->n_worker = (uint8_t)(2 + i % 15);
		wrong += pv_tcp_owner(ctx, &tuple) != by_device(&tuple, v4, ctx->n_worker);
		crooked += pv_tcp_owner(ctx, &tuple) != pv_tcp_owner(ctx, &back);
		ctx->n_worker = 2;
		count[pv_tcp_owner(ctx, &tuple)]++;
	}
	CHECK_EQ(wrong, 0, "the owner is the one that a device's hash would find");
	CHECK_EQ(crooked, 0, "both directions have the same owner");
	CHECK(count[0] > 9000 && count[1] > 9000, "two workers share evenly");
	return tap_done();
}
