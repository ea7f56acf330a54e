/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge/stream.h"

#include <errno.h>
#include <string.h>

#include "bridge/bridge_private.h"

/* The word of `tail`: see stream.h. */
static uint64_t
tail_word(const struct pv_chunk_pool *pool, const struct pv_chunk *chunk, uint64_t written)
{
	return (uint64_t)pv_chunk_number(pool, chunk) << 32 | (uint32_t)written;
}

static uint32_t
stack_of(const struct pv_bridge *bridge, const struct pv_stream *stream)
{
	size_t number = pv_bridge_slot_number(bridge, stream);

	return number < bridge->n_slots ? (uint32_t)number / bridge->max_connections : 0;
}

uint32_t
pv_stream_limit(const struct pv_bridge *bridge, const struct pv_stream *stream)
{
	uint32_t limit = __atomic_load_n(&stream->limit, __ATOMIC_RELAXED);

	if (limit != 0)
		return limit;
	/* Of the two streams of a slot rx is the first. */
	return ((uintptr_t)stream - (uintptr_t)bridge->shared) % sizeof(struct pv_shared) ==
					       offsetof(struct pv_shared, rx) ?
			       __atomic_load_n(&bridge->recv_buffer, __ATOMIC_RELAXED) :
			       __atomic_load_n(&bridge->send_buffer, __ATOMIC_RELAXED);
}

uint64_t
pv_stream_room(const struct pv_bridge *bridge, const struct pv_stream *stream)
{
	uint64_t waiting = pv_stream_waiting(stream);
	uint32_t limit = pv_stream_limit(bridge, stream);

	return waiting < limit ? limit - waiting : 0;
}

void
pv_stream_set_limit(struct pv_bridge *bridge, struct pv_stream *stream, uint32_t limit)
{
	pv_slot_note_used(bridge, stream);
	__atomic_store_n(&stream->limit, limit, __ATOMIC_RELAXED);
}

/* ---- producer ---- */

/* The chunk with room for the next byte; NULL: the pool is empty. */
static struct pv_chunk *
grow(struct pv_bridge *bridge, struct pv_stream *stream, struct pv_chunk *chunk)
{
	struct pv_chunk *next = pv_chunk_get(&bridge->chunks, stack_of(bridge, stream));

	if (next == NULL)
		return NULL;
	pv_chunk_set_next(next, NULL);
	if (chunk == NULL) {
		stream->head = next;
		stream->head_used = 0;
	} else {
		pv_chunk_set_next(chunk, next);
	}
	stream->tail_used = 0;
	return next;
}

int64_t
pv_stream_append_raw(struct pv_bridge *bridge, struct pv_stream *stream, const void *data,
		size_t len, uint64_t room)
{
	uint64_t written = stream->written;
	size_t want = len < room ? len : room, done = 0;
	struct pv_chunk *chunk;

	if (want == 0)
		return 0;
	/* Nobody frees the last chunk from here on (B0: pairs with B1). 0: it is gone. */
	chunk = pv_chunk_at(&bridge->chunks,
			(uint32_t)(__atomic_exchange_n(&stream->tail, 0, __ATOMIC_ACQUIRE) >> 32));
	while (done < want) {
		size_t part = want - done;

		if (chunk == NULL || stream->tail_used == PV_CHUNK_DATA) {
			struct pv_chunk *next = grow(bridge, stream, chunk);

			if (next == NULL)
				break;
			chunk = next;
		}
		if (part > PV_CHUNK_DATA - stream->tail_used)
			part = PV_CHUNK_DATA - stream->tail_used;
		memcpy(chunk->data + stream->tail_used, (const uint8_t *)data + done, part);
		stream->tail_used += (uint32_t)part;
		done += part;
	}
	if (chunk != NULL)
		__atomic_store_n(&stream->tail, tail_word(&bridge->chunks, chunk, written + done),
				__ATOMIC_RELEASE); /* B0 */
	if (done == 0)
		return -ENOBUFS;
	/* After the tail, so that whoever has taken these bytes finds the tail with their count
	 * (A0: pairs with A1). */
	__atomic_store_n(&stream->written, written + done, __ATOMIC_RELEASE);
	return (int64_t)done;
}

int64_t
pv_stream_append(struct pv_bridge *bridge, struct pv_stream *stream, const void *data, size_t len)
{
	if (stream->written == 0)
		pv_slot_note_used(bridge, stream);
	return pv_stream_append_raw(bridge, stream, data, len, pv_stream_room(bridge, stream));
}

void
pv_stream_finish(struct pv_bridge *bridge, struct pv_stream *stream)
{
	pv_slot_note_used(bridge, stream);
	__atomic_fetch_or(&stream->flags, PV_STREAM_FIN, __ATOMIC_RELEASE);
}

/* ---- consumer ---- */

void
pv_stream_read(const struct pv_stream *stream, struct pv_stream_cursor *cursor, uint64_t pos,
		void *data, size_t len)
{
	struct pv_chunk *chunk = cursor->chunk;
	uint32_t used = cursor->used;
	uint64_t skip;

	PV_ASSERT(pos >= stream->taken &&
			pos + len <= __atomic_load_n(&stream->written, __ATOMIC_ACQUIRE));
	if (len == 0)
		return;
	if (chunk == NULL || cursor->pos > pos) {
		chunk = stream->head;
		used = stream->head_used;
		skip = pos - stream->taken;
	} else {
		skip = pos - cursor->pos;
	}
	for (size_t done = 0; done < len;) {
		size_t part = PV_CHUNK_DATA - used;

		if (part == 0) {
			chunk = pv_chunk_next(chunk);
			used = 0;
		} else if (skip > 0) {
			part = skip < part ? skip : part;
			skip -= part;
			used += (uint32_t)part;
		} else {
			part = len - done < part ? len - done : part;
			memcpy((uint8_t *)data + done, chunk->data + used, part);
			done += part;
			used += (uint32_t)part;
		}
	}
	*cursor = (struct pv_stream_cursor){ .pos = pos + len, .chunk = chunk, .used = used };
}

void
pv_stream_free_until(struct pv_bridge *bridge, struct pv_stream *stream,
		struct pv_stream_cursor *cursor, uint64_t pos)
{
	uint64_t left = pos - stream->taken, written, expected;
	struct pv_chunk *first, *chunk, *last = NULL;
	uint32_t used;

	if (cursor != NULL && cursor->pos <= pos)
		*cursor = (struct pv_stream_cursor){ .pos = 0 };
	/* Of an empty stream the head is the producer's. */
	if (left == 0)
		return;
	first = chunk = stream->head;
	used = stream->head_used;
	written = __atomic_load_n(&stream->written, __ATOMIC_ACQUIRE); /* A1: pairs with A0 */
	PV_ASSERT(pos > stream->taken && pos <= written);
	for (;;) {
		uint64_t part = PV_CHUNK_DATA - used;

		if (part > left)
			part = left;
		used += (uint32_t)part;
		left -= part;
		/* A full one goes when there is another: at the end of what was written there may
		 * be none. */
		if (used < PV_CHUNK_DATA || (left == 0 && pos == written))
			break;
		last = chunk;
		chunk = pv_chunk_next(chunk);
		used = 0;
	}
	stream->head = chunk;
	stream->head_used = used;
	/* B1: pairs with B0. If it succeeds, head is the producer's from then on. */
	expected = tail_word(&bridge->chunks, chunk, pos);
	if (pos == written && __atomic_compare_exchange_n(&stream->tail, &expected, 0, false,
					      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		last = chunk;
	__atomic_store_n(&stream->taken, pos, __ATOMIC_RELEASE);
	if (last != NULL)
		pv_chunk_put(&bridge->chunks, stack_of(bridge, stream), first, last);
}

size_t
pv_stream_take(struct pv_bridge *bridge, struct pv_stream *stream, void *data, size_t len,
		bool peek)
{
	struct pv_stream_cursor cursor = { .pos = 0 };
	uint64_t waiting = pv_stream_waiting(stream);
	size_t n = len < waiting ? len : waiting;

	pv_stream_read(stream, &cursor, stream->taken, data, n);
	if (!peek)
		pv_stream_free_until(bridge, stream, NULL, stream->taken + n);
	return n;
}

/* ---- who tells whom ---- */

bool
pv_stream_ask(struct pv_bridge *bridge, struct pv_stream *stream, uint64_t room)
{
	pv_slot_note_used(bridge, stream);
	__atomic_fetch_or(
			&stream->flags, PV_STREAM_HUNGRY, __ATOMIC_RELAXED); /* H0: pairs with H1 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (pv_stream_room(bridge, stream) < room)
		return false;
	__atomic_fetch_and(&stream->flags, ~(uint32_t)PV_STREAM_HUNGRY, __ATOMIC_RELAXED);
	return true;
}

bool
pv_stream_relieved(struct pv_bridge *bridge, struct pv_stream *stream)
{
	uint32_t enough = pv_stream_limit(bridge, stream) / 3;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* H1: pairs with H0. */
	if ((__atomic_load_n(&stream->flags, __ATOMIC_RELAXED) & PV_STREAM_HUNGRY) == 0)
		return false;
	if (pv_stream_room(bridge, stream) < enough)
		return false;
	if ((__atomic_fetch_and(&stream->flags, ~(uint32_t)PV_STREAM_HUNGRY, __ATOMIC_ACQ_REL) &
			    PV_STREAM_HUNGRY) == 0)
		return false;
	/* The writer may have found the room, filled it and asked again: that is not answered yet.
	 */
	if (pv_stream_room(bridge, stream) >= enough)
		return true;
	__atomic_fetch_or(&stream->flags, PV_STREAM_HUNGRY, __ATOMIC_RELAXED);
	return false;
}

void
pv_stream_kicked(struct pv_stream *stream)
{
	__atomic_fetch_and(&stream->flags, ~(uint32_t)PV_STREAM_KICKED,
			__ATOMIC_ACQ_REL); /* K1: pairs with K0 */
}

void
pv_stream_clear(struct pv_bridge *bridge, struct pv_stream *stream)
{
	struct pv_chunk *last = stream->head;

	if (stream->tail != 0) {
		while (pv_chunk_next(last) != NULL)
			last = pv_chunk_next(last);
		pv_chunk_put(&bridge->chunks, stack_of(bridge, stream), stream->head, last);
	}
	memset(stream, 0, sizeof(*stream));
}
