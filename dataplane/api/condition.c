/* SPDX-License-Identifier: BSD-3-Clause */
/* Installing compiled conditions. A worker executes the command between two bursts, so one that has
 * answered runs the old program no more: when all have, it is freed. */
#include "api/condition.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <rte_random.h>

#include "api/engine.h"
#include "tcp/condition.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all engines' tables */

/* With the lock. The place of a listener's condition. NULL: no memory, or no such listener. */
static struct pv_condition **
place(struct pv_engine *engine, uint64_t listener)
{
	uint32_t index = pv_handle_index(listener);

	if (pv_handle_worker(listener) != PV_HANDLE_LISTENER ||
			index >= engine->config.listeners_max)
		return NULL;
	if (engine->conditions == NULL)
		engine->conditions =
				calloc(engine->config.listeners_max, sizeof(*engine->conditions));
	return engine->conditions != NULL ? &engine->conditions[index] : NULL;
}

int
pv_listener_condition(struct pv_engine *engine, uint64_t listener, struct pv_condition *condition)
{
	struct pv_command c = { .kind = PV_CMD_CONDITION, .handle = listener, .p = condition };
	int rc = pv_engine_usable(engine);
	struct pv_condition **at, *old = condition;

	if (rc == 0 && condition != NULL)
		pv_condition_key(condition, engine->config.step ? engine->config.seed : rte_rand());
	pthread_mutex_lock(&lock);
	at = rc == 0 ? place(engine, listener) : NULL;
	if (rc == 0)
		rc = at != NULL ? pv_engine_ask(engine, -1, &c) : -EBADF;
	if (rc == 0) {
		old = *at;
		*at = condition;
	}
	pthread_mutex_unlock(&lock);
	pv_condition_free(old);
	return rc;
}

int
pv_listener_condition_stats(struct pv_engine *engine, uint64_t listener, uint64_t *out)
{
	int rc = pv_engine_usable(engine);
	struct pv_condition **at;

	if (rc != 0)
		return rc;
	pthread_mutex_lock(&lock);
	at = place(engine, listener);
	rc = at != NULL && *at != NULL ? pv_condition_stats(*at, out) : -ENOENT;
	pthread_mutex_unlock(&lock);
	return rc;
}

void
pv_conditions_forget(struct pv_engine *engine, uint64_t listener)
{
	struct pv_condition **at, *old = NULL;

	pthread_mutex_lock(&lock);
	if (engine->conditions != NULL) {
		at = place(engine, listener);
		if (at != NULL) {
			old = *at;
			*at = NULL;
		}
	}
	pthread_mutex_unlock(&lock);
	pv_condition_free(old);
}

void
pv_conditions_free(struct pv_engine *engine)
{
	for (uint32_t i = 0; engine->conditions != NULL && i < engine->config.listeners_max; i++)
		pv_condition_free(engine->conditions[i]);
	free(engine->conditions);
	engine->conditions = NULL;
}
