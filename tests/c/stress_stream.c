/* SPDX-License-Identifier: BSD-3-Clause */
/* One producer and one consumer at a few streams, as fast as they can, mostly near the last chunk.
 */
#include "base/rng.h"
#include "bridge_fixture.h"
#include "stress.h"

#define STREAMS 3
#define BYTES   STRESS(UINT64_C(60000000))

static struct fixture *f;
static struct pv_stream *stream[STREAMS];
static unsigned int wrong;

static uint8_t
byte_at(uint64_t pos)
{
	return (uint8_t)((pos * 0x9e3779b97f4a7c15) >> 56);
}

static size_t
random_len(struct pv_rng *rng, size_t max)
{
	return pv_rng_below(rng, 4) == 0 ? 1 + pv_rng_below(rng, (uint32_t)max) :
					   1 + pv_rng_below(rng, 40);
}

static void *
produce(void *arg)
{
	uint64_t written[STREAMS] = { 0 }, done = 0;
	uint8_t buffer[3000];
	struct pv_rng rng;

	(void)arg;
	pv_rng_seed(&rng, 1);
	while (done < STREAMS) {
		uint32_t i = pv_rng_below(&rng, STREAMS);
		size_t len = random_len(&rng, sizeof(buffer));
		int64_t n;

		if (written[i] >= BYTES)
			continue;
		for (size_t j = 0; j < len; j++)
			buffer[j] = byte_at(written[i] + j);
		n = pv_stream_append(f->bridge, stream[i], buffer, len);
		if (n <= 0) {
			sched_yield();
			continue;
		}
		written[i] += (uint64_t)n;
		if (written[i] >= BYTES) {
			pv_stream_finish(f->bridge, stream[i]);
			done++;
		}
	}
	return NULL;
}

static void
check(const uint8_t *buffer, uint64_t pos, size_t n)
{
	for (size_t j = 0; j < n; j++)
		wrong += buffer[j] != byte_at(pos + j);
}

/* The first stream by taking, the others by reading ahead with a cursor and freeing behind. */
static void *
consume(void *arg)
{
	struct pv_stream_cursor cursor[STREAMS] = { { .pos = 0 } };
	uint64_t taken[STREAMS] = { 0 }, sent[STREAMS] = { 0 }, done = 0;
	bool ended[STREAMS] = { false };
	uint8_t buffer[3000];
	struct pv_rng rng;

	(void)arg;
	pv_rng_seed(&rng, 2);
	while (done < STREAMS) {
		uint32_t i = pv_rng_below(&rng, STREAMS);
		bool finished = pv_stream_finished(stream[i]);
		uint64_t waiting = pv_stream_waiting(stream[i]);
		size_t n = random_len(&rng, sizeof(buffer));

		if (waiting == 0) {
			done += finished && !ended[i];
			ended[i] |= finished;
			sched_yield();
		} else if (i == 0) {
			n = pv_stream_take(f->bridge, stream[i], buffer, n, false);
			check(buffer, taken[i], n);
			taken[i] += n;
		} else {
			uint64_t ahead = taken[i] + waiting - sent[i];

			n = n < ahead ? n : ahead;
			pv_stream_read(stream[i], &cursor[i], sent[i], buffer, n);
			check(buffer, sent[i], n);
			sent[i] += n;
			taken[i] += pv_rng_below(&rng, 3) == 0 ? sent[i] - taken[i] :
								 (sent[i] - taken[i]) / 2;
			pv_stream_free_until(f->bridge, stream[i], &cursor[i], taken[i]);
		}
	}
	return NULL;
}

int
main(void)
{
	void *(*body[])(void *) = { produce, consume };
	void *arg[2] = { NULL, NULL };
	uint32_t chunks, index[STREAMS];
	uint64_t handle;

	f = fixture_new(1);
	f->config.tcp.recv_buffer = 9000;
	fixture_start(f);
	chunks = pv_chunk_count_free(&f->bridge->chunks);
	for (unsigned int i = 0; i < STREAMS; i++)
		stream[i] = &pv_slot_take(&f->ctx[0], &index[i], &handle)->rx;
	stress_run(2, body, arg);
	CHECK_EQ(wrong, 0, "every byte arrives as it was written");
	CHECK_EQ(pv_chunk_count_free(&f->bridge->chunks), chunks, "emptied streams hold no chunk");
	for (unsigned int i = 0; i < STREAMS; i++)
		wrong += pv_stream_waiting(stream[i]) != 0 || stream[i]->written < BYTES;
	CHECK_EQ(wrong, 0, "all of them");
	fixture_free(f);
	return tap_done();
}
