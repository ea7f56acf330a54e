/* SPDX-License-Identifier: BSD-3-Clause */
/* SipHash against its authors' vectors, and the burst against the single message. */
#include <string.h>

#include "base/rng.h"
#include "base/siphash.h"
#include "tap.h"

static const struct pv_siphash_key key = { { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } };

/* Of the messages 00, 00 01, 00 01 02, ... under the key above, from the reference implementation.
 */
static const uint64_t sip24[] = {
	0x726fdb47dd0e0e31,
	0x74f839c593dc67fd,
	0x0d6c8009d9a94f5a,
	0x85676696d7fb7e2d,
	0xcf2794e0277187b7,
	0x18765564cd99a68d,
	0xcbc9466e58fee3ce,
	0xab0200f58b01d137,
	0x93f5f5799a932462,
	0x9e0082df0ba9e4b0,
	0x7a5dbbc594ddb9f3,
};

static void
test_vectors(void)
{
	const struct pv_siphash_key zero = { { 0, 0 } };
	uint8_t message[16];

	for (unsigned int i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)i;
	for (unsigned int len = 0; len < sizeof(sip24) / sizeof(sip24[0]); len++)
		CHECK_EQ(pv_siphash24(&key, message, len), sip24[len],
				"SipHash-2-4 of a short message");
	CHECK_EQ(pv_siphash24(&key, message, 15), 0xa129ca6149be45e5, "the example of the paper");
	CHECK_EQ(pv_siphash13(&key, message, 0), 0xabac0158050fc4dc, "SipHash-1-3 of nothing");
	CHECK_EQ(pv_siphash13(&zero, message, 1), 0x68a914128e01e473,
			"and as CPython hashes a byte");
	CHECK_EQ(pv_siphash13(&zero, message, 12), 0xa6baf4fb0f9fe1c2, "and twelve");
}

typedef uint64_t (*single_fn)(const struct pv_siphash_key *, const void *, size_t);
typedef void (*burst_fn)(const struct pv_siphash_key *, pv_siphash_words *, unsigned int,
		unsigned int, uint64_t *);

/* n messages of len bytes: the burst gives what one after the other gives. */
static bool
same(single_fn single, burst_fn burst, unsigned int len, unsigned int n)
{
	static uint8_t message[PV_SIPHASH_BURST][48];
	static pv_siphash_words word[7];
	uint64_t out[PV_SIPHASH_BURST];
	unsigned int words = len / 8 + 1;

	struct pv_rng rng;

	pv_rng_seed(&rng, len * 1000 + n);
	for (unsigned int i = 0; i < n; i++) {
		uint8_t padded[56] = { 0 };

		for (unsigned int b = 0; b < len; b++)
			padded[b] = message[i][b] = (uint8_t)pv_rng_u64(&rng);
		for (unsigned int w = 0; w < words; w++)
			memcpy(&word[w][i], padded + 8 * (size_t)w, 8);
		word[words - 1][i] = pv_siphash_final(word[words - 1][i], len);
	}
	burst(&key, word, words, n, out);
	for (unsigned int i = 0; i < n; i++) {
		if (out[i] != single(&key, message[i], len))
			return false;
	}
	return true;
}

static void
test_burst(void)
{
	static const unsigned int lengths[] = { 0, 8, 12, 16, 36, 40 };
	bool ok24 = true, ok13 = true;

	for (unsigned int i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		for (unsigned int n = 1; n <= PV_SIPHASH_BURST; n++) {
			ok24 = ok24 && same(pv_siphash24, pv_siphash24_burst, lengths[i], n);
			ok13 = ok13 && same(pv_siphash13, pv_siphash13_burst, lengths[i], n);
		}
	}
	CHECK(ok24, "SipHash-2-4 of a burst is that of each message");
	CHECK(ok13, "SipHash-1-3 of a burst is that of each message");
}

int
main(void)
{
	test_vectors();
	test_burst();
	return tap_done();
}
