/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots: who holds them, when their handles grow stale, and in which order they come back. */
#include <errno.h>
#include <string.h>

#include "base/rng.h"
#include "bridge_fixture.h"
#include "tap.h"

#define SLOTS 2000

static uint64_t handles[SLOTS + 1];
static uint32_t indexes[SLOTS + 1];

static bool
is_current(struct fixture *f, uint64_t handle)
{
	struct pv_shared *shared = pv_slot_of(f->bridge, handle);

	return shared != NULL && pv_status_is_of(&shared->status, handle);
}

static void
release_both(struct pv_ctx *ctx, uint32_t index)
{
	pv_slot_release(ctx, index, PV_SLOT_TCP);
	pv_slot_release(ctx, index, PV_SLOT_CONTROL);
}

static void
test_holds(struct fixture *f)
{
	struct pv_ctx *ctx = &f->ctx[1];
	struct pv_shared *shared, *again;
	uint32_t index, second;
	uint64_t handle, other;

	shared = pv_slot_take(ctx, &index, &handle);
	CHECK_EQ(pv_handle_worker(handle), 1, "a handle names its worker");
	CHECK_EQ(pv_handle_index(handle), index, "and its index");
	CHECK(shared == pv_slot_of(f->bridge, handle) && shared == pv_slot_at(ctx, index),
			"it leads to its record");
	CHECK(is_current(f, handle), "the record is of the handle");
	pv_slot_release(ctx, index, PV_SLOT_TCP);
	CHECK(is_current(f, handle), "it stays so while one side holds it");
	pv_slot_release(ctx, index, PV_SLOT_CONTROL);
	CHECK(!is_current(f, handle), "and is stale when both have let go");
	other = pv_handle_make(1, index, shared->status.generation);
	CHECK(!is_current(f, other), "a free slot is of no handle");
	CHECK(pv_slot_of(f->bridge, pv_handle_make(2, 0, 1)) == NULL, "there is no third worker");
	CHECK(pv_slot_of(f->bridge, pv_handle_make(0, SLOTS, 1)) == NULL, "nor one slot more");
	again = pv_slot_take(ctx, &second, &other);
	CHECK(again != shared, "an index rests after its release");
	release_both(ctx, second);
}

static unsigned int
take_all(struct pv_ctx *ctx)
{
	unsigned int n = 0;

	while (n <= SLOTS && pv_slot_take(ctx, &indexes[n], &handles[n]) != NULL)
		n++;
	return n;
}

static void
test_all_slots(struct fixture *f)
{
	static bool seen[SLOTS];
	static uint64_t first[SLOTS];
	struct pv_ctx *ctx = &f->ctx[0];
	bool twice = false, same = true, zero = true;
	uint64_t handle;
	uint32_t index;

	CHECK_EQ(take_all(ctx), SLOTS, "every slot can be taken, those in the stock too");
	for (unsigned int i = 0; i < SLOTS; i++) {
		twice |= seen[indexes[i]];
		seen[indexes[i]] = true;
	}
	CHECK(!twice, "each once");
	CHECK(pv_slot_take(ctx, &index, &handle) == NULL, "then there is none");
	pv_bridge_flush(ctx);
	CHECK_EQ(pv_slot_reserve(f->bridge, 0, &handle), -ENOBUFS, "and none to reserve");
	for (unsigned int i = 0; i < SLOTS; i++) {
		memset((char *)&pv_slot_at(ctx, indexes[i])->status + 4, 0x55, 60);
		pv_slot_at(ctx, indexes[i])->status.watch = 0;
		first[i] = handles[i];
		release_both(ctx, indexes[i]);
	}
	CHECK_EQ(take_all(ctx), SLOTS, "all come back");
	for (unsigned int i = 0; i < SLOTS; i++) {
		static const uint8_t nothing[60];
		struct pv_status *status = &pv_slot_at(ctx, indexes[i])->status;

		same &= pv_handle_index(first[i]) == indexes[i] && first[i] != handles[i];
		zero &= memcmp((char *)status + 4, nothing, sizeof(nothing)) == 0;
	}
	CHECK(same, "in the order of their release, under new handles");
	CHECK(zero, "and with a clean record");
	for (unsigned int i = 0; i < SLOTS; i++)
		release_both(ctx, indexes[i]);
	pv_bridge_flush(ctx);
}

static void
test_rest(struct fixture *f)
{
	struct pv_ctx *ctx = &f->ctx[1];
	static unsigned int since[SLOTS];
	unsigned int soonest = UINT32_MAX, highest = 0;
	unsigned int surprises = 0;
	uint32_t index, ahead[64];
	uint64_t handle;

	for (unsigned int i = 1; i <= 20000; i++) {
		surprises += pv_slot_ahead(ctx, ahead, 64) != 64;
		pv_slot_take(ctx, &index, &handle);
		surprises += index != ahead[0];
		if (since[index] != 0 && i - since[index] < soonest)
			soonest = i - since[index];
		since[index] = i;
		highest = index > highest ? index : highest;
		release_both(ctx, index);
	}
	CHECK_EQ(surprises, 0, "the next index to be taken is known beforehand");
	CHECK(soonest >= 1000, "an index rests for a thousand connections");
	CHECK(highest < SLOTS - 1,
			"and short ones, one after the other, leave most slots untouched");
}

static void
test_reserve(struct fixture *f)
{
	struct pv_ctx *ctx = &f->ctx[0];
	uint64_t handle, cursor = 0;
	struct pv_command close;
	unsigned int n = 0;

	CHECK_EQ(pv_bridge_connections(f->bridge, handles, SLOTS, &cursor), 0,
			"the stock is no connection");
	while (pv_slot_reserve(f->bridge, 0, &handles[n]) == 0)
		n++;
	CHECK(n >= 64, "a stock of slots can be reserved at once");
	CHECK_EQ(pv_slot_reserve(f->bridge, 0, &handle), -EAGAIN,
			"then the worker is asked for more");
	pv_bridge_flush(ctx);
	CHECK_EQ(pv_slot_reserve(f->bridge, 0, &handles[n]), 0, "it has refilled the stock");
	CHECK(is_current(f, handles[n]), "with slots that are in use");
	pv_slot_of(f->bridge, handles[3])->status.state = 2;
	cursor = 0;
	CHECK_EQ(pv_bridge_connections(f->bridge, &handle, 1, &cursor), 1,
			"one with a state is listed");
	CHECK_EQ(handle, handles[3], "by its handle");
	CHECK_EQ(pv_bridge_connections(f->bridge, &handle, 1, &cursor), 0, "and once");
	close = (struct pv_command){ .kind = PV_CMD_CLOSE, .handle = handles[3] };
	pv_slot_release(ctx, pv_handle_index(handles[3]), PV_SLOT_TCP);
	pv_slot_close(ctx, &close);
	CHECK(!is_current(f, handles[3]), "the close command releases the control plane's hold");
	pv_slot_close(ctx, &close);
	CHECK_EQ(ctx->counters.value[PV_C_NEVER], 1, "a second one is counted and does nothing");
}

/* Slots that were used in all ways must come back clean: the checked build looks at each. */
static void
test_clean(struct fixture *f)
{
	struct pv_ctx *ctx = &f->ctx[1];
	uint32_t chunks = pv_chunk_count_free(&f->bridge->chunks), index;
	struct pv_stream empty = { 0 };
	struct pv_rng rng;
	bool clean = true;
	uint64_t handle;

	pv_rng_seed(&rng, 3);
	for (unsigned int i = 0; i < 10000; i++) {
		struct pv_shared *shared = pv_slot_take(ctx, &index, &handle);
		struct pv_iov iov = { .base = &rng, .len = sizeof(rng) };
		uint32_t ways = pv_rng_below(&rng, 64);

		clean &= memcmp(&shared->rx, &empty, sizeof(empty)) == 0 &&
			 memcmp(&shared->tx, &empty, sizeof(empty)) == 0;
		shared->status.writes = 1;
		if (ways & 1)
			pv_stream_append(f->bridge, &shared->rx, &rng, sizeof(rng));
		if (ways & 2)
			pv_stream_finish(f->bridge, &shared->rx);
		if (ways & 4)
			pv_stream_set_limit(f->bridge, &shared->rx, 100);
		if (ways & 8)
			pv_stream_ask(f->bridge, &shared->rx, 1 << 30);
		if (ways & 16)
			pv_bridge_send(f->bridge, handle, &iov, 1, 0);
		if (ways & 32)
			pv_bridge_shutdown_send(f->bridge, handle);
		pv_slot_release(ctx, index, PV_SLOT_TCP);
		pv_bridge_close(f->bridge, handle, PV_CLOSE_GRACEFUL);
		while (fixture_turn(ctx, NULL) > 0)
			;
		clean &= !is_current(f, handle);
	}
	CHECK(clean, "however a slot was used, it comes back clean");
	CHECK_EQ(pv_chunk_count_free(&f->bridge->chunks), chunks, "with all chunks");
}

int
main(void)
{
	struct fixture *f = fixture_new(2);

	f->config.max_connections = SLOTS;
	fixture_start(f);
	test_holds(f);
	test_all_slots(f);
	test_rest(f);
	test_reserve(f);
	test_clean(f);
	fixture_free(f);
	return tap_done();
}
