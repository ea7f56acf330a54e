/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "api/engine.h"
#include "base/cpu.h"
#include "base/thread.h"

/*
 * EAL runs once in a process, on a thread of its own that then sleeps for ever: rte_eal_init pins
 * its caller and takes its signals, and neither must happen to a thread of Python's.
 */

#define MAX_ARGS 64

static struct {
	pthread_mutex_t lock;
	bool started;
	int argc;
	char *argv[MAX_ARGS + 1], *used[MAX_ARGS + 2]; /* EAL reorders the latter */
	char lcores[64];
	int result, error;
	sem_t done;
} eal = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int
n_used(void)
{
	int n = 0;

	while (eal.used[n] != NULL)
		n++;
	return n;
}

static bool
chooses_lcores(const char *argument)
{
	return strncmp(argument, "-l", 2) == 0 || strncmp(argument, "-c", 2) == 0 ||
	       strncmp(argument, "--lcores", 8) == 0;
}

static void *
run(void *arg)
{
	sigset_t all;

	(void)arg;
	eal.result = rte_eal_init(n_used(), eal.used);
	eal.error = rte_errno;
	sem_post(&eal.done);
	if (eal.result < 0)
		return NULL;
	sigfillset(&all);
	for (;;)
		sigsuspend(&all);
}

static bool
same_arguments(int argc, const char *const *argv)
{
	if (argc != eal.argc)
		return false;
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], eal.argv[i]) != 0)
			return false;
	return true;
}

/* EAL's one lcore floats over all CPUs unless the caller has chosen. */
static int
keep_arguments(int argc, const char *const *argv)
{
	bool chosen = false;

	for (int i = 0; i < argc; i++) {
		eal.argv[i] = eal.used[i] = strdup(argv[i]);
		if (eal.argv[i] == NULL)
			return -ENOMEM;
		chosen |= chooses_lcores(argv[i]);
	}
	eal.argc = argc;
	if (chosen)
		return 0;
	snprintf(eal.lcores, sizeof(eal.lcores), "--lcores=0@(0-%ld)",
			sysconf(_SC_NPROCESSORS_CONF) - 1);
	eal.used[argc] = eal.lcores;
	return 0;
}

/* The last line of EAL's log is its complaint. */
static void
explain(char *err, size_t cap, char *log, int error)
{
	char *line = NULL;

	for (char *next = log; next != NULL && (next = strstr(next, "EAL: ")) != NULL; next += 5)
		line = next;
	if (line != NULL)
		line[strcspn(line, "\n")] = '\0';
	snprintf(err, cap, "DPDK did not start (%s)%s%s: run `pyprov doctor`", rte_strerror(error),
			line != NULL ? ", " : "", line != NULL ? line + 5 : "");
}

static int
start_thread(void)
{
	pthread_t thread;
	int rc = pv_thread_start(&thread, run, NULL);

	if (rc == 0)
		pthread_detach(thread);
	return rc;
}

static int
start(int argc, const char *const *argv, char *err, size_t err_cap)
{
	size_t log_size;
	char *log = NULL;
	FILE *stream = open_memstream(&log, &log_size);
	int rc = keep_arguments(argc, argv);

	if (stream != NULL)
		rte_openlog_stream(stream);
	sem_init(&eal.done, 0, 0);
	if (rc == 0)
		rc = start_thread();
	if (rc == 0) {
		while (sem_wait(&eal.done) != 0)
			continue;
		rc = eal.result < 0 ? -(eal.error != 0 ? eal.error : EIO) : 0;
	}
	rte_openlog_stream(NULL);
	if (stream != NULL)
		fclose(stream);
	if (rc != 0)
		explain(err, err_cap, log, -rc);
	free(log);
	eal.started = rc == 0;
	return rc;
}

int
pv_eal_start(int argc, const char *const *argv, char *err, size_t err_cap)
{
	int rc;

	if (pv_is_forked_child()) {
		snprintf(err, err_cap,
				"this process was forked after DPDK had started: use spawn or a "
				"subprocess");
		return -EOWNERDEAD;
	}
	if (argc < 1 || argc > MAX_ARGS) {
		snprintf(err, err_cap, "%d EAL arguments: 1 to %d are possible", argc, MAX_ARGS);
		return -EINVAL;
	}
	if (pv_cpu_check(err, err_cap) != 0)
		return -ENOEXEC;
	pthread_mutex_lock(&eal.lock);
	if (!eal.started) {
		rc = start(argc, argv, err, err_cap);
	} else if (same_arguments(argc, argv)) {
		rc = 0;
	} else {
		snprintf(err, err_cap,
				"DPDK runs in this process with other EAL parameters, and can't be "
				"started twice: use another process");
		rc = -EEXIST;
	}
	pthread_mutex_unlock(&eal.lock);
	return rc;
}

bool
pv_eal_runs(void)
{
	bool runs;

	pthread_mutex_lock(&eal.lock);
	runs = eal.started;
	pthread_mutex_unlock(&eal.lock);
	return runs;
}
