/* SPDX-License-Identifier: BSD-3-Clause */
/* Built-in services, asked by the engine's own connections to itself: step by step, and live on
 * several workers. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "engine_rig.h"
#include "tap.h"

#define PERIOD 251

static struct pv_config config;
static uint8_t block[1 << 16];

static uint64_t
connect_to(struct pv_engine *engine, uint16_t port)
{
	struct pv_connect_params params = { .peer = { { [10] = 0xff, 0xff, 127, 0, 0, 1 } },
		.peer_port = port };
	uint64_t handle = 0;
	int rc = pv_connect(engine, &params, &handle);

	for (int i = 0; rc == 0 && i < 5000; i++) {
		if ((__atomic_load_n(&pv_status_of(engine, handle)->ready, __ATOMIC_ACQUIRE) &
				    PV_READY_WRITE) != 0)
			return handle;
		poll(NULL, 0, 1);
	}
	printf("Bail out! connect: %s\n", strerror(-rc));
	exit(1);
}

/* Live, others need the CPU. */
static void
pause_if(bool nothing)
{
	if (nothing && !config.step)
		poll(NULL, 0, 1);
}

static bool
send_all(struct pv_engine *engine, uint64_t handle, const void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		struct pv_iov iov = { (uint8_t *)(uintptr_t)data + done, len - done };
		int64_t n = pv_send(engine, handle, &iov, 1, 0);

		if (n < 0 && n != -EAGAIN)
			return false;
		pause_if(n == -EAGAIN);
		done += n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* Up to len bytes; fewer at the end only. */
static size_t
receive(struct pv_engine *engine, uint64_t handle, void *data, size_t len)
{
	size_t done = 0;

	for (int idle = 0; done < len && idle < 10000; idle++) {
		struct pv_iov iov = { (uint8_t *)data + done, len - done };
		int64_t n = pv_recv(engine, handle, &iov, 1, 0);

		if (n == 0 || (n < 0 && n != -EAGAIN))
			break;
		pause_if(n == -EAGAIN);
		done += n > 0 ? (size_t)n : 0;
		idle = n > 0 ? 0 : idle;
	}
	return done;
}

static uint64_t
start_service(struct pv_engine *engine, uint16_t port, int kind)
{
	uint64_t listener = engine_listen(engine, port, 100);

	CHECK_EQ(pv_service_start(engine, listener, kind), 0, "a service starts");
	return listener;
}

static void
test_echo(struct pv_engine *engine)
{
	uint64_t handle = connect_to(engine, 7);
	static uint8_t back[5000];

	for (size_t i = 0; i < 5000; i++)
		block[i] = (uint8_t)(i * 13);
	for (int i = 0; i < 100; i++)
		if (!send_all(engine, handle, block, 5000) ||
				receive(engine, handle, back, 5000) != 5000 ||
				memcmp(back, block, 5000) != 0)
			CHECK(false, "echo says what was said");
	pv_shutdown_send(engine, handle);
	CHECK_EQ(receive(engine, handle, back, 1), 0, "and ends when the other does");
	pv_close(engine, handle, PV_CLOSE_GRACEFUL);
}

/* More than all buffers hold, unread for a while. */
static void
test_echo_full(struct pv_engine *engine)
{
	uint64_t handle = connect_to(engine, 7);
	size_t sent = 0, got = 0, wrong = 0;

	for (int idle = 0; idle < 50; idle++) {
		struct pv_iov iov = { block, 5000 };
		int64_t n = pv_send(engine, handle, &iov, 1, 0);

		pause_if(n == -EAGAIN);
		if (n <= 0)
			continue;
		sent += (size_t)n;
		idle = 0;
		for (size_t i = 0; i < 5000; i++) /* the next byte is the next of the pattern */
			block[i] = (uint8_t)((sent + i) % PERIOD);
		if (sent == (size_t)n) {
			got = 5000;
			wrong = 0;
		}
	}
	CHECK(sent > 100000, "a peer that does not read is written to until all is full");
	for (size_t left = sent, pos = 0; left > 0; left -= got, pos += got) {
		got = receive(engine, handle, block, left < sizeof(block) ? left : sizeof(block));
		if (got == 0)
			break;
		for (size_t i = 0; i < got; i++)
			wrong += pos + i >= 5000 && block[i] != (uint8_t)((pos + i) % PERIOD);
		if (left == got)
			CHECK_EQ(wrong, 0, "then every byte comes back, in order");
	}
	pv_close(engine, handle, PV_CLOSE_ABORT);
}

static size_t
read_head(struct pv_engine *engine, uint64_t handle, char *head, size_t cap)
{
	size_t n = 0;

	while (n + 1 < cap && receive(engine, handle, head + n, 1) == 1) {
		head[++n] = '\0';
		if (n >= 4 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0)
			return n;
	}
	return 0;
}

static void
test_http(struct pv_engine *engine, uint32_t size)
{
	uint64_t handle = connect_to(engine, 80);
	char text[400];
	uint32_t wrong = 0, got = 0;

	for (int round = 0; round < 2; round++) {
		snprintf(text, sizeof(text), "GET /%u HTTP/1.1\r\nHost: x\r\n\r\n", size);
		CHECK(send_all(engine, handle, text, strlen(text)) &&
						read_head(engine, handle, text, sizeof(text)) > 0 &&
						strncmp(text, "HTTP/1.1 200 OK\r\n", 17) == 0,
				"GET is answered");
		for (got = 0; got < size;) {
			size_t n = receive(engine, handle, block,
					size - got < sizeof(block) ? size - got : sizeof(block));

			if (n == 0)
				break;
			for (size_t i = 0; i < n; i++)
				wrong += block[i] != (uint8_t)((got + i) % PERIOD);
			got += (uint32_t)n;
		}
		CHECK(got == size && wrong == 0, "with so many bytes, the right ones");
	}
	snprintf(text, sizeof(text),
			"PUT / HTTP/1.1\r\nContent-Length: %u\r\nConnection: close\r\n\r\n", size);
	send_all(engine, handle, text, strlen(text));
	for (got = 0; got < size; got += (uint32_t)sizeof(block))
		if (!send_all(engine, handle, block,
				    size - got < sizeof(block) ? size - got : sizeof(block)))
			break;
	read_head(engine, handle, text, sizeof(text));
	memset(text, 0, sizeof(text));
	receive(engine, handle, text, sizeof(text) - 1);
	CHECK_EQ(strtoul(text, NULL, 10), size, "PUT is answered with the count of what came");
	CHECK_EQ(receive(engine, handle, text, 1), 0, "and the connection is closed as asked");
	pv_close(engine, handle, PV_CLOSE_GRACEFUL);
}

/* Many requests at once, more answers than the buffer holds. */
static void
test_pipeline(struct pv_engine *engine)
{
	uint64_t handle = connect_to(engine, 80);
	static const char request[] = "GET /3000 HTTP/1.1\r\n\r\n";
	char text[400];
	int answers = 0;

	for (int i = 0; i < 200; i++)
		send_all(engine, handle, request, sizeof(request) - 1);
	while (answers < 200 && read_head(engine, handle, text, sizeof(text)) > 0 &&
			receive(engine, handle, block, 3000) == 3000)
		answers++;
	CHECK_EQ(answers, 200, "two hundred requests in a row get two hundred answers");
	send_all(engine, handle, "nonsense\r\n\r\n", 12);
	CHECK(read_head(engine, handle, text, sizeof(text)) > 0 &&
					strncmp(text, "HTTP/1.1 400", 12) == 0 &&
					receive(engine, handle, text, 1) == 0,
			"nonsense gets 400 and an end");
	pv_close(engine, handle, PV_CLOSE_GRACEFUL);
}

static void
run(uint16_t workers, bool step, uint32_t size)
{
	struct pv_engine *engine;
	uint64_t discard, handle;

	engine_config(&config, workers);
	config.step = step;
	engine = engine_start(&config);
	start_service(engine, 7, PV_SERVICE_ECHO);
	discard = start_service(engine, 9, PV_SERVICE_DISCARD);
	start_service(engine, 80, PV_SERVICE_HTTP);
	test_echo(engine);
	test_echo_full(engine);
	test_http(engine, size);
	test_pipeline(engine);
	handle = connect_to(engine, 9);
	CHECK(send_all(engine, handle, block, sizeof(block)) &&
					send_all(engine, handle, block, sizeof(block)) &&
					send_all(engine, handle, block, sizeof(block)),
			"discard takes all");
	pv_close(engine, handle, PV_CLOSE_GRACEFUL);
	CHECK_EQ(pv_service_start(engine, discard, 99), -EINVAL, "no such service");
	CHECK_EQ(pv_listener_close(engine, discard), 0, "its listener may go");
	CHECK_EQ(pv_service_start(engine, discard, PV_SERVICE_ECHO), -EBADF,
			"and has none from then on");
	CHECK(engine_accounts(engine), "every packet ended in one counter");
	engine_stop(engine);
}

int
main(int argc, char **argv)
{
	engine_eal();
	run(1, true, 1000000);
	run(3, true, 300000);
	run(2, false, argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 3000000);
	return tap_done();
}
