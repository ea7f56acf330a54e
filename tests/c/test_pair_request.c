/* SPDX-License-Identifier: BSD-3-Clause */
/* Connect data, its answer and disconnect data in every exchange, with each frame lost in turn, all
 * frames doubled or some overtaken: both ends come to the same end, and the stream is whole. */
#include <errno.h>
#include <string.h>

#include "api/pv_condition.h"
#include "api/pv_offer.h"
#include "base/check.h"
#include "pair.h"
#include "tap.h"

enum { PORT = 80, FRAMES = 14, LIMIT_S = 150 };

/* One exchange of wire.md. */
struct exchange {
	const char *name;
	bool conditional, cookies, accept;
	uint32_t answer; /* bytes */
};

static const struct exchange exchanges[] = {
	{ "held, answered in the SYN-ACK", true, false, true, 5 },
	{ "held, answered behind the handshake", true, false, true, 1000 },
	{ "held and rejected", true, false, false, 0 },
	{ "pending, accepted", false, false, true, 900 },
	{ "pending, rejected", false, false, false, 7 },
	{ "sent again for a cookie, accepted", false, true, true, 20 },
	{ "sent again for a cookie, rejected", false, true, false, 20 },
};

enum trouble { NONE, DOUBLED, OVERTAKEN, TROUBLES };

static struct pair pair;
static int drop_at;

static bool
drop(void *arg, unsigned int from, const uint8_t *frame, int len)
{
	(void)arg;
	(void)from;
	(void)frame;
	/* Neighbour discovery is not what this is about. */
	return len > 14 && frame[12] == 0x08 && frame[13] == 0x00 && drop_at-- == 0;
}

static struct pv_offer
offer(enum pv_offer_kind kind, uint32_t len, uint8_t with)
{
	struct pv_offer o = { .present = PV_OFFER_DATA, .kind = (uint8_t)kind };

	o.data_len = (uint16_t)len;
	memset(o.bytes, with, len);
	return o;
}

static bool
says(const struct pv_offer *o, uint32_t len, uint8_t with)
{
	for (uint32_t i = 0; i < o->data_len; i++) {
		if (o->bytes[i] != with)
			return false;
	}
	return (o->present & PV_OFFER_DATA) != 0 && o->data_len == len;
}

static bool
start(uint64_t seed, const struct exchange *x, enum trouble trouble, uint64_t *listener)
{
	static struct pv_config configs[2];
	struct pv_listen_params params = {
		.local = pair_address(1),
		.backlog = 8,
		.port = PORT,
		.family = 4,
		.conditional = x->conditional,
		.syn_cookies = x->cookies ? PV_SYN_COOKIES_ALWAYS : PV_SYN_COOKIES_AUTO,
	};

	for (unsigned int side = 0; side < 2; side++)
		pair_config(&configs[side], side);
	if (!pair_open(&pair, seed, configs))
		return false;
	for (unsigned int side = 0; side < 2; side++) {
		pair.wire[side].delay = 5 * PAIR_MS;
		pair.wire[side].drop = drop;
		if (trouble == DOUBLED)
			pair.wire[side].duplicate = 1000000;
		if (trouble == OVERTAKEN) {
			pair.wire[side].reorder = 500000;
			pair.wire[side].reorder_delay = 12 * PAIR_MS;
		}
	}
	return pv_listen(pair.side[1], &params, listener) == 0;
}

/* What happened to one connection. */
struct fate {
	uint64_t client, server;
	uint32_t asked;  /* requests that were taken */
	bool request_ok; /* the caller's data came */
};

/* The server's say over whatever waits. */
static void
serve(const struct exchange *x, uint64_t listener, struct fate *fate)
{
	static struct pv_offer answer, asked;
	struct pv_request_facts facts;
	struct pv_request request;

	answer = offer(PV_OFFER_ANSWER, x->answer, 'a');
	while (pv_accept(pair.side[1], listener, &request, 1) == 1) {
		fate->asked++;
		fate->server = request.handle;
		fate->request_ok = pv_request_read(pair.side[1], request.handle, &facts, &asked) ==
						   0 &&
				   says(&asked, 700, 'c');
		pv_decide(pair.side[1], request.handle,
				x->accept ? PV_VERDICT_ACCEPT : PV_VERDICT_REJECT, 0,
				x->answer != 0 ? &answer : NULL);
		if (!x->accept)
			pv_close(pair.side[1], request.handle, PV_CLOSE_GRACEFUL);
	}
}

static bool
is_over(uint64_t client)
{
	return (pv_status_of(pair.side[0], client)->ready & PV_READY_CONNECT) != 0;
}

static void
run(const struct exchange *x, uint64_t listener, struct fate *fate)
{
	static struct pv_offer asks;
	struct pv_connect_params params = {
		.peer = pair_address(1), .peer_port = PORT, .offer = &asks
	};
	uint64_t end = pair.now + LIMIT_S * 1000 * PAIR_MS;

	asks = offer(PV_OFFER_REQUEST, 700, 'c');
	if (pv_connect(pair.side[0], &params, &fate->client) != 0)
		return;
	while (!is_over(fate->client) && pair_step(&pair, end))
		serve(x, listener, fate);
}

static bool
reads(unsigned int side, uint64_t handle, const char *text)
{
	char got[64];
	struct pv_iov iov = { got, sizeof(got) };
	uint64_t end = pair.now + 30000 * PAIR_MS;
	int64_t n;

	while ((n = pv_recv(pair.side[side], handle, &iov, 1, 0)) == -EAGAIN)
		if (!pair_step(&pair, end))
			return false;
	return n == (int64_t)strlen(text) && memcmp(got, text, strlen(text)) == 0;
}

static void
writes(unsigned int side, uint64_t handle, const char *text)
{
	struct pv_iov iov = { (void *)(uintptr_t)text, strlen(text) };

	pv_send(pair.side[side], handle, &iov, 1, 0);
}

/* The stream carries what was written, and the data that goes with the FIN comes too. */
static bool
goes_on(const struct exchange *x, const struct fate *fate)
{
	static struct pv_offer bye, got;

	if (pv_offer_read(pair.side[0], fate->client, PV_OFFER_ANSWER, &got) != 0 ||
			!says(&got, x->answer, 'a'))
		return false;
	writes(0, fate->client, "to the server");
	if (!reads(1, fate->server, "to the server"))
		return false;
	writes(1, fate->server, "and back");
	if (!reads(0, fate->client, "and back"))
		return false;
	bye = offer(PV_OFFER_DISCONNECT, 1024, 'b');
	if (pv_offer_send(pair.side[0], fate->client, &bye) != 0)
		return false;
	pv_shutdown_send(pair.side[0], fate->client);
	return reads(1, fate->server, "") &&
	       pv_offer_read(pair.side[1], fate->server, PV_OFFER_DISCONNECT, &got) == 0 &&
	       says(&got, 1024, 'b');
}

static bool
accepted(const struct exchange *x, const struct fate *fate)
{
	return pv_status_of(pair.side[0], fate->client)->error == 0 && fate->asked == 1 &&
	       fate->request_ok && goes_on(x, fate);
}

static bool
rejected(const struct fate *fate)
{
	return pv_status_of(pair.side[0], fate->client)->error == -ECONNREFUSED &&
	       fate->asked == 1 && fate->request_ok;
}

static void
test(const struct exchange *x, enum trouble trouble)
{
	static const char *const words[TROUBLES] = { "each frame lost in turn", "and all doubled",
		"and some overtaken" };

	for (int lost = -1; lost < FRAMES; lost++) {
		struct fate fate = { 0 };
		uint64_t listener;
		bool good;

		drop_at = lost;
		if (!start((uint64_t)lost + 100, x, trouble, &listener)) {
			CHECK(false, "an engine starts");
			return;
		}
		run(x, listener, &fate);
		good = x->accept ? accepted(x, &fate) : rejected(&fate);
		if (!good) {
			printf("# %s: frame %d lost, %s: asked %u, data %d, client %d\n", x->name,
					lost, words[trouble], fate.asked, fate.request_ok,
					pv_status_of(pair.side[0], fate.client)->error);
			pair_explain(&pair);
		}
		pair_close(&pair);
		if (!good) {
			CHECK(false, x->name);
			return;
		}
	}
	printf("# %s\n", words[trouble]);
	CHECK(true, x->name);
}

int
main(void)
{
	for (uint32_t i = 0; i < PV_COUNT_OF(exchanges); i++)
		for (enum trouble trouble = NONE; trouble < TROUBLES; trouble++)
			test(&exchanges[i], trouble);
	return tap_done();
}
