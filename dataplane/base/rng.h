/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BASE_RNG_H
#define PV_BASE_RNG_H

/*
 * The injected random source: xoshiro256** seeded by splitmix64 (Blackman and Vigna, 2018). Fast
 * and reproducible, not secret: keys come from the system's source, and only what an outsider may
 * guess is drawn here. A worker owns its own.
 */

#include <stdint.h>

struct pv_rng {
	uint64_t s[4];
};

static inline void
pv_rng_seed(struct pv_rng *rng, uint64_t seed)
{
	for (unsigned int i = 0; i < 4; i++) {
		uint64_t z = (seed += 0x9e3779b97f4a7c15);

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
		z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
		rng->s[i] = z ^ (z >> 31);
	}
}

static inline uint64_t
pv_rng_u64(struct pv_rng *rng)
{
	uint64_t *s = rng->s;
	uint64_t x = s[1] * 5, result = (x << 7 | x >> 57) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = s[3] << 45 | s[3] >> 19;
	return result;
}

/* 0 <= result < bound, bound > 0; without measurable bias for bounds far below 2^32. */
static inline uint32_t
pv_rng_below(struct pv_rng *rng, uint32_t bound)
{
	return (uint32_t)(((pv_rng_u64(rng) >> 32) * bound) >> 32);
}

#endif
