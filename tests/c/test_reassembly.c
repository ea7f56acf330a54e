/* SPDX-License-Identifier: BSD-3-Clause */
/* The queue of out-of-order segments against a model that keeps one flag a byte. */
#include <string.h>

#include <rte_mbuf.h>

#include "base/rng.h"
#include "base/seq.h"
#include "bridge_fixture.h"
#include "tap.h"
#include "tcp/reassembly.h"

enum { SPAN = 600, LONGEST = 60, STEPS = 4000, REFERENCES = 30000 };

/* The one mbuf that all pieces point into; byte i of the stream is data[i]. Its references count
 * how often it was kept. */
static uint8_t data[65000];
static struct rte_mbuf mbuf;

struct model {
	bool have[sizeof(data)]; /* behind the gap */
	uint32_t next;           /* position */
};

static struct model model;
static struct pv_pool pieces;
static struct pv_reassembly ras;
static uint32_t base; /* sequence number of position 0 */

static void
set_up(uint32_t seq)
{
	base = seq;
	memset(&model, 0, sizeof(model));
	memset(&ras, 0, sizeof(ras));
	memset(&mbuf, 0, sizeof(mbuf));
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	mbuf.buf_addr = data;
	mbuf.data_len = sizeof(data);
	mbuf.pkt_len = sizeof(data);
	mbuf.nb_segs = 1;
	rte_mbuf_refcnt_set(&mbuf, REFERENCES);
	pv_pool_init(&pieces, sizeof(struct pv_piece), 8192, false);
}

static enum pv_kept
insert(uint32_t from, uint32_t to, struct pv_range *twice)
{
	struct pv_piece piece = {
		.mbuf = &mbuf, .seq = base + from, .end = base + to, .offset = from
	};

	return pv_reassembly_insert(&pieces, &ras, &piece, twice);
}

static uint32_t
count(uint32_t from, uint32_t to)
{
	uint32_t n = 0;

	for (uint32_t i = from; i < to; i++)
		n += model.have[i];
	return n;
}

/* Every run is one of the model's, and there are no others. */
static bool
agrees(void)
{
	const struct pv_piece *run = ras.first, *last = NULL;
	uint32_t i = model.next, runs = 0, bytes = 0;

	for (; run != NULL; last = run, run = run->next_run, runs++) {
		while (i < sizeof(data) && !model.have[i])
			i++;
		if (run->seq - base != i)
			return false;
		for (; model.have[i]; i++)
			bytes++;
		if (run->run_end - base != i)
			return false;
	}
	return count(i, sizeof(data)) == 0 && last == ras.last && runs == ras.n_runs &&
	       bytes == ras.bytes && ras.n_pieces == pieces.used;
}

static bool
sack_agrees(uint32_t from)
{
	struct pv_tcp_sack blocks[4];
	uint32_t n = pv_reassembly_sack(&ras, blocks, 4);

	if (n != (ras.n_runs < 4 ? ras.n_runs : 4))
		return false;
	/* The first one holds what came last, if that was kept. */
	if (model.have[from] && (pv_seq_gt(blocks[0].left, base + from) ||
						pv_seq_le(blocks[0].right, base + from)))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t j = 0; j < i; j++) {
			if (blocks[i].left == blocks[j].left)
				return false;
		}
	}
	return true;
}

static void
random_walk(uint64_t seed, uint32_t seq)
{
	struct fixture *f = fixture_new(1);
	struct pv_rng rng;
	struct pv_shared *shared;
	uint64_t handle;
	bool same = true, sack = true, bytes = true, duplicates = true;
	uint8_t out[SPAN];

	f->config.tcp.recv_buffer = 1 << 20;
	fixture_start(f);
	shared = fixture_connect(&f->ctx[0], &handle);
	pv_rng_seed(&rng, seed);
	set_up(seq);
	for (int step = 0; step < STEPS && model.next + SPAN + LONGEST < sizeof(data); step++) {
		uint32_t from = model.next + 1 + pv_rng_below(&rng, SPAN);
		uint32_t to = from + 1 + pv_rng_below(&rng, LONGEST), before = count(from, to);
		struct pv_range twice;
		enum pv_kept kept = insert(from, to, &twice);

		if (kept == PV_KEPT) {
			/* What is kept is a part without a gap; runs tell which. */
			for (const struct pv_piece *run = ras.first; run != NULL;
					run = run->next_run) {
				for (uint32_t i = run->seq - base; i < run->run_end - base; i++)
					model.have[i] = true;
			}
			same &= count(from, to) > before;
		} else {
			same &= before == to - from;
		}
		duplicates &= (twice.left != twice.right) == (before != 0) || kept == PV_KEPT;
		if (twice.left != twice.right)
			duplicates &= twice.left - base >= from && twice.right - base <= to;
		same &= agrees();
		sack &= sack_agrees(from);
		if (pv_rng_below(&rng, 8) == 0) {
			/* In-order data comes, sometimes reaching over what is there. */
			uint32_t more = 1 + pv_rng_below(&rng, LONGEST);
			uint32_t next = model.next;

			for (uint32_t i = 0; i < more; i++)
				model.have[next + i] = true;
			pv_stream_append(f->bridge, &shared->rx, data + next, more);
			next = pv_reassembly_drain(&pieces, &ras, f->bridge, &shared->rx,
					       base + next + more, base + next + (1u << 30)) -
			       base;
			while (model.have[model.next])
				model.have[model.next++] = false;
			bytes &= next == model.next && shared->rx.written == next;
			same &= agrees();
			while (bytes && pv_stream_waiting(&shared->rx) != 0) {
				uint64_t at = shared->rx.taken;
				size_t n = pv_stream_take(
						f->bridge, &shared->rx, out, sizeof(out), false);

				bytes = memcmp(out, data + at, n) == 0;
			}
		}
	}
	printf("# seed %" PRIu64 ": %u bytes\n", seed, model.next);
	CHECK(same, "runs are those of the model");
	CHECK(sack, "the first block holds what came last");
	CHECK(duplicates, "duplicates are reported where they are");
	CHECK(bytes, "bytes come out in order, once, unchanged");
	pv_reassembly_cut(&pieces, &ras, base + model.next + SPAN / 2);
	for (uint32_t i = model.next + SPAN / 2; i < sizeof(data); i++)
		model.have[i] = false;
	CHECK(agrees(), "a cut leaves what lies before it");
	pv_reassembly_clear(&pieces, &ras);
	CHECK(pieces.used == 0 && ras.n_runs == 0 && ras.bytes == 0 &&
					rte_mbuf_refcnt_read(&mbuf) <= REFERENCES,
			"nothing is left");
	pv_pool_fini(&pieces);
	fixture_free(f);
}

static void
first_copy_wins(void)
{
	struct fixture *f = fixture_new(1);
	struct pv_shared *shared;
	uint64_t handle;
	uint8_t other[200], out[200];
	struct rte_mbuf liar;
	struct pv_range twice;
	struct pv_piece piece;

	fixture_start(f);
	shared = fixture_connect(&f->ctx[0], &handle);
	set_up(0xfffffff0);
	memset(other, 0xee, sizeof(other));
	liar = mbuf;
	liar.buf_addr = other;
	liar.data_len = sizeof(other);
	insert(10, 50, &twice);
	piece = (struct pv_piece){
		.mbuf = &liar, .seq = base + 20, .end = base + 60, .offset = 20
	};
	pv_reassembly_insert(&pieces, &ras, &piece, &twice);
	CHECK(twice.left == base + 20 && twice.right == base + 50, "the overlap is told");
	pv_stream_append(f->bridge, &shared->rx, data, 10);
	CHECK_EQ(pv_reassembly_drain(&pieces, &ras, f->bridge, &shared->rx, base + 10, base + 1000),
			base + 60, "both pieces are delivered");
	pv_stream_take(f->bridge, &shared->rx, out, 60, false);
	CHECK(memcmp(out, data, 50) == 0 && out[50] == 0xee, "of what came twice the first copy");
	pv_pool_fini(&pieces);
	fixture_free(f);
}

static void
bounds(void)
{
	struct pv_range twice;
	uint32_t kept = 0;

	set_up(0);
	for (uint32_t i = 0; i < 2000; i++)
		kept += insert(10 + 2 * i, 11 + 2 * i, &twice) == PV_KEPT;
	CHECK_EQ(kept, PV_RUNS_MAX, "every second byte: so many runs, no more");
	CHECK(insert(11, 12, &twice) == PV_KEPT_FULL || ras.n_runs <= PV_RUNS_MAX,
			"the bound holds");
	pv_reassembly_clear(&pieces, &ras);
	CHECK_EQ(pieces.used, 0, "nothing is left");
	kept = 0;
	for (uint32_t i = 0; i < pieces.n; i++)
		kept += insert(10 + i, 11 + i, &twice) == PV_KEPT;
	CHECK_EQ(kept, pieces.n / PV_PIECES_SHARE, "behind one gap: a share of all pieces");
	CHECK(pieces.n != 0, "some");
	pv_reassembly_clear(&pieces, &ras);
	pv_pool_fini(&pieces);
}

/* The stream's limit is reached in the middle of a piece. */
static void
full_stream(void)
{
	struct fixture *f = fixture_new(1);
	struct pv_shared *shared;
	struct pv_range twice;
	uint64_t handle;
	uint8_t out[200];

	fixture_start(f);
	shared = fixture_connect(&f->ctx[0], &handle);
	set_up(5);
	insert(10, 110, &twice);
	pv_stream_append(f->bridge, &shared->rx, data, 10);
	pv_stream_set_limit(f->bridge, &shared->rx, 50);
	CHECK_EQ(pv_reassembly_drain(&pieces, &ras, f->bridge, &shared->rx, base + 10, base + 1000),
			base + 50, "as much as fits");
	CHECK_EQ(ras.bytes, 60, "the rest stays");
	pv_stream_take(f->bridge, &shared->rx, out, 50, false);
	pv_stream_set_limit(f->bridge, &shared->rx, 1000);
	CHECK_EQ(pv_reassembly_drain(&pieces, &ras, f->bridge, &shared->rx, base + 50, base + 1000),
			base + 110, "and follows");
	pv_stream_take(f->bridge, &shared->rx, out, 60, false);
	CHECK(memcmp(out, data + 50, 60) == 0, "unchanged");
	pv_pool_fini(&pieces);
	fixture_free(f);
}

int
main(void)
{
	random_walk(1, 1000);
	random_walk(2, 0xffffff00);
	random_walk(3, 0x7fffff00);
	first_copy_wins();
	bounds();
	full_stream();
	return tap_done();
}
