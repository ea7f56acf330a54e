/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table beside DPDK's rte_hash, as the engine uses either: by bursts, from a segment's
 * tuple to its connection's record, whose first words are then read.
 *
 *	bench_flow_table [--ipv6] [--no-huge] [--json] [flows]...
 *
 * Both are given the hash (SipHash, which a table open to anybody's segments needs; not in the
 * figures). Both look up before they insert or delete, as for a SYN or an RST, so that none finds
 * its lines cold. rte_hash has its usual keys, padded so that it compares them with SSE, and is
 * made once for so many flows and once for twice as many, which is the load that our table has.
 * Cycles are TSC cycles for a flow, the median of windows; bytes are the tables', without records.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_malloc.h>

#include "tcp/flow_table.h"
#include "tcp/isn.h"

enum { BURST = 32, WINDOW = 1024, AT_LEAST = 1000000, PORT = 80 };

enum operation { INSERT, HIT, MISS, DELETE, OPERATIONS };
static const char *const operation_name[] = { "insert", "hit", "miss", "delete" };

/* One segment's. */
struct flow {
	struct pv_tuple tuple;
	uint32_t hash;
	uint8_t key[48]; /* rte_hash's: what of the tuple differs, and zeros */
};

/* Each function takes a burst and returns how many of it were found. */
struct table {
	const char *name;
	uint32_t slots_a_flow;
	bool (*make)(const struct table *table);
	void (*drop)(void);
	uint32_t (*operation[OPERATIONS])(const struct flow *flow, uint32_t n);
};

struct result {
	double bytes, cycles[OPERATIONS];
};

static uint32_t flows;
static bool v6, huge = true, json;
static struct pv_isn isn;
static struct pv_record_pool records;
static uint64_t seen; /* what was read of records: so that it is read */

/* ---- ours ------------------------------------------------------------------------------------ */

static struct pv_flow_table ours;

static uint32_t
hash_of(const void *arg, uint32_t entry)
{
	struct pv_tuple tuple;

	(void)arg;
	pv_record_tuple(pv_record_at(&records, pv_flow_index(entry)), PORT, &tuple);
	return pv_isn_hash_one(&isn, &tuple, NULL);
}

static bool
ours_make(const struct table *table)
{
	(void)table;
	if (pv_flow_table_init(&ours, flows, huge) != 0)
		return false;
	ours.time_wait = &records;
	ours.hash_of = hash_of;
	return true;
}

static void
ours_drop(void)
{
	pv_flow_table_fini(&ours);
}

/* In line, or gcc 12 takes the call out: as if prefetching were no effect. */
static inline __attribute__((always_inline)) void
ours_fetch(const struct flow *flow, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		pv_prefetch_write(pv_flow_home(&ours, flow[i].hash));
	for (uint32_t i = 0; i < n; i++) {
		const struct pv_flow_bucket *home = pv_flow_home(&ours, flow[i].hash);
		uint32_t match = pv_flow_match(home, pv_flow_signature(flow[i].hash));

		if (match != 0)
			pv_record_fetch(pv_flow_record(&ours, home->entry[pv_flow_first(match)]));
	}
}

static uint32_t
ours_find(const struct flow *flow, uint32_t n)
{
	struct pv_flow_place place;
	uint32_t found = 0;

	ours_fetch(flow, n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t entry = pv_flow_find(&ours, flow[i].hash, &flow[i].tuple, &place);

		if (entry == PV_FLOW_NONE)
			continue;
		found++;
		seen += pv_record_at(&records, pv_flow_index(entry))->deadline;
	}
	return found;
}

/* A record as a connection that ends would leave it. */
static uint32_t
take_record(const struct flow *flow)
{
	uint32_t i = pv_record_take(&records, &flow->tuple, v6);

	pv_record_at(&records, i)->local_port = PORT;
	return i;
}

static uint32_t
ours_insert(const struct flow *flow, uint32_t n)
{
	struct pv_flow_place place;
	uint32_t found = 0;

	ours_fetch(flow, n);
	for (uint32_t i = 0; i < n; i++) {
		if (pv_flow_find(&ours, flow[i].hash, &flow[i].tuple, &place) == PV_FLOW_NONE &&
				pv_flow_add(&ours, flow[i].hash,
						pv_flow_entry(PV_FLOW_TIME_WAIT,
								take_record(&flow[i]))))
			continue;
		found++;
	}
	return found;
}

static uint32_t
ours_delete(const struct flow *flow, uint32_t n)
{
	struct pv_flow_place place;
	uint32_t found = 0;

	ours_fetch(flow, n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t entry = pv_flow_find(&ours, flow[i].hash, &flow[i].tuple, &place);

		if (entry == PV_FLOW_NONE)
			continue;
		pv_flow_remove(&ours, &place);
		pv_record_give(&records, pv_flow_index(entry));
		found++;
	}
	return found;
}

/* ---- rte_hash -------------------------------------------------------------------------------- */

static struct rte_hash *theirs;

static bool
theirs_make(const struct table *table)
{
	const struct rte_hash_parameters params = {
		.name = "flows",
		.entries = flows * table->slots_a_flow,
		.key_len = v6 ? 48 : 16,
		.socket_id = SOCKET_ID_ANY,
	};

	theirs = rte_hash_create(&params);
	return theirs != NULL;
}

static void
theirs_drop(void)
{
	rte_hash_free(theirs);
}

/* Which of a burst are there: one bit each, and their records. */
static uint64_t
theirs_look(const struct flow *flow, uint32_t n, void **record)
{
	const void *key[BURST];
	hash_sig_t hash[BURST];
	uint64_t hits = 0;

	for (uint32_t i = 0; i < n; i++) {
		key[i] = flow[i].key;
		hash[i] = flow[i].hash;
	}
	rte_hash_lookup_with_hash_bulk_data(theirs, key, hash, n, &hits, record);
	for (uint64_t rest = hits; rest != 0; rest &= rest - 1)
		pv_record_fetch(record[__builtin_ctzll(rest)]);
	return hits;
}

static uint32_t
theirs_find(const struct flow *flow, uint32_t n)
{
	void *record[BURST];
	uint64_t hits = theirs_look(flow, n, record);

	for (uint64_t rest = hits; rest != 0; rest &= rest - 1)
		seen += ((const struct pv_record *)record[__builtin_ctzll(rest)])->deadline;
	return (uint32_t)__builtin_popcountll(hits);
}

static uint32_t
theirs_insert(const struct flow *flow, uint32_t n)
{
	void *record[BURST];
	uint64_t hits = theirs_look(flow, n, record);
	uint32_t found = 0;

	for (uint32_t i = 0; i < n; i++) {
		if ((hits >> i & 1) == 0 &&
				rte_hash_add_key_with_hash_data(theirs, flow[i].key, flow[i].hash,
						pv_record_at(&records, take_record(&flow[i]))) == 0)
			continue;
		found++;
	}
	return found;
}

static uint32_t
theirs_delete(const struct flow *flow, uint32_t n)
{
	void *record[BURST];
	uint64_t hits = theirs_look(flow, n, record);

	for (uint64_t rest = hits; rest != 0; rest &= rest - 1) {
		int i = __builtin_ctzll(rest);

		rte_hash_del_key_with_hash(theirs, flow[i].key, flow[i].hash);
		pv_record_give(&records, (uint32_t)((uint64_t *)record[i] - records.words));
	}
	return (uint32_t)__builtin_popcountll(hits);
}

static const struct table tables[] = {
	{ "ours", 2, ours_make, ours_drop, { ours_insert, ours_find, ours_find, ours_delete } },
	{ "rte_hash", 2, theirs_make, theirs_drop,
			{ theirs_insert, theirs_find, theirs_find, theirs_delete } },
	{ "rte_hash, full", 1, theirs_make, theirs_drop,
			{ theirs_insert, theirs_find, theirs_find, theirs_delete } },
};

/* ---- what is measured ------------------------------------------------------------------------ */

static void
make_flow(struct flow *flow, uint32_t i)
{
	uint32_t host = i * 0x9e3779b1u;

	flow->tuple = (struct pv_tuple){ .local_port = PORT, .peer_port = (uint16_t)(i | 1024) };
	memset(flow->key, 0, sizeof(flow->key));
	if (v6) {
		flow->tuple.local.b[0] = flow->tuple.peer.b[0] = 0xfd;
		memcpy(flow->tuple.peer.b + 12, &host, sizeof(host));
		memcpy(flow->key, &flow->tuple, sizeof(flow->tuple));
	} else {
		flow->tuple.local = pv_addr_from_v4(0x0200090a);
		flow->tuple.peer = pv_addr_from_v4(host);
		memcpy(flow->key, flow->tuple.local.b + 12, 4);
		memcpy(flow->key + 4, &host, sizeof(host));
		memcpy(flow->key + 8, &flow->tuple.local_port, 4);
	}
	flow->hash = pv_isn_hash_one(&isn, &flow->tuple, NULL);
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double *windows;
static uint32_t n_windows;

/* All flows once, in another order than they came in: strides by a prime. Returns how many were
 * found. */
static uint64_t
walk(const struct table *table, enum operation operation)
{
	static struct flow flow[BURST];
	uint64_t found = 0, spent = 0, at = 0, stride = operation == INSERT ? 1 : 999983;
	uint32_t in_window = 0, n;

	for (uint64_t done = 0; done < flows; done += n) {
		uint64_t start;

		n = (uint32_t)RTE_MIN(flows - done, (uint64_t)BURST);
		for (uint32_t i = 0; i < n; i++, at = (at + stride) % flows)
			make_flow(&flow[i], (uint32_t)at + (operation == MISS ? flows : 0));
		start = rte_rdtsc();
		found += table->operation[operation](flow, n);
		spent += rte_rdtsc() - start;
		in_window += n;
		if (in_window < WINDOW && done + n < flows)
			continue;
		windows[n_windows++] = (double)spent / in_window;
		spent = in_window = 0;
	}
	return found;
}

/* How many of `rounds` times all flows an operation finds. */
static uint64_t
expected(enum operation operation, uint32_t rounds)
{
	return operation == HIT || operation == DELETE ? (uint64_t)rounds * flows : 0;
}

static bool
measure(const struct table *table, struct result *result)
{
	uint32_t rounds = flows < AT_LEAST ? AT_LEAST / flows : 1;
	uint32_t each = flows / WINDOW + 1;
	double *all = calloc((size_t)OPERATIONS * rounds * each, sizeof(*all));
	uint64_t found[OPERATIONS] = { 0 };
	bool good = true;

	for (uint32_t r = 0; r < rounds; r++) {
		for (enum operation o = INSERT; o < OPERATIONS; o++) {
			windows = all + (size_t)o * rounds * each;
			n_windows = r * ((flows + WINDOW - 1) / WINDOW);
			found[o] += walk(table, o);
		}
	}
	for (enum operation o = INSERT; o < OPERATIONS; o++) {
		windows = all + (size_t)o * rounds * each;
		qsort(windows, n_windows, sizeof(*windows), by_value);
		result->cycles[o] = windows[n_windows / 2];
		if (found[o] != expected(o, rounds)) {
			fprintf(stderr, "%s: %s found %lu of %u times %u\n", table->name,
					operation_name[o], found[o], rounds, flows);
			good = false;
		}
	}
	free(all);
	return good;
}

static uint64_t
heap(void)
{
	struct rte_malloc_socket_stats stats;

	return rte_malloc_get_socket_stats(0, &stats) == 0 ? stats.heap_allocsz_bytes : 0;
}

static void
print(const struct table *table, const struct result *result, bool last)
{
	if (json) {
		printf("{\"table\": \"%s\", \"flows\": %u, \"family\": %d, \"huge\": %s, "
		       "\"bytes\": %.1f",
				table->name, flows, v6 ? 6 : 4, huge ? "true" : "false",
				result->bytes);
		for (enum operation o = INSERT; o < OPERATIONS; o++)
			printf(", \"%s_cycles\": %.1f", operation_name[o], result->cycles[o]);
		printf("}%s\n", last ? "" : ",");
		return;
	}
	printf("%-16s%10u%8.1f", table->name, flows, result->bytes);
	for (enum operation o = INSERT; o < OPERATIONS; o++)
		printf("%9.1f", result->cycles[o]);
	printf("\n");
}

/* All tables with so many flows. */
static bool
compare(bool last)
{
	bool good = true;

	if (pv_record_pool_init(&records, flows, huge) != 0)
		return false;
	for (size_t i = 0; i < RTE_DIM(tables); i++) {
		const struct table *table = &tables[i];
		struct result result;
		uint64_t before = heap(), bytes;

		if (!table->make(table)) {
			fprintf(stderr, "%s of %u flows: %s\n", table->name, flows,
					rte_strerror(rte_errno));
			return false;
		}
		bytes = heap() - before;
		if (bytes == 0) /* ours: it is not in DPDK's heap */
			bytes = (uint64_t)ours.buckets * sizeof(*ours.bucket);
		result.bytes = (double)bytes / flows;
		good &= measure(table, &result);
		print(table, &result, last && i + 1 == RTE_DIM(tables));
		table->drop();
		pv_record_pool_reset(&records);
	}
	pv_record_pool_fini(&records);
	return good;
}

static bool
start_eal(uint32_t most)
{
	char memory[16];
	char *eal[] = { (char[]){ "bench" }, (char[]){ "--no-pci" }, (char[]){ "--no-telemetry" },
		(char[]){ "--log-level=lib.eal:error" },
		huge ? (char[]){ "--in-memory" } : (char[]){ "--no-shconf" },
		(char[]){ "--no-huge" }, (char[]){ "-m" }, memory, NULL };

	snprintf(memory, sizeof(memory), "%u", 64 + most / 4096);
	return rte_eal_init(huge ? 5 : 8, eal) >= 0;
}

int
main(int argc, char **argv)
{
	uint32_t sizes[8] = { 10000, 1000000 }, n = 0, most = 0;
	bool good = true;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--ipv6") == 0)
			v6 = true;
		else if (strcmp(argv[i], "--no-huge") == 0)
			huge = false;
		else if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (n < RTE_DIM(sizes) && strtoul(argv[i], NULL, 0) > 0)
			sizes[n++] = (uint32_t)strtoul(argv[i], NULL, 0);
		else
			return 2;
	}
	n = n == 0 ? 2 : n;
	for (uint32_t i = 0; i < n; i++)
		most = RTE_MAX(most, sizes[i]);
	if (!start_eal(most))
		return 1;
	pv_isn_init(&isn, (const uint8_t *)"sixteen bytes...");
	if (json)
		printf("[\n");
	else
		printf("%-16s%10s%8s%9s%9s%9s%9s\n", "cycles a flow", "flows", "bytes", "insert",
				"hit", "miss", "delete");
	for (uint32_t i = 0; i < n && good; i++) {
		flows = sizes[i];
		good = compare(i + 1 == n);
	}
	if (json)
		printf("]\n");
	return good && seen != UINT64_MAX ? 0 : 1;
}
