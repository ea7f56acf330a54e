/* SPDX-License-Identifier: BSD-3-Clause */
/* Two engines under a bad network: what one writes the other reads, byte for byte, and nothing is
 * left behind. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"
#include "tap.h"

enum { BUF = 16384 };

/* One direction of a transfer. Byte i of a stream is a function of i and the seed. */
struct flow {
	struct pv_engine *from, *to;
	uint64_t out, in; /* handles */
	uint64_t seed, total, sent, received;
	bool finished, ended, wrong;
	int64_t error;
};

static uint8_t
byte_at(uint64_t seed, uint64_t i)
{
	uint64_t z = (i / 8 + seed) * 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	return (uint8_t)(z >> (8 * (i % 8)));
}

static void
write_some(struct flow *f, struct pv_rng *rng)
{
	static uint8_t buf[BUF];

	while (!f->finished) {
		uint64_t n = 1 + pv_rng_below(rng, BUF - 1), left = f->total - f->sent;
		struct pv_iov iov = { .base = buf };
		int64_t done;

		if (n > left)
			n = left;
		for (uint64_t i = 0; i < n; i++)
			buf[i] = byte_at(f->seed, f->sent + i);
		iov.len = n;
		done = n != 0 ? pv_send(f->from, f->out, &iov, 1, 0) : 0;
		if (done == -EAGAIN)
			return;
		if (done < 0) {
			f->error = done;
			f->finished = true;
			return;
		}
		f->sent += (uint64_t)done;
		if (f->sent == f->total) {
			pv_shutdown_send(f->from, f->out);
			f->finished = true;
		}
	}
}

static void
read_some(struct flow *f, struct pv_rng *rng)
{
	static uint8_t buf[BUF];

	while (!f->ended) {
		struct pv_iov iov = { .base = buf, .len = 1 + pv_rng_below(rng, BUF - 1) };
		int64_t n = pv_recv(f->to, f->in, &iov, 1, 0);

		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			f->error = n;
			f->ended = true;
			return;
		}
		for (int64_t i = 0; i < n; i++)
			f->wrong |= buf[i] != byte_at(f->seed, f->received + (uint64_t)i);
		f->received += (uint64_t)n;
	}
}

struct shape {
	const char *name;
	struct pair_wire wire;
	uint64_t total;
	void (*change)(struct pv_config *config);
};

/* Both directions at once, to the end of both; returns the virtual time it took, 0 if it did not
 * end. */
static uint64_t
transfer(struct pair *pair, const uint64_t handles[2], uint64_t total, uint64_t seed)
{
	struct flow flows[2];
	uint64_t start = pair->now, until = start + 3600 * 1000 * PAIR_MS;

	for (unsigned int i = 0; i < 2; i++)
		flows[i] = (struct flow){
			.from = pair->side[i],
			.to = pair->side[1 - i],
			.out = handles[i],
			.in = handles[1 - i],
			.seed = seed + i,
			.total = total,
		};
	do {
		for (unsigned int i = 0; i < 2; i++) {
			write_some(&flows[i], &pair->rng);
			read_some(&flows[i], &pair->rng);
		}
		if (flows[0].ended && flows[1].ended)
			break;
	} while (pair_step(pair, until));
	for (unsigned int i = 0; i < 2; i++) {
		if (!flows[i].ended || flows[i].error != 0 || flows[i].wrong ||
				flows[i].received != total) {
			printf("# seed %" PRIu64 " flow %u: sent %" PRIu64 " received %" PRIu64
			       " of %" PRIu64 ", error %" PRIi64 "%s%s\n",
					seed, i, flows[i].sent, flows[i].received, total,
					flows[i].error, flows[i].wrong ? ", wrong bytes" : "",
					flows[i].ended ? "" : ", not ended");
			return 0;
		}
	}
	return pair->now - start;
}

/* After both sides have closed, time-wait included, nothing is left. */
static bool
is_empty(struct pair *pair)
{
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t handle, cursor = 0;

		if (pv_connections(pair->side[i], &handle, 1, &cursor) != 0)
			return false;
	}
	return true;
}

static void
one(const struct shape *shape, uint64_t seed)
{
	static struct pv_config configs[2];
	struct pair pair;
	uint64_t handles[2], took = 0;
	bool empty = false;

	for (unsigned int i = 0; i < 2; i++) {
		pair_config(&configs[i], i);
		if (shape->change != NULL)
			shape->change(&configs[i]);
	}
	if (!pair_open(&pair, seed, configs)) {
		CHECK(false, "engines start");
		return;
	}
	if (pair_connect(&pair, 80, handles)) {
		pair.wire[0] = pair.wire[1] = shape->wire;
		took = transfer(&pair, handles, shape->total, seed);
		pv_close(pair.side[0], handles[0], PV_CLOSE_GRACEFUL);
		pv_close(pair.side[1], handles[1], PV_CLOSE_GRACEFUL);
		pair_run(&pair, 400 * 1000 * PAIR_MS);
		empty = is_empty(&pair);
	}
	if (took == 0 || !empty) {
		printf("# %s: seed %" PRIu64 "\n", shape->name, seed);
		pair_explain(&pair);
	}
	CHECK(took != 0, shape->name);
	CHECK(empty, "nothing is left");
	if (took != 0)
		printf("# %" PRIu64 " ms, %" PRIu64 " frames, %" PRIu64 " lost, %" PRIu64
		       " resent, %" PRIu64 " time-outs\n",
				took / PAIR_MS, pair.carried, pair.lost,
				pair_counter(&pair, 0, "TCP_RETRANSMITTED") +
						pair_counter(&pair, 1, "TCP_RETRANSMITTED"),
				pair_counter(&pair, 0, "TCP_RTO") +
						pair_counter(&pair, 1, "TCP_RTO"));
	pair_close(&pair);
}

static void
without_sack(struct pv_config *config)
{
	config->tcp.sack = 0;
}

static void
without_rack(struct pv_config *config)
{
	config->tcp.rack = 0;
}

static void
without_options(struct pv_config *config)
{
	config->tcp.sack = config->tcp.timestamps = config->tcp.window_scale = 0;
	config->tcp.congestion = PV_CC_NEWRENO;
}

static void
with_small_buffers(struct pv_config *config)
{
	config->tcp.recv_buffer = config->tcp.recv_buffer_max = 3000;
}

#define MEGA (1 << 20)

static const struct shape shapes[] = {
	{ "a clean wire", { .delay = PAIR_MS }, 4 * MEGA, NULL },
	{ "1 % loss", { .delay = PAIR_MS, .loss = 10000 }, 4 * MEGA, NULL },
	{ "5 % loss, both ways", { .delay = 5 * PAIR_MS, .loss = 50000 }, MEGA, NULL },
	{ "20 % loss", { .delay = PAIR_MS, .loss = 200000 }, MEGA / 4, NULL },
	{ "reordering", { .delay = PAIR_MS, .reorder = 50000, .reorder_delay = 3 * PAIR_MS },
			2 * MEGA, NULL },
	{ "duplicates", { .delay = PAIR_MS, .duplicate = 50000 }, 2 * MEGA, NULL },
	{ "everything at once",
			{ .delay = 2 * PAIR_MS,
					.jitter = 4 * PAIR_MS,
					.loss = 30000,
					.duplicate = 20000,
					.reorder = 30000,
					.reorder_delay = 10 * PAIR_MS },
			MEGA, NULL },
	{ "a narrow link", { .delay = 10 * PAIR_MS, .rate = 10000000, .queue = 30000 }, 2 * MEGA,
			NULL },
	{ "loss without SACK", { .delay = PAIR_MS, .loss = 30000 }, MEGA, without_sack },
	{ "loss without RACK", { .delay = PAIR_MS, .loss = 30000 }, MEGA, without_rack },
	{ "loss without any option", { .delay = PAIR_MS, .loss = 30000 }, MEGA, without_options },
	{ "tiny windows", { .delay = PAIR_MS, .loss = 10000 }, MEGA / 4, with_small_buffers },
};

/* test_pair_lossy [SEEDS]: so many of each shape; test_pair_lossy SEED SHAPE: one again. */
int
main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 4;

	if (argc > 2) {
		one(&shapes[strtoul(argv[2], NULL, 10)], n);
		return tap_done();
	}
	for (uint64_t seed = 1; seed <= n; seed++) {
		for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
			one(&shapes[i], seed * 100 + i);
	}
	return tap_done();
}
