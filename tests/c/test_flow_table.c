/* SPDX-License-Identifier: BSD-3-Clause */
/* The flow table against a plain list, at loads far beyond those it is made for. */
#include <string.h>

#include "base/rng.h"
#include "tap.h"
#include "tcp/flow_table.h"

enum { FLOWS = 4096, LISTENER = 3, PORT = 80 };

/* The records that entries of each kind point to, and whether flow i is in the table. */
static struct pv_pcb pcbs[FLOWS];
static struct pv_record_pool half_open, time_wait;
static uint32_t owner[4][FLOWS * 16]; /* by kind and index: the flow */
static uint16_t listener_port[8];
static struct {
	struct pv_tuple tuple;
	uint32_t hash, entry;
	bool in;
} flow[FLOWS];

/* The last third over IPv6, of addresses whose last bytes are those of the others. */
static bool
is_v6(uint32_t i)
{
	return i >= FLOWS / 3 * 2;
}

static struct pv_tuple
tuple_of(uint32_t i)
{
	struct pv_tuple tuple = {
		.local = pv_addr_from_v4(0x0200090a),
		.peer = pv_addr_from_v4(i * 0x9e3779b1),
		.local_port = PORT,
		.peer_port = (uint16_t)(i * 7 + 1),
	};

	if (is_v6(i)) {
		tuple.local.b[0] = 0xfd;
		tuple.peer.b[0] = 0xfd;
	}
	return tuple;
}

static uint32_t
make_entry(enum pv_flow_kind kind, uint32_t index, uint32_t i)
{
	owner[kind][index] = i;
	return pv_flow_entry(kind, index);
}

/* A third of each kind. hash_bits: how many different hashes there are. */
static void
make_flows(struct pv_rng *rng, unsigned int hash_bits)
{
	pv_record_pool_reset(&half_open);
	pv_record_pool_reset(&time_wait);
	for (uint32_t i = 0; i < FLOWS; i++) {
		enum pv_flow_kind kind = (enum pv_flow_kind)(i % 3);
		struct pv_record_pool *pool = kind == PV_FLOW_HALF_OPEN ? &half_open : &time_wait;
		uint32_t index;

		flow[i].tuple = tuple_of(i);
		flow[i].hash = (uint32_t)pv_rng_u64(rng) & (uint32_t)((1ull << hash_bits) - 1);
		flow[i].in = false;
		if (kind == PV_FLOW_CONNECTION) {
			pcbs[i].tuple = flow[i].tuple;
			flow[i].entry = make_entry(kind, i, i);
			continue;
		}
		index = pv_record_take(pool, &flow[i].tuple, is_v6(i));
		flow[i].entry = make_entry(kind, index, i);
		if (kind == PV_FLOW_HALF_OPEN)
			pv_record_at(pool, index)->listener = LISTENER;
		else
			pv_record_at(pool, index)->local_port = PORT;
	}
}

static uint32_t
hash_of(const void *arg, uint32_t entry)
{
	const uint32_t *hashes = arg;

	if (hashes != NULL)
		return hashes[entry];
	return flow[owner[pv_flow_kind(entry)][pv_flow_index(entry)]].hash;
}

static void
start(struct pv_flow_table *table, uint64_t flows)
{
	CHECK(pv_flow_table_init(table, flows, false) == 0, "a table is made");
	table->pcb = pcbs;
	table->half_open = &half_open;
	table->time_wait = &time_wait;
	table->listener_port = listener_port;
	table->hash_of = hash_of;
}

static uint32_t
find(const struct pv_flow_table *table, uint32_t i, struct pv_flow_place *place)
{
	return pv_flow_find(table, flow[i].hash, &flow[i].tuple, place);
}

/* Every flow that is in is found, no other one; the counts are right. */
static bool
agrees(const struct pv_flow_table *table)
{
	struct pv_flow_place place;
	uint32_t in = 0, displaced = 0, used = 0;

	for (uint32_t i = 0; i < FLOWS; i++) {
		uint32_t entry = find(table, i, &place);

		if (entry != (flow[i].in ? flow[i].entry : PV_FLOW_NONE))
			return false;
		if (pv_flow_place_of(table, flow[i].hash, flow[i].entry, &place) != flow[i].in)
			return false;
		in += flow[i].in;
		if (flow[i].in && place.bucket != pv_flow_home(table, flow[i].hash))
			used++;
	}
	for (uint32_t b = 0; b < table->buckets; b++)
		displaced += table->bucket[b].displaced;
	return table->used == in && displaced == used;
}

static void
toggle(struct pv_flow_table *table, uint32_t i, uint32_t *full)
{
	struct pv_flow_place place;

	if (flow[i].in) {
		if (find(table, i, &place) != PV_FLOW_NONE)
			pv_flow_remove(table, &place);
		flow[i].in = false;
	} else if (pv_flow_add(table, flow[i].hash, flow[i].entry)) {
		flow[i].in = true;
	} else {
		(*full)++;
	}
}

/* Random insertions and deletions; `room` flows have a slot each at load one half. */
static uint32_t
churn(uint64_t room, unsigned int hash_bits, const char *what)
{
	struct pv_flow_table table;
	struct pv_rng rng;
	uint32_t full = 0;
	bool ok = true;

	pv_rng_seed(&rng, room + hash_bits);
	make_flows(&rng, hash_bits);
	start(&table, room);
	for (uint32_t step = 0; step < 200000; step++) {
		toggle(&table, pv_rng_below(&rng, FLOWS), &full);
		if (step % 20000 == 0)
			ok = ok && agrees(&table);
	}
	CHECK(ok && agrees(&table), what);
	pv_flow_table_reset(&table);
	for (uint32_t i = 0; i < FLOWS; i++)
		flow[i].in = false;
	CHECK(agrees(&table), "and is empty after a reset");
	pv_flow_table_fini(&table);
	return full;
}

static void
test_compare(void)
{
	struct pv_flow_table table;
	struct pv_flow_place place;
	struct pv_rng rng;
	uint32_t wrong = 0;

	pv_rng_seed(&rng, 7);
	make_flows(&rng, 0);
	start(&table, 8);
	for (uint32_t n = 0; n < 6; n++) {
		uint32_t i = n < 3 ? n : FLOWS - n;

		pv_flow_add(&table, 0, flow[i].entry);
		for (size_t byte = 0; byte < sizeof(struct pv_tuple); byte++) {
			struct pv_tuple other = flow[i].tuple;

			((uint8_t *)&other)[byte] ^= 1;
			wrong += pv_flow_find(&table, 0, &other, &place) != PV_FLOW_NONE;
		}
		wrong += find(&table, i, &place) != flow[i].entry;
	}
	CHECK_EQ(wrong, 0, "the whole tuple is compared, whatever the entry is");
	pv_flow_table_fini(&table);
}

/* At load one half few are displaced and none is refused. */
static void
test_load(void)
{
	enum { MANY = 1 << 18 };
	static uint32_t hashes[MANY];
	struct pv_flow_table table;
	struct pv_rng rng;
	uint32_t displaced = 0, refused = 0, lost = 0, same = 0;

	pv_rng_seed(&rng, 11);
	start(&table, MANY);
	table.hash_arg = hashes;
	CHECK(table.buckets * PV_FLOW_SLOTS - 2 * MANY <= 2 * PV_FLOW_SLOTS,
			"twice as many slots as flows");
	for (uint32_t i = 0; i < MANY; i++) {
		hashes[i] = (uint32_t)pv_rng_u64(&rng);
		refused += !pv_flow_add(&table, hashes[i], i);
		same += pv_flow_other(&table, hashes[i]) == pv_flow_home(&table, hashes[i]);
	}
	for (uint32_t b = 0; b < table.buckets; b++)
		displaced += table.bucket[b].displaced;
	for (uint32_t i = 0; i < MANY; i++) {
		struct pv_flow_place place;

		lost += !pv_flow_place_of(&table, hashes[i], i, &place);
	}
	CHECK_EQ(refused, 0, "at load one half none is refused");
	CHECK_EQ(same, 0, "each has two buckets");
	CHECK_EQ(lost, 0, "nor lost when others move");
	CHECK(displaced < MANY / 80, "and about one in a hundred is displaced");
	pv_flow_table_fini(&table);
}

int
main(void)
{
	CHECK(pv_record_pool_init(&half_open, FLOWS, false) == 0 &&
					pv_record_pool_init(&time_wait, FLOWS, false) == 0,
			"there are records");
	listener_port[LISTENER] = PORT;
	CHECK_EQ(churn(FLOWS, 32, "a table at its usual load agrees with the list"), 0,
			"nothing is refused");
	churn(FLOWS / 4, 32, "an overfull table agrees with the list");
	CHECK(churn(FLOWS / 16, 32, "a table far too small agrees with the list") > 0,
			"and refuses some");
	churn(FLOWS, 6, "a table whose hashes are bad agrees with the list");
	churn(3, 32, "a table of two buckets agrees with the list");
	test_compare();
	test_load();
	pv_record_pool_fini(&half_open);
	pv_record_pool_fini(&time_wait);
	return tap_done();
}
