/* SPDX-License-Identifier: BSD-3-Clause */
/* Two engines in step mode on one virtual clock, joined by a wire that delays, drops, doubles and
 * reorders what its seed says. */
#ifndef PV_TESTS_PAIR_H
#define PV_TESTS_PAIR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "api/pv_api.h"
#include "base/rng.h"

#define PAIR_MS UINT64_C(1000000)

/* One direction; probabilities in 1/1000000. */
struct pair_wire {
	uint64_t delay, jitter; /* ns */
	uint64_t rate;          /* bit/s; 0: no limit */
	uint64_t queue;         /* bytes that may wait at that rate; 0: no limit */
	uint32_t loss, duplicate, reorder, corrupt;
	uint64_t reorder_delay;
	bool (*drop)(void *arg, unsigned int from, const uint8_t *frame,
			int len); /* NULL: nothing more */
	void *arg;
};

struct pair_frame {
	uint64_t when, number;
	uint8_t *data;
	int len;
	unsigned int to;
};

struct pair {
	struct pv_engine *side[2];
	struct pv_rng rng;
	struct pair_wire wire[2]; /* by sender */
	uint64_t busy_until[2];
	uint64_t now, number;
	uint64_t carried, lost;
	FILE *pcap;
	struct pair_frame *heap;
	uint32_t n, cap;
};

struct pv_addr pair_address(unsigned int side);
void pair_config(struct pv_config *config,
		unsigned int side); /* 10.9.0.1 and 10.9.0.2; a lab's size */
bool pair_open(struct pair *pair, uint64_t seed, const struct pv_config configs[2]);
void pair_close(struct pair *pair);
/* The next thing happens, at the latest `until`; false: `until` is reached. */
bool pair_step(struct pair *pair, uint64_t until);
void pair_run(struct pair *pair, uint64_t ns);
uint64_t pair_counter(struct pair *pair, unsigned int side, const char *name);
void pair_explain(struct pair *pair); /* all counters that are not 0 */
/* A connection from side 0 to a listener of side 1; false after a minute without. */
bool pair_connect(struct pair *pair, uint16_t port, uint64_t handles[2]);

#endif
