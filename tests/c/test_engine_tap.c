/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A live engine on a tap, and the kernel's sockets as its peer, in a network namespace of this
 * process alone. Asks for the right to make one; is skipped without it.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/types.h"
#include "engine_rig.h"
#include "tap.h"

#define PACKETS 10000

static struct pv_config config;

static struct sockaddr_in
address(uint32_t host, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(0x0a090000 | host) };
}

static void
must(int rc, const char *what)
{
	if (rc >= 0)
		return;
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The kernel's end becomes 10.9.0.1/24. */
static void
configure_kernel(const char *name)
{
	struct sockaddr_in mask = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xffffff00) };
	struct sockaddr_in own = address(1, 0);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq request;

	memset(&request, 0, sizeof(request));
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	memcpy(&request.ifr_addr, &own, sizeof(own));
	must(ioctl(fd, SIOCSIFADDR, &request), "address");
	memcpy(&request.ifr_netmask, &mask, sizeof(mask));
	must(ioctl(fd, SIOCSIFNETMASK, &request), "netmask");
	must(ioctl(fd, SIOCGIFFLAGS, &request), "flags");
	request.ifr_flags |= IFF_UP;
	must(ioctl(fd, SIOCSIFFLAGS, &request), "up");
	close(fd);
}

static int
kernel_connect(uint16_t port)
{
	struct sockaddr_in server = address(2, port);
	struct timeval limit = { .tv_sec = 10 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&server, sizeof(server)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Waits until a handle is ready; false: ten seconds went by. */
static bool
wait_for(struct pv_engine *engine, uint64_t handle, uint32_t mask)
{
	int waiter = pv_waiter_open(engine, PV_WAITER_QUEUE, -1), rc;

	rc = pv_watch(engine, waiter, handle, mask, PV_WATCH_ONCE, 0);
	if (rc == 0)
		rc = pv_waiter_wait(engine, waiter, 10000000000, -1);
	pv_waiter_close(engine, waiter);
	return rc == 1;
}

static void
test_connection(struct pv_engine *engine)
{
	uint64_t listener = engine_listen(engine, 80, 5);
	struct pv_iov iov;
	struct pv_request request;
	char text[16] = "";
	int fd = kernel_connect(80);

	CHECK(fd >= 0, "the kernel connects to us");
	CHECK(wait_for(engine, listener, PV_READY_ACCEPT) &&
					pv_accept(engine, listener, &request, 1) == 1,
			"and waits in the backlog");
	CHECK_EQ(send(fd, "hello", 5, 0), 5, "it sends");
	iov = (struct pv_iov){ text, sizeof(text) };
	CHECK(wait_for(engine, request.handle, PV_READY_READ) &&
					pv_recv(engine, request.handle, &iov, 1, 0) == 5,
			"we receive");
	iov.len = 5;
	CHECK_EQ(pv_send(engine, request.handle, &iov, 1, 0), 5, "we send");
	memset(text, 0, sizeof(text));
	CHECK(recv(fd, text, 5, MSG_WAITALL) == 5 && memcmp(text, "hello", 5) == 0, "it receives");
	shutdown(fd, SHUT_WR);
	CHECK(wait_for(engine, request.handle, PV_READY_CLOSE), "its end is seen");
	pv_close(engine, request.handle, PV_CLOSE_GRACEFUL);
	CHECK_EQ(recv(fd, text, 1, 0), 0, "and ours");
	close(fd);
	errno = 0;
	CHECK(kernel_connect(81) < 0 && errno == ECONNREFUSED,
			"where nobody listens it is refused at once");
	CHECK_EQ(pv_listener_close(engine, listener), 0, "done");
}

/* Until it is told to stop: a full queue drops some. */
static void *
throw_packets(void *arg)
{
	struct sockaddr_in to = address(2, 9);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	const bool *enough = arg;

	while (!__atomic_load_n(enough, __ATOMIC_RELAXED))
		sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
	close(fd);
	return NULL;
}

/* This thread blocks no signal. */
static void
test_no_interrupts(struct pv_engine *engine)
{
	uint64_t before = engine_count(engine, "IP4_PROTOCOL");
	unsigned int interrupted = 0;
	bool enough = false;
	pthread_t thread;
	sigset_t all, none;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &none);
	rc = pthread_create(&thread, NULL, throw_packets, &enough);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	if (rc != 0)
		exit(1);
	/* As long as it takes on a busy machine; the suite has a limit. */
	while (engine_count(engine, "IP4_PROTOCOL") - before < PACKETS) {
		if (poll(NULL, 0, 10) != 0)
			interrupted++;
	}
	__atomic_store_n(&enough, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	CHECK(true, "thousands of packets come in");
	CHECK_EQ(interrupted, 0, "and interrupt nobody else");
}

/* An idle worker sleeps, and wakes for a packet at once. */
static void
test_sleep(struct pv_engine *engine)
{
	struct timespec a, b;
	uint64_t before;

	poll(NULL, 0, 300);
	before = engine_count(engine, "SLEEPS");
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	poll(NULL, 0, 300);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	CHECK((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < 30,
			"an idle engine uses next to no time");
	CHECK(engine_count(engine, "SLEEPS") - before < 100, "it sleeps rather than naps");
}

static void
test_refusals(void)
{
	struct pv_engine *engine = NULL;
	char err[300] = "";

	snprintf(config.port[0].device, sizeof(config.port[0].device), "net_tap1,iface=pvtest0");
	CHECK(pv_engine_start(&config, &engine, err, sizeof(err)) == -EBUSY &&
					strstr(err, "exists") != NULL,
			err);
	snprintf(config.port[0].device, sizeof(config.port[0].device), "net_nonsense0");
	CHECK(pv_engine_start(&config, &engine, err, sizeof(err)) < 0 && strchr(err, '\n') == NULL,
			err);
	snprintf(config.port[0].device, sizeof(config.port[0].device),
			"net_af_packet0,iface=nowhere");
	CHECK(pv_engine_start(&config, &engine, err, sizeof(err)) == -ENODEV &&
					strchr(err, '\n') == NULL,
			err);
	config.port[0].address[0].addr = pv_addr_from_v4(pv_hton32(0x0a090001));
	snprintf(config.port[0].device, sizeof(config.port[0].device),
			"net_af_packet0,iface=pvtest0");
	CHECK(pv_engine_start(&config, &engine, err, sizeof(err)) == -EADDRINUSE &&
					strchr(err, '\n') == NULL,
			err);
}

int
main(void)
{
	struct pv_engine *engine;

	if (unshare(CLONE_NEWNET) != 0) {
		printf("1..0 # SKIP no right to make a network namespace\n");
		return 0;
	}
	engine_eal();
	for (int round = 0; round < 2; round++) {
		engine_config(&config, (uint16_t)(1 + round));
		snprintf(config.port[0].device, sizeof(config.port[0].device),
				"net_tap%d,iface=pvtest0", round);
		config.port[0].checksum_offload = round == 1;
		engine = engine_start(&config);
		configure_kernel("pvtest0");
		test_connection(engine);
		test_no_interrupts(engine);
		test_sleep(engine);
		if (round == 0)
			test_refusals();
		CHECK(engine_accounts(engine), "every frame ended in one counter");
		engine_stop(engine);
		CHECK_EQ(if_nametoindex("pvtest0"), 0, "with the engine its interface goes");
	}
	return tap_done();
}
