/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_SHED_H
#define PV_TCP_SHED_H

/*
 * What a worker keeps back under overload, so that those who are there already are served: a SYN is
 * dropped before the last packet buffers (they are for control traffic and for connections) or the
 * last control blocks (for active opens, and for handshakes under way) are gone; and where one
 * network has filled the half-open table, its oldest make room for those of others. A network is an
 * IPv4 /24 or an IPv6 /64; networks share counters by a keyed hash.
 *
 * Owned by one worker.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/ctx.h"
#include "base/types.h"

enum { PV_SHED_SOURCES = 1024, PV_SHED_SHARE = 16 /* of the half-open table, to a network */ };

struct pv_shed {
	uint64_t key;
	uint32_t share; /* of a full half-open table, what a network may have and keep */
	uint32_t slots_kept, mbufs_kept;
	uint32_t looks;
	bool low_on_mbufs;
	bool tight; /* at the start of the burst: nothing for new connections */
	uint32_t source[PV_SHED_SOURCES]; /* half-open connections of those that hash here */
};

void pv_shed_init(struct pv_ctx *ctx, struct pv_shed *shed, const struct pv_config *config);
/* At the start of a burst: how much is left? */
void pv_shed_look(const struct pv_ctx *ctx, struct pv_shed *shed);

static inline uint32_t *
pv_shed_source_of(struct pv_shed *shed, uint64_t net)
{
	return &shed->source[(net ^ shed->key) * 0x9e3779b97f4a7c15 >> 54];
}

static inline uint32_t *
pv_shed_source_v4(struct pv_shed *shed, uint32_t peer)
{
	return pv_shed_source_of(shed, peer & 0x00ffffff);
}

static inline uint32_t *
pv_shed_source(struct pv_shed *shed, const struct pv_addr *peer)
{
	uint64_t net[2];

	memcpy(net, peer->b, sizeof(net));
	/* IPv4: the first eight bytes are zero, the last four hold the address. */
	if (net[0] == 0)
		return pv_shed_source_v4(shed, (uint32_t)(net[1] >> 32));
	return pv_shed_source_of(shed, net[0]);
}

static_assert(PV_SHED_SOURCES == 1 << (64 - 54), "pv_shed_source takes ten bits");

#endif
