/* SPDX-License-Identifier: BSD-3-Clause */
/* Two engines and a wire between them: in step mode, live with a thread, and live by a ring with
 * two ends. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/pv_bench.h"
#include "base/types.h"
#include "engine_rig.h"
#include "tap.h"

#define SECOND 1000000000ULL
#define MS     1000000ULL

static struct pv_config config[2];
static struct pv_engine *engine[2];
static struct pv_wire *wire;
static uint8_t data[1 << 16], got[1 << 16];

static void
start(bool step, uint16_t workers, const char *device)
{
	for (int i = 0; i < 2; i++) {
		engine_config(&config[i], workers);
		config[i].step = step;
		config[i].port[0].address[0].addr =
				pv_addr_from_v4(pv_hton32(0x0a090001 + (uint32_t)i));
		config[i].port[0].mac[0] = 2;
		config[i].port[0].mac[5] = (uint8_t)(i + 1);
		snprintf(config[i].port[0].device, sizeof(config[i].port[0].device), "%s", device);
		engine[i] = engine_start(&config[i]);
	}
}

static int
join(const struct pv_wire_params *params)
{
	struct pv_wire_join ends = {
		.engine = { engine[0], engine[1] }, .way = { *params, *params }, .seed = 3
	};
	char err[200] = "";
	struct pv_wire *made;
	int rc = pv_wire_open(&ends, &made, err, sizeof(err));

	if (rc == 0)
		wire = made;
	else
		printf("# %s\n", err);
	return rc;
}

static void
stop(void)
{
	CHECK(engine_accounts(engine[0]) && engine_accounts(engine[1]),
			"every frame ended in one counter");
	engine_stop(engine[0]);
	engine_stop(engine[1]);
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* To the next event of either engine or the wire; false: there is none before `end`. */
static bool
next_event(uint64_t end)
{
	uint64_t next = earlier(pv_wire_deadline(wire),
			earlier(pv_engine_deadline(engine[0], false),
					pv_engine_deadline(engine[1], false)));

	if (next > end)
		return false;
	next = next < pv_engine_now(engine[0]) ? pv_engine_now(engine[0]) : next;
	pv_wire_move(wire, next);
	pv_engine_step(engine[0], next);
	pv_engine_step(engine[1], next);
	return true;
}

/* Step mode: an event. Live: others get the CPU for a moment. */
static bool
go_on(void)
{
	if (config[0].step)
		return next_event(pv_engine_now(engine[0]) + 1000 * SECOND);
	poll(NULL, 0, 1);
	return true;
}

static bool
connect_pair(uint64_t handle[2])
{
	struct pv_connect_params params = { .peer = pv_addr_from_v4(pv_hton32(0x0a090002)),
		.peer_port = 80 };
	uint64_t listener = engine_listen(engine[1], 80, 5);
	struct pv_request request;

	if (pv_connect(engine[0], &params, &handle[0]) != 0)
		return false;
	for (int i = 0; i < 5000; i++) {
		if (pv_accept(engine[1], listener, &request, 1) == 1) {
			handle[1] = request.handle;
			return true;
		}
		go_on();
	}
	return false;
}

/* So many bytes from end 0 to end 1, compared. */
static uint64_t
carry(const uint64_t handle[2], uint64_t total)
{
	uint64_t sent = 0, received = 0;

	for (int idle = 0; received < total && idle < 20000; idle++) {
		struct pv_iov out = { data + sent % 251, sizeof(data) / 2 },
			      in = { got, sizeof(got) };
		int64_t n;

		if (sent + out.len > total)
			out.len = total - sent;
		n = out.len > 0 ? pv_send(engine[0], handle[0], &out, 1, 0) : 0;
		sent += n > 0 ? (uint64_t)n : 0;
		n = pv_recv(engine[1], handle[1], &in, 1, 0);
		if (n > 0) {
			if (memcmp(got, data + received % 251,
					    earlier((uint64_t)n, sizeof(data) - 251)) != 0)
				return received;
			received += (uint64_t)n;
			idle = 0;
		} else if (n == 0 || (n != -EAGAIN && n < 0)) {
			break;
		}
		if (n <= 0 && !go_on())
			break;
	}
	return received;
}

static void
test_step(void)
{
	const struct pv_wire_params good = { .rate = 1000000000, .delay = 5 * MS };
	const struct pv_wire_params bad = { .rate = 100000000,
		.delay = MS,
		.jitter = MS,
		.loss = 20000,
		.burst = 3,
		.reorder = 10000,
		.reorder_delay = 3 * MS,
		.duplicate = 10000,
		.corrupt = 10000 };
	struct pv_wire_stats stats;
	uint64_t handle[2], begin;

	start(true, 1, "step");
	CHECK_EQ(join(&good), 0, "a wire joins two engines");
	CHECK_EQ(join(&good), -EBUSY, "not twice");
	begin = pv_engine_now(engine[0]);
	CHECK(connect_pair(handle), "one connects to the other");
	CHECK_EQ((pv_engine_now(engine[0]) - begin) / (5 * MS), 5,
			"in two and a half round trips, ARP's included");
	begin = pv_engine_now(engine[0]);
	CHECK_EQ(carry(handle, 1000000), 1000000, "a million bytes arrive");
	CHECK(pv_engine_now(engine[0]) - begin > 8 * MS, "not faster than the rate allows");
	CHECK(pv_wire_change(wire, 0, &bad) == 0 && pv_wire_change(wire, 1, &bad) == 0,
			"the wire gets bad");
	CHECK_EQ(carry(handle, 1000000), 1000000, "and carries a million bytes all the same");
	pv_wire_read(wire, 0, &stats);
	CHECK(stats.lost > 0 && stats.duplicated > 0 && stats.reordered > 0 && stats.corrupted > 0,
			"though it has done all that was asked");
	engine_stop(engine[0]);
	engine[0] = NULL;
	CHECK(pv_wire_move(wire, UINT64_MAX) >= 0, "an engine that is gone gets nothing any more");
	CHECK_EQ(pv_wire_close(wire), 0, "the wire goes");
	engine_stop(engine[1]);
}

static void
test_live(void)
{
	const struct pv_wire_params params = { .delay = 2 * MS, .loss = 5000, .duplicate = 5000 };
	struct pv_wire_stats stats;
	uint64_t handle[2];

	start(false, 2, "ring");
	CHECK_EQ(join(&params), 0, "a wire joins two live engines");
	CHECK(connect_pair(handle), "one connects to the other");
	CHECK_EQ(carry(handle, 3000000), 3000000, "three million bytes arrive");
	pv_wire_read(wire, 0, &stats);
	CHECK(stats.frames > 2000 && stats.lost > 0, "by way of the wire, with losses");
	CHECK_EQ(pv_wire_close(wire), 0, "the wire goes");
	stop();
}

static void
test_named_ring(void)
{
	struct pv_engine *third = NULL;
	char err[200] = "";
	uint64_t handle[2];

	start(false, 1, "ring:test");
	CHECK(pv_engine_start(&config[0], &third, err, sizeof(err)) == -EBUSY && third == NULL,
			err);
	CHECK(connect_pair(handle), "two engines at the ends of one ring");
	CHECK_EQ(carry(handle, 20000000), 20000000, "twenty million bytes arrive");
	stop();
	start(false, 1, "ring:test");
	CHECK(connect_pair(handle), "and the name can be used again");
	stop();
}

static uint64_t
adopted(int kind, uint32_t size)
{
	struct pv_connect_params params = { .peer = pv_addr_from_v4(pv_hton32(0x0a090002)),
		.peer_port = 80 };
	uint64_t handle = 0;

	CHECK(pv_connect(engine[0], &params, &handle) == 0 &&
					pv_service_adopt(engine[0], handle, kind, size) == 0,
			"a service takes a connection over");
	return handle;
}

/* Services at both ends, live; returns what the client's has done once it is enough. */
static struct pv_service_stats
use(int client, uint32_t size, int server, uint64_t given, uint64_t *latency)
{
	uint64_t listener = engine_listen(engine[1], 80, 5), handle;
	struct pv_service_stats stats = { 0 };

	pv_service_start(engine[1], listener, server);
	handle = adopted(client, size);
	for (int i = 0; i < 20000 && stats.given < given; i++) {
		poll(NULL, 0, 1);
		pv_service_read(engine[0], 0, &stats, latency);
	}
	CHECK_EQ(stats.connections, 1, "it has one connection");
	CHECK_EQ(pv_service_drop(engine[0]), 0, "it lets it go when it is told");
	CHECK_EQ(pv_close(engine[0], handle, PV_CLOSE_ABORT), -EBADF, "so the handle is stale");
	pv_listener_close(engine[1], listener);
	return stats;
}

static void
test_source(void)
{
	struct pv_service_stats stats, received;
	uint64_t dropped = 1;

	/* On a machine that has other things to do the receiver may be gone for long. */
	for (int i = 0; i < 5 && dropped != 0; i++) {
		start(false, 1, "ring:test");
		stats = use(PV_SERVICE_SOURCE, 0, PV_SERVICE_DISCARD, 100000000, NULL);
		pv_service_read(engine[1], 0, &received, NULL);
		CHECK(stats.given >= 100000000 && received.taken >= stats.given - (8 << 20),
				"a source sends what is taken");
		dropped = engine_count(engine[0], "TX_DROPPED");
		stop();
	}
	CHECK_EQ(dropped, 0, "a full device makes segments wait, not vanish");
}

static void
test_ask(void)
{
	static uint64_t latency[PV_LATENCY_BUCKETS];
	struct pv_service_stats stats;
	uint64_t sum = 0;

	start(false, 1, "ring:test");
	stats = use(PV_SERVICE_ASK, 50000, PV_SERVICE_ECHO, 5000000, latency);
	for (size_t i = 0; i < PV_LATENCY_BUCKETS; i++)
		sum += latency[i];
	CHECK(stats.rounds >= 99 && stats.taken >= stats.rounds * 50000,
			"each question is answered before the next one");
	CHECK(sum >= stats.rounds, "and timed");
	CHECK_EQ(pv_service_adopt(engine[0], 1, PV_SERVICE_ASK, 1), -EBADF, "no such connection");
	stop();
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i % 251);
	engine_eal();
	test_step();
	test_live();
	test_named_ring();
	test_source();
	test_ask();
	return tap_done();
}
