/* SPDX-License-Identifier: BSD-3-Clause */
#include "pair.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcp_defaults.h"

struct pv_addr
pair_address(unsigned int side)
{
	return (struct pv_addr){
		.b = { [10] = 0xff, [11] = 0xff, [12] = 10, [13] = 9, [15] = (uint8_t)(side + 1) }
	};
}

void
pair_config(struct pv_config *c, unsigned int side)
{
	struct pv_port_config *port = &c->port[0];

	memset(c, 0, sizeof(*c));
	c->tcp = tcp_defaults();
	c->tcp.hystart = c->tcp.mtu_probing = 1;
	c->tcp.keepalive_interval = 1000;
	c->tcp.keepalive_count = 10;
	c->tcp.reset_limit = 10000;
	snprintf(port->device, sizeof(port->device), "step");
	port->address[0] = (struct pv_cidr){ .addr = pair_address(side), .prefix = 120 };
	port->n_address = 1;
	port->mtu = 1500;
	port->queues = 1;
	port->mac[0] = 2;
	port->mac[5] = (uint8_t)(side + 1);
	c->has_secret = 1;
	c->secret[0] = (uint8_t)(side + 1);
	c->seed = side + 1;
	c->max_connections = 1024;
	c->half_open_max = 1024;
	c->time_wait_max = 1024;
	c->backlog_max = 128;
	c->listeners_max = 16;
	c->mbufs = 8192;
	c->chunk_memory = 64;
	c->n_port = c->n_worker = 1;
	c->lcore[0] = -1;
	c->step = 1;
}

static bool
start_eal(void)
{
	static const char *const argv[] = { "pair", "--no-huge", "-m", "256", "--no-pci",
		"--no-telemetry", "--no-shconf", "--log-level=error" };
	char err[256];
	int rc = pv_eal_start(sizeof(argv) / sizeof(argv[0]), argv, err, sizeof(err));

	if (rc < 0)
		printf("# %s\n", err);
	return rc >= 0;
}

bool
pair_open(struct pair *pair, uint64_t seed, const struct pv_config configs[2])
{
	char err[256];

	memset(pair, 0, sizeof(*pair));
	pv_rng_seed(&pair->rng, seed);
	if (!start_eal())
		return false;
	for (unsigned int i = 0; i < 2; i++) {
		pair->wire[i].delay = PAIR_MS / 10;
		if (pv_engine_start(&configs[i], &pair->side[i], err, sizeof(err)) != 0) {
			printf("# %s\n", err);
			return false;
		}
	}
	pair->now = pv_engine_now(pair->side[0]);
	return true;
}

void
pair_close(struct pair *pair)
{
	for (uint32_t i = 0; i < pair->n; i++)
		free(pair->heap[i].data);
	free(pair->heap);
	if (pair->pcap != NULL)
		fclose(pair->pcap);
	for (unsigned int i = 0; i < 2; i++)
		pv_engine_stop(pair->side[i], 0);
}

static bool
before(const struct pair_frame *a, const struct pair_frame *b)
{
	return a->when < b->when || (a->when == b->when && a->number < b->number);
}

static void
push(struct pair *pair, const struct pair_frame *frame)
{
	uint32_t i;

	if (pair->n == pair->cap) {
		pair->cap = pair->cap != 0 ? 2 * pair->cap : 64;
		pair->heap = realloc(pair->heap, pair->cap * sizeof(*pair->heap));
	}
	for (i = pair->n++; i > 0 && before(frame, &pair->heap[(i - 1) / 2]); i = (i - 1) / 2)
		pair->heap[i] = pair->heap[(i - 1) / 2];
	pair->heap[i] = *frame;
}

static struct pair_frame
pop(struct pair *pair)
{
	struct pair_frame first = pair->heap[0], last = pair->heap[--pair->n];
	uint32_t i = 0, child;

	for (; (child = 2 * i + 1) < pair->n; i = child) {
		if (child + 1 < pair->n && before(&pair->heap[child + 1], &pair->heap[child]))
			child++;
		if (!before(&pair->heap[child], &last))
			break;
		pair->heap[i] = pair->heap[child];
	}
	pair->heap[i] = last;
	return first;
}

static bool
chance(struct pair *pair, uint32_t millionths)
{
	return millionths != 0 && pv_rng_below(&pair->rng, 1000000) < millionths;
}

static void
launch(struct pair *pair, unsigned int from, const uint8_t *data, int len, uint64_t extra)
{
	struct pair_wire *wire = &pair->wire[from];
	uint64_t jitter = wire->jitter != 0 ? pv_rng_u64(&pair->rng) % wire->jitter : 0;
	struct pair_frame frame = {
		.when = pair->now + wire->delay + jitter + extra,
		.number = pair->number++,
		.data = malloc((size_t)len),
		.len = len,
		.to = 1 - from,
	};

	memcpy(frame.data, data, (size_t)len);
	/* One bit of what checksums cover: behind the Ethernet header, not of ARP. */
	if (chance(pair, wire->corrupt) && data[12] == 8 && data[13] == 0)
		frame.data[14 + pv_rng_below(&pair->rng, (uint32_t)len - 14)] ^=
				(uint8_t)(1u << pv_rng_below(&pair->rng, 8));
	if (chance(pair, wire->reorder))
		frame.when += wire->reorder_delay;
	push(pair, &frame);
}

/* What leaves either side, for those who look: PAIR_PCAP names the file. */
static void
capture(struct pair *pair, const uint8_t *data, int len)
{
	const uint32_t header[6] = { 0xa1b23c4d, 4 << 16 | 2, 0, 0, 65535, 1 };
	const uint32_t record[4] = { (uint32_t)(pair->now / 1000000000),
		(uint32_t)(pair->now % 1000000000), (uint32_t)len, (uint32_t)len };
	const char *name = getenv("PAIR_PCAP");

	if (name == NULL)
		return;
	if (pair->pcap == NULL) {
		pair->pcap = fopen(name, "wb");
		if (pair->pcap == NULL)
			return;
		fwrite(header, sizeof(header), 1, pair->pcap);
	}
	fwrite(record, sizeof(record), 1, pair->pcap);
	fwrite(data, (size_t)len, 1, pair->pcap);
}

static void
carry(struct pair *pair, unsigned int from, const uint8_t *data, int len)
{
	struct pair_wire *wire = &pair->wire[from];
	uint64_t wait = 0;

	pair->carried++;
	capture(pair, data, len);
	if (wire->rate != 0) {
		uint64_t start = pair->busy_until[from] > pair->now ? pair->busy_until[from] :
								      pair->now;

		wait = start - pair->now;
		if (wire->queue != 0 && wait * wire->rate / 8000000000u > wire->queue) {
			pair->lost++;
			return;
		}
		wait += (uint64_t)len * 8000000000u / wire->rate;
		pair->busy_until[from] = pair->now + wait;
	}
	if (chance(pair, wire->loss) ||
			(wire->drop != NULL && wire->drop(wire->arg, from, data, len))) {
		pair->lost++;
		return;
	}
	launch(pair, from, data, len, wait);
	if (chance(pair, wire->duplicate))
		launch(pair, from, data, len, wait);
}

static void
collect(struct pair *pair)
{
	static uint8_t buf[10000];
	uint64_t when;

	for (unsigned int i = 0; i < 2; i++) {
		int len;

		while ((len = pv_engine_collect(pair->side[i], 0, buf, sizeof(buf), &when)) > 0)
			carry(pair, i, buf, len);
	}
}

bool
pair_step(struct pair *pair, uint64_t until)
{
	uint64_t next = until;

	collect(pair);
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t due = pv_engine_deadline(pair->side[i], true);

		if (due < next)
			next = due;
	}
	if (pair->n != 0 && pair->heap[0].when < next)
		next = pair->heap[0].when;
	if (next < pair->now)
		next = pair->now;
	pair->now = next;
	while (pair->n != 0 && pair->heap[0].when <= pair->now) {
		struct pair_frame frame = pop(pair);

		pv_engine_inject(pair->side[frame.to], 0, frame.data, (size_t)frame.len);
		free(frame.data);
	}
	for (unsigned int i = 0; i < 2; i++)
		pv_engine_step(pair->side[i], pair->now);
	collect(pair);
	return pair->now < until;
}

void
pair_run(struct pair *pair, uint64_t ns)
{
	uint64_t until = pair->now + ns;

	while (pair_step(pair, until))
		;
}

uint64_t
pair_counter(struct pair *pair, unsigned int side, const char *name)
{
	uint64_t values[512];
	int n = pv_counters(pair->side[side], -1, values, 512);

	for (int i = 0; i < n; i++) {
		if (strcmp(pv_counter_name((uint32_t)i), name) == 0)
			return values[i];
	}
	printf("# no counter %s\n", name);
	abort();
}

void
pair_explain(struct pair *pair)
{
	uint64_t values[512];

	for (unsigned int side = 0; side < 2; side++) {
		int n = pv_counters(pair->side[side], -1, values, 512);

		for (int i = 0; i < n; i++) {
			if (values[i] != 0)
				printf("# %u: %10" PRIu64 " %s\n", side, values[i],
						pv_counter_text((uint32_t)i));
		}
	}
}

bool
pair_connect(struct pair *pair, uint16_t port, uint64_t handles[2])
{
	struct pv_listen_params listen = {
		.local = pair_address(1), .backlog = 16, .port = port, .family = 4
	};
	struct pv_connect_params connect = { .peer = pair_address(1), .peer_port = port };
	uint64_t listener, until = pair->now + 60000 * PAIR_MS;
	struct pv_request request;

	if (pv_listen(pair->side[1], &listen, &listener) != 0 ||
			pv_connect(pair->side[0], &connect, &handles[0]) != 0)
		return false;
	while (pv_accept(pair->side[1], listener, &request, 1) != 1) {
		if (!pair_step(pair, until))
			return false;
	}
	handles[1] = request.handle;
	pv_listener_close(pair->side[1], listener);
	return true;
}
