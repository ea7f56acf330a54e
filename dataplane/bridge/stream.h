/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BRIDGE_STREAM_H
#define PV_BRIDGE_STREAM_H

/*
 * One direction of a connection's bytes: a list of chunks from a shared pool, one producer, one
 * consumer, a byte limit that the producer keeps. An empty stream holds no chunk. All zero is an
 * empty open stream. Positions are 64-bit counts of bytes since the start.
 *
 * rx: the worker appends in order; the application takes (under the slot's reader lock, which the
 * bridge holds for it) and adds to `taken`; the worker computes the receive window from limit -
 * (written - taken). tx: the application appends (under the writer lock); the worker reads anywhere
 * in [freed, written) for sending and resending, and frees up to what was acknowledged; room =
 * limit - (written - freed).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/pv_api.h"
#include "base/check.h"

struct pv_chunk; /* next pointer, then PV_CHUNK_DATA bytes; from the engine's rte_mempool of chunks
		  */

#define PV_CHUNK_SIZE 2048 /* header included */

struct pv_stream {
	/* producer's */
	uint64_t written; /* published with release; read by the consumer with acquire */
	struct pv_chunk *tail;
	uint32_t tail_used; /* bytes in tail */
	uint32_t limit;     /* bytes that may wait */
	/* consumer's */
	uint64_t taken;        /* rx: taken by the application; tx: freed after the acknowledgment.
				  Published with release */
	struct pv_chunk *head; /* chunk with position `taken`; set by the producer for the first
				  chunk */
	uint32_t head_used;    /* bytes of head already taken */
	uint32_t flags;        /* PV_STREAM_*; each bit has one writer, changed atomically */
	uint32_t lock;         /* the application side's: reader lock of rx, writer lock of tx */
	uint32_t pad;
} pv_cache_aligned;

static_assert(sizeof(struct pv_stream) == 64, "a stream is one cache line");

enum pv_stream_flags {
	PV_STREAM_FIN = 1,    /* producer: no more bytes come */
	PV_STREAM_KICKED = 2, /* a command about this stream is under way: no second one needed */
	PV_STREAM_HUNGRY = 4, /* rx, worker: the window is small, tell when bytes were taken. tx,
				 application: tell (READY_WRITE) when there is room */
	PV_STREAM_DEAD = 8,   /* connection gone: appended bytes go nowhere */
};

struct pv_bridge;

/* Producer: appends as much as fits the limit; returns the bytes taken over, -ENOBUFS when no chunk
 * is left and nothing was taken. */
int64_t pv_stream_append(
		struct pv_bridge *bridge, struct pv_stream *stream, const void *data, size_t len);
/* rx consumer: copies out up to len and frees emptied chunks (not with peek). Returns bytes. */
size_t pv_stream_take(struct pv_bridge *bridge, struct pv_stream *stream, void *data, size_t len,
		bool peek);
/* tx consumer: copies [pos, pos + len) without taking it; the range must lie in [taken, written).
 * `cursor` speeds up sequential reads: all zero at first. */
struct pv_stream_cursor {
	uint64_t pos;
	struct pv_chunk *chunk;
	uint32_t used;
	uint32_t pad;
};
void pv_stream_read(const struct pv_stream *stream, struct pv_stream_cursor *cursor, uint64_t pos,
		void *data, size_t len);
/* tx consumer: lets everything before `pos` go. A cursor before pos must not be used again without
 * clearing it: done here when given. */
void pv_stream_free_until(struct pv_bridge *bridge, struct pv_stream *stream,
		struct pv_stream_cursor *cursor, uint64_t pos);
/* Both sides are gone: gives all chunks back and makes it all zero. */
void pv_stream_clear(struct pv_bridge *bridge, struct pv_stream *stream);

static inline uint64_t
pv_stream_waiting(const struct pv_stream *stream)
{
	return __atomic_load_n(&stream->written, __ATOMIC_ACQUIRE) -
	       __atomic_load_n(&stream->taken, __ATOMIC_ACQUIRE);
}

#endif
