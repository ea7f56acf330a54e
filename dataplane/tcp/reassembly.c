/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/reassembly.h"

#include <rte_mbuf.h>

#include "base/seq.h"
#include "bridge/stream.h"

uint32_t
pv_stream_append_mbuf(struct pv_bridge *bridge, struct pv_stream *stream, const struct rte_mbuf *m,
		uint32_t offset, uint32_t len)
{
	uint32_t done = 0;

	while (m != NULL && offset >= m->data_len) {
		offset -= m->data_len;
		m = m->next;
	}
	while (m != NULL && done < len) {
		uint32_t part = RTE_MIN(m->data_len - offset, len - done);
		int64_t taken = pv_stream_append(bridge, stream,
				rte_pktmbuf_mtod_offset(m, const void *, offset), part);

		if (taken > 0)
			done += (uint32_t)taken;
		if (taken != part)
			break;
		offset = 0;
		m = m->next;
	}
	return done;
}

static struct pv_piece *
take_piece(struct pv_pool *pieces, struct pv_reassembly *ras, const struct pv_piece *segment,
		uint32_t seq, uint32_t end)
{
	struct pv_piece *piece = pv_pool_take(pieces);

	if (piece == NULL)
		return NULL;
	*piece = (struct pv_piece){
		.mbuf = segment->mbuf,
		.seq = seq,
		.end = end,
		.offset = segment->offset + (seq - segment->seq),
		.run_end = end,
		.last = piece,
	};
	ras->n_pieces++;
	ras->bytes += end - seq;
	return piece;
}

static void
give_piece(struct pv_pool *pieces, struct pv_reassembly *ras, struct pv_piece *piece)
{
	ras->n_pieces--;
	ras->bytes -= piece->end - piece->seq;
	rte_pktmbuf_free(piece->mbuf);
	pv_pool_give(pieces, piece);
}

/* A run of its own, behind `before` (NULL: the first). */
static void
link_run(struct pv_reassembly *ras, struct pv_piece *before, struct pv_piece *piece)
{
	piece->next_run = before != NULL ? before->next_run : ras->first;
	if (before != NULL)
		before->next_run = piece;
	else
		ras->first = piece;
	if (piece->next_run == NULL)
		ras->last = piece;
	ras->n_runs++;
}

/* The piece becomes the first of the run that begins where it ends. */
static void
prepend(struct pv_reassembly *ras, struct pv_piece *before, struct pv_piece *run,
		struct pv_piece *piece)
{
	piece->next = run;
	piece->run_end = run->run_end;
	piece->last = run->last;
	piece->next_run = run->next_run;
	if (before != NULL)
		before->next_run = piece;
	else
		ras->first = piece;
	if (ras->last == run)
		ras->last = piece;
}

/* The piece becomes the last of the run; if it now reaches the next run, the two are one. */
static void
append(struct pv_reassembly *ras, struct pv_piece *run, struct pv_piece *piece)
{
	struct pv_piece *next = run->next_run;

	run->last->next = piece;
	run->last = piece;
	run->run_end = piece->end;
	if (next == NULL || next->seq != piece->end)
		return;
	run->last->next = next;
	run->last = next->last;
	run->run_end = next->run_end;
	run->next_run = next->next_run;
	if (ras->last == next)
		ras->last = run;
	ras->n_runs--;
}

static struct pv_range
overlap(uint32_t left, uint32_t right, const struct pv_piece *run)
{
	struct pv_range both = { pv_seq_max(left, run->seq), pv_seq_min(right, run->run_end) };

	if (!pv_seq_lt(both.left, both.right))
		both.right = both.left;
	return both;
}

/* The first run that ends at seq or later, and the one before it. */
static struct pv_piece *
find_run(const struct pv_reassembly *ras, uint32_t seq, struct pv_piece **before)
{
	struct pv_piece *run = ras->first;

	*before = NULL;
	if (ras->last != NULL && pv_seq_gt(seq, ras->last->run_end)) {
		*before = ras->last;
		return NULL;
	}
	while (run != NULL && pv_seq_lt(run->run_end, seq)) {
		*before = run;
		run = run->next_run;
	}
	return run;
}

/* Keeps the first part of the segment from *seq on that is new; *seq goes behind it. */
static enum pv_kept
insert_part(struct pv_pool *pieces, struct pv_reassembly *ras, const struct pv_piece *segment,
		uint32_t *seq, struct pv_range *twice)
{
	uint32_t from = *seq, end = segment->end;
	struct pv_piece *before, *run = find_run(ras, from, &before), *piece;

	if (run != NULL) {
		if (twice->left == twice->right)
			*twice = overlap(from, end, run);
		if (pv_seq_lt(from, run->seq)) {
			end = pv_seq_min(end, run->seq);
		} else {
			from = run->run_end;
			if (run->next_run != NULL)
				end = pv_seq_min(end, run->next_run->seq);
		}
	}
	*seq = end;
	if (!pv_seq_lt(from, end)) {
		run->stamp = ++ras->stamp;
		return PV_KEPT_NONE;
	}
	if (ras->n_runs >= PV_RUNS_MAX || ras->n_pieces >= pieces->n / PV_PIECES_SHARE ||
			(piece = take_piece(pieces, ras, segment, from, end)) == NULL)
		return PV_KEPT_FULL;
	if (run != NULL && run->run_end == from) {
		append(ras, run, piece);
		run->stamp = ++ras->stamp;
		return PV_KEPT;
	}
	piece->stamp = ++ras->stamp;
	if (run != NULL && run->seq == end)
		prepend(ras, before, run, piece);
	else
		link_run(ras, before, piece);
	return PV_KEPT;
}

/* One more piece that lies in the same packet. */
static void
share(struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next)
		rte_mbuf_refcnt_update(m, 1);
}

enum pv_kept
pv_reassembly_insert(struct pv_pool *pieces, struct pv_reassembly *ras,
		const struct pv_piece *segment, struct pv_range *twice)
{
	enum pv_kept kept = PV_KEPT_NONE;
	uint32_t seq = segment->seq;

	*twice = (struct pv_range){ 0 };
	while (pv_seq_lt(seq, segment->end)) {
		enum pv_kept part = insert_part(pieces, ras, segment, &seq, twice);

		if (part == PV_KEPT && kept == PV_KEPT)
			share(segment->mbuf);
		if (part == PV_KEPT_FULL)
			return kept == PV_KEPT ? PV_KEPT : PV_KEPT_FULL;
		if (part == PV_KEPT)
			kept = PV_KEPT;
	}
	return kept;
}

struct pv_range
pv_reassembly_held(const struct pv_reassembly *ras, uint32_t left, uint32_t right)
{
	return overlap(left, right, ras->first);
}

/* The first piece of the first run goes; the next piece, if any, becomes the run. */
static void
drop_first(struct pv_pool *pieces, struct pv_reassembly *ras)
{
	struct pv_piece *run = ras->first, *next = run->next;

	if (next != NULL) {
		next->run_end = run->run_end;
		next->stamp = run->stamp;
		next->last = run->last;
		next->next_run = run->next_run;
		ras->first = next;
	} else {
		ras->first = run->next_run;
		ras->n_runs--;
	}
	if (ras->last == run)
		ras->last = next;
	give_piece(pieces, ras, run);
}

uint32_t
pv_reassembly_drain(struct pv_pool *pieces, struct pv_reassembly *ras, struct pv_bridge *bridge,
		struct pv_stream *stream, uint32_t rcv_nxt, uint32_t until)
{
	while (ras->first != NULL && pv_seq_le(ras->first->seq, rcv_nxt)) {
		struct pv_piece *piece = ras->first;
		uint32_t skip = pv_seq_min(rcv_nxt, piece->end) - piece->seq;
		uint32_t stop = pv_seq_min(until, piece->end) - piece->seq;

		if (stop > skip)
			skip += pv_stream_append_mbuf(bridge, stream, piece->mbuf,
					piece->offset + skip, stop - skip);
		rcv_nxt = pv_seq_max(rcv_nxt, piece->seq + skip);
		if (piece->seq + skip != piece->end) {
			piece->seq += skip;
			piece->offset += skip;
			ras->bytes -= skip;
			break;
		}
		drop_first(pieces, ras);
	}
	return rcv_nxt;
}

bool
pv_reassembly_octet(const struct pv_reassembly *ras, uint32_t seq, uint8_t *octet)
{
	const struct pv_piece *piece = ras->first;
	const uint8_t *p;

	if (piece == NULL || pv_seq_gt(piece->seq, seq) || !pv_seq_lt(seq, piece->end))
		return false;
	p = rte_pktmbuf_read(piece->mbuf, piece->offset + (seq - piece->seq), 1, octet);
	*octet = *p;
	return true;
}

uint32_t
pv_reassembly_sack(const struct pv_reassembly *ras, struct pv_tcp_sack *blocks, uint32_t n)
{
	uint32_t stamps[PV_TCP_SACK_MAX] = { 0 }, have = 0;

	PV_ASSERT(n <= PV_TCP_SACK_MAX);
	for (const struct pv_piece *run = ras->first; run != NULL; run = run->next_run) {
		uint32_t at = have < n ? have : n;

		while (at > 0 && pv_seq_gt(run->stamp, stamps[at - 1])) {
			if (at < n) {
				stamps[at] = stamps[at - 1];
				blocks[at] = blocks[at - 1];
			}
			at--;
		}
		if (at == n)
			continue;
		stamps[at] = run->stamp;
		blocks[at] = (struct pv_tcp_sack){ run->seq, run->run_end };
		have += have < n;
	}
	return have;
}

/* Shortens a run that reaches beyond seq but begins before it. */
static void
cut_run(struct pv_pool *pieces, struct pv_reassembly *ras, struct pv_piece *run, uint32_t seq)
{
	struct pv_piece *piece = run;

	while (pv_seq_lt(piece->end, seq))
		piece = piece->next;
	while (piece->next != NULL) {
		struct pv_piece *gone = piece->next;

		piece->next = gone->next;
		give_piece(pieces, ras, gone);
	}
	ras->bytes -= piece->end - seq;
	piece->end = seq;
	run->last = piece;
	run->run_end = seq;
}

void
pv_reassembly_cut(struct pv_pool *pieces, struct pv_reassembly *ras, uint32_t seq)
{
	struct pv_piece *run = ras->first, *keep = NULL;

	while (run != NULL && pv_seq_lt(run->seq, seq)) {
		if (pv_seq_gt(run->run_end, seq))
			cut_run(pieces, ras, run, seq);
		keep = run;
		run = run->next_run;
	}
	ras->last = keep;
	if (keep != NULL)
		keep->next_run = NULL;
	else
		ras->first = NULL;
	while (run != NULL) {
		struct pv_piece *piece = run, *next_run = run->next_run;

		while (piece != NULL) {
			struct pv_piece *next = piece->next;

			give_piece(pieces, ras, piece);
			piece = next;
		}
		ras->n_runs--;
		run = next_run;
	}
}

void
pv_reassembly_clear(struct pv_pool *pieces, struct pv_reassembly *ras)
{
	while (ras->first != NULL)
		drop_first(pieces, ras);
}
