/* SPDX-License-Identifier: BSD-3-Clause */
#include "ip/neigh.h"

#include "ip/state.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/ip6.h"

/* RFC 4861 10, in ns. */
#define SECOND            1000000000ULL
#define RETRANS           SECOND
#define REACHABLE         (30 * SECOND)
#define DELAY_FIRST_PROBE (5 * SECOND)
#define MAX_ASKED         3
#define FORGET            (600 * SECOND) /* unused for so long */
#define EVICT_LOOK        16             /* entries looked at for one to push out */

bool
pv_neigh_is_owner(const struct pv_ctx *ctx, uint16_t port)
{
	return ctx->ip->port[port].facts.owner == ctx->worker;
}

static uint32_t
bucket_of(uint16_t port, const struct pv_addr *addr)
{
	uint64_t a, b;

	memcpy(&a, addr->b, 8);
	memcpy(&b, addr->b + 8, 8);
	a = (a ^ (b + port)) * 0x9e3779b97f4a7c15;
	return (uint32_t)((a ^ (b >> 32)) * 0xff51afd7ed558ccd >> 40) % PV_NEIGHBOUR_BUCKETS;
}

/* ---- the table ------------------------------------------------------------------------------- */

static void
free_lists(struct pv_neighbours *neigh)
{
	for (uint16_t i = 0; i < PV_NEIGHBOURS; i++)
		neigh->entry[i].next = i + 1 == PV_NEIGHBOURS ? 0 : (uint16_t)(i + 2);
	for (uint16_t i = 0; i < neigh->waiting_max; i++)
		neigh->waiting[i].next = i + 1 == neigh->waiting_max ? 0 : (uint16_t)(i + 2);
	neigh->free = neigh->free_waiting = 1;
}

void
pv_neigh_init(struct pv_ctx *ctx, struct pv_neighbours *neigh)
{
	uint32_t quarter = ctx->config->mbufs / 4;

	neigh->waiting_max =
			(uint16_t)RTE_MAX(RTE_MIN(quarter, (uint32_t)PV_NEIGHBOUR_WAITING), 1U);
	neigh->generation = 1;
	free_lists(neigh);
}

static uint16_t
index_of(const struct pv_neighbours *neigh, const struct pv_neighbour *n)
{
	return (uint16_t)(n - neigh->entry + 1);
}

struct pv_neighbour *
pv_neigh_find(struct pv_ctx *ctx, uint16_t port, const struct pv_addr *addr)
{
	struct pv_neighbours *neigh = &ctx->ip->neigh;
	struct pv_neighbour *n = neigh->last;
	uint16_t i;

	if (n != NULL && n->path.port == port && pv_addr_equal(&n->addr, addr))
		return n;
	for (i = neigh->bucket[bucket_of(port, addr)]; i != 0; i = n->next) {
		n = &neigh->entry[i - 1];
		if (n->path.port == port && pv_addr_equal(&n->addr, addr)) {
			neigh->last = n;
			return n;
		}
	}
	return NULL;
}

static void
set_timer(struct pv_ctx *ctx, struct pv_neighbour *n, enum pv_neighbour_state state, uint64_t wait)
{
	bool was_urgent = n->state == PV_NEIGH_INCOMPLETE;
	bool urgent = state == PV_NEIGH_INCOMPLETE;

	pv_timer_cancel(was_urgent ? &ctx->wheel : &ctx->housekeeping, &n->timer);
	n->state = (uint8_t)state;
	if (wait != 0)
		pv_timer_arm(urgent ? &ctx->wheel : &ctx->housekeeping, &n->timer,
				PV_TIMER_NEIGHBOUR, ctx->now + wait);
}

static struct rte_mbuf *
take_waiting(struct pv_neighbours *neigh, struct pv_neighbour *n)
{
	uint16_t i = n->first;
	struct pv_waiting *w;

	if (i == 0)
		return NULL;
	w = &neigh->waiting[i - 1];
	n->first = w->next;
	n->waiting--;
	if (n->first == 0)
		n->last = 0;
	w->next = neigh->free_waiting;
	neigh->free_waiting = i;
	neigh->n_waiting--;
	return w->packet;
}

static void
drop_waiting(struct pv_ctx *ctx, struct pv_neighbour *n, enum pv_counter why)
{
	struct rte_mbuf *packet;

	while ((packet = take_waiting(&ctx->ip->neigh, n)) != NULL) {
		pv_count(&ctx->counters, why);
		rte_pktmbuf_free(packet);
	}
}

static void
forget(struct pv_ctx *ctx, struct pv_neighbour *n)
{
	struct pv_neighbours *neigh = &ctx->ip->neigh;
	uint16_t *link = &neigh->bucket[bucket_of(n->path.port, &n->addr)];

	drop_waiting(ctx, n, PV_C_NEIGHBOUR_UNRESOLVED);
	set_timer(ctx, n, PV_NEIGH_FREE, 0);
	while (*link != index_of(neigh, n))
		link = &neigh->entry[*link - 1].next;
	*link = n->next;
	*n = (struct pv_neighbour){ .next = neigh->free };
	neigh->free = index_of(neigh, n);
	neigh->learned--;
	neigh->generation++;
	if (neigh->last == n)
		neigh->last = NULL;
}

/* A table full of neighbours: of a few, the one that was used least recently makes room, if nothing
 * waits for it. */
static void
evict(struct pv_ctx *ctx)
{
	struct pv_neighbours *neigh = &ctx->ip->neigh;
	struct pv_neighbour *oldest = NULL;

	for (unsigned int i = 0; i < EVICT_LOOK; i++) {
		struct pv_neighbour *n = &neigh->entry[neigh->hand];

		neigh->hand = (uint16_t)((neigh->hand + 1U) % PV_NEIGHBOURS);
		if (n->state == PV_NEIGH_PERMANENT || n->state == PV_NEIGH_INCOMPLETE)
			continue;
		if (oldest == NULL || n->used < oldest->used)
			oldest = n;
	}
	if (oldest != NULL)
		forget(ctx, oldest);
}

static struct pv_neighbour *
make(struct pv_ctx *ctx, uint16_t port, const struct pv_addr *addr)
{
	struct pv_neighbours *neigh = &ctx->ip->neigh;
	const struct pv_port_facts *facts = &ctx->ip->port[port].facts;
	uint16_t *bucket = &neigh->bucket[bucket_of(port, addr)];
	struct pv_neighbour *n;

	if (neigh->free == 0)
		evict(ctx);
	if (neigh->free == 0)
		return NULL;
	n = &neigh->entry[neigh->free - 1];
	neigh->free = n->next;
	*n = (struct pv_neighbour){
		.addr = *addr,
		.path = { .port = port,
				.mtu = facts->mtu,
				.tso = facts->tso,
				.tx_ip_checksum = facts->tx_ip_checksum,
				.tx_tcp_checksum = facts->tx_tcp_checksum },
		.next = *bucket,
	};
	*bucket = index_of(neigh, n);
	neigh->learned++;
	set_timer(ctx, n, PV_NEIGH_NEW, FORGET);
	return n;
}

void
pv_neigh_reset(struct pv_ctx *ctx)
{
	struct pv_neighbours *neigh = &ctx->ip->neigh;

	for (uint16_t i = 0; i < PV_NEIGHBOURS; i++) {
		struct pv_neighbour *n = &neigh->entry[i];

		if (n->state != PV_NEIGH_FREE && n->state != PV_NEIGH_PERMANENT)
			forget(ctx, n);
	}
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* On the wire where the port is ours, else its owner. `unicast`: to the address it had. */
static void
ask(struct pv_ctx *ctx, struct pv_neighbour *n, bool unicast)
{
	n->asked++;
	if (!pv_neigh_is_owner(ctx, n->path.port)) {
		pv_neigh_tell_owner(ctx, n, false);
	} else if (pv_addr_is_v4(&n->addr)) {
		pv_arp_ask(ctx, n->path.port, &n->addr, unicast ? &n->path : NULL);
	} else {
		pv_nd_ask(ctx, n->path.port, &n->addr, unicast ? &n->path : NULL);
	}
}

void
pv_neigh_ask(struct pv_ctx *ctx, struct pv_neighbour *n)
{
	n->asked = 0;
	set_timer(ctx, n, PV_NEIGH_INCOMPLETE, RETRANS);
	ask(ctx, n, false);
}

void
pv_neigh_reachable(struct pv_ctx *ctx, struct pv_neighbour *n)
{
	n->confirmed = ctx->now;
	n->asked = 0;
	set_timer(ctx, n, PV_NEIGH_REACHABLE, REACHABLE);
}

struct pv_neighbour *
pv_neigh_use(struct pv_ctx *ctx, uint16_t port, const struct pv_addr *addr)
{
	struct pv_neighbour *n = pv_neigh_find(ctx, port, addr);

	if (n == NULL) {
		n = make(ctx, port, addr);
		if (n == NULL)
			return NULL;
	}
	n->used = ctx->now;
	if (pv_unlikely(n->state == PV_NEIGH_STALE))
		set_timer(ctx, n, PV_NEIGH_DELAY, DELAY_FIRST_PROBE);
	return n;
}

static void
wait_for(struct pv_ctx *ctx, struct pv_neighbour *n, struct rte_mbuf *packet)
{
	struct pv_neighbours *neigh = &ctx->ip->neigh;
	struct pv_waiting *w;
	uint16_t i;

	if (n->waiting >= PV_NEIGHBOUR_QUEUE || neigh->free_waiting == 0) {
		struct rte_mbuf *oldest = take_waiting(neigh, n);

		pv_count(&ctx->counters, PV_C_NEIGHBOUR_FULL);
		rte_pktmbuf_free(oldest);
	}
	i = neigh->free_waiting;
	if (i == 0) { /* all taken, and none of them by this neighbour */
		rte_pktmbuf_free(packet);
		return;
	}
	w = &neigh->waiting[i - 1];
	neigh->free_waiting = w->next;
	*w = (struct pv_waiting){ .packet = packet };
	if (n->last != 0)
		neigh->waiting[n->last - 1].next = i;
	else
		n->first = i;
	n->last = i;
	n->waiting++;
	neigh->n_waiting++;
	pv_count(&ctx->counters, PV_C_NEIGHBOUR_QUEUED);
}

static void
emit(struct pv_ctx *ctx, const struct pv_neighbour *n, struct rte_mbuf *packet)
{
	memcpy(pv_ip_prepend(packet, n->path.l2_len), n->path.l2, n->path.l2_len);
	ctx->transmit(ctx, n->path.port, packet);
}

void
pv_neigh_send(struct pv_ctx *ctx, struct pv_neighbour *n, struct rte_mbuf *packet)
{
	if (pv_likely(n->path.resolved)) {
		emit(ctx, n, packet);
		return;
	}
	wait_for(ctx, n, packet);
	if (n->state == PV_NEIGH_NEW)
		pv_neigh_ask(ctx, n);
}

void
pv_neigh_confirm(struct pv_ctx *ctx, struct pv_neighbour *n)
{
	n->confirmed = ctx->now;
	if (n->unsure) {
		n->unsure = 0;
		pv_neigh_tell_owner(ctx, n, true);
	}
	if (n->state == PV_NEIGH_STALE || n->state == PV_NEIGH_DELAY || n->state == PV_NEIGH_PROBE)
		pv_neigh_reachable(ctx, n);
}

static void
probe(struct pv_ctx *ctx, struct pv_neighbour *n)
{
	n->asked = 0;
	set_timer(ctx, n, PV_NEIGH_PROBE, RETRANS);
	ask(ctx, n, true);
}

void
pv_neigh_doubt(struct pv_ctx *ctx, struct pv_neighbour *n)
{
	if (n->state == PV_NEIGH_REACHABLE || n->state == PV_NEIGH_STALE ||
			n->state == PV_NEIGH_DELAY)
		probe(ctx, n);
}

/* ---- what was heard -------------------------------------------------------------------------- */

void
pv_neigh_resolved(struct pv_ctx *ctx, struct pv_neighbour *n)
{
	struct rte_mbuf *packet;

	n->path.resolved = 1;
	while ((packet = take_waiting(&ctx->ip->neigh, n)) != NULL) {
		packet->tx_offload |= n->path.l2_len; /* unknown when its header was built */
		emit(ctx, n, packet);
	}
	if (pv_neigh_is_owner(ctx, n->path.port))
		pv_neigh_tell_all(ctx, n, true);
}

static void
set_header(const struct pv_ctx *ctx, struct pv_neighbour *n, const uint8_t mac[6], uint16_t tag)
{
	struct pv_eth eth = {
		.type = pv_addr_is_v4(&n->addr) ? PV_ETHERTYPE_IP4 : PV_ETHERTYPE_IP6,
		.n_tags = tag != PV_NO_TAG,
		.tci = { tag },
	};

	n->path.l2_len = (uint8_t)pv_eth_build_tagged(
			n->path.l2, mac, ctx->ip->port[n->path.port].facts.mac, &eth);
}

static bool
same_header(const struct pv_neighbour *n, const uint8_t mac[6], uint16_t tag)
{
	return pv_eth_equal(n->path.l2, mac) && pv_path_tag(&n->path) == tag;
}

void
pv_neigh_learn(struct pv_ctx *ctx, const struct pv_neigh_news *news)
{
	struct pv_neighbour *n = pv_neigh_find(ctx, news->port, &news->addr);
	bool changed;

	if (n == NULL && news->create)
		n = make(ctx, news->port, &news->addr);
	if (n == NULL || n->state == PV_NEIGH_PERMANENT)
		return;
	changed = !n->path.resolved || !same_header(n, news->mac, news->tag);
	if (changed && n->path.resolved && news->keep_address) {
		if (n->state == PV_NEIGH_REACHABLE)
			set_timer(ctx, n, PV_NEIGH_STALE, FORGET);
		return;
	}
	if (changed)
		set_header(ctx, n, news->mac, news->tag);
	if (news->confirms)
		pv_neigh_reachable(ctx, n);
	else if (changed)
		set_timer(ctx, n, PV_NEIGH_STALE, FORGET);
	if (changed)
		pv_neigh_resolved(ctx, n);
}

void
pv_neigh_permanent(struct pv_ctx *ctx, uint16_t port, const struct pv_neighbour_config *config)
{
	struct pv_neighbour *n = pv_neigh_find(ctx, port, &config->addr);

	if (n == NULL)
		n = make(ctx, port, &config->addr);
	if (n == NULL)
		return;
	set_header(ctx, n, config->mac, PV_NO_TAG);
	set_timer(ctx, n, PV_NEIGH_PERMANENT, 0);
	n->path.resolved = 1;
}

/* ---- time ------------------------------------------------------------------------------------ */

/* TCP learns of it as of an ICMP host unreachable: the first bytes of its segment say whose it is.
 */
static void
report_unreachable(struct pv_ctx *ctx, const struct rte_mbuf *packet)
{
	const uint8_t *p = rte_pktmbuf_mtod(packet, const uint8_t *);
	struct pv_icmp_error error = { .kind = PV_ICMP_SOFT };
	size_t l4;

	if (p[0] >> 4 == 4) {
		l4 = PV_IP4_HDR_LEN;
		if (p[9] != PV_PROTO_TCP)
			return;
		error.tuple.local = pv_addr_from_v4(pv_ld32(p + 12));
		error.tuple.peer = pv_addr_from_v4(pv_ld32(p + 16));
	} else {
		l4 = PV_IP6_HDR_LEN;
		if (p[6] != PV_PROTO_TCP)
			return;
		memcpy(error.tuple.local.b, p + 8, 16);
		memcpy(error.tuple.peer.b, p + 24, 16);
	}
	error.tuple.local_port = pv_ld16be(p + l4);
	error.tuple.peer_port = pv_ld16be(p + l4 + 2);
	error.seq = pv_ld32be(p + l4 + 4);
	if (ctx->ip->tcp_error != NULL)
		ctx->ip->tcp_error(ctx, &error);
}

void
pv_neigh_give_up(struct pv_ctx *ctx, struct pv_neighbour *n)
{
	struct rte_mbuf *packet;
	uint16_t left = n->waiting; /* TCP may answer with another one */

	if (pv_neigh_is_owner(ctx, n->path.port))
		pv_neigh_tell_all(ctx, n, false);
	while (left-- > 0 && (packet = take_waiting(&ctx->ip->neigh, n)) != NULL) {
		pv_count(&ctx->counters, PV_C_NEIGHBOUR_UNRESOLVED);
		report_unreachable(ctx, packet);
		rte_pktmbuf_free(packet);
	}
	forget(ctx, n);
}

/* REACHABLE ran out. Somebody else's port: its owner knows more. */
static void
age(struct pv_ctx *ctx, struct pv_neighbour *n)
{
	uint64_t confirmed = n->confirmed;

	if (!pv_neigh_is_owner(ctx, n->path.port) && n->used + FORGET > ctx->now) {
		pv_neigh_tell_owner(ctx, n, confirmed + REACHABLE > ctx->now);
		pv_neigh_reachable(ctx, n);
		n->confirmed = confirmed;
	} else if (confirmed + REACHABLE > ctx->now) {
		set_timer(ctx, n, PV_NEIGH_REACHABLE, confirmed + REACHABLE - ctx->now);
	} else {
		set_timer(ctx, n, PV_NEIGH_STALE, FORGET);
	}
}

void
pv_neigh_timer(struct pv_ctx *ctx, struct pv_timer *timer)
{
	struct pv_neighbour *n = pv_container_of(timer, struct pv_neighbour, timer);

	switch ((enum pv_neighbour_state)n->state) {
	case PV_NEIGH_INCOMPLETE:
	case PV_NEIGH_PROBE:
		if (n->asked >= MAX_ASKED) {
			pv_neigh_give_up(ctx, n);
		} else {
			set_timer(ctx, n, (enum pv_neighbour_state)n->state, RETRANS);
			ask(ctx, n, n->state == PV_NEIGH_PROBE);
		}
		break;
	case PV_NEIGH_DELAY:
		probe(ctx, n);
		break;
	case PV_NEIGH_REACHABLE:
		age(ctx, n);
		break;
	case PV_NEIGH_NEW:
	case PV_NEIGH_STALE:
		forget(ctx, n);
		break;
	case PV_NEIGH_FREE:
	case PV_NEIGH_PERMANENT:
		break;
	}
}
