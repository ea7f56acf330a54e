/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams against a model that is a plain count of bytes, each of which can be computed from its
 * position. */
#include <errno.h>
#include <string.h>

#include "base/rng.h"
#include "bridge_fixture.h"
#include "tap.h"

#define MAX 9000

static struct pv_rng rng;
static uint8_t buffer[MAX];

static uint8_t
byte_at(uint64_t pos)
{
	return (uint8_t)((pos * 0x9e3779b97f4a7c15) >> 56);
}

static void
fill(uint64_t pos, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buffer[i] = byte_at(pos + i);
}

static bool
is_filled(uint64_t pos, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (buffer[i] != byte_at(pos + i))
			return false;
	return true;
}

/* Often on and next to a chunk's border. */
static size_t
random_len(void)
{
	switch (pv_rng_below(&rng, 4)) {
	case 0:
		return PV_CHUNK_DATA * pv_rng_below(&rng, 4);
	case 1:
		return PV_CHUNK_DATA - 2 + pv_rng_below(&rng, 5);
	case 2:
		return pv_rng_below(&rng, 64);
	default:
		return pv_rng_below(&rng, MAX);
	}
}

struct model {
	uint64_t written, taken;
	unsigned int wrong;
};

static void
check_append(struct fixture *f, struct pv_stream *stream, struct model *m)
{
	uint64_t room = f->config.tcp.recv_buffer - (m->written - m->taken);
	size_t len = random_len(), want = len < room ? len : room;

	fill(m->written, len);
	m->wrong += pv_stream_append(f->bridge, stream, buffer, len) != (int64_t)want;
	m->written += want;
	m->wrong += pv_stream_waiting(stream) != m->written - m->taken;
	m->wrong += pv_stream_room(f->bridge, stream) != room - want;
}

static void
check_take(struct fixture *f, struct pv_stream *stream, struct model *m)
{
	uint64_t waiting = m->written - m->taken;
	size_t len = random_len(), want = len < waiting ? len : waiting;
	bool peek = pv_rng_below(&rng, 4) == 0;

	m->wrong += pv_stream_take(f->bridge, stream, buffer, len, peek) != want;
	m->wrong += !is_filled(m->taken, want);
	if (!peek)
		m->taken += want;
}

static void
check_read(struct fixture *f, struct pv_stream *stream, struct model *m,
		struct pv_stream_cursor *cursor)
{
	uint64_t waiting = m->written - m->taken, from;
	size_t len = random_len();

	if (pv_rng_below(&rng, 3) == 0) {
		m->taken += waiting < len ? waiting : len;
		pv_stream_free_until(f->bridge, stream, cursor, m->taken);
		return;
	}
	if (waiting == 0)
		return;
	/* Mostly on from where the last one ended, as a sender does. */
	from = cursor->chunk != NULL && pv_rng_below(&rng, 3) > 0 ?
			       cursor->pos :
			       m->taken + pv_rng_below(&rng, (uint32_t)waiting);
	if (len > m->written - from)
		len = m->written - from;
	pv_stream_read(stream, cursor, from, buffer, len);
	m->wrong += !is_filled(from, len);
}

static void
test_random(struct fixture *f, bool by_cursor)
{
	struct pv_stream_cursor cursor = { .pos = 0 };
	uint32_t chunks = pv_chunk_count_free(&f->bridge->chunks), index, holding = 0;
	struct pv_ctx *ctx = &f->ctx[0];
	struct model m = { .wrong = 0 };
	struct pv_stream *stream;
	uint64_t handle;

	stream = &pv_slot_take(ctx, &index, &handle)->rx;
	for (unsigned int i = 0; i < 40000; i++) {
		/* In turns rather full and rather empty. */
		if (pv_rng_below(&rng, 8) < (i / 1000 % 2 == 0 ? 5u : 3u))
			check_append(f, stream, &m);
		else if (by_cursor)
			check_read(f, stream, &m, &cursor);
		else
			check_take(f, stream, &m);
		if (m.written == m.taken)
			holding += pv_chunk_count_free(&f->bridge->chunks) != chunks;
	}
	CHECK_EQ(m.wrong, 0,
			by_cursor ? "reads and frees are those of the model" :
				    "takes and peeks are those of the model");
	CHECK_EQ(holding, 0, "an empty stream holds no chunk");
	pv_stream_finish(f->bridge, stream);
	pv_slot_release(ctx, index, PV_SLOT_TCP);
	pv_slot_release(ctx, index, PV_SLOT_CONTROL);
	CHECK_EQ(pv_chunk_count_free(&f->bridge->chunks), chunks, "release gives all chunks back");
}

static void
test_exhaustion(struct fixture *f)
{
	uint32_t n = pv_chunk_count_free(&f->bridge->chunks), index;
	struct pv_chunk *chunk = NULL, *first = NULL, *last = NULL;
	struct pv_ctx *ctx = &f->ctx[0];
	struct pv_shared *shared;
	uint64_t handle;

	shared = pv_slot_take(ctx, &index, &handle);
	while (pv_chunk_count_free(&f->bridge->chunks) > 1) {
		chunk = pv_chunk_get(&f->bridge->chunks, 0);
		chunk->next = NULL;
		if (last == NULL)
			first = chunk;
		else
			last->next = chunk;
		last = chunk;
	}
	fill(0, 5000);
	CHECK_EQ(pv_stream_append(f->bridge, &shared->rx, buffer, 5000), PV_CHUNK_DATA,
			"with one chunk left, as much as fits is taken over");
	CHECK_EQ(pv_stream_append(f->bridge, &shared->rx, buffer, 1), -ENOBUFS,
			"with none left, nothing is");
	CHECK_EQ(pv_stream_append(f->bridge, &shared->tx, buffer, 1), -ENOBUFS,
			"nor by an empty stream");
	memset(buffer, 0, sizeof(buffer));
	CHECK(pv_stream_take(f->bridge, &shared->rx, buffer, 5000, false) == PV_CHUNK_DATA &&
					is_filled(0, PV_CHUNK_DATA),
			"what was taken over is intact");
	fill(PV_CHUNK_DATA, 10);
	CHECK_EQ(pv_stream_append(f->bridge, &shared->rx, buffer, 10), 10,
			"and the stream goes on");
	pv_slot_release(ctx, index, PV_SLOT_TCP);
	pv_slot_release(ctx, index, PV_SLOT_CONTROL);
	pv_chunk_put(&f->bridge->chunks, 0, first, last);
	CHECK_EQ(pv_chunk_count_free(&f->bridge->chunks), n, "no chunk is lost");
}

static void
test_limits(struct fixture *f)
{
	struct pv_ctx *ctx = &f->ctx[1];
	struct pv_shared *shared;
	uint64_t handle;
	uint32_t index;

	shared = pv_slot_take(ctx, &index, &handle);
	CHECK_EQ(pv_stream_limit(f->bridge, &shared->rx), f->config.tcp.recv_buffer,
			"rx starts with the configured limit");
	CHECK_EQ(pv_stream_limit(f->bridge, &shared->tx), f->config.tcp.send_buffer,
			"and tx with its own");
	pv_stream_set_limit(f->bridge, &shared->rx, 100);
	CHECK_EQ(pv_stream_append(f->bridge, &shared->rx, buffer, 500), 100,
			"a limit of its own is kept");
	pv_stream_set_limit(f->bridge, &shared->rx, 60);
	CHECK_EQ(pv_stream_room(f->bridge, &shared->rx), 0,
			"a limit below what waits leaves no room");
	CHECK_EQ(pv_stream_append(f->bridge, &shared->rx, buffer, 1), 0, "and nothing is appended");
	pv_slot_release(ctx, index, PV_SLOT_TCP);
	pv_slot_release(ctx, index, PV_SLOT_CONTROL);
	CHECK_EQ(shared->rx.limit, 0, "release forgets the limit");
}

int
main(void)
{
	struct fixture *f = fixture_new(2);

	f->config.tcp.send_buffer = 30000;
	fixture_start(f);
	pv_rng_seed(&rng, 7);
	test_random(f, false);
	test_random(f, true);
	test_exhaustion(f);
	test_limits(f);
	fixture_free(f);
	return tap_done();
}
