/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workers whose connections carry data make no system call, take no lock and no memory from the
 * heap. Two live engines talk over a ring; then the kernel is told to kill this process at the
 * first system call of any thread, and the heap and the locks are watched, until a lot was carried.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "base/types.h"
#include "engine_rig.h"
#include "tap.h"

#define CARRY    UINT64_C(200000000)
#define PATIENCE 100 /* seconds */

/* How the one that is watched ends. */
enum { WELL = 0, TOO_SLOW = 10, HEAP = 20, LOCK = 30 };

static bool watching;
static int heap_calls, lock_calls;

static void
note(int *calls)
{
	if (__atomic_load_n(&watching, __ATOMIC_RELAXED))
		__atomic_fetch_add(calls, 1, __ATOMIC_RELAXED);
}

/* ---- instead of libc's: what shared libraries call as well ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

void *
malloc(size_t size)
{
	note(&heap_calls);
	return __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	note(&heap_calls);
	return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t size)
{
	note(&heap_calls);
	return __libc_realloc(p, size);
}

void
free(void *p)
{
	note(&heap_calls);
	__libc_free(p);
}

int
pthread_mutex_lock(pthread_mutex_t *mutex)
{
	static int (*real)(pthread_mutex_t *);

	note(&lock_calls);
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_mutex_lock");
	return real(mutex);
}

/* ---- the one that is watched ---- */

static struct pv_engine *
start(uint32_t number)
{
	static struct pv_config config[2];
	struct pv_config *c = &config[number - 1];

	engine_config(c, 1);
	c->busy_poll = 1;
	c->port[0].address[0].addr = pv_addr_from_v4(pv_hton32(0x0a090000 + number));
	c->port[0].mac[0] = 2;
	c->port[0].mac[5] = (uint8_t)number;
	snprintf(c->port[0].device, sizeof(c->port[0].device), "ring:path");
	return engine_start(c);
}

/* Only leaving is allowed, to all threads from now on; and what EAL's two threads sleep in, which
 * they call again when the whole process was stopped and continued. */
static bool
forbid_calls(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_wait, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigsuspend, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) ==
			       0;
}

/* Until so much more was taken; false: it takes too long. */
static bool
carry(struct pv_engine *to, uint64_t bytes)
{
	uint64_t end = rte_rdtsc() + PATIENCE * rte_get_tsc_hz(), until;
	struct pv_service_stats stats;

	pv_service_read(to, 0, &stats, NULL);
	for (until = stats.taken + bytes; stats.taken < until;) {
		if (rte_rdtsc() > end)
			return false;
		pv_service_read(to, 0, &stats, NULL);
	}
	return true;
}

/* `spoil`: what a worker must not do is done here, to see that it is noticed. */
static int
watched(const char *spoil)
{
	struct pv_connect_params params = { .peer = pv_addr_from_v4(pv_hton32(0x0a090002)),
		.peer_port = 80 };
	struct pv_engine *a, *b;
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	uint64_t handle;

	engine_eal();
	a = start(1);
	b = start(2);
	pv_service_start(b, engine_listen(b, 80, 5), PV_SERVICE_DISCARD);
	for (int i = 0; i < 3; i++) {
		params.local_port = 0; /* was chosen for the one before */
		if (pv_connect(a, &params, &handle) != 0 ||
				pv_service_adopt(a, handle, PV_SERVICE_SOURCE, 0) != 0)
			return TOO_SLOW;
	}
	if (!carry(b, CARRY)) /* pages and caches are filled */
		return TOO_SLOW;
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	if (!forbid_calls())
		return TOO_SLOW;
	watching = true;
	if (strcmp(spoil, "call") == 0)
		getppid();
	if (strcmp(spoil, "heap") == 0)
		free(malloc(10));
	if (strcmp(spoil, "lock") == 0)
		pthread_mutex_lock(&mutex);
	if (!carry(b, CARRY))
		return TOO_SLOW;
	return heap_calls != 0 ? HEAP : lock_calls != 0 ? LOCK : WELL;
}

/* How the watched one ended: its status, or the negative of the signal that killed it. */
static int
outcome(const char *self, const char *spoil)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		execl(self, self, spoil, (char *)NULL);
		_exit(1);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int
main(int argc, char **argv)
{
	if (argc > 1)
		_exit(watched(argv[1]));
	CHECK_EQ(outcome(argv[0], "well"), WELL,
			"data is carried without system calls, heap and locks");
	CHECK_EQ(outcome(argv[0], "call"), -SIGSYS, "a system call would be noticed");
	CHECK_EQ(outcome(argv[0], "heap"), HEAP, "so would memory of the heap");
	CHECK_EQ(outcome(argv[0], "lock"), LOCK, "and a lock");
	return tap_done();
}
