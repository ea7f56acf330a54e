/* SPDX-License-Identifier: BSD-3-Clause */
/* The command ring: order, room, and who is woken. */
#include <errno.h>
#include <string.h>

#include "bridge_fixture.h"
#include "tap.h"

static struct pv_command burst[3 * PV_COMMAND_RING];

static unsigned int yields;

/* A worker's turn, as the engine of a lab takes it. */
static void
turn(void *arg)
{
	struct fixture *f = arg;
	struct pv_command out[10];
	uint32_t n = pv_command_take(f->bridge, 0, out, 10);

	for (uint32_t i = 0; i < n; i++)
		burst[out[i].handle].b = out[i].a;
	pv_bridge_flush(&f->ctx[0]);
	yields++;
}

static void
stop(void *arg)
{
	struct fixture *f = arg;

	pv_bridge_stop(f->bridge);
}

static void
test_order(struct fixture *f)
{
	static struct pv_command out[100];
	struct pv_command command = { .kind = PV_CMD_SEND };
	unsigned int n = 0, wrong = 0, taken = 0;

	CHECK(!pv_command_waiting(f->bridge, 1), "an empty ring has nothing");
	for (unsigned int lap = 0; lap < 1000; lap++) {
		for (unsigned int i = 0; i < lap % 90; i++) {
			command.handle = n++;
			wrong += pv_command_put(f->bridge, 1, &command) != 0;
		}
		wrong += pv_command_waiting(f->bridge, 1) != (taken < n);
		for (uint32_t i = pv_command_take(f->bridge, 1, out, 100), j = 0; j < i; j++)
			wrong += out[j].handle != taken++;
	}
	pv_bridge_flush(&f->ctx[1]);
	CHECK(taken == n && n > 10 * PV_COMMAND_RING, "every command of many laps is taken");
	CHECK_EQ(wrong, 0, "in order");
}

static void
test_full(struct fixture *f)
{
	unsigned int wrong = 0;

	for (uint32_t i = 0; i < PV_COUNT_OF(burst); i++)
		burst[i] = (struct pv_command){ .kind = PV_CMD_SEND, .handle = i, .a = i + 1 };
	for (uint32_t i = 0; i < PV_COMMAND_RING; i++)
		wrong += pv_command_put(f->bridge, 0, &burst[i]) != 0;
	CHECK_EQ(wrong, 0, "a ring takes what it has room for");
	CHECK_EQ(pv_command_put(f->bridge, 0, &burst[0]), -EAGAIN, "and no more");
	pv_bridge_set_yield(f->bridge, turn, f);
	CHECK_EQ(pv_command_put_all(f->bridge, 0, burst + PV_COMMAND_RING, 2 * PV_COMMAND_RING), 0,
			"a burst waits for room");
	CHECK(yields >= 2 * PV_COMMAND_RING / 10, "by letting the worker run");
	while (pv_command_waiting(f->bridge, 0))
		turn(f);
	for (uint32_t i = 0; i < PV_COUNT_OF(burst); i++)
		wrong += burst[i].b != i + 1;
	CHECK_EQ(wrong, 0, "nothing is lost on the way");
	CHECK_EQ(pv_command_put_all(f->bridge, 0, burst, PV_COMMAND_RING), 0,
			"an empty ring takes a burst of its size");
}

static void
test_doorbell(struct fixture *f)
{
	struct pv_doorbell *bell = pv_bridge_doorbell(f->bridge, 1);
	struct pv_command command = { .kind = PV_CMD_SEND };

	pv_command_put(f->bridge, 1, &command);
	CHECK(!pv_doorbell_clear(bell), "a worker that is awake is not rung");
	pv_doorbell_arm(bell);
	CHECK(pv_command_waiting(f->bridge, 1), "it looks again before it sleeps");
	pv_command_put(f->bridge, 1, &command);
	pv_command_put(f->bridge, 1, &command);
	CHECK(pv_doorbell_clear(bell), "one that sleeps is rung");
	CHECK(!pv_doorbell_clear(bell), "once");
	pv_command_put(f->bridge, 1, &command);
	CHECK(!pv_doorbell_clear(bell), "until it sleeps again");
}

static void
test_nap(struct fixture *f)
{
	struct pv_doorbell *bell = pv_bridge_doorbell(f->bridge, 1);
	struct pv_command send = { .kind = PV_CMD_SEND }, close = { .kind = PV_CMD_CLOSE };

	pv_doorbell_arm_nap(bell);
	pv_command_put(f->bridge, 1, &close);
	CHECK(!pv_doorbell_clear(bell), "closing can wait for the end of a nap");
	pv_command_put(f->bridge, 1, &send);
	CHECK(pv_doorbell_clear(bell), "bytes cannot");
	pv_doorbell_arm(bell);
	pv_command_put(f->bridge, 1, &close);
	CHECK(pv_doorbell_clear(bell), "nor can closing for that of a sleep");
	pv_doorbell_arm_nap(bell);
	pv_doorbell_disarm(bell);
	pv_command_put(f->bridge, 1, &send);
	CHECK(!pv_doorbell_clear(bell), "a nap that did not come off is no nap");
}

static void
test_answer(struct fixture *f)
{
	int waiter = pv_bridge_waiter_open(f->bridge, PV_WAITER_QUEUE, -1);
	struct pv_answer answer = { .pending = 2, .waiter = waiter };
	struct pv_command command = { .kind = PV_CMD_LISTEN, .answer = &answer };

	pv_command_answer(&f->ctx[0], &command, -EADDRINUSE);
	pv_bridge_flush(&f->ctx[0]);
	CHECK_EQ(pv_bridge_waiter_wait(f->bridge, waiter, 0, -1), 0,
			"one answer of two is not all");
	pv_command_answer(&f->ctx[1], &command, -ENOBUFS);
	pv_bridge_flush(&f->ctx[1]);
	CHECK_EQ(pv_bridge_waiter_wait(f->bridge, waiter, -1, -1), 1,
			"the last one wakes who waits");
	CHECK_EQ(answer.pending, 0, "nobody is to answer any more");
	CHECK_EQ(answer.error, -EADDRINUSE, "the first error counts");
	command.answer = NULL;
	pv_command_answer(&f->ctx[1], &command, -ENOBUFS);
	CHECK_EQ(pv_bridge_waiter_wait(f->bridge, waiter, 0, -1), 0,
			"where nobody asked nobody is told");
}

/* A worker that is an application too must not wait for the ring that only it empties. */
static void
test_own(struct fixture *f)
{
	struct pv_command command = { .kind = PV_CMD_SEND }, out;
	unsigned int wrong = 0, n = 0;

	while (pv_command_take(f->bridge, 1, &out, 1) == 1)
		;
	pv_bridge_flush(&f->ctx[1]);
	while (pv_command_put(f->bridge, 1, &command) == 0)
		n++;
	CHECK_EQ(n, PV_COMMAND_RING, "outside of its turn a ring can be full");
	pv_command_take(f->bridge, 1, &out, 1);
	pv_command_put(f->bridge, 1, &command);
	for (command.handle = 1; command.handle <= 3000; command.handle++)
		wrong += pv_command_put_all(f->bridge, 1, &command, 1) != 0;
	CHECK_EQ(wrong, 0, "in its turn a worker finds room for its own");
	CHECK_EQ(pv_command_put_all(f->bridge, 0, burst, PV_COMMAND_RING + 1), -EAGAIN,
			"and waits for no other worker");
	pv_bridge_flush(&f->ctx[1]);
	CHECK(pv_command_waiting(f->bridge, 1), "it does not sleep on them");
	for (n = 0; pv_command_take(f->bridge, 1, &out, 1) == 1; n++)
		wrong += n > 0 && n <= 3000 && out.handle != n;
	CHECK_EQ(n, 1 + 3000 + PV_COMMAND_RING - 1, "all are taken");
	CHECK_EQ(wrong, 0, "its own first, in order");
	pv_bridge_flush(&f->ctx[1]);
}

static void
test_stop(struct fixture *f)
{
	pv_bridge_set_yield(f->bridge, stop, f);
	CHECK_EQ(pv_command_put_all(f->bridge, 0, burst, 1), -ESHUTDOWN,
			"who waits for room while the engine stops is let go");
	CHECK_EQ(pv_command_put(f->bridge, 1, burst), -ESHUTDOWN, "and nothing is put after that");
}

int
main(void)
{
	struct fixture *f = fixture_new(2);

	fixture_start(f);
	test_order(f);
	test_full(f);
	test_doorbell(f);
	test_nap(f);
	test_answer(f);
	test_own(f);
	test_stop(f);
	fixture_free(f);
	return tap_done();
}
