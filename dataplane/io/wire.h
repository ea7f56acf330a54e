/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IO_WIRE_H
#define PV_IO_WIRE_H

/*
 * One direction of an emulated wire: decides what becomes of each frame, and keeps those on their
 * way in the order of their arrival. It draws from its own seeded source and reads no clock, so
 * that the same frames at the same times have the same fate.
 *
 *	rate -> queue -> loss -> duplication -> delay, jitter, reordering -> corruption
 *
 * Frames are whatever the user of this file says they are (bytes, packet buffers). One thread at a
 * time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "api/pv_api.h"
#include "base/rng.h"

/* What a wire lets happen to a frame. */
struct pv_wire_fate {
	uint64_t when[2]; /* arrivals, in ns */
	uint32_t copies;  /* 0: lost, else how many of `when` */
	uint32_t corrupt; /* bit to be turned over; UINT32_MAX: none */
};

struct pv_wire_flight {
	uint64_t when, number; /* those of the same time arrive in the order they were sent */
	void *frame;
};

struct pv_wire_way {
	struct pv_wire_params params;
	struct pv_wire_stats stats;
	struct pv_rng rng;
	uint64_t free_at; /* ns: when the last frame has left at the rate */
	uint64_t latest;  /* arrival of the last frame that kept its place */
	uint64_t number;
	bool in_burst; /* a run of losses */
	uint32_t n, cap;
	struct pv_wire_flight *heap;
};

/* One line in err about what can't be: shares above a million, ... 0 or -EINVAL. */
int pv_wire_check(const struct pv_wire_params *params, char *err, size_t err_cap);
void pv_wire_way_init(struct pv_wire_way *way, const struct pv_wire_params *params, uint64_t seed);
void pv_wire_way_fini(struct pv_wire_way *way); /* what still flies is the caller's to take first */

/* A frame of len bytes is sent at `now`. */
struct pv_wire_fate pv_wire_decide(struct pv_wire_way *way, uint64_t now, uint32_t len);
/* Puts it on its way; false: no memory. */
bool pv_wire_fly(struct pv_wire_way *way, uint64_t when, void *frame);
/* When the next one arrives; UINT64_MAX: none flies. */
uint64_t pv_wire_next(const struct pv_wire_way *way);
/* The next one that arrives at `now` or before; NULL: none. */
void *pv_wire_land(struct pv_wire_way *way, uint64_t now);

#endif
