/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/shed.h"

#include <rte_mempool.h>

#include "base/rng.h"
#include "bridge/slot.h"

/* Of each whole thousand of control blocks so many, and of packet buffers the sixteenth part. */
enum { SLOTS = 1024, SLOTS_KEPT = 16, MBUFS_KEPT = 16 };

/* Bursts between two counts of packet buffers. */
enum { LOOKS = 16 };

void
pv_shed_init(struct pv_ctx *ctx, struct pv_shed *shed, const struct pv_config *config)
{
	uint32_t half_open = config->half_open_max;

	*shed = (struct pv_shed){
		.key = pv_rng_u64(&ctx->rng),
		.share = half_open / PV_SHED_SHARE > 0 ? half_open / PV_SHED_SHARE : 1,
		.slots_kept = config->max_connections / SLOTS * SLOTS_KEPT,
		.mbufs_kept = ctx->mbufs != NULL ? ctx->mbufs->size / MBUFS_KEPT : 0,
	};
}

/* To count them means to look at the cache of every thread, so not at each burst, unless it
 * matters.
 */
static bool
low_on_mbufs(const struct pv_ctx *ctx, const struct pv_shed *shed)
{
	if (!shed->low_on_mbufs && shed->looks % LOOKS != 0)
		return false;
	return ctx->mbufs != NULL && rte_mempool_avail_count(ctx->mbufs) < shed->mbufs_kept;
}

void
pv_shed_look(const struct pv_ctx *ctx, struct pv_shed *shed)
{
	shed->low_on_mbufs = low_on_mbufs(ctx, shed);
	shed->looks++;
	shed->tight = shed->low_on_mbufs ||
		      (shed->slots_kept != 0 && pv_slots_free(ctx) <= shed->slots_kept);
}
