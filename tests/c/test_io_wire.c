/* SPDX-License-Identifier: BSD-3-Clause */
/* What an emulated wire does to frames, in numbers. */
#include <string.h>

#include "io/wire.h"
#include "tap.h"

#define SECOND 1000000000ULL
#define MS     1000000ULL
#define FRAMES 100000

static struct pv_wire_way way;
static int frame[FRAMES]; /* frames are their numbers */

static void
start(const struct pv_wire_params *params)
{
	pv_wire_way_init(&way, params, 1);
}

static bool
near(uint64_t got, uint64_t want, uint64_t per_cent)
{
	return got >= want - want * per_cent / 100 && got <= want + want * per_cent / 100;
}

static void
test_rate(void)
{
	struct pv_wire_params params = { .rate = 1000000000, .delay = 5 * MS, .queue = 15000 };
	struct pv_wire_fate fate;
	uint32_t through = 0;

	start(&params);
	fate = pv_wire_decide(&way, SECOND, 976);
	CHECK(fate.copies == 1 && fate.when[0] == SECOND + 5 * MS + 8000,
			"a thousand bytes on the wire take eight microseconds at 1 Gb/s, and the "
			"delay");
	fate = pv_wire_decide(&way, SECOND, 976);
	CHECK_EQ(fate.when[0], SECOND + 5 * MS + 16000, "the next one waits for its turn");
	for (int i = 0; i < 100; i++)
		through += pv_wire_decide(&way, SECOND, 976).copies;
	CHECK(through > 10 && through < 16 && way.stats.queue_lost == 100 - through,
			"beyond the queue frames are lost");
	fate = pv_wire_decide(&way, SECOND + MS, 976);
	CHECK_EQ(fate.when[0], SECOND + MS + 5 * MS + 8000, "later the wire is free again");
	pv_wire_way_fini(&way);
}

static void
test_shares(void)
{
	struct pv_wire_params params = {
		.loss = 50000, .duplicate = 20000, .corrupt = 10000, .mtu = 1500
	};
	struct pv_wire_fate fate;
	uint64_t copies = 0, corrupt = 0, outside = 0;

	start(&params);
	for (int i = 0; i < FRAMES; i++) {
		fate = pv_wire_decide(&way, 0, 100);
		copies += fate.copies;
		corrupt += fate.corrupt != UINT32_MAX;
		outside += fate.corrupt != UINT32_MAX &&
			   (fate.corrupt < 14 * 8 || fate.corrupt >= 100 * 8);
	}
	CHECK(near(way.stats.lost, FRAMES / 20, 10), "one in twenty is lost");
	CHECK(near(way.stats.duplicated, FRAMES / 50, 10) &&
					copies == FRAMES - way.stats.lost + way.stats.duplicated,
			"one in fifty comes twice");
	CHECK(near(way.stats.corrupted, FRAMES / 100, 15) && corrupt == way.stats.corrupted &&
					outside == 0,
			"one in a hundred has a wrong bit, behind its link header");
	CHECK(pv_wire_decide(&way, 0, 1515).copies == 0 && way.stats.too_large == 1,
			"what is larger than the MTU vanishes");
	pv_wire_way_fini(&way);
}

static void
test_bursts(void)
{
	struct pv_wire_params params = { .loss = 50000, .burst = 10 };
	uint64_t runs = 0;
	bool before = false;

	start(&params);
	for (int i = 0; i < FRAMES * 4; i++) {
		bool lost = pv_wire_decide(&way, 0, 100).copies == 0;

		runs += lost && !before;
		before = lost;
	}
	CHECK(near(way.stats.lost, FRAMES * 4 / 20, 15), "one in twenty is lost, all in all");
	CHECK(near(way.stats.lost / runs, 10, 20), "ten in a row");
	pv_wire_way_fini(&way);
}

/* Everything that flies lands, in the order of arrival, never before its time. */
static uint64_t
land_all(uint32_t *overtaken)
{
	uint64_t n = 0, last = 0;
	int newest = -1;

	*overtaken = 0;
	while (pv_wire_next(&way) != UINT64_MAX) {
		uint64_t when = pv_wire_next(&way);
		int *landed;

		if (pv_wire_land(&way, when - 1) != NULL || when < last)
			return 0;
		landed = pv_wire_land(&way, when);
		if (landed == NULL)
			return 0;
		*overtaken += *landed < newest;
		newest = *landed > newest ? *landed : newest;
		last = when;
		n++;
	}
	return n;
}

static void
test_order(const struct pv_wire_params *params, bool orderly, const char *what)
{
	uint32_t overtaken;

	start(params);
	for (int i = 0; i < FRAMES; i++) {
		struct pv_wire_fate fate = pv_wire_decide(&way, (uint64_t)i * 1000, 100);

		frame[i] = i;
		pv_wire_fly(&way, fate.when[0], &frame[i]);
	}
	CHECK_EQ(land_all(&overtaken), FRAMES, "every frame lands at its time");
	CHECK(orderly ? overtaken == 0 : near(overtaken, FRAMES / 10, 15), what);
	CHECK_EQ(way.stats.flying, 0, "none flies any more");
	pv_wire_way_fini(&way);
}

static void
test_same_seed(void)
{
	struct pv_wire_params params = {
		.loss = 100000, .jitter = MS, .reorder = 1000, .reorder_delay = MS
	};
	static struct pv_wire_fate first[1000];
	bool same = true;

	for (int round = 0; round < 2; round++) {
		start(&params);
		for (int i = 0; i < 1000; i++) {
			struct pv_wire_fate fate = pv_wire_decide(&way, (uint64_t)i, 100);

			if (round == 0)
				first[i] = fate;
			same = same && memcmp(&first[i], &fate, sizeof(fate)) == 0;
		}
	}
	CHECK(same, "the same seed, the same fates");
	pv_wire_way_fini(&way);
}

static void
test_check(void)
{
	struct pv_wire_params bad = { .loss = 1000001 }, good = { .loss = 1000000 };
	char err[100] = "";

	CHECK(pv_wire_check(&bad, err, sizeof(err)) != 0 && strstr(err, "loss") != NULL,
			"a share has its limit");
	CHECK_EQ(pv_wire_check(&good, err, sizeof(err)), 0, "a wire may lose all");
}

int
main(void)
{
	const struct pv_wire_params jitter = { .delay = MS, .jitter = MS };
	const struct pv_wire_params reorder = {
		.delay = MS, .reorder = 100000, .reorder_delay = MS
	};

	test_rate();
	test_shares();
	test_bursts();
	test_order(&jitter, true, "jitter lets none overtake another");
	test_order(&reorder, false, "one in ten is overtaken");
	test_same_seed();
	test_check();
	return tap_done();
}
