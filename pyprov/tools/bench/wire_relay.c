/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The emulated wire between two taps, each in a network namespace of its own, for whoever talks
 * there: the kernel, the provider by packet sockets, or both.
 *
 *   wire_relay NETNS_A TAP_A NETNS_B TAP_B RATE QUEUE DELAY_NS LOSS BURST REORDER LATE_NS SEED
 *
 * RATE in bit/s, QUEUE in bytes, LOSS and REORDER in frames out of a million, BURST in frames on
 * average, LATE_NS for those that others overtake; the same in both directions. It
 * says "ready" once the taps exist. Every line that comes in on standard input is answered by a
 * line of six numbers: frames, lost and queue_lost from A to B, then from B to A; the end of input
 * ends the program.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "io/wire.h"

#define SECOND UINT64_C(1000000000)

enum { FRAME_MAX = 65536, BURST = 64 };

struct frame {
	size_t len;
	uint8_t data[];
};

static int taps[2];
static struct pv_wire_way ways[2]; /* by sender */

static _Noreturn void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static int
open_tap(const char *netns, const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/var/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
		fail(path);
	close(fd);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fail("/dev/net/tun");
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &request) != 0)
		fail(name);
	return fd;
}

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static void
launch(struct pv_wire_way *way, const uint8_t *data, size_t len)
{
	struct pv_wire_fate fate = pv_wire_decide(way, now_ns(), (uint32_t)len);

	for (uint32_t i = 0; i < fate.copies; i++) {
		struct frame *frame = malloc(sizeof(*frame) + len);

		if (frame == NULL || !pv_wire_fly(way, fate.when[i], frame))
			fail("memory");
		frame->len = len;
		memcpy(frame->data, data, len);
	}
}

static void
take(int side)
{
	static uint8_t data[FRAME_MAX];

	for (int i = 0; i < BURST; i++) {
		ssize_t n = read(taps[side], data, sizeof(data));

		if (n <= 0)
			return;
		launch(&ways[side], data, (size_t)n);
	}
}

/* What the other side's queue has no room for is lost, as it would be in a device. */
static void
deliver(int side)
{
	struct frame *frame;

	while ((frame = pv_wire_land(&ways[side], now_ns())) != NULL) {
		if (write(taps[1 - side], frame->data, frame->len) < 0)
			ways[side].stats.queue_lost++;
		free(frame);
	}
}

static void
wait_for_work(struct pollfd fds[3])
{
	uint64_t a = pv_wire_next(&ways[0]), b = pv_wire_next(&ways[1]), now = now_ns();
	uint64_t next = a < b ? a : b, ns = next <= now ? 0 : next - now;
	struct timespec span = { (time_t)(ns / SECOND), (long)(ns % SECOND) };

	ppoll(fds, 3, next == UINT64_MAX ? NULL : &span, NULL);
}

/* False: the end of input. */
static bool
answer(void)
{
	char line[64];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line));

	if (n <= 0)
		return n < 0 && errno == EINTR;
	for (int side = 0; side < 2; side++)
		printf("%llu %llu %llu ", (unsigned long long)ways[side].stats.frames,
				(unsigned long long)ways[side].stats.lost,
				(unsigned long long)ways[side].stats.queue_lost);
	printf("\n");
	fflush(stdout);
	return true;
}

int
main(int argc, char **argv)
{
	struct pollfd fds[3] = { { .fd = STDIN_FILENO, .events = POLLIN } };
	struct pv_wire_params params = { 0 };
	bool open = true;

	if (argc != 13) {
		fprintf(stderr, "usage: see the head of wire_relay.c\n");
		return 2;
	}
	params.rate = strtoull(argv[5], NULL, 10);
	params.queue = strtoull(argv[6], NULL, 10);
	params.delay = strtoull(argv[7], NULL, 10);
	params.loss = (uint32_t)strtoul(argv[8], NULL, 10);
	params.burst = (uint32_t)strtoul(argv[9], NULL, 10);
	params.reorder = (uint32_t)strtoul(argv[10], NULL, 10);
	params.reorder_delay = strtoull(argv[11], NULL, 10);
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	for (int side = 0; side < 2; side++) {
		taps[side] = open_tap(argv[1 + 2 * side], argv[2 + 2 * side]);
		fds[1 + side] = (struct pollfd){ .fd = taps[side], .events = POLLIN };
		pv_wire_way_init(&ways[side], &params,
				strtoull(argv[12], NULL, 10) * 2 + (uint64_t)side);
	}
	printf("ready\n");
	fflush(stdout);
	while (open) {
		wait_for_work(fds);
		for (int side = 0; side < 2; side++) {
			take(side);
			deliver(side);
		}
		if (fds[0].revents != 0)
			open = answer();
	}
	return 0;
}
