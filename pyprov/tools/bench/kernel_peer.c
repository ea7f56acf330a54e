/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Both ends of an accept benchmark on the kernel's sockets, for `pyprov bench compare`.
 *
 *   kernel_peer server HOST PORT             epoll + accept4 + reset, until standard input ends
 *   kernel_peer client HOST PORT WINDOW      connects without end, WINDOW handshakes at a time,
 * each connection reset once it is established (or when the server resets it), until standard input
 * ends
 *
 * Every line that comes in on standard input is answered by a line "accepts N" or "connects N
 * failed M"; the end of input ends the program. One thread, pinned by whoever starts it (taskset).
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, BACKLOG = 65535, MAX_WINDOW = 16384 };

static uint64_t done, failed;

static void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static struct sockaddr_in
address(const char *host, const char *port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };

	if (inet_pton(AF_INET, host, &sa.sin_addr) != 1) {
		fprintf(stderr, "kernel_peer: %s is no IPv4 address\n", host);
		exit(2);
	}
	return sa;
}

static void
watch(int epoll, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
		fail("epoll_ctl");
}

static void
reset(int fd)
{
	struct linger hard = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
}

/* False at the end of standard input. */
static bool
report(const char *format)
{
	char line[64];

	if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
		return false;
	printf(format, done, failed);
	fflush(stdout);
	return true;
}

static void
accept_all(int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

		if (fd < 0)
			return;
		reset(fd);
		done++;
	}
}

static int
serve(struct sockaddr_in sa)
{
	struct epoll_event events[EVENTS];
	int epoll = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0),
	    yes = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(listener, (struct sockaddr *)&sa, sizeof(sa)) != 0 ||
			listen(listener, BACKLOG) != 0)
		fail("listen");
	watch(epoll, listener, EPOLLIN);
	watch(epoll, STDIN_FILENO, EPOLLIN);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				accept_all(listener);
			else if (!report("accepts %lu\n"))
				return 0;
		}
	}
}

static void
open_one(int epoll, const struct sockaddr_in *sa, int *in_flight)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		fail("socket");
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) != 0 && errno != EINPROGRESS) {
		failed++;
		close(fd);
		return;
	}
	watch(epoll, fd, EPOLLOUT);
	++*in_flight;
}

static int
connect_all(struct sockaddr_in sa, int window)
{
	struct epoll_event events[EVENTS];
	int epoll = epoll_create1(0), in_flight = 0;

	watch(epoll, STDIN_FILENO, EPOLLIN);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n;

		for (int tries = 0; in_flight < window && tries < EVENTS; tries++)
			open_one(epoll, &sa, &in_flight);
		n = epoll_wait(epoll, events, EVENTS, 100);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd, error = 0;
			socklen_t len = sizeof(error);

			if (fd == STDIN_FILENO) {
				if (!report("connects %lu failed %lu\n"))
					return 0;
				continue;
			}
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
			/* a reset after the handshake is the server's way to end it, not a failure
			 */
			if (error == 0 || error == ECONNRESET)
				done++;
			else
				failed++;
			reset(fd);
			in_flight--;
		}
	}
}

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "server") == 0)
		return serve(address(argv[2], argv[3]));
	if (argc == 5 && strcmp(argv[1], "client") == 0 && atoi(argv[4]) > 0 &&
			atoi(argv[4]) <= MAX_WINDOW)
		return connect_all(address(argv[2], argv[3]), atoi(argv[4]));
	fprintf(stderr, "usage: kernel_peer server HOST PORT | client HOST PORT WINDOW\n");
	return 2;
}
