/* SPDX-License-Identifier: BSD-3-Clause */
/* The verbs of pv_api.h about connection requests and offers. */
#include "api/engine.h"

#include <errno.h>

#include "api/pv_condition.h"
#include "api/pv_offer.h"
#include "base/types.h"

/* The worker of a connection's handle; -EBADF: none. */
static int
worker_of(const struct pv_engine *engine, uint64_t handle)
{
	uint8_t worker = pv_handle_worker(handle);

	return worker < engine->config.n_worker ? worker : -EBADF;
}

static int
ask(struct pv_engine *engine, const struct pv_command *command)
{
	int rc = pv_engine_usable(engine), worker;

	if (rc != 0)
		return rc;
	worker = worker_of(engine, command->handle);
	return worker < 0 ? worker : pv_engine_ask(engine, worker, command);
}

int
pv_decide(struct pv_engine *engine, uint64_t handle, int verdict, int reason,
		const struct pv_offer *answer)
{
	struct pv_offer copy;
	struct pv_command c = {
		.kind = PV_CMD_DECIDE,
		.handle = handle,
		.a = (uint64_t)verdict,
		.b = (uint64_t)reason,
	};
	int rc = pv_engine_usable(engine), worker;

	if (rc != 0)
		return rc;
	if ((verdict != PV_VERDICT_ACCEPT && verdict != PV_VERDICT_REJECT) || reason < 0 ||
			reason > UINT8_MAX)
		return -EINVAL;
	worker = worker_of(engine, handle);
	if (worker < 0)
		return worker;
	if (answer == NULL)
		return pv_engine_tell(engine, (uint8_t)worker, &c);
	copy = *answer;
	c.p = &copy;
	return pv_engine_ask(engine, worker, &c);
}

int
pv_decide_many(struct pv_engine *engine, const uint64_t *handles, uint32_t n, int verdict)
{
	struct pv_command commands[32];
	int rc = pv_engine_usable(engine);
	uint32_t done = 0;

	if (rc != 0)
		return rc;
	if (verdict != PV_VERDICT_ACCEPT && verdict != PV_VERDICT_REJECT)
		return -EINVAL;
	while (done < n) {
		int worker = worker_of(engine, handles[done]);
		uint32_t i = 0;

		if (worker < 0)
			return worker;
		for (; i < PV_COUNT_OF(commands) && done < n &&
				worker_of(engine, handles[done]) == worker;
				i++)
			commands[i] = (struct pv_command){
				.kind = PV_CMD_DECIDE,
				.handle = handles[done++],
				.a = (uint64_t)verdict,
			};
		rc = pv_command_put_all(engine->bridge, (uint8_t)worker, commands, i);
		if (rc != 0)
			return rc;
	}
	pv_engine_settle(engine);
	return (int)n;
}

int
pv_request_read(struct pv_engine *engine, uint64_t handle, struct pv_request_facts *facts,
		struct pv_offer *offer)
{
	struct pv_request_facts some_facts;
	struct pv_offer some_offer;
	const struct pv_command c = {
		.kind = PV_CMD_REQUEST_READ,
		.handle = handle,
		.a = (uint64_t)(uintptr_t)(offer != NULL ? offer : &some_offer),
		.p = facts != NULL ? facts : &some_facts,
	};

	return ask(engine, &c);
}

int
pv_offer_read(struct pv_engine *engine, uint64_t handle, int kind, struct pv_offer *offer)
{
	const struct pv_command c = {
		.kind = PV_CMD_OFFER_READ, .handle = handle, .a = (uint64_t)kind, .p = offer
	};

	if (kind < 0 || kind >= PV_OFFER_KINDS)
		return -EINVAL;
	return ask(engine, &c);
}

int
pv_offer_send(struct pv_engine *engine, uint64_t handle, const struct pv_offer *offer)
{
	struct pv_offer copy = *offer;
	const struct pv_command c = { .kind = PV_CMD_OFFER_SEND, .handle = handle, .p = &copy };

	return ask(engine, &c);
}
