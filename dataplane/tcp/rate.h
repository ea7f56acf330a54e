/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_RATE_H
#define PV_TCP_RATE_H

/* So many answers a second. Owned by one worker. */

#include <stdbool.h>
#include <stdint.h>

struct pv_rate {
	uint64_t until; /* end of the second under way, ns */
	uint32_t left;
};

/* A second that is over is followed by one with `limit` answers. True: this one may be given. */
static inline bool
pv_rate_take(struct pv_rate *rate, uint64_t now, uint32_t limit)
{
	if (now >= rate->until) {
		rate->until = now + 1000000000;
		rate->left = limit;
	}
	if (rate->left == 0)
		return false;
	rate->left--;
	return true;
}

#endif
