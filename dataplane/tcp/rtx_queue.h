/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_RTX_QUEUE_H
#define PV_TCP_RTX_QUEUE_H

/*
 * What was sent and not yet acknowledged: one record a segment, in the order of sequence numbers,
 * and through the same records a second list in the order of the last transmission, of those whose
 * fate is open (neither SACKed, nor lost and not yet resent). The basis of the SACK scoreboard (RFC
 * 6675), RACK (RFC 8985), Karn's rule and PRR. Bytes themselves stay in the tx stream.
 *
 * Flags of a record, and how it counts (lengths in sequence numbers, so SYN and FIN count one):
 *	-		in flight
 *	SACKED		delivered, kept until acknowledged (the peer may renege)	sacked
 *	LOST		believed lost						lost
 *	RESENT		the retransmission is in flight				retrans
 *	LOST|RESENT	both: the original is gone, the copy is in flight	lost, retrans
 * pipe = (snd_nxt - snd_una) - sacked - lost + retrans. SACKED excludes the other two.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/seq.h"
#include "tcp/pool.h"

enum pv_rtx_flags {
	PV_RTX_SACKED = 1,
	PV_RTX_LOST = 2,
	PV_RTX_RESENT = 4,
	PV_RTX_EVER = 8,    /* was sent more than once: no RTT sample (Karn) */
	PV_RTX_FIN = 16,    /* ends with our FIN */
	PV_RTX_LISTED = 32, /* in the list by time */
	PV_RTX_PUSH = 64,
};

struct pv_rtx {
	struct pv_rtx *next, *prev;     /* by sequence number */
	struct pv_rtx *later, *earlier; /* by time of last transmission */
	uint64_t sent;                  /* last transmission, ns */
	uint32_t seq, end;
	uint8_t flags;
	uint8_t times; /* transmissions, saturating */
	uint8_t pad[6];
} pv_cache_aligned;

struct pv_rtx_queue {
	struct pv_rtx *first, *last;    /* by sequence number */
	struct pv_rtx *oldest, *newest; /* by time */
	struct pv_rtx *hint;            /* where the last SACK block ended; NULL: nowhere */
	struct pv_rtx *lost_from; /* no LOST record without RESENT lies before it; NULL: there is
				     none */
	uint32_t sacked, lost, retrans; /* sequence numbers */
	uint32_t n, n_sacked;           /* records */
	uint32_t pad;
};

/* Behind the last; NULL: pool empty. */
struct pv_rtx *pv_rtx_append(struct pv_pool *pool, struct pv_rtx_queue *queue, uint32_t seq,
		uint32_t end, uint64_t now);
/* The last one, just appended, was not sent after all. */
void pv_rtx_unappend(struct pv_pool *pool, struct pv_rtx_queue *queue);
/* The first one is acknowledged. */
void pv_rtx_pop(struct pv_pool *pool, struct pv_rtx_queue *queue);
/* seq < at < end: its front part is acknowledged. */
void pv_rtx_trim(struct pv_rtx_queue *queue, struct pv_rtx *rtx, uint32_t at);
/* Cuts in two at `at`; the second part has the same marks. False: pool empty. */
bool pv_rtx_split(
		struct pv_pool *pool, struct pv_rtx_queue *queue, struct pv_rtx *rtx, uint32_t at);
void pv_rtx_mark_sacked(struct pv_rtx_queue *queue, struct pv_rtx *rtx);
/* Also says that its retransmission is lost. */
void pv_rtx_mark_lost(struct pv_rtx_queue *queue, struct pv_rtx *rtx);
void pv_rtx_mark_resent(struct pv_rtx_queue *queue, struct pv_rtx *rtx, uint64_t now);
/* A time-out: the first one, and all that were sent last at `until` or before, are lost, but for
 * the SACKed; with `reneged` those too (RFC 2018 8). */
void pv_rtx_mark_all_lost(struct pv_rtx_queue *queue, bool reneged, uint64_t until);
/* The losses were none: LOST goes; those in flight again are back in the list by time. */
void pv_rtx_unmark_lost(struct pv_rtx_queue *queue);
void pv_rtx_clear(struct pv_pool *pool, struct pv_rtx_queue *queue);
/* The first lost one that was not resent; NULL: none. */
struct pv_rtx *pv_rtx_next_lost(struct pv_rtx_queue *queue);
/* Every counter and link agrees with the records; for assertions. */
bool pv_rtx_valid(const struct pv_rtx_queue *queue);

static inline uint32_t
pv_rtx_len(const struct pv_rtx *rtx)
{
	return rtx->end - rtx->seq;
}

static inline uint32_t
pv_rtx_pipe(const struct pv_rtx_queue *queue, uint32_t flight)
{
	return flight - queue->sacked - queue->lost + queue->retrans;
}

#endif
