/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_SOURCE_H
#define PV_TCP_SOURCE_H

/*
 * Where SYNs come from, while places to hold them are scarce. A SYN alone proves nothing about its
 * source. One that is asked gets a SYN-ACK whose acknowledgment number it cannot accept; a real
 * host answers with a RST that repeats that number (RFC 9293 3.10.7.3), which only the receiver of
 * the SYN-ACK knows, and sends its SYN again. Nothing is kept for whoever was asked and did not
 * answer.
 *
 * A source is an IPv4 address or an IPv6 /64, known by a keyed hash. Tables of fixed size without
 * collision handling: a source may be forgotten, or counted together with another one. One worker's
 * own.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/packet.h"

struct pv_sources {
	uint32_t *proven; /* the hash that proved itself last, by its low bits */
	uint32_t *when;   /* and when, in s of ctx->now, + 1 */
	uint32_t *held;   /* requests of those that share the low bits */
};

int pv_sources_init(struct pv_sources *sources); /* -ENOMEM */
void pv_sources_fini(struct pv_sources *sources);
void pv_sources_reset(struct pv_sources *sources);

uint32_t pv_source_hash(const struct pv_ctx *ctx, const struct pv_addr *peer);
bool pv_source_is_proven(const struct pv_ctx *ctx, uint32_t hash);
/* How many requests it has, give or take. */
uint32_t *pv_source_held(const struct pv_ctx *ctx, uint32_t hash);
/* Asks the sender of a SYN. */
void pv_source_ask(struct pv_ctx *ctx, const struct pv_packet *syn);
/* Is this RST the answer? Then the source is proven. */
bool pv_source_answered(struct pv_ctx *ctx, const struct pv_packet *rst);

#endif
