/* SPDX-License-Identifier: BSD-3-Clause */
/* Engines in step mode: a connection from SYN to FIN, results on return, virtual time, several
 * workers, several engines, and an end that flushes. */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/types.h"
#include "engine_rig.h"
#include "tap.h"

#define SECOND 1000000000ULL

static uint8_t frame[2048];
static struct pv_config config;

static void
give(struct pv_engine *engine, size_t len)
{
	if (pv_engine_inject(engine, 0, frame, len) != 0 ||
			pv_engine_step(engine, pv_engine_now(engine)) != 0)
		CHECK(false, "a frame goes in");
}

/* The next frame for this client; false: none. */
static bool
take(struct pv_engine *engine, struct client *client, struct pv_tcp_hdr *header,
		const uint8_t **data, size_t *len)
{
	uint64_t when;
	int n;

	while ((n = pv_engine_collect(engine, 0, frame, sizeof(frame), &when)) > 0) {
		if (client_take(client, frame, (size_t)n, header, data, len))
			return true;
	}
	return false;
}

static void
connect_client(struct pv_engine *engine, struct client *client)
{
	struct pv_tcp_hdr header = { 0 };
	const uint8_t *data;
	size_t len;

	give(engine, client_arp(client->host, frame));
	give(engine, client_segment(client, frame, PV_TCP_SYN, NULL, 0));
	if (!take(engine, client, &header, &data, &len) ||
			header.flags != (PV_TCP_SYN | PV_TCP_ACK))
		CHECK(false, "a SYN-ACK comes back");
	give(engine, client_segment(client, frame, PV_TCP_ACK, NULL, 0));
}

static void
test_connection(void)
{
	struct client client = { .host = 1, .port = 4000, .server_port = 80, .seq = 100 };
	struct pv_iov iov = { .base = frame, .len = sizeof(frame) };
	struct pv_tcp_hdr header;
	struct pv_request request;
	struct pv_engine *engine;
	const uint8_t *data;
	uint64_t listener;
	char text[16];
	size_t len;

	engine_config(&config, 1);
	config.step = 1;
	engine = engine_start(&config);
	listener = engine_listen(engine, 80, 5);
	connect_client(engine, &client);
	CHECK_EQ(pv_status_of(engine, listener)->queued, 1, "a connection waits");
	CHECK(pv_accept(engine, listener, &request, 1) == 1 && request.peer_port == 4000,
			"and is taken");
	give(engine, client_segment(&client, frame, PV_TCP_ACK | PV_TCP_PSH, "hello", 5));
	iov = (struct pv_iov){ text, sizeof(text) };
	CHECK(pv_recv(engine, request.handle, &iov, 1, 0) == 5 && memcmp(text, "hello", 5) == 0,
			"its bytes can be read");
	iov = (struct pv_iov){ text, 5 };
	memcpy(text, "world", 5);
	CHECK_EQ(pv_send(engine, request.handle, &iov, 1, 0), 5, "an answer is written");
	CHECK(take(engine, &client, &header, &data, &len) && len == 5 &&
					memcmp(data, "world", 5) == 0,
			"and has left on return");
	CHECK_EQ(header.ack, client.seq, "with the acknowledgment of what came");
	CHECK_EQ(pv_close(engine, request.handle, PV_CLOSE_GRACEFUL), 0, "closed");
	CHECK(take(engine, &client, &header, &data, &len) && (header.flags & PV_TCP_FIN) != 0,
			"a FIN follows");
	CHECK_EQ(pv_recv(engine, request.handle, &iov, 1, 0), -EBADF, "the handle is stale");
	give(engine, client_segment(&client, frame, PV_TCP_ACK | PV_TCP_FIN, NULL, 0));
	CHECK(take(engine, &client, &header, &data, &len) && header.ack == client.seq,
			"the peer's FIN is acknowledged");
	CHECK(engine_accounts(engine), "every frame ended in one counter");
	engine_stop(engine);
}

/* Segments of odd lengths that arrive at once, then one that takes several buffers. */
static void
test_chains(bool coalesced)
{
	struct client client = { .host = 1, .port = 4000, .server_port = 80, .seq = 100 };
	static uint8_t sent[20 * 333 + 5001], large[6000], got[sizeof(sent)];
	struct pv_iov iov = { got, sizeof(got) };
	struct pv_request request;
	struct pv_engine *engine;
	uint64_t listener;
	size_t done = 0;

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7 % 251);
	engine_config(&config, 1);
	config.step = 1;
	config.port[0].receive_offload = coalesced;
	engine = engine_start(&config);
	listener = engine_listen(engine, 80, 5);
	connect_client(engine, &client);
	for (; done < 20 * 333; done += 333)
		pv_engine_inject(engine, 0, frame,
				client_segment(&client, frame, PV_TCP_ACK, sent + done, 333));
	pv_engine_inject(engine, 0, large,
			client_segment(&client, large, PV_TCP_ACK, sent + done, 5001));
	CHECK_EQ(pv_engine_step(engine, pv_engine_now(engine)), 0, "a burst goes in");
	CHECK_EQ(engine_count(engine, "RX_COALESCED"), coalesced ? 19 : 0, "as one, or single");
	CHECK_EQ(pv_accept(engine, listener, &request, 1), 1, "of a connection");
	CHECK(pv_recv(engine, request.handle, &iov, 1, 0) == sizeof(sent) &&
					memcmp(got, sent, sizeof(sent)) == 0,
			"the stream is whole");
	CHECK(engine_accounts(engine), "every frame ended in one counter");
	engine_stop(engine);
}

static void
test_time(void)
{
	struct client client = { .host = 1, .port = 4000, .server_port = 80, .seq = 100 };
	struct pv_tcp_hdr header;
	struct pv_engine *engine;
	const uint8_t *data;
	uint64_t start, next;
	size_t len;

	engine_config(&config, 1);
	config.step = 1;
	engine = engine_start(&config);
	start = pv_engine_now(engine);
	engine_listen(engine, 80, 5);
	give(engine, client_arp(1, frame));
	give(engine, client_segment(&client, frame, PV_TCP_SYN, NULL, 0));
	CHECK(take(engine, &client, &header, &data, &len), "a SYN-ACK");
	next = pv_engine_deadline(engine, false);
	CHECK(next > start + SECOND - SECOND / 10000 && next < start + SECOND + SECOND / 10000,
			"is due again after a second");
	pv_engine_step(engine, next - 1);
	CHECK(!take(engine, &client, &header, &data, &len), "not a moment before");
	pv_engine_step(engine, next);
	CHECK(take(engine, &client, &header, &data, &len), "but then");
	CHECK_EQ(pv_engine_step(engine, next - 1), -EINVAL, "time does not go back");
	CHECK_EQ(pv_engine_reset(engine), 0, "after a reset");
	CHECK_EQ(pv_engine_deadline(engine, false), UINT64_MAX, "nothing is due any more");
	give(engine, client_segment(&client, frame, PV_TCP_ACK, NULL, 0));
	CHECK_EQ(engine_count(engine, "TCP_REQUESTS"), 0, "and half-open connections are gone");
	engine_stop(engine);
}

/* All frames come in at worker 0, as from a device without RSS. */
static void
test_workers(void)
{
	struct pv_request request[64];
	struct pv_engine *engine;
	uint64_t listener, owners = 0;
	int n;

	engine_config(&config, 4);
	config.step = 1;
	engine = engine_start(&config);
	listener = engine_listen(engine, 80, 64);
	for (uint16_t i = 0; i < 64; i++) {
		struct client client = { .host = (uint8_t)(10 + i),
			.port = (uint16_t)(5000 + i * 7),
			.server_port = 80,
			.seq = i };

		connect_client(engine, &client);
	}
	n = pv_accept(engine, listener, request, 64);
	CHECK_EQ(n, 64, "64 clients are connected over four workers");
	for (int i = 0; i < n; i++)
		owners |= 1ULL << pv_handle_worker(request[i].handle);
	CHECK_EQ(owners, 15, "each worker has some");
	CHECK(engine_count(engine, "HANDED_OVER") > 64, "most frames went over");
	CHECK(engine_accounts(engine), "and each was counted once more for it");
	engine_stop(engine);
}

static void
test_loopback(void)
{
	struct pv_connect_params params = { .peer_port = 80 };
	struct pv_iov iov = { frame, 1000 };
	struct pv_request request;
	struct pv_engine *engine;
	uint64_t listener, handle;
	uint8_t got[2000];

	engine_config(&config, 3);
	config.step = 1;
	engine = engine_start(&config);
	listener = engine_listen(engine, 80, 5);
	for (int i = 0; i < 6; i++) {
		params.peer = pv_addr_from_v4(
				i % 2 ? pv_hton32(0x7f000001) : pv_hton32(0x0a090002));
		/* Both were chosen for the one before. */
		params.local = (struct pv_addr){ 0 };
		params.local_port = 0;
		CHECK_EQ(pv_connect(engine, &params, &handle), 0, "connecting to ourselves");
		CHECK((pv_status_of(engine, handle)->ready & PV_READY_WRITE) != 0 &&
						pv_accept(engine, listener, &request, 1) == 1,
				"is done on return");
		memset(frame, 'x' + i, 1000);
		iov = (struct pv_iov){ frame, 1000 };
		CHECK_EQ(pv_send(engine, handle, &iov, 1, 0), 1000, "a thousand bytes");
		iov = (struct pv_iov){ got, sizeof(got) };
		CHECK(pv_recv(engine, request.handle, &iov, 1, 0) == 1000 && got[999] == 'x' + i,
				"arrive");
		pv_close(engine, handle, PV_CLOSE_GRACEFUL);
		pv_close(engine, request.handle, PV_CLOSE_GRACEFUL);
	}
	CHECK(engine_accounts(engine), "every packet to ourselves ended in one counter");
	engine_stop(engine);
}

/* What was written goes out before the end, as far as the peer takes it. */
static void
test_stop(void)
{
	struct client client = { .host = 1, .port = 4000, .server_port = 80, .seq = 100 };
	struct pv_iov iov = { frame, 100 };
	struct pv_request request;
	struct pv_engine *engine;
	uint64_t listener;

	engine_config(&config, 2);
	config.step = 1;
	engine = engine_start(&config);
	listener = engine_listen(engine, 80, 5);
	connect_client(engine, &client);
	pv_accept(engine, listener, &request, 1);
	pv_send(engine, request.handle, &iov, 1, 0);
	CHECK_EQ(pv_engine_stop(engine, 30 * SECOND), 0, "an engine with open connections stops");
}

static void
test_bad_arguments(void)
{
	struct pv_engine *engine = NULL;
	struct pv_listen_params params = { .backlog = 1, .port = 80, .family = 4 };
	char err[256] = "";
	uint64_t handle;

	engine_config(&config, 1);
	config.step = 1;
	config.n_worker = 0;
	CHECK(pv_engine_start(&config, &engine, err, sizeof(err)) == -EINVAL && engine == NULL &&
					err[0] != '\0',
			"no worker: one line that says so");
	config.n_worker = 1;
	config.mbufs = 40000000;
	CHECK(pv_engine_start(&config, &engine, err, sizeof(err)) == -ENOMEM &&
					strstr(err, "buffers") != NULL,
			"too many buffers: one line that says so");
	config.mbufs = 1023;
	engine = engine_start(&config);
	CHECK_EQ(pv_engine_inject(engine, 1, frame, 10), -EINVAL, "no such port");
	CHECK_EQ(pv_close(engine, 0x123456789abcdef, PV_CLOSE_ABORT), -EBADF, "no such handle");
	CHECK_EQ(pv_listen(engine, &params, &handle), 0, "a listener");
	CHECK_EQ(pv_listen(engine, &params, &handle), -EADDRINUSE, "not twice");
	params.local = pv_addr_from_v4(pv_hton32(0x0a090003));
	params.port = 81;
	CHECK_EQ(pv_listen(engine, &params, &handle), -EADDRNOTAVAIL,
			"not on somebody else's address");
	engine_stop(engine);
}

static void
test_many_engines(void)
{
	struct pv_engine *engines[20];

	engine_config(&config, 1);
	config.step = 1;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < PV_COUNT_OF(engines); i++) {
			struct client client = {
				.host = 1, .port = 4000, .server_port = 80, .seq = 1
			};

			engines[i] = engine_start(&config);
			engine_listen(engines[i], 80, 5);
			connect_client(engines[i], &client);
		}
		for (size_t i = 0; i < PV_COUNT_OF(engines); i++) {
			CHECK_EQ(engine_count(engines[i], "TCP_REQUESTS"), 1,
					"one of twenty engines works");
			engine_stop(engines[i]);
		}
	}
}

int
main(void)
{
	engine_eal();
	test_connection();
	test_chains(false);
	test_chains(true);
	test_time();
	test_workers();
	test_loopback();
	test_stop();
	test_bad_arguments();
	test_many_engines();
	return tap_done();
}
