/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/siphash.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* Eight states side by side: the compiler splits them over whatever vector registers there are. */
typedef uint64_t lanes __attribute__((vector_size(8 * PV_SIPHASH_LANES)));

/* The four words of the state; T is one number or eight lanes. The functions take pointers, since
 * vectors wider than the machine's are not passed by value.
 */
#define SIPHASH_STATE(T, name)                                                                     \
	struct name {                                                                              \
		T v0, v1, v2, v3;                                                                  \
	};                                                                                         \
                                                                                                   \
	INLINE void name##_start(struct name *s, const struct pv_siphash_key *key)                 \
	{                                                                                          \
		const T zero = { 0 };                                                              \
                                                                                                   \
		s->v0 = zero + (key->k[0] ^ 0x736f6d6570736575);                                   \
		s->v1 = zero + (key->k[1] ^ 0x646f72616e646f6d);                                   \
		s->v2 = zero + (key->k[0] ^ 0x6c7967656e657261);                                   \
		s->v3 = zero + (key->k[1] ^ 0x7465646279746573);                                   \
	}                                                                                          \
                                                                                                   \
	INLINE void name##_rounds(struct name *s, unsigned int n)                                  \
	{                                                                                          \
		while (n-- != 0) {                                                                 \
			s->v0 += s->v1;                                                            \
			s->v2 += s->v3;                                                            \
			s->v1 = (s->v1 << 13 | s->v1 >> 51) ^ s->v0;                               \
			s->v3 = (s->v3 << 16 | s->v3 >> 48) ^ s->v2;                               \
			s->v0 = s->v0 << 32 | s->v0 >> 32;                                         \
			s->v2 += s->v1;                                                            \
			s->v0 += s->v3;                                                            \
			s->v1 = (s->v1 << 17 | s->v1 >> 47) ^ s->v2;                               \
			s->v3 = (s->v3 << 21 | s->v3 >> 43) ^ s->v0;                               \
			s->v2 = s->v2 << 32 | s->v2 >> 32;                                         \
		}                                                                                  \
	}                                                                                          \
                                                                                                   \
	INLINE void name##_absorb(struct name *s, const T *m, unsigned int rounds)                 \
	{                                                                                          \
		s->v3 ^= *m;                                                                       \
		name##_rounds(s, rounds);                                                          \
		s->v0 ^= *m;                                                                       \
	}                                                                                          \
                                                                                                   \
	INLINE void name##_end(struct name *s, T *out, unsigned int rounds)                        \
	{                                                                                          \
		s->v2 ^= 0xff;                                                                     \
		name##_rounds(s, rounds);                                                          \
		*out = s->v0 ^ s->v1 ^ s->v2 ^ s->v3;                                              \
	}

SIPHASH_STATE(uint64_t, one)
SIPHASH_STATE(lanes, many)

/* Rounds for a word, rounds at the end, vectors at a time: always constants. */
struct shape {
	unsigned int c, d, width;
};

enum { MAX_WIDTH = 4 };

INLINE uint64_t
hash_one(const struct pv_siphash_key *key, const void *data, size_t len, const unsigned int c,
		const unsigned int d)
{
	const uint8_t *p = data;
	size_t left = len;
	struct one s;
	uint64_t m;

	one_start(&s, key);
	for (; left >= 8; left -= 8, p += 8) {
		memcpy(&m, p, 8);
		one_absorb(&s, &m, c);
	}
	m = (uint64_t)(len & 0xff) << 56;
	for (size_t i = 0; i < left; i++)
		m |= (uint64_t)p[i] << (8 * i);
	one_absorb(&s, &m, c);
	one_end(&s, &m, d);
	return m;
}

/* `width` vectors from message i on, side by side: one waits while the others work. */
INLINE void
hash_vectors(const struct pv_siphash_key *key, pv_siphash_words *word, unsigned int words,
		unsigned int i, uint64_t *out, const struct shape shape)
{
	struct many s[MAX_WIDTH];
	lanes m;

	for (unsigned int v = 0; v < shape.width; v++)
		many_start(&s[v], key);
	for (unsigned int w = 0; w < words; w++) {
		for (unsigned int v = 0; v < shape.width; v++) {
			memcpy(&m, &word[w][i + v * PV_SIPHASH_LANES], sizeof(m));
			many_absorb(&s[v], &m, shape.c);
		}
	}
	for (unsigned int v = 0; v < shape.width; v++) {
		many_end(&s[v], &m, shape.d);
		memcpy(&out[i + v * PV_SIPHASH_LANES], &m, sizeof(m));
	}
}

INLINE void
hash_burst(const struct pv_siphash_key *key, pv_siphash_words *word, unsigned int words,
		unsigned int n, uint64_t *out, const struct shape rounds)
{
	for (unsigned int i = 0; i < n; i += MAX_WIDTH * PV_SIPHASH_LANES) {
		unsigned int left = (n - i + PV_SIPHASH_LANES - 1) / PV_SIPHASH_LANES;

		if (left >= 4)
			hash_vectors(key, word, words, i, out,
					(struct shape){ rounds.c, rounds.d, 4 });
		else if (left == 3)
			hash_vectors(key, word, words, i, out,
					(struct shape){ rounds.c, rounds.d, 3 });
		else if (left == 2)
			hash_vectors(key, word, words, i, out,
					(struct shape){ rounds.c, rounds.d, 2 });
		else
			hash_vectors(key, word, words, i, out,
					(struct shape){ rounds.c, rounds.d, 1 });
	}
}

uint64_t
pv_siphash24(const struct pv_siphash_key *key, const void *data, size_t len)
{
	return hash_one(key, data, len, 2, 4);
}

uint64_t
pv_siphash13(const struct pv_siphash_key *key, const void *data, size_t len)
{
	return hash_one(key, data, len, 1, 3);
}

void
pv_siphash24_burst(const struct pv_siphash_key *key, pv_siphash_words *word, unsigned int words,
		unsigned int n, uint64_t *out)
{
	hash_burst(key, word, words, n, out, (struct shape){ 2, 4, 0 });
}

void
pv_siphash13_burst(const struct pv_siphash_key *key, pv_siphash_words *word, unsigned int words,
		unsigned int n, uint64_t *out)
{
	hash_burst(key, word, words, n, out, (struct shape){ 1, 3, 0 });
}
