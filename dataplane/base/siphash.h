/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BASE_SIPHASH_H
#define PV_BASE_SIPHASH_H

/*
 * SipHash (Aumasson and Bernstein, 2012): a keyed pseudorandom function of short messages, 64 bits
 * out. SipHash-2-4 where an outsider sees results, SipHash-1-3 where they only place entries in a
 * table.
 *
 * One message at a time for any length, and whole bursts of messages of equal length, eight in the
 * lanes of a vector. Both give the same numbers. Pure functions; any thread.
 */

#include <stddef.h>
#include <stdint.h>

struct pv_siphash_key {
	uint64_t k[2]; /* bytes 0..7 and 8..15 of the key, little endian */
};

uint64_t pv_siphash24(const struct pv_siphash_key *key, const void *data, size_t len);
uint64_t pv_siphash13(const struct pv_siphash_key *key, const void *data, size_t len);

enum {
	PV_SIPHASH_BURST = 64, /* messages at most */
	PV_SIPHASH_LANES = 8,  /* computed together */
};

/* word[w][i] is the w-th word of message i, the last one its final block. */
typedef uint64_t pv_siphash_words[PV_SIPHASH_BURST];

/* The final block of a message of len bytes: its last len % 8 bytes, and the length on top. */
static inline uint64_t
pv_siphash_final(uint64_t rest, unsigned int len)
{
	return rest | (uint64_t)len << 56;
}

/*
 * Hashes n messages of `words` words each, the final block counted. Also reads the words and writes
 * the results of the lanes from n up to the next multiple of PV_SIPHASH_LANES: what is in them does
 * not matter, but it must be there.
 */
void pv_siphash24_burst(const struct pv_siphash_key *key, pv_siphash_words *word,
		unsigned int words, unsigned int n, uint64_t *out);
void pv_siphash13_burst(const struct pv_siphash_key *key, pv_siphash_words *word,
		unsigned int words, unsigned int n, uint64_t *out);

#endif
