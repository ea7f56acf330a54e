/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_REASSEMBLY_H
#define PV_TCP_REASSEMBLY_H

/*
 * Data that arrived before its turn: *pieces* (one a segment, the mbuf is kept) in *runs* without
 * gaps, in the order of sequence numbers. Of bytes that come twice the first copy is kept. What
 * exceeds the bounds (pieces of the worker, pieces and runs of the connection) is dropped, which is
 * harmless: it was not acknowledged. Each run remembers when it last grew, so that SACK blocks come
 * most recent first (RFC 2018 4).
 */

#include <stdbool.h>
#include <stdint.h>

#include "tcp/pool.h"
#include "wire/tcp_opt.h"

struct pv_bridge;
struct pv_stream;
struct rte_mbuf;

#define PV_RUNS_MAX 256
/* One connection may have one of so many pieces. By default that is what the largest window holds:
 * less, and what was promised is dropped behind a gap, and sent again in vain. */
#define PV_PIECES_SHARE 3

struct pv_piece {
	struct pv_piece *next; /* of the same run */
	struct rte_mbuf *mbuf;
	uint32_t seq, end;
	uint32_t offset; /* of byte `seq` from the start of the mbuf's data */
	/* of the first piece of a run */
	uint32_t run_end, stamp;
	uint32_t pad;
	struct pv_piece *next_run, *last;
} pv_cache_aligned;

struct pv_reassembly {
	struct pv_piece *first, *last; /* runs */
	uint32_t bytes;
	uint32_t stamp;
	uint16_t n_runs;
	uint16_t pad;
	uint32_t n_pieces;
};

/* Numbers [left, right), empty when equal. */
struct pv_range {
	uint32_t left, right;
};

enum pv_kept {
	PV_KEPT,      /* something of it was new; the mbuf is taken */
	PV_KEPT_NONE, /* all of it was there already */
	PV_KEPT_FULL, /* a bound was reached */
};

/* Keeps [seq, seq + len) of the mbuf, `offset` bytes from its start. `twice` gets what was there
 * before (RFC 2883), or nothing. */
enum pv_kept pv_reassembly_insert(struct pv_pool *pieces, struct pv_reassembly *ras,
		const struct pv_piece *segment, struct pv_range *twice);
/* What of [left, right), which begins before all that is held, is in the first run. */
struct pv_range pv_reassembly_held(const struct pv_reassembly *ras, uint32_t left, uint32_t right);
/* Appends what has become in-order to the stream, as far as `until`; returns the new RCV.NXT. What
 * the stream does not take stays. */
uint32_t pv_reassembly_drain(struct pv_pool *pieces, struct pv_reassembly *ras,
		struct pv_bridge *bridge, struct pv_stream *stream, uint32_t rcv_nxt,
		uint32_t until);
/* The byte at `seq`, if it is the next one in order; false: it is not here. */
bool pv_reassembly_octet(const struct pv_reassembly *ras, uint32_t seq, uint8_t *octet);
/* Up to n blocks, the most recently changed first; returns how many. */
uint32_t pv_reassembly_sack(
		const struct pv_reassembly *ras, struct pv_tcp_sack *blocks, uint32_t n);
/* Lets everything from `seq` on go (nothing follows a FIN). */
void pv_reassembly_cut(struct pv_pool *pieces, struct pv_reassembly *ras, uint32_t seq);
void pv_reassembly_clear(struct pv_pool *pieces, struct pv_reassembly *ras);

/* Appends len bytes from `offset` of an mbuf chain on; returns the bytes taken. */
uint32_t pv_stream_append_mbuf(struct pv_bridge *bridge, struct pv_stream *stream,
		const struct rte_mbuf *m, uint32_t offset, uint32_t len);

#endif
