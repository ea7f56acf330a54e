/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_RTT_H
#define PV_TCP_RTT_H

/*
 * Round-trip time and retransmission time-out (RFC 6298), in nanoseconds. One sample a round trip
 * goes into the smoothed values (so the gains are those of RFC 6298 2, and RFC 7323 4.2 needs no
 * scaling); the minimum sees every sample. A time-out doubles rto, which stays so until the next
 * sample (Karn, RFC 6298 5.7).
 */

#include <stdint.h>

#include "base/check.h"

#define PV_MS              UINT64_C(1000000)
#define PV_SECOND          UINT64_C(1000000000)
#define PV_RTT_GRANULARITY PV_MS         /* G of RFC 6298 */
#define PV_RTT_SPREAD_MAX  (100 * PV_MS) /* the most that is added whatever the variance */
#define PV_RTT_MIN_LIFE                                                                            \
	(300 * PV_SECOND) /* a minimum older than that is forgotten at the next sample */

struct pv_rtt {
	uint64_t srtt, rttvar; /* 0: no sample yet */
	uint64_t rto;
	uint64_t min;    /* 0: no sample yet */
	uint64_t min_at; /* when it was seen */
	uint64_t latest;
};

static inline uint64_t
pv_rtt_clamp(uint64_t value, uint64_t low, uint64_t high)
{
	return value < low ? low : value > high ? high : value;
}

static inline void
pv_rtt_start(struct pv_rtt *rtt, uint64_t rto_initial)
{
	*rtt = (struct pv_rtt){ .rto = rto_initial };
}

static inline void
pv_rtt_minimum(struct pv_rtt *rtt, uint64_t r, uint64_t now)
{
	rtt->latest = r;
	if (r <= rtt->min || rtt->min == 0 || now - rtt->min_at > PV_RTT_MIN_LIFE) {
		rtt->min = r;
		rtt->min_at = now;
	}
}

/* 2.2 and 2.3; r > 0. The variance is taken first, from the old mean. */
static inline void
pv_rtt_smooth(struct pv_rtt *rtt, uint64_t r)
{
	if (rtt->srtt == 0) {
		rtt->srtt = r;
		rtt->rttvar = r / 2;
	} else {
		uint64_t off = rtt->srtt > r ? rtt->srtt - r : r - rtt->srtt;

		rtt->rttvar = (3 * rtt->rttvar + off) / 4;
		rtt->srtt = (7 * rtt->srtt + r) / 8;
	}
}

/*
 * The time-out after a sample (2.2 to 2.5). On a steady path the variance goes to zero, and a peer
 * that holds one ACK back would cause a time-out: half of the minimum is always added, but not more
 * than a granularity of 100 ms would (RFC 6298 4).
 */
static inline void
pv_rtt_set_rto(struct pv_rtt *rtt, uint64_t low, uint64_t high)
{
	uint64_t spread = 4 * rtt->rttvar;
	uint64_t least = pv_rtt_clamp(low / 2, PV_RTT_GRANULARITY, PV_RTT_SPREAD_MAX);

	if (spread < least)
		spread = least;
	rtt->rto = pv_rtt_clamp(rtt->srtt + spread, low, high);
}

/* 5.5 */
static inline void
pv_rtt_back_off(struct pv_rtt *rtt, uint64_t high)
{
	rtt->rto = rtt->rto > high / 2 ? high : 2 * rtt->rto;
}

#endif
