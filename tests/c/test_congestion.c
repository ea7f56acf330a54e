/* SPDX-License-Identifier: BSD-3-Clause */
/* Round-trip times, HyStart++ and the controllers against their formulas: RFC 6298, 9406, 5681,
 * 9438, 8257. */
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "tap.h"
#include "tcp/conn_data.h"
#include "tcp/hystart.h"

#define MSS 1000u

/* A connection that consists of what controllers look at. */
static struct pv_ctx ctx;
static struct pv_conn_data data;
static struct pv_tcp_config config;
static struct pv_pcb pcb;

static void
begin(const struct pv_cc *cc, uint32_t cwnd, uint32_t ssthresh)
{
	memset(&ctx, 0, sizeof(ctx));
	memset(&data, 0, sizeof(data));
	memset(&pcb, 0, sizeof(pcb));
	ctx.now = 1000 * PV_SECOND;
	data.config = &config;
	data.cc = cc;
	data.cwnd = cwnd;
	data.ssthresh = ssthresh;
	data.rtt.srtt = 100 * PV_MS;
	pcb.data = &data;
	pcb.snd_mss = MSS;
	pcb.snd_nxt = cwnd;
	cc->start(&ctx, &pcb);
}

static void
acked(uint32_t bytes)
{
	const struct pv_cc_ack ack = {
		.bytes = bytes, .una = pcb.snd_una, .rtt = 100 * PV_MS, .limited = 1
	};

	pcb.snd_una += bytes;
	pcb.snd_nxt = pcb.snd_una + data.cwnd;
	data.cc->acked(&ctx, &pcb, &ack);
}

/* One round trip: every second segment has its ACK. */
static void
round_trip(uint64_t ns)
{
	uint32_t left = data.cwnd, part;

	for (uint32_t n = left / (2 * MSS); n > 0; n--) {
		part = left / n;
		ctx.now += ns / (left / (2 * MSS) + 1) / 2;
		acked(part < 2 * MSS ? part : 2 * MSS);
	}
	ctx.now += ns / 2;
}

static void
round_trip_times(void)
{
	struct pv_rtt rtt;

	pv_rtt_start(&rtt, PV_SECOND);
	CHECK_EQ(rtt.rto, PV_SECOND, "a second before the first sample");
	pv_rtt_smooth(&rtt, 100 * PV_MS);
	pv_rtt_set_rto(&rtt, 200 * PV_MS, 120 * PV_SECOND);
	CHECK(rtt.srtt == 100 * PV_MS && rtt.rttvar == 50 * PV_MS && rtt.rto == 300 * PV_MS,
			"the first sample");
	pv_rtt_smooth(&rtt, 180 * PV_MS);
	CHECK_EQ(rtt.rttvar, (3 * 50 + 80) * PV_MS / 4, "the variance first, from the old mean");
	CHECK_EQ(rtt.srtt, (7 * 100 + 180) * PV_MS / 8, "then the mean");
	for (int i = 0; i < 200; i++)
		pv_rtt_smooth(&rtt, PV_MS);
	pv_rtt_set_rto(&rtt, 200 * PV_MS, 120 * PV_SECOND);
	CHECK_EQ(rtt.rto, 200 * PV_MS, "not less than the minimum");
	for (int i = 0; i < 20; i++)
		pv_rtt_back_off(&rtt, 120 * PV_SECOND);
	CHECK_EQ(rtt.rto, 120 * PV_SECOND, "nor more than the maximum");
	pv_rtt_minimum(&rtt, 5, 1);
	pv_rtt_minimum(&rtt, 9, 2);
	CHECK_EQ(rtt.min, 5, "the minimum stays");
	pv_rtt_minimum(&rtt, 9, 2 + PV_RTT_MIN_LIFE);
	CHECK_EQ(rtt.min, 9, "for five minutes");
}

static void
newreno(void)
{
	uint32_t before;

	config = (struct pv_tcp_config){ .hystart = 0 };
	begin(&pv_cc_newreno, 10 * MSS, UINT32_MAX / 2);
	acked(MSS);
	CHECK_EQ(data.cwnd, 11 * MSS, "slow start: one segment for one");
	acked(20 * MSS);
	CHECK_EQ(data.cwnd, 13 * MSS, "at most two for one ACK");
	for (int i = 0; i < 100; i++)
		acked(10);
	CHECK_EQ(data.cwnd, 14 * MSS, "many ACKs of little count as little");
	begin(&pv_cc_newreno, 10 * MSS, 10 * MSS);
	before = data.cwnd;
	round_trip(100 * PV_MS);
	CHECK_EQ(data.cwnd, before + MSS, "congestion avoidance: a segment a round trip");
	CHECK_EQ(data.cc->reduce(&ctx, &pcb, 0), (pcb.snd_nxt - pcb.snd_una) / 2,
			"half the flight");
	pcb.snd_nxt = pcb.snd_una + MSS;
	CHECK_EQ(data.cc->reduce(&ctx, &pcb, 0), 2 * MSS, "not less than two segments");
}

static void
cubic(void)
{
	double w_max = 100 * MSS, k = cbrt(100 * 0.3 / 0.4), worst = 0;
	uint64_t start;
	uint32_t reduced;

	config = (struct pv_tcp_config){ .hystart = 0 };
	begin(&pv_cc_cubic, 100 * MSS, 100 * MSS);
	reduced = data.cc->reduce(&ctx, &pcb, 0);
	CHECK_EQ(reduced, 70 * MSS, "beta is 0.7");
	data.cwnd = data.ssthresh = reduced;
	start = ctx.now;
	acked(MSS);
	/* A long round trip, so that Reno does not lead. */
	data.rtt.srtt = 200 * PV_MS;
	while (ctx.now < start + 8 * PV_SECOND) {
		double t = (double)(ctx.now - start) / 1e9, off = t - k;
		double want = 0.4 * off * off * off * MSS + w_max;

		if (t > 1 && fabs(data.cwnd - want) / want > worst)
			worst = fabs(data.cwnd - want) / want;
		for (uint32_t n = data.cwnd / (2 * MSS); n > 0; n--) {
			ctx.now += 200 * PV_MS / (data.cwnd / (2 * MSS));
			acked(2 * MSS);
		}
	}
	printf("# worst difference from the curve: %.4f\n", worst);
	CHECK(worst < 0.02, "cwnd follows C (t - K)^3 + Wmax");
	CHECK(data.cwnd > w_max, "and beyond");
}

static void
cubic_details(void)
{
	struct pv_cubic *state = &data.cc_state.cubic;
	uint32_t cwnd;

	begin(&pv_cc_cubic, 100 * MSS, 100 * MSS);
	data.cc->reduce(&ctx, &pcb, 0);
	data.cwnd = 80 * MSS;
	data.cc->reduce(&ctx, &pcb, 0);
	CHECK(fabs(state->w_max - 80 * MSS * 0.85) < 1, "fast convergence");
	data.cc->timeout(&ctx, &pcb);
	data.cwnd = data.ssthresh = 10 * MSS;
	acked(MSS);
	CHECK(fabs(state->k) < 1e-9 && fabs(state->w_max - 10 * MSS) < MSS,
			"after a time-out the curve begins where slow start ends");
	begin(&pv_cc_cubic, 10 * MSS, 10 * MSS);
	data.cc->reduce(&ctx, &pcb, 0);
	data.cwnd = data.ssthresh = 7 * MSS;
	data.rtt.srtt = PV_MS;
	cwnd = data.cwnd;
	for (int i = 0; i < 20; i++)
		round_trip(PV_MS);
	CHECK(data.cwnd >= cwnd + 20 * MSS / 2, "on a short path not slower than Reno");
	begin(&pv_cc_cubic, 100 * MSS, 100 * MSS);
	data.cc->reduce(&ctx, &pcb, 0);
	data.cwnd = data.ssthresh = 70 * MSS;
	acked(MSS);
	ctx.now += 3600 * PV_SECOND;
	data.cc->idle(&ctx, &pcb);
	acked(MSS);
	CHECK(data.cwnd < 71 * MSS, "a pause is not time");
}

static void
hystart(void)
{
	struct pv_hystart h;
	uint32_t una = 0, rounds = 0;
	bool over = false;

	pv_hystart_start(&h, 1000);
	for (int i = 0; i < 20; i++)
		over |= pv_hystart_acked(&h, 50 * PV_MS, una += 50, 1000 + 20 * 50);
	pv_hystart_acked(&h, 50 * PV_MS, 1000, 2000);
	for (int i = 0; i < 8; i++)
		over |= pv_hystart_acked(&h, 55 * PV_MS, 1001, 2000);
	CHECK(!over && !h.in_css, "a rise of less than an eighth is nothing");
	pv_hystart_acked(&h, 55 * PV_MS, 2000, 3000);
	for (int i = 0; i < 8; i++)
		over |= pv_hystart_acked(&h, 80 * PV_MS, 2001, 3000);
	CHECK(h.in_css && !over && pv_hystart_divisor(&h) == 4,
			"a greater one slows slow start down");
	for (una = 3000; !over && rounds < 10; una += 1000, rounds++) {
		for (int i = 0; i < 8; i++)
			pv_hystart_acked(&h, 80 * PV_MS, una - 500, una);
		over = pv_hystart_acked(&h, 80 * PV_MS, una, una + 1000);
	}
	CHECK(over && rounds == 5, "and after five rounds ends it");
	pv_hystart_start(&h, 1000);
	for (int i = 0; i < 9; i++)
		pv_hystart_acked(&h, 50 * PV_MS, i == 8 ? 1000 : 1, 2000);
	for (int i = 0; i < 8; i++)
		pv_hystart_acked(&h, 80 * PV_MS, 1001, 2000);
	pv_hystart_acked(&h, 80 * PV_MS, 2000, 3000);
	for (int i = 0; i < 8; i++)
		pv_hystart_acked(&h, 60 * PV_MS, 2001, 3000);
	CHECK(!h.in_css, "unless the delay falls again");
}

static void
dctcp(void)
{
	struct pv_cc_ack ack = { .bytes = 10 * MSS, .limited = 1 };

	begin(&pv_cc_dctcp, 10 * MSS, 10 * MSS);
	CHECK_EQ(data.cc->reduce(&ctx, &pcb, 1), 5 * MSS, "alpha is one at first: half");
	for (int i = 0; i < 100; i++) {
		pcb.snd_una = pcb.snd_nxt;
		pcb.snd_nxt += 10 * MSS;
		data.cc->acked(&ctx, &pcb, &ack);
	}
	data.cwnd = 10 * MSS;
	CHECK(data.cc->reduce(&ctx, &pcb, 1) > 9 * MSS, "without marks it goes to nothing");
	ack.ece = 1;
	for (int i = 0; i < 100; i++) {
		pcb.snd_una = pcb.snd_nxt;
		pcb.snd_nxt += 10 * MSS;
		data.cc->acked(&ctx, &pcb, &ack);
	}
	data.cwnd = 10 * MSS;
	CHECK(data.cc->reduce(&ctx, &pcb, 1) < 6 * MSS, "with all marked back to one");
}

int
main(void)
{
	round_trip_times();
	newreno();
	cubic();
	cubic_details();
	hystart();
	dctcp();
	return tap_done();
}
