/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/hystart.h"

#include "base/seq.h"

#define MS UINT64_C(1000000)

enum { SAMPLES = 8, CSS_ROUNDS = 5 };

#define MIN_RISE     (4 * MS)
#define MAX_RISE     (16 * MS)
#define RISE_DIVISOR 8

void
pv_hystart_start(struct pv_hystart *h, uint32_t snd_nxt)
{
	*h = (struct pv_hystart){ .round_end = snd_nxt };
}

static uint64_t
rise(uint64_t rtt)
{
	uint64_t eighth = rtt / RISE_DIVISOR;

	return eighth < MIN_RISE ? MIN_RISE : eighth > MAX_RISE ? MAX_RISE : eighth;
}

static void
compare(struct pv_hystart *h)
{
	if (h->samples < SAMPLES)
		return;
	if (h->in_css) {
		if (h->round_min < h->css_baseline)
			h->in_css = 0;
	} else if (h->last_round_min != 0 &&
			h->round_min >= h->last_round_min + rise(h->last_round_min)) {
		h->in_css = 1;
		h->css_rounds = 0;
		h->css_baseline = h->round_min;
	}
}

bool
pv_hystart_acked(struct pv_hystart *h, uint64_t rtt, uint32_t snd_una, uint32_t snd_nxt)
{
	if (h->off)
		return false;
	if (rtt != 0) {
		if (h->round_min == 0 || rtt < h->round_min)
			h->round_min = rtt;
		if (h->samples < SAMPLES)
			h->samples++;
		compare(h);
	}
	if (pv_seq_lt(snd_una, h->round_end))
		return false;
	h->last_round_min = h->round_min;
	h->round_min = 0;
	h->samples = 0;
	h->round_end = snd_nxt;
	if (!h->in_css || ++h->css_rounds < CSS_ROUNDS)
		return false;
	h->off = 1;
	return true;
}
