/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections that are written to, read, shut, closed and aborted at random moments over a wire of
 * random vices, under a random configuration. Whatever happens: what is read is what was written,
 * in order, from the start; who closed in order after all was read has it all; in the end nothing
 * is left on either side.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "pair.h"
#include "tap.h"

enum { CONNECTIONS = 6, CHUNK = 8192, PORT = 80 };

/* One end of a connection. */
struct end {
	uint64_t handle;
	uint64_t written, read, want; /* bytes; want: so many to write */
	uint32_t patience;            /* steps until it does something drastic; 0: never */
	bool open, shut, finished;    /* handle valid; wrote its FIN; read the peer's */
	bool hasty;                   /* has or had a limit of patience */
	bool failed;                  /* by error */
};

struct fate {
	struct end end[2];
	bool accepted;
};

static struct fate fates[CONNECTIONS];
static bool wrong;

static uint8_t
byte_at(unsigned int connection, unsigned int side, uint64_t i)
{
	return (uint8_t)(i * 31 + i / 251 + connection * 7 + side);
}

static void
let_go(struct pair *pair, unsigned int side, struct end *end, int how)
{
	pv_close(pair->side[side], end->handle, how);
	end->open = false;
}

static void
write_some(struct pair *pair, unsigned int i, unsigned int side)
{
	static uint8_t buf[CHUNK];
	struct end *end = &fates[i].end[side];
	struct pv_iov iov = { .base = buf, .len = 1 + pv_rng_below(&pair->rng, CHUNK - 1) };
	int64_t n;

	if (end->written == end->want) {
		if (!end->shut)
			pv_shutdown_send(pair->side[side], end->handle);
		end->shut = true;
		return;
	}
	if (iov.len > end->want - end->written)
		iov.len = end->want - end->written;
	for (size_t k = 0; k < iov.len; k++)
		buf[k] = byte_at(i, side, end->written + k);
	n = pv_send(pair->side[side], end->handle, &iov, 1, 0);
	if (n > 0)
		end->written += (uint64_t)n;
	else if (n != -EAGAIN && n != -ENOBUFS && n != -ENOTCONN)
		end->failed = true;
}

static void
read_some(struct pair *pair, unsigned int i, unsigned int side)
{
	static uint8_t buf[CHUNK];
	struct end *end = &fates[i].end[side];
	struct pv_iov iov = { .base = buf, .len = 1 + pv_rng_below(&pair->rng, CHUNK - 1) };
	int64_t n = pv_recv(pair->side[side], end->handle, &iov, 1, 0);

	for (int64_t k = 0; k < n; k++) {
		if (buf[k] != byte_at(i, 1 - side, end->read + (uint64_t)k)) {
			printf("# connection %u side %u: byte %" PRIu64 " wrong\n", i, side,
					end->read + (uint64_t)k);
			wrong = true;
		}
	}
	if (n > 0)
		end->read += (uint64_t)n;
	else if (n == 0)
		end->finished = true;
	else if (n != -EAGAIN && n != -ENOTCONN)
		end->failed = true;
}

/* What one end does in one step. */
static void
act(struct pair *pair, unsigned int i, unsigned int side)
{
	struct end *end = &fates[i].end[side];

	if (!end->open)
		return;
	if (end->patience != 0 && --end->patience == 0) {
		let_go(pair, side, end, (int)pv_rng_below(&pair->rng, 2));
		return;
	}
	if (end->failed || (end->shut && end->finished)) {
		let_go(pair, side, end, PV_CLOSE_GRACEFUL);
		return;
	}
	if (pv_rng_below(&pair->rng, 3) != 0)
		write_some(pair, i, side);
	if (pv_rng_below(&pair->rng, 3) != 0)
		read_some(pair, i, side);
}

/* Whose RST is lost is not heard of again: keep-alive finds out. */
static void
watch(struct pair *pair, unsigned int side, uint64_t handle)
{
	pv_set_option(pair->side[side], handle, PV_OPT_KEEPALIVE_IDLE, 60000);
	pv_set_option(pair->side[side], handle, PV_OPT_KEEPALIVE, 1);
}

static void
accept_some(struct pair *pair, uint64_t listener)
{
	struct pv_request request;

	while (pv_accept(pair->side[1], listener, &request, 1) == 1) {
		/* The local port of the other side tells which. */
		for (unsigned int i = 0; i < CONNECTIONS; i++) {
			if (request.peer_port == 20000 + i) {
				fates[i].end[1].handle = request.handle;
				fates[i].end[1].open = true;
				fates[i].accepted = true;
				watch(pair, 1, request.handle);
			}
		}
	}
}

static void
draw(struct pair *pair, struct pv_config configs[2])
{
	struct pv_rng *rng = &pair->rng;

	for (unsigned int i = 0; i < 2; i++) {
		struct pv_tcp_config *tcp = &configs[i].tcp;

		pair_config(&configs[i], i);
		tcp->sack = pv_rng_below(rng, 4) != 0;
		tcp->timestamps = pv_rng_below(rng, 4) != 0;
		tcp->window_scale = pv_rng_below(rng, 4) != 0;
		tcp->rack = pv_rng_below(rng, 3) != 0;
		tcp->f_rto = pv_rng_below(rng, 2) != 0;
		tcp->ecn = pv_rng_below(rng, 3) == 0;
		tcp->nagle = pv_rng_below(rng, 2) != 0;
		tcp->hystart = pv_rng_below(rng, 2) != 0;
		tcp->tlp = pv_rng_below(rng, 3) != 0;
		tcp->prr = pv_rng_below(rng, 3) != 0;
		tcp->limited_transmit = pv_rng_below(rng, 3) != 0;
		tcp->undo = pv_rng_below(rng, 3) != 0;
		tcp->delayed_ack = pv_rng_below(rng, 4) != 0;
		tcp->congestion = (uint8_t)pv_rng_below(rng, 3);
		tcp->recv_buffer = tcp->recv_buffer_max = 2048u << pv_rng_below(rng, 6);
		tcp->send_buffer = 2048u << pv_rng_below(rng, 6);
		tcp->quick_ack_start = pv_rng_below(rng, 20);
		tcp->syn_cookies = (uint8_t)pv_rng_below(rng, 3);
		tcp->data_retries = 8;
		configs[i].port[0].mtu = pv_rng_below(rng, 3) == 0 ? 600 : 1500;
		if (pv_rng_below(rng, 4) == 0)
			configs[i].mbufs = 400;
	}
}

static void
draw_wire(struct pair *pair)
{
	struct pv_rng *rng = &pair->rng;

	for (unsigned int i = 0; i < 2; i++)
		pair->wire[i] = (struct pair_wire){
			.delay = PAIR_MS / 10 + pv_rng_below(rng, 20 * PAIR_MS),
			.jitter = pv_rng_below(rng, 3) == 0 ? pv_rng_below(rng, 10 * PAIR_MS) : 0,
			.rate = pv_rng_below(rng, 3) == 0 ? 5000000 : 0,
			.queue = 20000,
			.loss = pv_rng_below(rng, 2) == 0 ? pv_rng_below(rng, 200000) : 0,
			.duplicate = pv_rng_below(rng, 3) == 0 ? pv_rng_below(rng, 100000) : 0,
			.reorder = pv_rng_below(rng, 3) == 0 ? pv_rng_below(rng, 200000) : 0,
			.reorder_delay = pv_rng_below(rng, 30 * PAIR_MS),
			.corrupt = pv_rng_below(rng, 3) == 0 ? pv_rng_below(rng, 100000) : 0,
		};
}

static uint64_t
begin(struct pair *pair)
{
	struct pv_listen_params listen = {
		.local = pair_address(1), .backlog = 16, .port = PORT, .family = 4
	};
	uint64_t listener = 0;

	memset(fates, 0, sizeof(fates));
	pv_listen(pair->side[1], &listen, &listener);
	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		struct pv_connect_params connect = { .peer = pair_address(1),
			.peer_port = PORT,
			.local_port = (uint16_t)(20000 + i) };

		for (unsigned int side = 0; side < 2; side++) {
			struct end *end = &fates[i].end[side];

			end->want = pv_rng_below(&pair->rng, 100000);
			end->hasty = pv_rng_below(&pair->rng, 3) == 0;
			if (end->hasty)
				end->patience = 1 + pv_rng_below(&pair->rng, 400);
		}
		fates[i].end[0].open =
				pv_connect(pair->side[0], &connect, &fates[i].end[0].handle) == 0;
		watch(pair, 0, fates[i].end[0].handle);
	}
	return listener;
}

/* Both ends were let be: each has all that the other wrote. */
static bool
is_whole(const struct fate *fate)
{
	const struct end *a = &fate->end[0], *b = &fate->end[1];

	if (a->hasty || b->hasty || a->failed || b->failed)
		return true;
	return !fate->accepted ||
	       (a->finished && b->finished && a->read == b->written && b->read == a->written);
}

static bool
is_over(void)
{
	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		if (fates[i].end[0].open || fates[i].end[1].open)
			return false;
	}
	return true;
}

static bool
is_empty(struct pair *pair)
{
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t handle, cursor = 0;

		if (pv_connections(pair->side[i], &handle, 1, &cursor) != 0)
			return false;
		if (pair_counter(pair, i, "NEVER") != 0)
			return false;
	}
	return true;
}

static void
one(uint64_t seed)
{
	static struct pv_config configs[2];
	struct pair pair;
	uint64_t listener, until;
	bool whole = true, over, empty;

	memset(&pair, 0, sizeof(pair));
	pv_rng_seed(&pair.rng, seed);
	draw(&pair, configs);
	if (!pair_open(&pair, seed, configs)) {
		CHECK(false, "engines start");
		return;
	}
	draw_wire(&pair);
	wrong = false;
	listener = begin(&pair);
	until = pair.now + 20000 * 1000 * PAIR_MS;
	do {
		accept_some(&pair, listener);
		for (unsigned int i = 0; i < 2 * CONNECTIONS; i++)
			act(&pair, i / 2, i % 2);
	} while (!is_over() && pair_step(&pair, until));
	over = is_over();
	for (unsigned int i = 0; i < CONNECTIONS; i++)
		whole &= is_whole(&fates[i]);
	pv_listener_close(pair.side[1], listener);
	/* Orphans, retransmissions to nobody, TIME-WAIT: all of it ends by itself. */
	pair_run(&pair, 3000 * 1000 * PAIR_MS);
	empty = is_empty(&pair);
	if (wrong || !whole || !over || !empty) {
		printf("# seed %" PRIu64 "\n", seed);
		for (unsigned int i = 0; i < 2 * CONNECTIONS; i++) {
			const struct end *end = &fates[i / 2].end[i % 2];

			printf("# %u.%u: wrote %" PRIu64 " of %" PRIu64 " read %" PRIu64
			       "%s%s%s%s%s patience %u\n",
					i / 2, i % 2, end->written, end->want, end->read,
					end->open ? " open" : "", end->shut ? " shut" : "",
					end->finished ? " finished" : "",
					end->hasty ? " hasty" : "", end->failed ? " failed" : "",
					end->patience);
		}
		pair_explain(&pair);
	}
	CHECK(!wrong, "what is read is what was written");
	CHECK(whole, "undisturbed connections are whole");
	CHECK(over, "every connection has come to its end");
	CHECK(empty, "nothing is left");
	pair_close(&pair);
}

/* test_pair_fates [SEEDS [FIRST]] */
int
main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 50;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

	for (uint64_t seed = first; seed < first + n; seed++)
		one(seed);
	return tap_done();
}
