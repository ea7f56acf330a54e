/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WIRE_CSUM_H
#define PV_WIRE_CSUM_H

/*
 * The Internet checksum (RFC 1071), its pseudo headers (RFC 9293 3.1, RFC 8200 8.1) and its
 * incremental update (RFC 1624).
 *
 * A *partial sum* is a uint64_t to which native 32-bit words have been added; it is good for well
 * over a gigabyte without overflow, and partial sums of pieces may be added to each other where
 * every piece but the last has an even length (else see pv_csum_join). A *checksum* is a pv_be16:
 * it is stored with pv_st16, without conversion, whatever the byte order of the machine.
 *
 *	sum = pv_csum_pseudo4(src, dst, proto, n) + pv_csum_part(segment, n);
 *	received well:	pv_csum_ok(sum)			(the checksum field included)
 *	to be sent:	pv_csum_finish(sum)		(the checksum field holding zero)
 *
 * Pure functions; any thread.
 */

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/byteorder.h"

/* Buffers from this size on are summed with vector registers. */
#define PV_CSUM_WIDE 128

/* The partial sum of whole 64-byte blocks; n is a multiple of 64. */
static inline uint64_t
pv_csum_blocks(const uint8_t *p, size_t n)
{
	typedef uint64_t quad __attribute__((vector_size(32)));
	const quad low_half = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX };
	quad low = { 0 }, high = { 0 };

	for (; n != 0; n -= 64, p += 64) {
		quad a, b;

		memcpy(&a, p, sizeof(a));
		memcpy(&b, p + 32, sizeof(b));
		low += (a & low_half) + (b & low_half);
		high += (a >> 32) + (b >> 32);
	}
	low += high;
	return low[0] + low[1] + low[2] + low[3];
}

/* The same for n below PV_CSUM_WIDE, a multiple of 16: words are widened as they are loaded. */
static inline uint64_t
pv_csum_words(const uint8_t *p, size_t n)
{
	typedef uint32_t words __attribute__((vector_size(16)));
	typedef uint64_t sums __attribute__((vector_size(32)));
	sums sum = { 0 };

	for (; n != 0; n -= 16, p += 16) {
		words w;

		memcpy(&w, p, sizeof(w));
		sum += __builtin_convertvector(w, sums);
	}
	return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

/* The partial sum of n bytes at any alignment; an odd last byte is padded with zero. */
static inline uint64_t
pv_csum_part(const void *buf, size_t n)
{
	const uint8_t *p = buf;
	uint64_t sum = 0;

	if (n >= PV_CSUM_WIDE) {
		size_t blocks = n & ~(size_t)63;

		sum = pv_csum_blocks(p, blocks);
		p += blocks;
		n -= blocks;
	}
	if (n >= 16) {
		size_t words = n & ~(size_t)15;

		sum += pv_csum_words(p, words);
		p += words;
		n -= words;
	}
	if (n & 8) {
		uint64_t w = pv_ld64(p);

		sum += (w & UINT32_MAX) + (w >> 32);
		p += 8;
	}
	if (n & 4) {
		sum += pv_ld32(p);
		p += 4;
	}
	if (n & 2) {
		sum += pv_ld16(p);
		p += 2;
	}
	if (n & 1)
		sum += pv_hton16((uint16_t)(*p << 8));
	return sum;
}

/*
 * A partial sum and n bytes, a multiple of 4, in words of 64 bits whose carry comes back: few steps
 * where n is known and small. The result stands for the sum as a partial sum does, but has no room
 * for more to be added.
 */
static inline uint64_t
pv_csum_through(uint64_t sum, const uint8_t *p, size_t n)
{
	unsigned long long all = 0;
	unsigned char carry = 0;

	for (; n >= 8; n -= 8, p += 8)
		carry = _addcarry_u64(carry, all, pv_ld64(p), &all);
	if (n != 0)
		carry = _addcarry_u64(carry, all, pv_ld32(p), &all);
	/* What is small goes last, so that the carry behind it finds room. */
	carry = _addcarry_u64(carry, all, sum, &all);
	return all + carry;
}

/* A partial sum folded to 16 bits, not complemented: halves are added with the carry coming back.
 */
static inline uint16_t
pv_csum_fold(uint64_t sum)
{
	uint32_t half;

	sum += sum << 32 | sum >> 32;
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}

/*
 * The partial sum of two pieces that lie behind each other, the first with len bytes. Only needed
 * where len may be odd: the bytes of the second piece then change places.
 */
static inline uint64_t
pv_csum_join(uint64_t first, size_t len, uint64_t second)
{
	if (len & 1)
		second = __builtin_bswap16(pv_csum_fold(second));
	return first + second;
}

/* The checksum to be stored, for a partial sum over everything with the field itself as zero. */
static inline pv_be16
pv_csum_finish(uint64_t sum)
{
	return (pv_be16)~pv_csum_fold(sum);
}

/* True if a partial sum over everything, the checksum field included, says: intact. */
static inline bool
pv_csum_ok(uint64_t sum)
{
	return sum != 0 && sum % UINT16_MAX == 0;
}

/* Pseudo header of IPv4: len is the length of the upper-layer header and data. */
static inline uint64_t
pv_csum_pseudo4(pv_be32 src, pv_be32 dst, uint8_t proto, uint16_t len)
{
	return (uint64_t)src + dst + pv_hton32(((uint32_t)proto << 16) + len);
}

/* Pseudo header of IPv6: proto is the final upper-layer protocol, not the first next header. */
static inline uint64_t
pv_csum_pseudo6(const uint8_t src[16], const uint8_t dst[16], uint8_t proto, uint32_t len)
{
	return pv_csum_part(src, 16) + pv_csum_part(dst, 16) + pv_hton32(len) + pv_hton32(proto);
}

/* The whole of it: the checksum of one buffer without a pseudo header. */
static inline pv_be16
pv_csum(const void *buf, size_t n)
{
	return pv_csum_finish(pv_csum_part(buf, n));
}

/*
 * The checksum after a 16-bit word changed (RFC 1624, equation 3). All three as they lie in memory;
 * the word must begin at an even offset of what is summed, and something besides the checksum must
 * not be zero afterwards (a header's version never is).
 */
static inline pv_be16
pv_csum_update16(pv_be16 csum, pv_be16 was, pv_be16 is)
{
	uint64_t sum = (uint16_t)~csum;

	return pv_csum_finish(sum + (uint16_t)~was + is);
}

#endif
