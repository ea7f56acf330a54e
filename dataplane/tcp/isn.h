/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_ISN_H
#define PV_TCP_ISN_H

/*
 * Keyed numbers of a worker: hashes of tuples, timestamp offsets, initial sequence numbers,
 * cookies.
 *
 * Passive opens:	ISS = PRF(key of the epoch, tuple, peer's ISS) + index	(mod 2^32)
 *
 * The PRF is SipHash-2-4, cut to 32 bits, so that nobody without the key reads the index out of an
 * ISS. Where a record is kept, the index is a clock (RFC 6528) that also counts connections, so
 * that a SYN that is repeated after its connection ended meets another ISS, and the segments behind
 * it find nothing. Otherwise the index (10 bits, which the clock leaves out) holds what a SYN
 * cookie must remember:
 *
 *	9	the block of the SYN was not kept, and is to be sent again
 *	8	the parity of the epoch
 *	7..5	MSS class
 *	4..2	without timestamps: 4..3 window scale class, 2 SACK
 *		with timestamps: zero; the low six bits of our TSval, which comes back as TSecr,
 *		hold 5 ECN, 4 SACK, 3..0 window scale (15: none)
 *	1	the listener's program has accepted the SYN
 *	0	zero: who acknowledges one more or less than we sent has no cookie
 *
 * A cookie is good in the epoch it was made in and the next; the ISS of a connection that had a
 * record never is one. Whoever guesses an acknowledgment number for a tuple of his choice meets one
 * of 2 (epochs) * 16 valid indexes: odds of 2^-27 a segment, or 2^-24 without timestamps (128
 * indexes); a segment with a block meets others than one without. And it is looked at only where a
 * SYN was answered without a record in the last two
 * epochs: stamps tell, one of the listener and one for some buckets' worth of tuples
 * (flow_table.h); elsewhere nothing is taken for a cookie. What stamps do not tell apart is the
 * segments of one connection: that the ACK of one that has ended, and left no TIME-WAIT, comes
 * again. The last of those that ended are remembered for that (struct pv_ended); behind so many
 * others, one that ended by a RST which was lost may be opened again by its peer's next segment, if
 * that is its first: it then is an accept again, whose stream begins where the peer's does.
 *
 * In a cluster (nodes with one secret, one address and the same epoch by their wall clocks) a
 * cookie is good at each of them, whoever answered the SYN; clocks may differ by an epoch's rest.
 * The price: there are no stamps of others' SYNs to look at, so any ACK without a record is tried,
 * at the odds above, and the first segment of a connection that ended within two epochs opens
 * another one at a node that did not have it.
 *
 * Any segment that follows the SYN directly brings its cookie back, so data that overtakes the ACK
 * opens the connection. Data that overtakes the first data as well is reset, as RFC 4987 3.6 has it
 * for what has no cookie: it names no ISS to check, and to leave it unanswered would keep a peer
 * whose connection is gone from learning so.
 *
 * Active opens, and SYNs into TIME-WAIT: RFC 6528. Both keys, and those of each epoch, are drawn
 * from one secret.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/packet.h"
#include "base/siphash.h"
#include "base/types.h"

struct pv_isn {
	struct pv_siphash_key now, before; /* of the epoch and the last one */
	struct pv_siphash_key hash;        /* flow table and timestamp offsets */
	struct pv_siphash_key active;      /* F of RFC 6528 */
	struct pv_siphash_key secret;
	uint32_t epoch;   /* counts from 2, so that stamp 0 is always stale */
	uint32_t records; /* indexes of records given out */
};

enum { PV_ISN_INDEX_BITS = 10, PV_ISN_MSS_CLASSES = 8, PV_ISN_TS_BITS = 6 };

void pv_isn_init(struct pv_isn *isn, const uint8_t secret[16]);
/* To a later epoch; more than one on makes all cookies stale. */
void pv_isn_rotate(struct pv_isn *isn, uint32_t epoch);

/* Fills hash and ts_offset of all packets from their tuples. n <= PV_BURST. */
void pv_isn_hash(const struct pv_isn *isn, struct pv_packet *packets, uint32_t n);
/* Fills isn (the PRF without index, of this epoch) of the packets listed; a SYN's peer ISS is its
 * sequence number, any other's the one before. */
void pv_isn_prf(const struct pv_isn *isn, struct pv_packet *packets, const uint8_t *which,
		uint32_t n);
/* The same for one tuple. Gives the hash, and in *ts_offset the timestamp offset, when that is not
 * NULL. */
uint32_t pv_isn_hash_one(
		const struct pv_isn *isn, const struct pv_tuple *tuple, uint32_t *ts_offset);
uint32_t pv_isn_prf_one(
		const struct pv_siphash_key *key, const struct pv_tuple *tuple, uint32_t peer_iss);
/* F(tuple) of RFC 6528, without the clock. */
uint32_t pv_isn_active_one(const struct pv_isn *isn, const struct pv_tuple *tuple);

/* A stamp is fresh: made in this epoch or the last. */
static inline bool
pv_isn_fresh(const struct pv_isn *isn, uint32_t stamp)
{
	return isn->epoch - stamp <= 1;
}

/* What a cookie remembers. agreed: enum pv_agreed of record.h. */
struct pv_cookie {
	uint16_t mss; /* the class's, at most what the peer said */
	uint8_t agreed;
	uint8_t decided; /* the listener's program has accepted the SYN */
	uint8_t resend;
};

/* The index of a cookie. */
uint32_t pv_cookie_index(const struct pv_isn *isn, const struct pv_cookie *cookie);
/* The index where a record is kept, never one of a cookie; a step is 4 us. */
static inline uint32_t
pv_isn_record_index(struct pv_isn *isn, uint64_t now)
{
	uint32_t clock = (uint32_t)(now >> 12) + isn->records++;

	return clock >> PV_ISN_INDEX_BITS != 0 ? clock : clock + (1u << PV_ISN_INDEX_BITS);
}

/* Our TSval with the options in its low bits; at most now, since timestamps must not go back. */
uint32_t pv_cookie_tsval(uint32_t now, const struct pv_cookie *cookie);
/* Is the ACK in `packet`, whose isn was filled, a good cookie? Fills *cookie. timestamps: the
 * segment carries them, and our side would have agreed. */
bool pv_cookie_open(const struct pv_isn *isn, const struct pv_packet *packet, bool timestamps,
		struct pv_cookie *cookie);

#endif
