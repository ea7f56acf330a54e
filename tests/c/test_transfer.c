/* SPDX-License-Identifier: BSD-3-Clause */
/* What the application's calls return, which commands they put and which level bits they leave. */
#include <errno.h>
#include <string.h>

#include "bridge/urgent.h"
#include "bridge_fixture.h"
#include "tap.h"

static uint32_t counts[PV_CMD_KINDS];
static char in[200000], out[200000];

static int64_t
send_some(struct fixture *f, uint64_t handle, size_t len)
{
	struct pv_iov iov[2] = { { out, len / 3 }, { out + len / 3, len - len / 3 } };

	return pv_bridge_send(f->bridge, handle, iov, 2, 0);
}

static int64_t
recv_some(struct fixture *f, uint64_t handle, size_t len, uint32_t flags)
{
	struct pv_iov iov[2] = { { in, len / 3 }, { in + len / 3, len - len / 3 } };

	return pv_bridge_recv(f->bridge, handle, iov, 2, flags);
}

static uint32_t
level(const struct pv_shared *shared, uint32_t bit)
{
	return __atomic_load_n(&shared->status.ready, __ATOMIC_ACQUIRE) & bit;
}

static void
arrive(struct fixture *f, struct pv_shared *shared, uint64_t handle, size_t len)
{
	pv_stream_append(f->bridge, &shared->rx, out, len);
	pv_report(&f->ctx[0], &shared->status, handle, PV_READY_READ, 0, PV_READY_READ);
}

static void
test_recv(struct fixture *f)
{
	uint64_t handle;
	struct pv_shared *shared = fixture_connect(&f->ctx[0], &handle);

	CHECK_EQ(recv_some(f, handle, 10, 0), -EAGAIN, "nothing has come");
	CHECK_EQ(pv_bridge_readable(f->bridge, handle), 0, "nothing is readable");
	arrive(f, shared, handle, 5000);
	CHECK_EQ(pv_bridge_readable(f->bridge, handle), 5000, "what came is readable");
	CHECK_EQ(recv_some(f, handle, 3001, PV_IO_PEEK), 3001, "peek copies");
	CHECK(memcmp(in, out, 3001) == 0, "the first bytes");
	CHECK_EQ(recv_some(f, handle, 3001, 0), 3001, "and leaves them to be taken");
	CHECK(memcmp(in, out, 3001) == 0, "as they came");
	CHECK(level(shared, PV_READY_READ) != 0, "readable while some are left");
	pv_stream_finish(f->bridge, &shared->rx);
	CHECK_EQ(recv_some(f, handle, 0, 0), 0, "room for none takes none");
	CHECK_EQ(recv_some(f, handle, 3000, 0), 1999, "the rest comes before the end");
	CHECK(memcmp(in, out + 3001, 1999) == 0, "where the first part stopped");
	CHECK_EQ(level(shared, PV_READY_READ), 0, "not readable any more");
	pv_report(&f->ctx[0], &shared->status, handle, PV_READY_READ, 0, 0);
	CHECK_EQ(level(shared, PV_READY_READ), 0, "whatever the worker thought a moment ago");
	CHECK_EQ(recv_some(f, handle, 10, 0), 0, "then 0 for the peer's FIN");
	arrive(f, shared, handle, 7);
	shared->status.error = -ECONNRESET;
	CHECK_EQ(recv_some(f, handle, 10, 0), 7, "bytes come before an error");
	CHECK_EQ(recv_some(f, handle, 10, 0), -ECONNRESET, "which is told for ever");
	CHECK_EQ(recv_some(f, handle, 10, 0), -ECONNRESET, "after them");
	CHECK_EQ(recv_some(f, handle, 10, PV_IO_OOB), -ECONNRESET, "also who asks for urgent data");
}

static void
test_urgent(struct fixture *f)
{
	uint64_t handle;
	struct pv_shared *shared = fixture_connect(&f->ctx[0], &handle);
	bool all = true;

	CHECK_EQ(recv_some(f, handle, 10, PV_IO_OOB), -EINVAL, "no urgent byte");
	pv_urgent_await(f->bridge, &shared->rx, true);
	pv_report(&f->ctx[0], &shared->status, handle, PV_READY_OOB, 0, PV_READY_OOB);
	CHECK(level(shared, PV_READY_OOB) != 0, "announced");
	CHECK_EQ(recv_some(f, handle, 10, PV_IO_OOB), -EAGAIN, "but not there yet");
	pv_urgent_await(f->bridge, &shared->rx, false);
	for (uint8_t i = 0; i < PV_URGENT_MAX; i++)
		all &= pv_urgent_put(f->bridge, &shared->rx, i + 200);
	CHECK(all && !pv_urgent_put(f->bridge, &shared->rx, 0), "so many wait, no more");
	CHECK_EQ(recv_some(f, handle, 0, PV_IO_OOB), 0, "room for none takes none");
	CHECK(recv_some(f, handle, 10, PV_IO_OOB | PV_IO_PEEK) == 1 && (uint8_t)in[0] == 200,
			"one can be looked at");
	for (uint8_t i = 0; i < PV_URGENT_MAX; i++) {
		CHECK(level(shared, PV_READY_OOB) != 0, "told while some wait");
		all &= recv_some(f, handle, 10, PV_IO_OOB) == 1 && (uint8_t)in[0] == i + 200;
	}
	CHECK(all, "they come one by one, in order");
	CHECK_EQ(level(shared, PV_READY_OOB), 0, "none is left");
	pv_report(&f->ctx[0], &shared->status, handle, PV_READY_OOB, 0, 0);
	CHECK_EQ(level(shared, PV_READY_OOB), 0, "whatever the worker thought a moment ago");
	arrive(f, shared, handle, 5);
	pv_urgent_set_mark(f->bridge, &shared->rx);
	arrive(f, shared, handle, 5);
	CHECK_EQ(pv_bridge_readable(f->bridge, handle), 5, "as far as the mark");
	CHECK_EQ(pv_bridge_urgent(f->bridge, handle), PV_URGENT_AHEAD, "which lies ahead");
	CHECK_EQ(recv_some(f, handle, 10, 0), 5, "a read ends there");
	CHECK_EQ(pv_bridge_urgent(f->bridge, handle), PV_URGENT_HERE, "at it");
	CHECK_EQ(recv_some(f, handle, 10, 0), 5, "the next one goes on");
	CHECK_EQ(pv_bridge_urgent(f->bridge, handle), 0, "behind it");
}

static void
test_window(struct fixture *f)
{
	uint64_t handle;
	struct pv_shared *shared = fixture_connect(&f->ctx[0], &handle);

	memset(counts, 0, sizeof(counts));
	arrive(f, shared, handle, 60000);
	recv_some(f, handle, 100, 0);
	fixture_turn(&f->ctx[0], counts);
	CHECK_EQ(counts[PV_CMD_WINDOW], 0, "who is not asked does not tell");
	CHECK(!pv_stream_ask(f->bridge, &shared->rx, 30000), "asked for room that is not there");
	recv_some(f, handle, 100, PV_IO_PEEK);
	fixture_turn(&f->ctx[0], counts);
	CHECK_EQ(counts[PV_CMD_WINDOW], 0, "peek gives no room");
	recv_some(f, handle, 100, 0);
	recv_some(f, handle, 100, 0);
	fixture_turn(&f->ctx[0], counts);
	CHECK_EQ(counts[PV_CMD_WINDOW], 1, "the reader tells once until he is heard");
	pv_stream_kicked(&shared->rx);
	recv_some(f, handle, 100, 0);
	fixture_turn(&f->ctx[0], counts);
	CHECK_EQ(counts[PV_CMD_WINDOW], 2, "and again after that");
	pv_stream_kicked(&shared->rx);
	recv_some(f, handle, 40000, 0);
	CHECK(pv_stream_ask(f->bridge, &shared->rx, 30000), "there is room now");
	pv_stream_kicked(&shared->rx);
	fixture_turn(&f->ctx[0], counts);
	recv_some(f, handle, 100, 0);
	fixture_turn(&f->ctx[0], counts);
	CHECK_EQ(counts[PV_CMD_WINDOW], 3, "so nothing is asked for any more");
}

static void
test_send(struct fixture *f)
{
	uint32_t limit = f->config.tcp.send_buffer, index;
	struct pv_stream_cursor cursor = { .pos = 0 };
	struct pv_shared *shared;
	uint64_t handle;

	memset(counts, 0, sizeof(counts));
	shared = pv_slot_take(&f->ctx[0], &index, &handle);
	CHECK_EQ(send_some(f, handle, 10), -ENOTCONN, "not connected yet");
	CHECK_EQ(recv_some(f, handle, 10, 0), -ENOTCONN, "for both directions");
	CHECK_EQ(pv_bridge_shutdown_send(f->bridge, handle), -ENOTCONN, "and for a shutdown");
	shared->status.writes = 1;
	pv_report(&f->ctx[0], &shared->status, handle, PV_READY_WRITE, 0, PV_READY_WRITE);
	CHECK_EQ(send_some(f, handle, 5000), 5000, "connected, bytes are taken over");
	CHECK_EQ(send_some(f, handle, 100), 100, "and more of them");
	fixture_turn(&f->ctx[0], counts);
	CHECK_EQ(counts[PV_CMD_SEND], 1, "the worker is told once");
	pv_stream_kicked(&shared->tx);
	CHECK_EQ(send_some(f, handle, sizeof(out)), limit - 5100, "up to the limit");
	fixture_turn(&f->ctx[0], counts);
	CHECK_EQ(counts[PV_CMD_SEND], 2, "and told again after it looked");
	CHECK_EQ(level(shared, PV_READY_WRITE), 0, "full, and not writable");
	pv_report(&f->ctx[0], &shared->status, handle, PV_READY_WRITE, 0, 0);
	CHECK_EQ(level(shared, PV_READY_WRITE), 0, "whatever the worker thought a moment ago");
	CHECK_EQ(send_some(f, handle, 1), -EAGAIN, "a full buffer takes nothing");
	CHECK_EQ(send_some(f, handle, 0), 0, "but for nothing");
	pv_stream_read(&shared->tx, &cursor, 5000, in, 100);
	CHECK(memcmp(in, out, 100) == 0, "the worker reads what was sent");
	pv_stream_free_until(f->bridge, &shared->tx, &cursor, 1000);
	CHECK(!pv_stream_relieved(f->bridge, &shared->tx), "a little room is not worth a word");
	pv_stream_free_until(f->bridge, &shared->tx, &cursor, limit / 2);
	CHECK(pv_stream_relieved(f->bridge, &shared->tx), "half of it is");
	CHECK(!pv_stream_relieved(f->bridge, &shared->tx), "once");
	pv_report(&f->ctx[0], &shared->status, handle, PV_READY_WRITE, 0, PV_READY_WRITE);
	CHECK(level(shared, PV_READY_WRITE) != 0, "then it is writable again");
	pv_stream_kicked(&shared->tx);
	CHECK_EQ(pv_bridge_shutdown_send(f->bridge, handle), 0, "no more bytes will come");
	CHECK(pv_stream_finished(&shared->tx), "which the worker sees");
	CHECK_EQ(pv_bridge_shutdown_send(f->bridge, handle), 0, "said twice is said once");
	fixture_turn(&f->ctx[0], counts);
	CHECK_EQ(counts[PV_CMD_SEND], 3, "and told once");
	CHECK_EQ(send_some(f, handle, 1), -EPIPE, "no byte after that");
	shared->status.error = -ETIMEDOUT;
	CHECK_EQ(send_some(f, handle, 1), -ETIMEDOUT, "an error comes first");
}

static void
test_no_chunks(struct fixture *f)
{
	uint64_t handle;
	struct pv_shared *shared = fixture_connect(&f->ctx[0], &handle);
	struct pv_chunk *chunk, *list = NULL;

	(void)shared;
	while ((chunk = pv_chunk_get(&f->bridge->chunks, 0)) != NULL) {
		chunk->next = list;
		list = chunk;
	}
	CHECK_EQ(send_some(f, handle, 10), -ENOBUFS, "without chunks nothing can be sent");
	while ((chunk = list) != NULL) {
		list = chunk->next;
		pv_chunk_put(&f->bridge->chunks, 1, chunk, chunk);
	}
	CHECK_EQ(send_some(f, handle, 10), 10, "with those of another worker it can");
}

static void
test_close(struct fixture *f)
{
	struct pv_command command;
	uint64_t handle, both[4];
	struct pv_ctx *ctx = &f->ctx[0];

	while (fixture_turn(ctx, NULL) > 0)
		;
	fixture_connect(ctx, &handle);
	CHECK_EQ(pv_bridge_close(f->bridge, handle, PV_CLOSE_ABORT), 0, "a close is taken");
	CHECK_EQ(pv_command_take(f->bridge, 0, &command, 1), 1, "and put");
	CHECK(command.kind == PV_CMD_CLOSE && command.a == PV_CLOSE_ABORT &&
					command.handle == handle,
			"as it was said");
	CHECK_EQ(pv_bridge_close(f->bridge, handle, PV_CLOSE_ABORT), -EBADF, "once");
	CHECK_EQ(send_some(f, handle, 1), -EBADF, "a closed handle sends nothing");
	CHECK_EQ(recv_some(f, handle, 1, 0), -EBADF, "receives nothing");
	CHECK_EQ(pv_bridge_readable(f->bridge, handle), -EBADF, "has nothing to read");
	CHECK_EQ(pv_bridge_shutdown_send(f->bridge, handle), -EBADF, "and can't be shut down");
	pv_slot_release(ctx, pv_handle_index(handle), PV_SLOT_TCP);
	pv_slot_close(ctx, &command);
	CHECK_EQ(send_some(f, handle, 1), -EBADF, "nor can a stale one");
	CHECK_EQ(pv_bridge_close(f->bridge, handle, PV_CLOSE_ABORT), -EBADF, "in any way");
	CHECK_EQ(send_some(f, UINT64_MAX, 1), -EBADF, "nor one that never was");
	CHECK_EQ(send_some(f, 0, 1), -EBADF, "nor none");
	for (unsigned int i = 0; i < 3; i++)
		fixture_connect(&f->ctx[i == 1], &both[i]);
	both[3] = handle;
	CHECK_EQ(pv_bridge_close_many(f->bridge, both, 4, PV_CLOSE_DETACH), 3,
			"many are closed, but no stale one");
	CHECK(pv_command_take(f->bridge, 0, &command, 1) == 1 && command.a == PV_CLOSE_DETACH &&
					command.handle == both[0],
			"in order");
	CHECK(pv_command_take(f->bridge, 0, &command, 1) == 1 && command.handle == both[2],
			"of each worker");
	CHECK(pv_command_take(f->bridge, 1, &command, 1) == 1 && command.handle == both[1],
			"to its own");
}

int
main(void)
{
	struct fixture *f = fixture_new(2);

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7 + i / 251);
	fixture_start(f);
	test_recv(f);
	test_urgent(f);
	test_window(f);
	test_send(f);
	test_no_chunks(f);
	test_close(f);
	fixture_free(f);
	return tap_done();
}
