/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/condition.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf_def.h>
#include <rte_bpf.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "base/mem.h"
#include "bridge/backlog.h"
#include "tcp/bucket.h"
#include "tcp/exchange.h"
#include "tcp/parse.h"
#include "tcp/state.h"
#include "wire/byteorder.h"
#include "wire/hs_block.h"

enum {
	SECOND = 1000000000,
	RATE_MAX = 1000000000,
	BURST_MAX = 1000000,
	REASON = 512,
	SERVICE_TYPE = 5, /* its place in a FLOWSPEC */
};

/* What one worker keeps for a program. The context comes first: what the program hands to our
 * functions is a pointer to all of this. */
struct run {
	struct pv_condition_context context;
	struct pv_condition *condition;
	struct pv_buckets buckets;
	uint64_t verdicts[PV_VERDICTS];
	uint64_t clamped;
	uint64_t counters[PV_CONDITION_COUNTERS];
} pv_cache_aligned;

struct pv_condition {
	struct rte_bpf *bpf;
	uint64_t (*native)(void *context); /* NULL: no JIT for this CPU */
	uint32_t workers;
	uint32_t pad;
	struct run run[]; /* by worker */
};

static_assert(sizeof(struct pv_condition_context) == 200, "Python packs as much");
static_assert(sizeof(struct pv_hs_flowspec) == sizeof((struct pv_condition_context){ 0 }.sending),
		"flowspecs are copied as they are");
static_assert(offsetof(struct run, context) == 0, "a context is the start of its run");

/* ---- what a program may call ---- */

/* A worker has its share of the rate. */
static uint64_t
per_source(uint64_t arg, uint64_t rate, uint64_t burst, uint64_t unused4, uint64_t unused5)
{
	struct run *run = (struct run *)(uintptr_t)arg;
	const struct pv_condition_context *c = &run->context;
	struct pv_bucket which = {
		.source = c->caller[0] != 0 ? c->caller[0] : c->caller[1],
		.rate = (uint32_t)(rate < RATE_MAX ? rate : RATE_MAX),
		.burst = (uint32_t)(burst < BURST_MAX ? burst : BURST_MAX),
	};

	(void)unused4;
	(void)unused5;
	if (which.rate == 0 || which.burst == 0)
		return 0;
	return pv_buckets_take(&run->buckets, &which,
			(uint64_t)SECOND * run->condition->workers / which.rate, c->time);
}

static uint64_t
count(uint64_t arg, uint64_t counter, uint64_t unused3, uint64_t unused4, uint64_t unused5)
{
	struct run *run = (struct run *)(uintptr_t)arg;

	(void)unused3;
	(void)unused4;
	(void)unused5;
	if (counter < PV_CONDITION_COUNTERS)
		run->counters[counter]++;
	return 0;
}

#define NUMBER  { .type = RTE_BPF_ARG_RAW, .size = sizeof(uint64_t) }
#define CONTEXT { .type = RTE_BPF_ARG_PTR, .size = sizeof(struct pv_condition_context) }

static const struct rte_bpf_xsym functions[] = {
	{ .name = "pv_per_source",
			.type = RTE_BPF_XTYPE_FUNC,
			.func = { .val = per_source,
					.nb_args = 3,
					.args = { CONTEXT, NUMBER, NUMBER },
					.ret = NUMBER } },
	{ .name = "pv_count",
			.type = RTE_BPF_XTYPE_FUNC,
			.func = { .val = count,
					.nb_args = 2,
					.args = { CONTEXT, NUMBER },
					.ret = NUMBER } },
};

/* ---- the control plane's side ---- */

/* The verifier says why it refuses through DPDK's log alone: listens to that meanwhile, and gives
 * the last line. */
static struct rte_bpf *
verify(const struct rte_bpf_prm *prm, char reason[REASON])
{
	char *text = NULL, *line;
	size_t len = 0;
	FILE *log = open_memstream(&text, &len);
	struct rte_bpf *bpf;

	if (log == NULL)
		return NULL;
	rte_openlog_stream(log);
	bpf = rte_bpf_load(prm);
	rte_openlog_stream(NULL);
	fclose(log);
	while (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	line = strrchr(text, '\n');
	snprintf(reason, REASON, "%s", line != NULL ? line + 1 : text);
	free(text);
	return bpf;
}

/*
 * The native code of an exit but the first is a jump back to that one, and DPDK 22.11 takes the
 * short form for it where the distance is one or two bytes too long. So there is one exit only, the
 * last instruction, and all others go there. -E2BIG: too far.
 */
static int
join_exits(struct ebpf_insn *code, uint32_t n)
{
	for (uint32_t i = 0; i + 1 < n; i++) {
		uint32_t distance = n - 2 - i;

		if (code[i].code == (BPF_LD | BPF_IMM | EBPF_DW)) {
			i++; /* its second half is data */
		} else if (code[i].code == (BPF_JMP | EBPF_EXIT)) {
			if (distance > INT16_MAX)
				return -E2BIG;
			code[i] = (struct ebpf_insn){ .code = BPF_JMP | BPF_JA,
				.off = (int16_t)distance };
		}
	}
	return 0;
}

static struct pv_condition *
new_condition(uint32_t workers)
{
	size_t size = sizeof(struct pv_condition) + workers * sizeof(struct run);
	struct pv_condition *c = aligned_alloc(PV_CACHE_LINE, size);

	if (c == NULL)
		return NULL;
	memset(c, 0, size);
	c->workers = workers;
	for (uint32_t i = 0; i < workers; i++) {
		c->run[i].condition = c;
		if (pv_buckets_init(&c->run[i].buckets) != 0) {
			pv_condition_free(c);
			return NULL;
		}
	}
	return c;
}

/* Into bpf and native. */
static int
load(struct pv_condition *c, struct ebpf_insn *code, uint32_t n, char *err, size_t err_cap)
{
	const struct rte_bpf_prm prm = {
		.ins = code,
		.nb_ins = n,
		.xsym = functions,
		.nb_xsym = PV_COUNT_OF(functions),
		.prog_arg = { .type = RTE_BPF_ARG_PTR,
				.size = sizeof(struct pv_condition_context) },
	};
	char reason[REASON] = "";
	struct rte_bpf_jit jit;

	if (n == 0 || code[n - 1].code != (BPF_JMP | EBPF_EXIT) || join_exits(code, n) != 0) {
		snprintf(err, err_cap, "the program is empty or too long, or ends without an exit");
		return -EINVAL;
	}
	c->bpf = verify(&prm, reason);
	if (c->bpf == NULL) {
		snprintf(err, err_cap, "the verifier refuses the program: %s",
				reason[0] != '\0' ? reason : rte_strerror(rte_errno));
		return -EINVAL;
	}
	if (rte_bpf_get_jit(c->bpf, &jit) == 0)
		c->native = jit.func;
	return 0;
}

int
pv_condition_load(const void *code, uint32_t n, uint32_t workers, struct pv_condition **condition,
		char *err, size_t err_cap)
{
	struct pv_condition *c = new_condition(workers);
	struct ebpf_insn *copy = malloc((n + 1) * sizeof(*copy));
	int rc = -ENOMEM;

	if (c != NULL && copy != NULL) {
		memcpy(copy, code, n * sizeof(*copy));
		rc = load(c, copy, n, err, err_cap);
	}
	free(copy);
	if (rc == 0)
		*condition = c;
	else
		pv_condition_free(c);
	return rc;
}

void
pv_condition_free(struct pv_condition *condition)
{
	if (condition == NULL)
		return;
	for (uint32_t i = 0; i < condition->workers; i++)
		pv_buckets_fini(&condition->run[i].buckets);
	rte_bpf_destroy(condition->bpf);
	free(condition);
}

void
pv_condition_key(struct pv_condition *condition, uint64_t key)
{
	for (uint32_t i = 0; i < condition->workers; i++)
		condition->run[i].buckets.key = key;
}

static uint64_t
read_one(const uint64_t *number)
{
	return __atomic_load_n(number, __ATOMIC_RELAXED);
}

int
pv_condition_stats(const struct pv_condition *condition, uint64_t *out)
{
	memset(out, 0, PV_CONDITION_STATS * sizeof(*out));
	for (uint32_t i = 0; i < condition->workers; i++) {
		const struct run *run = &condition->run[i];

		for (uint32_t v = 0; v < PV_VERDICTS; v++)
			out[v] += read_one(&run->verdicts[v]);
		out[PV_CONDITION_CLAMPED] += read_one(&run->clamped);
		out[PV_CONDITION_FORGOTTEN] += read_one(&run->buckets.forgotten);
		for (uint32_t k = 0; k < PV_CONDITION_COUNTERS; k++)
			out[PV_CONDITION_OWN + k] += read_one(&run->counters[k]);
	}
	return 0;
}

/* ---- the worker's side ---- */

static inline enum pv_verdict
execute(struct pv_condition *condition, struct run *run)
{
	uint64_t verdict = pv_likely(condition->native != NULL) ?
					   condition->native(&run->context) :
					   rte_bpf_exec(condition->bpf, &run->context);

	if (pv_unlikely(verdict >= PV_VERDICTS)) {
		run->clamped++;
		return PV_VERDICT_REJECT;
	}
	run->verdicts[verdict]++;
	return (enum pv_verdict)verdict;
}

int
pv_condition_run(struct pv_condition *condition, const struct pv_condition_context *requests,
		uint8_t *verdicts, uint32_t n)
{
	struct run *run = &condition->run[0];

	for (uint32_t i = 0; i < n; i++) {
		run->context = requests[i];
		verdicts[i] = (uint8_t)execute(condition, run);
	}
	return 0;
}

static void
fill_address(uint64_t out[2], const struct pv_addr *address)
{
	out[0] = pv_ld64be(address->b);
	out[1] = pv_ld64be(address->b + 8);
}

#define X UINT32_MAX /* QOS_NOT_SPECIFIED */

/* No QoS and no data: nothing is specified, the service type is SERVICETYPE_NOCHANGE. */
static const struct pv_condition_context empty = {
	.sending = { X, X, X, X, X, 6, X, X },
	.receiving = { X, X, X, X, X, 6, X, X },
};

static void
fill(struct pv_condition_context *c, const struct pv_ctx *ctx, const struct pv_packet *packet,
		const struct pv_listener *listener)
{
	const struct pv_status *status = pv_listener_status(listener->shared);

	*c = empty;
	c->time = ctx->now;
	fill_address(c->caller, &packet->tuple.peer);
	fill_address(c->callee, &packet->tuple.local);
	c->caller_port = packet->tuple.peer_port;
	c->callee_port = packet->tuple.local_port;
	c->mss = pv_packet_mss(packet);
	c->window = (uint16_t)packet->window;
	c->scale = packet->wscale;
	c->sack = (packet->options & PV_TCP_OPT_SACKOK) != 0;
	c->timestamps = (packet->options & PV_TCP_OPT_TS) != 0;
	c->family = packet->is_v4 ? 4 : 6;
	c->ttl = packet->ttl;
	c->dscp = packet->tos >> 2;
	c->backlog = __atomic_load_n(&status->queued, __ATOMIC_RELAXED);
	c->half_open = listener->half_open;
	c->load = ctx->load;
}

/* What the caller would send, we would receive. */
static pv_cold void
fill_offer(struct pv_condition_context *c, const struct pv_block *block)
{
	struct pv_hs_block b;

	if (pv_hs_block_decode(block->bytes, block->len, &b) != PV_HS_BLOCK_OK)
		return;
	if (b.present & PV_HS_HAS_DATA) {
		c->data_length = b.data_len;
		memcpy(c->data, b.data,
				b.data_len < sizeof(c->data) ? b.data_len : sizeof(c->data));
	}
	if (b.present & PV_HS_HAS_SENDING)
		memcpy(c->receiving, &b.sending, sizeof(c->receiving));
	if (b.present & PV_HS_HAS_RECEIVING)
		memcpy(c->sending, &b.receiving, sizeof(c->sending));
	c->qos_given = (b.present & (PV_HS_HAS_SENDING | PV_HS_HAS_RECEIVING)) != 0;
}

/* Controlled load and guaranteed, plain (2, 3) or in the combined forms of SERVICE_*, which have a
 * bit each. */
static bool
reserves(const uint32_t flowspec[8])
{
	uint32_t type = flowspec[SERVICE_TYPE], plain = type & 0xff;

	return plain == 2 || plain == 3 || (type & 0x00060000) != 0;
}

static enum pv_verdict
ask_of_offer(struct pv_condition *condition, struct run *run, const struct pv_block *block)
{
	bool reserving;
	enum pv_verdict verdict;

	fill_offer(&run->context, block);
	reserving = run->context.qos_given != 0 &&
		    (reserves(run->context.sending) || reserves(run->context.receiving));
	verdict = execute(condition, run);
	return verdict == PV_VERDICT_ACCEPT && reserving ? PV_VERDICT_ASK : verdict;
}

enum pv_verdict
pv_condition_ask(struct pv_ctx *ctx, const struct pv_packet *packet,
		const struct pv_listener *listener, const struct pv_block *block)
{
	struct pv_condition *condition = listener->condition;
	struct run *run = &condition->run[ctx->worker];

	fill(&run->context, ctx, packet, listener);
	if (pv_unlikely(block != NULL))
		return ask_of_offer(condition, run, block);
	return execute(condition, run);
}
