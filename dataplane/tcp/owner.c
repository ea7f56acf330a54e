/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who owns a connection, as receive-side scaling computes it: the Toeplitz hash of addresses and
 * ports under a key that repeats 0x6d5a, with which both directions hash alike. Such a key has a
 * period of 16 bits, so the hash depends only on the exclusive or of all 16-bit words.
 */
#include "base/ctx.h"
#include "tcp/tcp.h"
#include "wire/byteorder.h"

enum {
	KEY = 0x6d5a,
	INDIRECTION = 128, /* entries of a device's redirection table: entry i is worker i % n */
};

static uint32_t
fold(const struct pv_addr *a, bool is_v4)
{
	uint64_t x;

	if (is_v4)
		return pv_addr_v4(a);
	x = pv_ld64(a->b) ^ pv_ld64(a->b + 8);
	return (uint32_t)(x ^ x >> 32);
}

uint8_t
pv_tcp_owner(const struct pv_ctx *ctx, const struct pv_tuple *tuple)
{
	bool is_v4;
	uint32_t words, hash = 0;

	if (ctx->n_worker <= 1)
		return 0;
	is_v4 = pv_addr_is_v4(&tuple->peer);
	words = fold(&tuple->local, is_v4) ^ fold(&tuple->peer, is_v4);
	words = pv_ntoh16((uint16_t)(words ^ words >> 16)) ^ tuple->local_port ^ tuple->peer_port;
	for (uint32_t bit = 0; bit < 16; bit++) {
		/* The most significant bit meets the key as it stands, each further one the key
		 * moved on by one. */
		if (words >> (15 - bit) & 1)
			hash ^= (uint32_t)KEY << bit | KEY >> (16 - bit);
	}
	return (uint8_t)(hash % INDIRECTION % ctx->n_worker);
}
