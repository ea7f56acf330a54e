/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge/transfer.h"

#include <errno.h>
#include <sched.h>

#include <rte_pause.h>

#include "bridge/bridge_private.h"
#include "bridge/slot.h"
#include "bridge/urgent.h"

/*
 * The hold of a slot: generation << 32 | bits. A word with an older generation is that of a handle
 * that was closed, or 0; the first call with the handle that the status record names replaces it.
 * So a worker that gives out a slot has nothing to do here.
 */
enum {
	HOLD_READ = 1,      /* a call is taking bytes */
	HOLD_WRITE = 2,     /* a call is adding bytes */
	HOLD_CLOSED = 4,    /* the last one out puts PV_CMD_CLOSE */
	HOLD_WRITTEN = 8,   /* tx was used */
	HOLD_HOW_SHIFT = 8, /* eight bits from here on: enum pv_close_how */
	HOLD_HOW_MASK = 0xff
};
#define HOLD_INSIDE (HOLD_READ | HOLD_WRITE)

/* Spins before a call that waits for its turn lets others run. */
#define SPINS 64

static uint64_t *
hold_of(struct pv_bridge *bridge, const struct pv_shared *shared)
{
	return &bridge->holds[pv_bridge_slot_number(bridge, shared)];
}

/* The word, as it is for this handle before anything was done with it; false: the handle is stale
 * or closed. */
static bool
hold_current(const struct pv_shared *shared, uint64_t handle, uint64_t *word)
{
	if (!pv_status_is_of(&shared->status, handle))
		return false;
	if (*word >> 32 != pv_handle_generation(handle))
		*word = (uint64_t)pv_handle_generation(handle) << 32;
	return (*word & HOLD_CLOSED) == 0;
}

/* Enters for one direction, after those who are inside. NULL: stale or closed. */
static struct pv_shared *
hold_enter(struct pv_bridge *bridge, uint64_t handle, uint64_t direction)
{
	struct pv_shared *shared = pv_slot_of(bridge, handle);
	uint64_t *hold, old, word;

	if (shared == NULL)
		return NULL;
	hold = hold_of(bridge, shared);
	for (unsigned int i = 0;; i++) {
		old = word = __atomic_load_n(hold, __ATOMIC_ACQUIRE);
		if (!hold_current(shared, handle, &word))
			return NULL;
		if ((word & direction) == 0) {
			word |= direction | (direction == HOLD_WRITE ? HOLD_WRITTEN : 0);
			/* G1: pairs with G0 of who was inside before. */
			if (__atomic_compare_exchange_n(hold, &old, word, false, __ATOMIC_ACQUIRE,
					    __ATOMIC_RELAXED))
				return shared;
		} else if (i % SPINS == SPINS - 1) {
			sched_yield();
		} else {
			rte_pause();
		}
	}
}

static struct pv_command
close_command(uint64_t handle, uint64_t word)
{
	return (struct pv_command){
		.kind = PV_CMD_CLOSE,
		.handle = handle,
		.a = word >> HOLD_HOW_SHIFT & HOLD_HOW_MASK,
		.b = word & HOLD_WRITTEN,
	};
}

static void
put_command(struct pv_bridge *bridge, const struct pv_command *command)
{
	/* When the engine stops, everything is released with it. */
	(void)pv_command_put_all(bridge, pv_handle_worker(command->handle), command, 1);
}

static void
hold_leave(struct pv_bridge *bridge, uint64_t handle, uint64_t direction)
{
	uint64_t *hold = hold_of(bridge, pv_slot_of(bridge, handle));
	uint64_t word = __atomic_and_fetch(hold, ~direction, __ATOMIC_ACQ_REL); /* G0 */
	struct pv_command command;

	if ((word & (HOLD_CLOSED | HOLD_INSIDE)) == HOLD_CLOSED) {
		command = close_command(handle, word);
		put_command(bridge, &command);
	}
}

/* Marks it closed. 1: *command is to be put now, 0: who is inside will do it, -EBADF: stale, or
 * closed before. */
static int
hold_close(struct pv_bridge *bridge, uint64_t handle, int how, struct pv_command *command)
{
	struct pv_shared *shared = pv_slot_of(bridge, handle);
	uint64_t *hold, old, word;

	if (shared == NULL)
		return -EBADF;
	hold = hold_of(bridge, shared);
	old = __atomic_load_n(hold, __ATOMIC_ACQUIRE);
	do {
		word = old;
		if (!hold_current(shared, handle, &word))
			return -EBADF;
		word |= HOLD_CLOSED | (uint64_t)(how & HOLD_HOW_MASK) << HOLD_HOW_SHIFT;
	} while (!__atomic_compare_exchange_n(
			hold, &old, word, true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	if (word & HOLD_INSIDE)
		return 0;
	*command = close_command(handle, word);
	return 1;
}

int
pv_bridge_close(struct pv_bridge *bridge, uint64_t handle, int how)
{
	struct pv_command command;
	int ready = hold_close(bridge, handle, how, &command);

	if (ready > 0)
		put_command(bridge, &command);
	return ready < 0 ? ready : 0;
}

uint32_t
pv_bridge_close_many(struct pv_bridge *bridge, const uint64_t *handles, uint32_t n, int how)
{
	struct pv_command burst[32];
	uint32_t waiting = 0, closed = 0;
	uint8_t worker = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct pv_command command;
		int ready = hold_close(bridge, handles[i], how, &command);

		closed += ready >= 0;
		if (ready <= 0)
			continue;
		if (waiting == PV_COUNT_OF(burst) ||
				(waiting > 0 && pv_handle_worker(handles[i]) != worker)) {
			(void)pv_command_put_all(bridge, worker, burst, waiting);
			waiting = 0;
		}
		worker = pv_handle_worker(handles[i]);
		burst[waiting++] = command;
	}
	(void)pv_command_put_all(bridge, worker, burst, waiting);
	return closed;
}

/* Inside: is a command due, or is one under way that will see what we have published? (K0: pairs
 * with K1.) */
static bool
kick_due(struct pv_stream *stream, uint32_t flags)
{
	return (__atomic_fetch_or(&stream->flags, flags | PV_STREAM_KICKED, __ATOMIC_ACQ_REL) &
			       PV_STREAM_KICKED) == 0;
}

/* Outside: a slot that has been freed since then ignores it. */
static void
kick(struct pv_bridge *bridge, uint64_t handle, enum pv_command_kind kind)
{
	struct pv_command command = { .kind = kind, .handle = handle };

	put_command(bridge, &command);
}

/* A request that was accepted before its handshake ended: when it may send will be told. */
static bool
is_accepted(const struct pv_status *status)
{
	enum { LISTEN = 1, SYN_RECEIVED = 3 }; /* RFC 9293 3.3.2, as status.state has them */
	uint32_t state = __atomic_load_n(&status->state, __ATOMIC_RELAXED);

	return state == LISTEN || state == SYN_RECEIVED;
}

/* Why nothing can be written; 0: it can. */
static int
unwritable(const struct pv_shared *shared)
{
	int error = __atomic_load_n(&shared->status.error, __ATOMIC_ACQUIRE);

	if (error != 0)
		return error;
	if (__atomic_load_n(&shared->status.writes, __ATOMIC_ACQUIRE) == 0)
		return is_accepted(&shared->status) ? -EAGAIN : -ENOTCONN;
	return 0;
}

/* The buffer is full: the worker will tell when there is room. False: there is some already. */
static bool
mark_full(struct pv_bridge *bridge, struct pv_shared *shared)
{
	__atomic_fetch_or(&shared->tx.flags, PV_STREAM_HUNGRY, __ATOMIC_ACQ_REL); /* H0 */
	__atomic_fetch_and(&shared->status.ready, ~(uint32_t)PV_READY_WRITE,
			__ATOMIC_ACQ_REL); /* W0 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (pv_stream_room(bridge, &shared->tx) == 0)
		return true;
	__atomic_fetch_and(&shared->tx.flags, ~(uint32_t)PV_STREAM_HUNGRY, __ATOMIC_RELAXED);
	__atomic_fetch_or(&shared->status.ready, PV_READY_WRITE, __ATOMIC_ACQ_REL);
	return false;
}

/* Bytes added, 0 when the buffer is full, -ENOBUFS. `whole`: all of them if there is any room. */
static int64_t
add(struct pv_bridge *bridge, struct pv_shared *shared, const struct pv_iov *iov, uint32_t n,
		bool whole)
{
	int64_t total = 0;

	for (uint32_t i = 0; i < n; i++) {
		for (size_t done = 0; done < iov[i].len;) {
			uint64_t room = pv_stream_room(bridge, &shared->tx);
			int64_t added;

			if (whole && (room > 0 || total > 0))
				room = iov[i].len;
			added = pv_stream_append_raw(bridge, &shared->tx,
					(const uint8_t *)iov[i].base + done, iov[i].len - done,
					room);
			if (added < 0)
				return total > 0 ? total : added;
			if (added == 0 && mark_full(bridge, shared))
				return total;
			total += added;
			done += (size_t)added;
		}
	}
	if (pv_stream_room(bridge, &shared->tx) == 0)
		mark_full(bridge, shared);
	return total;
}

static void
set_mark(struct pv_stream *tx, uint64_t mark)
{
	__atomic_store_n(&tx->mark, mark, __ATOMIC_RELEASE);
}

static size_t
length(const struct pv_iov *iov, uint32_t n)
{
	size_t len = 0;

	for (uint32_t i = 0; i < n; i++)
		len += iov[i].len;
	return len;
}

int64_t
pv_bridge_send(struct pv_bridge *bridge, uint64_t handle, const struct pv_iov *iov, uint32_t n,
		uint32_t flags)
{
	struct pv_shared *shared = hold_enter(bridge, handle, HOLD_WRITE);
	size_t len = length(iov, n);
	bool due = false;
	int64_t sent;

	if (shared == NULL)
		return -EBADF;
	sent = unwritable(shared);
	if (sent == 0 && pv_stream_finished(&shared->tx))
		sent = -EPIPE;
	if (sent == 0 && len > 0) {
		uint64_t mark = shared->tx.mark;

		if (flags & PV_IO_OOB)
			set_mark(&shared->tx, shared->tx.written + len);
		sent = add(bridge, shared, iov, n, (flags & PV_IO_WHOLE) != 0);
		/* Who gives the rest marks its last octet then. */
		if ((flags & PV_IO_OOB) && sent != (int64_t)len)
			set_mark(&shared->tx, mark);
		due = sent > 0 && kick_due(&shared->tx, 0);
		if (sent == 0)
			sent = -EAGAIN;
	}
	hold_leave(bridge, handle, HOLD_WRITE);
	if (due)
		kick(bridge, handle, PV_CMD_SEND);
	return sent;
}

int
pv_bridge_shutdown_send(struct pv_bridge *bridge, uint64_t handle)
{
	struct pv_shared *shared = hold_enter(bridge, handle, HOLD_WRITE);
	bool due = false;
	int error;

	if (shared == NULL)
		return -EBADF;
	error = unwritable(shared);
	if (error == -EAGAIN)
		error = 0; /* the FIN waits for the end of the handshake */
	if (error == 0 && !pv_stream_finished(&shared->tx)) {
		/* What is acknowledged does not hold for the FIN. */
		__atomic_fetch_and(
				&shared->status.ready, ~(uint32_t)PV_READY_SENT, __ATOMIC_ACQ_REL);
		due = kick_due(&shared->tx, PV_STREAM_FIN);
	}
	hold_leave(bridge, handle, HOLD_WRITE);
	if (due)
		kick(bridge, handle, PV_CMD_SEND);
	return error;
}

/* What a reader gets that finds nothing; `finished` was read before. */
static int
nothing(const struct pv_shared *shared, int error, bool finished)
{
	if (error != 0)
		return error;
	if (finished)
		return 0;
	if (__atomic_load_n(&shared->status.writes, __ATOMIC_RELAXED) == 0)
		return is_accepted(&shared->status) ? -EAGAIN : -ENOTCONN;
	return -EAGAIN;
}

/* Urgent data was taken, or stream bytes: is none left that the reader was told of? */
static void
settle_urgent(struct pv_shared *shared)
{
	uint32_t *ready = &shared->status.ready;

	if ((__atomic_load_n(ready, __ATOMIC_RELAXED) & PV_READY_OOB) == 0 ||
			pv_urgent_pending(&shared->rx))
		return;
	__atomic_fetch_and(ready, ~(uint32_t)PV_READY_OOB, __ATOMIC_ACQ_REL); /* W0 */
	if (pv_urgent_pending(&shared->rx))
		__atomic_fetch_or(ready, PV_READY_OOB, __ATOMIC_ACQ_REL);
}

/* Bytes were taken: does the worker wait for that? */
static bool
taken(struct pv_shared *shared)
{
	struct pv_stream *rx = &shared->rx;

	settle_urgent(shared);
	if (pv_stream_waiting(rx) == 0) {
		__atomic_fetch_and(&shared->status.ready, ~(uint32_t)PV_READY_READ,
				__ATOMIC_ACQ_REL); /* W0 */
		if (pv_stream_waiting(rx) > 0)
			__atomic_fetch_or(&shared->status.ready, PV_READY_READ, __ATOMIC_ACQ_REL);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return (__atomic_load_n(&rx->flags, __ATOMIC_RELAXED) & PV_STREAM_HUNGRY) != 0 && /* H1 */
	       kick_due(rx, 0);
}

/* Bytes copied, or what `nothing` says. */
static int64_t
copy_out(struct pv_bridge *bridge, struct pv_shared *shared, const struct pv_iov *iov, uint32_t n,
		bool peek)
{
	struct pv_stream_cursor cursor = { .pos = 0 };
	struct pv_stream *rx = &shared->rx;
	/* Both before the bytes: what was appended before them is seen then. */
	bool finished = pv_stream_finished(rx);
	int error = __atomic_load_n(&shared->status.error, __ATOMIC_ACQUIRE);
	uint64_t waiting = pv_stream_waiting(rx), pos = rx->taken, end = pos + waiting;

	if (waiting == 0)
		return nothing(shared, error, finished);
	end = pv_urgent_stop(rx, pos, end);
	for (uint32_t i = 0; i < n && pos < end; i++) {
		size_t part = iov[i].len < end - pos ? iov[i].len : end - pos;

		pv_stream_read(rx, &cursor, pos, iov[i].base, part);
		pos += part;
	}
	waiting = pos - rx->taken;
	if (!peek)
		pv_stream_free_until(bridge, rx, NULL, pos);
	return (int64_t)waiting;
}

/* One urgent octet that was taken out of the stream. */
static int64_t
take_urgent(struct pv_shared *shared, const struct pv_iov *iov, uint32_t n, bool peek)
{
	int error = __atomic_load_n(&shared->status.error, __ATOMIC_ACQUIRE);
	uint8_t octet;
	int got;

	while (n > 0 && iov->len == 0) {
		iov++;
		n--;
	}
	got = pv_urgent_take(&shared->rx, &octet, peek || n == 0);
	if (got < 0)
		return error != 0 ? error : got;
	if (n == 0)
		return 0;
	*(uint8_t *)iov->base = octet;
	if (!peek)
		settle_urgent(shared);
	return 1;
}

int64_t
pv_bridge_recv(struct pv_bridge *bridge, uint64_t handle, const struct pv_iov *iov, uint32_t n,
		uint32_t flags)
{
	struct pv_shared *shared = hold_enter(bridge, handle, HOLD_READ);
	bool peek = (flags & PV_IO_PEEK) != 0, due = false;
	int64_t got;

	if (shared == NULL)
		return -EBADF;
	if (pv_unlikely((flags & PV_IO_OOB) != 0))
		got = take_urgent(shared, iov, n, peek);
	else
		got = copy_out(bridge, shared, iov, n, peek);
	if (got > 0 && (flags & (PV_IO_PEEK | PV_IO_OOB)) == 0)
		due = taken(shared);
	hold_leave(bridge, handle, HOLD_READ);
	if (due)
		kick(bridge, handle, PV_CMD_WINDOW);
	return got;
}

int64_t
pv_bridge_readable(struct pv_bridge *bridge, uint64_t handle)
{
	struct pv_shared *shared = hold_enter(bridge, handle, HOLD_READ);
	uint64_t pos, end;

	if (shared == NULL)
		return -EBADF;
	pos = shared->rx.taken;
	end = pos + pv_stream_waiting(&shared->rx);
	end = pv_urgent_stop(&shared->rx, pos, end);
	hold_leave(bridge, handle, HOLD_READ);
	return (int64_t)(end - pos);
}

int
pv_bridge_urgent(struct pv_bridge *bridge, uint64_t handle)
{
	struct pv_shared *shared = hold_enter(bridge, handle, HOLD_READ);
	int bits;

	if (shared == NULL)
		return -EBADF;
	bits = pv_urgent_bits(&shared->rx);
	hold_leave(bridge, handle, HOLD_READ);
	return bits;
}
