/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/telemetry.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_telemetry.h>

#include "api/engine.h"
#include "api/pv_bench.h"
#include "base/check.h"
#include "base/counters.h"

#define ENGINES 64 /* at a time; further ones are not shown */
#define HANDLES 64 /* in one answer */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pv_engine *known[ENGINES];
static bool registered;

/* Numbers behind commas. Returns how many there are. */
static unsigned int
numbers_of(const char *params, uint64_t *numbers, unsigned int most)
{
	unsigned int n = 0;

	while (params != NULL && *params != '\0' && n < most) {
		char *end;

		numbers[n] = strtoull(params, &end, 10);
		if (end == params)
			return 0;
		n++;
		params = *end == ',' ? end + 1 : end;
	}
	return n;
}

/* ---- answers, with the lock held ---- */

static int
tell_engine(struct pv_engine *e, const uint64_t *numbers, struct rte_tel_data *out)
{
	uint64_t cursor = 0, handles[HANDLES], all = 0;
	int n;

	(void)numbers;
	while ((n = pv_connections(e, handles, HANDLES, &cursor)) > 0)
		all += (uint64_t)n;
	rte_tel_data_start_dict(out);
	rte_tel_data_add_dict_u64(out, "workers", e->config.n_worker);
	rte_tel_data_add_dict_u64(out, "ports", e->config.n_port);
	rte_tel_data_add_dict_u64(out, "connections", all);
	rte_tel_data_add_dict_u64(out, "connections_max",
			(uint64_t)e->config.n_worker * e->config.max_connections);
	return 0;
}

static int
tell_counters(struct pv_engine *e, const uint64_t *numbers, struct rte_tel_data *out)
{
	static uint64_t value[PV_C_COUNT];
	int n = pv_counters(e, -1, value, PV_C_COUNT);

	(void)numbers;
	static_assert(PV_C_COUNT <= RTE_TEL_MAX_DICT_ENTRIES, "all counters fit into one answer");
	rte_tel_data_start_dict(out);
	for (int i = 0; i < n; i++)
		rte_tel_data_add_dict_u64(out, pv_counter_name((uint32_t)i), value[i]);
	return n < 0 ? n : 0;
}

static int
tell_worker(struct pv_engine *e, const uint64_t *numbers, struct rte_tel_data *out)
{
	struct pv_worker_load load;
	int rc = numbers[0] < e->config.n_worker ? pv_worker_read(e, (int)numbers[0], &load) :
						   -EINVAL;

	if (rc != 0)
		return rc;
	rte_tel_data_start_dict(out);
	rte_tel_data_add_dict_u64(out, "load", e->workers[numbers[0]]->ctx.load);
	rte_tel_data_add_dict_u64(out, "turns", load.turns);
	rte_tel_data_add_dict_u64(out, "busy_turns", load.busy_turns);
	rte_tel_data_add_dict_u64(out, "cycles", load.cycles);
	rte_tel_data_add_dict_u64(out, "busy_cycles", load.busy_cycles);
	return 0;
}

static int
tell_connections(struct pv_engine *e, const uint64_t *numbers, struct rte_tel_data *out)
{
	uint64_t cursor = numbers[0], handles[HANDLES];
	int n = pv_connections(e, handles, HANDLES, &cursor);

	rte_tel_data_start_array(out, RTE_TEL_U64_VAL);
	rte_tel_data_add_array_u64(out, cursor);
	for (int i = 0; i < n; i++)
		rte_tel_data_add_array_u64(out, handles[i]);
	return n < 0 ? n : 0;
}

static void
add_end(struct rte_tel_data *out, const char *name, const struct pv_addr *addr, uint16_t port)
{
	char host[INET6_ADDRSTRLEN] = "", text[INET6_ADDRSTRLEN + 16];
	bool v4 = pv_addr_is_v4(addr);

	inet_ntop(v4 ? AF_INET : AF_INET6, addr->b + (v4 ? 12 : 0), host, sizeof(host));
	snprintf(text, sizeof(text), v4 ? "%s:%u" : "[%s]:%u", host, port);
	rte_tel_data_add_dict_string(out, name, text);
}

static int
tell_connection(struct pv_engine *e, const uint64_t *numbers, struct rte_tel_data *out)
{
	struct pv_info info;
	int rc = pv_get_info(e, numbers[0], &info);

	if (rc != 0)
		return rc;
	rte_tel_data_start_dict(out);
	add_end(out, "local", &info.local, info.local_port);
	add_end(out, "peer", &info.peer, info.peer_port);
#define ADD(field) rte_tel_data_add_dict_u64(out, #field, info.field)
	ADD(state), ADD(options), ADD(snd_mss), ADD(rcv_mss), ADD(pmtu), ADD(snd_wscale);
	ADD(rcv_wscale), ADD(rto), ADD(srtt), ADD(rttvar), ADD(min_rtt), ADD(snd_cwnd);
	ADD(snd_ssthresh), ADD(recovery), ADD(unacked), ADD(sacked), ADD(lost), ADD(retrans);
	ADD(total_retrans), ADD(reordering), ADD(backoff), ADD(probes), ADD(last_data_sent);
	ADD(last_data_recv), ADD(last_ack_recv), ADD(bytes_sent), ADD(bytes_received);
	ADD(segs_out), ADD(segs_in), ADD(rwnd_limited), ADD(sndbuf_limited);
#undef ADD
	return 0;
}

/* ---- commands, on DPDK's thread ---- */

static int
on_engines(const char *cmd, const char *params, struct rte_tel_data *out)
{
	(void)cmd;
	(void)params;
	rte_tel_data_start_array(out, RTE_TEL_INT_VAL);
	pthread_mutex_lock(&lock);
	for (int i = 0; i < ENGINES; i++)
		if (known[i] != NULL)
			rte_tel_data_add_array_int(out, i);
	pthread_mutex_unlock(&lock);
	return 0;
}

typedef int (*tell_fn)(struct pv_engine *e, const uint64_t *numbers, struct rte_tel_data *out);

static const struct {
	const char *name, *help;
	tell_fn tell;
	unsigned int numbers; /* beside the engine's */
} commands[] = {
	{ "/pyprov/engine", "What an engine has. Parameter: its number", tell_engine, 0 },
	{ "/pyprov/counters", "Its counters. Parameter: engine", tell_counters, 0 },
	{ "/pyprov/worker", "A worker's load. Parameters: engine,worker", tell_worker, 1 },
	{ "/pyprov/connections", "The next cursor, and handles. Parameters: engine,cursor",
			tell_connections, 1 },
	{ "/pyprov/connection", "A connection. Parameters: engine,handle", tell_connection, 1 },
};

static int
on_command(const char *cmd, const char *params, struct rte_tel_data *out)
{
	uint64_t numbers[2] = { 0 };
	unsigned int n = numbers_of(params, numbers, PV_COUNT_OF(numbers));
	int rc = -EINVAL;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < PV_COUNT_OF(commands); i++)
		if (strcmp(cmd, commands[i].name) == 0 && n == commands[i].numbers + 1 &&
				numbers[0] < ENGINES && known[numbers[0]] != NULL)
			rc = commands[i].tell(known[numbers[0]], &numbers[1], out);
	pthread_mutex_unlock(&lock);
	return rc;
}

/* DPDK has no way to take a command back: once a process. */
static void
register_commands(void)
{
	registered = true;
	rte_telemetry_register_cmd("/pyprov/engines", on_engines, "Numbers of the live engines");
	for (size_t i = 0; i < PV_COUNT_OF(commands); i++)
		rte_telemetry_register_cmd(commands[i].name, on_command, commands[i].help);
}

void
pv_telemetry_add(struct pv_engine *engine)
{
	pthread_mutex_lock(&lock);
	if (!registered)
		register_commands();
	for (int i = 0; i < ENGINES; i++) {
		if (known[i] == NULL) {
			known[i] = engine;
			break;
		}
	}
	pthread_mutex_unlock(&lock);
}

void
pv_telemetry_remove(struct pv_engine *engine)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < ENGINES; i++)
		if (known[i] == engine)
			known[i] = NULL;
	pthread_mutex_unlock(&lock);
}
