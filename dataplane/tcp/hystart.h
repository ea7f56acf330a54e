/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_HYSTART_H
#define PV_TCP_HYSTART_H

/* HyStart++ (RFC 9406): leaves slow start when the round-trip time rises, by way of a slower phase
 * that can be taken back. */

#include <stdbool.h>
#include <stdint.h>

#include "tcp/cc.h"

enum { PV_HYSTART_SEGMENTS = 8, PV_HYSTART_CSS_DIVISOR = 4 }; /* L, CSS_GROWTH_DIVISOR */

void pv_hystart_start(struct pv_hystart *h, uint32_t snd_nxt);
/* One ACK in slow start; rtt 0: no sample. True: slow start is over (ssthresh = cwnd). */
bool pv_hystart_acked(struct pv_hystart *h, uint64_t rtt, uint32_t snd_una, uint32_t snd_nxt);

static inline uint32_t
pv_hystart_divisor(const struct pv_hystart *h)
{
	return h->in_css ? PV_HYSTART_CSS_DIVISOR : 1;
}

#endif
