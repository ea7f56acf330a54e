/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BRIDGE_STREAM_H
#define PV_BRIDGE_STREAM_H

/*
 * One direction of a connection's bytes: a list of chunks from a shared pool, one producer, one
 * consumer, a byte limit that the producer keeps. An empty stream holds no chunk. All zero is an
 * empty open stream. Positions are 64-bit counts of bytes since the start.
 *
 * rx: the worker appends in order; the application takes (pv_bridge_recv), which raises `taken`;
 * the worker computes the receive window from limit - (written - taken).
 *
 * tx: the application appends (pv_bridge_send); the worker reads anywhere in [taken, written) for
 * sending and resending, and frees up to what was acknowledged; room = limit - (written - taken).
 *
 * The streams of a slot are changed by these functions only: they note in what way a slot was used,
 * and release clears no more than that.
 *
 * The last chunk. A consumer that has emptied it gives it back, but the producer may be about to
 * fill it. `tail` settles that: its number and the low half of `written`. The producer takes the
 * word out (exchange with 0) while it appends and puts it back with the new count; the consumer
 * removes it by compare-and-exchange with the count that it has consumed: success means that nobody
 * writes there and nothing more was written.
 *
 * Who tells whom, so that no wake-up is lost and no command is put twice:
 *
 * Bytes or FIN to send (tx). The application publishes `written`, then sets KICKED (K0); whoever
 * finds it clear before puts PV_CMD_SEND. The worker clears it (K1, pv_stream_kicked) before it
 * looks at `written`. Both are read-modify-writes of one word: either K0 comes after K1 and finds
 * the bit clear (a new command), or K1 comes after K0 and, reading its value, sees `written`.
 *
 * Room in a small window (rx). The worker sets HUNGRY (H0), executes a full fence, looks at `taken`
 * again (pv_stream_ask). The application publishes `taken`, executes a full fence, reads HUNGRY
 * (H1) and then goes on as above with KICKED and PV_CMD_WINDOW. One of the two fences is first:
 * either H1 sees the bit or the worker sees the bytes taken.
 *
 * Room in a full buffer (tx). The same with sides exchanged: the application sets HUNGRY, fences
 * and looks at `taken` again before it reports -EAGAIN; the worker publishes `taken`, fences, reads
 * HUNGRY (pv_stream_relieved) and reports PV_READY_WRITE.
 *
 * Level bits. PV_READY_READ and PV_READY_WRITE of status.ready are set by the worker (pv_report)
 * and cleared by the application when it has taken everything or found the buffer full. Both sides
 * look at the stream again after their change, and change the bit until it fits (W0): the last
 * writer of the bit looks after its write, so that what stays is right.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/pv_api.h"
#include "base/check.h"

struct pv_chunk; /* bridge/chunk.h */

struct pv_stream {
	/* producer's; written is published with release and read by the consumer with acquire */
	uint64_t written;
	uint64_t tail; /* number of the last chunk + 1, low half of written; 0: none, or in use */
	uint32_t tail_used; /* bytes in the last chunk */
	uint32_t limit;     /* bytes that may wait; 0: as the engine is configured */
	/* consumer's; taken is published with release and read by the producer with acquire */
	uint64_t taken; /* rx: by the application; tx: freed after the acknowledgment */
	struct pv_chunk *
			head; /* holds position `taken`; the producer sets it for the first chunk */
	uint32_t head_used;   /* bytes of head already taken */
	/* both sides' */
	uint32_t flags;        /* PV_STREAM_*, changed atomically */
	uint64_t urgent, mark; /* bridge/urgent.h */
} pv_cache_aligned;

static_assert(sizeof(struct pv_stream) == 64, "a stream is one cache line");

enum pv_stream_flags {
	PV_STREAM_FIN = 1,    /* producer: no more bytes come */
	PV_STREAM_KICKED = 2, /* a command about this stream is under way: no second one needed */
	PV_STREAM_HUNGRY = 4, /* the producer waits for room: PV_CMD_WINDOW, or PV_READY_WRITE */
	PV_STREAM_INLINE = 8, /* urgent octets stay in the stream */
};

struct pv_bridge;

/* ---- worker, rx ---- */

/* Appends as much as fits the limit; returns the bytes taken over, -ENOBUFS when no chunk is left
 * and nothing was taken. (Of tx only where the worker itself is the application: services.) */
int64_t pv_stream_append(
		struct pv_bridge *bridge, struct pv_stream *stream, const void *data, size_t len);
/* No more bytes come: the reader gets 0 after the last one. */
void pv_stream_finish(struct pv_bridge *bridge, struct pv_stream *stream);
/* Asks for PV_CMD_WINDOW once bytes were taken. True: there is room for `room` bytes already and
 * nothing was asked for. */
bool pv_stream_ask(struct pv_bridge *bridge, struct pv_stream *stream, uint64_t room);

/* ---- worker, tx ---- */

/* Has the application said that no more bytes come? Ask before reading `written`. */
static inline bool
pv_stream_finished(const struct pv_stream *stream)
{
	return (__atomic_load_n(&stream->flags, __ATOMIC_ACQUIRE) & PV_STREAM_FIN) != 0;
}

/* Copies [pos, pos + len) without taking it; the range must lie in [taken, written). `cursor`
 * speeds up sequential reads: all zero at first. */
struct pv_stream_cursor {
	uint64_t pos;
	struct pv_chunk *chunk;
	uint32_t used;
	uint32_t pad;
};
void pv_stream_read(const struct pv_stream *stream, struct pv_stream_cursor *cursor, uint64_t pos,
		void *data, size_t len);
/* Lets everything before `pos` go. The cursor, when given, is cleared if it stood in what went. */
void pv_stream_free_until(struct pv_bridge *bridge, struct pv_stream *stream,
		struct pv_stream_cursor *cursor, uint64_t pos);
/* After pv_stream_free_until: true once when the writer found the buffer full and a third of it is
 * free again: raise status.writes and report PV_READY_WRITE. */
bool pv_stream_relieved(struct pv_bridge *bridge, struct pv_stream *stream);

/* ---- worker, both ---- */

/* First thing on PV_CMD_SEND (tx) and PV_CMD_WINDOW (rx): what comes from now on needs a new
 * command. */
void pv_stream_kicked(struct pv_stream *stream);
void pv_stream_set_limit(struct pv_bridge *bridge, struct pv_stream *stream, uint32_t limit);

/* ---- any side ---- */

uint32_t pv_stream_limit(const struct pv_bridge *bridge, const struct pv_stream *stream);
/* Bytes that would still fit the limit; 0 when it has been lowered below what waits. */
uint64_t pv_stream_room(const struct pv_bridge *bridge, const struct pv_stream *stream);

static inline uint64_t
pv_stream_waiting(const struct pv_stream *stream)
{
	uint64_t taken = __atomic_load_n(&stream->taken, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&stream->written, __ATOMIC_ACQUIRE) - taken;
}

/* rx consumer: copies out up to len and frees emptied chunks (not with peek). Returns bytes. (For
 * the worker only as in pv_stream_append.) */
size_t pv_stream_take(struct pv_bridge *bridge, struct pv_stream *stream, void *data, size_t len,
		bool peek);
/* Both sides are gone: gives all chunks back and makes it all zero. */
void pv_stream_clear(struct pv_bridge *bridge, struct pv_stream *stream);

#endif
