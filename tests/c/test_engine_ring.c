/* SPDX-License-Identifier: BSD-3-Clause */
/* Live engines on the in-memory wire: they come and go, many times, several at once, and wake for
 * commands. */
#include <errno.h>
#include <string.h>

#include "engine_rig.h"
#include "tap.h"

static struct pv_config config;

static void
test_commands(struct pv_engine *engine)
{
	uint64_t listener = engine_listen(engine, 80, 5), other = 0;
	struct pv_listen_params params = { .backlog = 5, .port = 80, .family = 4 };
	uint64_t start = pv_engine_now(engine);

	for (int i = 0; i < 200; i++)
		if (pv_listen(engine, &params, &other) != -EADDRINUSE)
			CHECK(false, "a second listener is refused");
	CHECK(pv_engine_now(engine) - start < 2000000000,
			"a sleeping worker answers 200 commands soon");
	CHECK_EQ(pv_listener_close(engine, listener), 0, "the first one closes");
	CHECK_EQ(pv_listen(engine, &params, &other), 0, "then the second one opens");
}

static void
test_loopback(struct pv_engine *engine)
{
	struct pv_connect_params params = { .peer = { { [10] = 0xff, 0xff, 127, 0, 0, 1 } },
		.peer_port = 90 };
	uint64_t listener = engine_listen(engine, 90, 5), handle;
	struct pv_request request;
	int waiter = pv_waiter_open(engine, PV_WAITER_QUEUE, -1);

	CHECK_EQ(pv_watch(engine, waiter, listener, PV_READY_ACCEPT, 0, 7), 0, "somebody waits");
	CHECK_EQ(pv_connect(engine, &params, &handle), 0, "somebody connects to ourselves");
	CHECK_EQ(pv_waiter_wait(engine, waiter, 5000000000, -1), 1, "the first one wakes");
	CHECK_EQ(pv_accept(engine, listener, &request, 1), 1, "and has it");
	pv_waiter_close(engine, waiter);
}

static void
test_many(void)
{
	struct pv_engine *engines[5];

	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 5; i++)
			engines[i] = engine_start(&config);
		for (int i = 0; i < 5; i++)
			engine_listen(engines[i], 80, 5);
		for (int i = 0; i < 5; i++)
			engine_stop(engines[i]);
	}
	CHECK(true, "fifty engines in one process, five at a time");
}

int
main(void)
{
	struct pv_engine *engine;

	engine_eal();
	for (uint16_t workers = 1; workers <= 3; workers++) {
		engine_config(&config, workers);
		engine = engine_start(&config);
		test_commands(engine);
		test_loopback(engine);
		CHECK(engine_accounts(engine), "every frame ended in one counter");
		engine_stop(engine);
	}
	engine_config(&config, 1);
	test_many();
	return tap_done();
}
