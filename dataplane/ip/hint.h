/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IP_HINT_H
#define PV_IP_HINT_H

/*
 * The last gateway that was used, and a block of addresses around the peer it was used for that are
 * all reached by it: no more special route, no address of ours lies in that block. So the peers of
 * a server behind a router cost one comparison each.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/types.h"
#include "ip/neigh.h"
#include "ip/route.h"

struct pv_ip;

struct pv_path_hint {
	struct pv_path_block block;
	struct pv_neighbour *neighbour;
	uint64_t generation; /* of the neighbours; 0: empty */
};

static inline bool
pv_path_hint_is_for(const struct pv_path_hint *hint, const struct pv_addr *peer, bool v4,
		uint64_t generation)
{
	return pv_path_block_has(&hint->block, peer, v4) && hint->generation == generation;
}

/* NULL: look it up in full. So must a stale neighbour be: its use starts a probe. */
static inline struct pv_neighbour *
pv_path_hint_get(const struct pv_path_hint *hint, const struct pv_addr *peer, bool v4,
		uint64_t generation)
{
	if (pv_likely(pv_path_hint_is_for(hint, peer, v4, generation) &&
			    hint->neighbour->state != PV_NEIGH_STALE))
		return hint->neighbour;
	return NULL;
}

/* The peer is reached by a gateway: remembers it with as large a block as possible. */
void pv_path_hint_set(struct pv_path_hint *hint, const struct pv_ip *ip, const struct pv_addr *peer,
		struct pv_neighbour *gateway);

#endif
