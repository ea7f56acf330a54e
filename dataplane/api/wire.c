/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "io/step.h"

/* A frame on a wire of step mode. */
struct flying {
	uint32_t len;
	uint8_t data[];
};

static struct pv_wire_end *
other(struct pv_wire_end *end)
{
	return &end->wire->end[end == &end->wire->end[0]];
}

static struct flying *
copy_of(const uint8_t *data, uint32_t len, uint32_t corrupt)
{
	struct flying *f = malloc(sizeof(*f) + len);

	if (f == NULL)
		return NULL;
	f->len = len;
	memcpy(f->data, data, len);
	if (corrupt != UINT32_MAX)
		f->data[corrupt / 8] ^= (uint8_t)(1 << corrupt % 8);
	return f;
}

/* A copy for each arrival; without memory it is lost like any other. */
static void
sent(void *arg, const uint8_t *data, uint32_t len, uint64_t now)
{
	struct pv_wire_end *end = arg;
	struct pv_wire_fate fate = pv_wire_decide(&end->way, now, len);

	for (uint32_t i = 0; i < fate.copies; i++) {
		struct flying *f = copy_of(data, len, fate.corrupt);

		if (f == NULL || !pv_wire_fly(&end->way, fate.when[i], f)) {
			end->way.stats.lost++;
			free(f);
		}
	}
}

static void
vanish(struct pv_wire *wire, struct pv_wire_end *end)
{
	void *frame;

	while ((frame = pv_wire_land(&end->way, UINT64_MAX)) != NULL) {
		if (wire->live)
			rte_pktmbuf_free(frame);
		else
			free(frame);
	}
}

/* ---- open and close ---- */

static int
check_end(const struct pv_wire_join *join, int i, char *err, size_t cap)
{
	struct pv_engine *e = join->engine[i];
	int rc = pv_engine_usable(e);
	uint8_t kind;

	if (rc != 0) {
		snprintf(err, cap, "end %d of a wire has no engine", i);
		return rc;
	}
	if (join->port[i] >= e->config.n_port) {
		snprintf(err, cap, "end %d: the engine has no port %u", i, join->port[i]);
		return -EINVAL;
	}
	kind = e->ports[join->port[i]].kind;
	if (kind != PV_PORT_STEP &&
			(kind != PV_PORT_RING || e->ports[join->port[i]].far == PV_NO_ETHDEV ||
					e->bench != NULL)) {
		snprintf(err, cap, "end %d: port %u is neither of step mode nor a free ring", i,
				join->port[i]);
		return -EINVAL;
	}
	if (e->wire[join->port[i]] != NULL) {
		snprintf(err, cap, "end %d: port %u has a wire already", i, join->port[i]);
		return -EBUSY;
	}
	return 0;
}

static int
check(const struct pv_wire_join *join, char *err, size_t cap)
{
	int rc = 0;

	for (int i = 0; i < 2 && rc == 0; i++) {
		rc = check_end(join, i, err, cap);
		if (rc == 0)
			rc = pv_wire_check(&join->way[i], err, cap);
	}
	if (rc == 0 && join->engine[0]->config.step != join->engine[1]->config.step) {
		snprintf(err, cap, "a wire joins two engines in step mode or two live ones");
		rc = -EINVAL;
	}
	return rc;
}

static void
plug_in(struct pv_wire *wire, const struct pv_wire_join *join)
{
	for (int i = 0; i < 2; i++) {
		struct pv_wire_end *end = &wire->end[i];

		end->wire = wire;
		end->engine = join->engine[i];
		end->port = join->port[i];
		pv_wire_way_init(&end->way, &join->way[i], join->seed * 2 + (uint64_t)i);
		end->engine->wire[end->port] = wire;
		if (!wire->live)
			pv_step_join(&end->engine->ports[end->port], sent, end, join->keep != 0);
	}
}

int
pv_wire_open(const struct pv_wire_join *join, struct pv_wire **out, char *err, size_t err_cap)
{
	struct pv_wire *wire;
	int rc;

	*out = NULL;
	rc = check(join, err, err_cap);
	if (rc != 0)
		return rc;
	wire = calloc(1, sizeof(*wire));
	if (wire == NULL)
		return -ENOMEM;
	wire->live = !join->engine[0]->config.step;
	pthread_mutex_init(&wire->lock, NULL);
	plug_in(wire, join);
	rc = wire->live ? pv_wire_live_start(wire) : 0;
	if (rc != 0) {
		snprintf(err, err_cap, "no thread for a wire");
		wire->live = false;
		pv_wire_close(wire);
		return rc;
	}
	*out = wire;
	return 0;
}

static void
unplug_end(struct pv_wire_end *end)
{
	if (end->engine == NULL)
		return;
	if (!end->wire->live)
		pv_step_join(&end->engine->ports[end->port], NULL, NULL, false);
	end->engine->wire[end->port] = NULL;
	end->engine = NULL;
}

void
pv_wire_unplug(struct pv_engine *engine)
{
	for (uint16_t i = 0; i < PV_MAX_PORTS; i++) {
		struct pv_wire *wire = engine->wire[i];

		if (wire == NULL)
			continue;
		pthread_mutex_lock(&wire->lock);
		for (int e = 0; e < 2; e++)
			if (wire->end[e].engine == engine && wire->end[e].port == i)
				unplug_end(&wire->end[e]);
		pthread_mutex_unlock(&wire->lock);
	}
}

int
pv_wire_close(struct pv_wire *wire)
{
	if (wire == NULL)
		return -EINVAL;
	if (pv_is_forked_child())
		return -EOWNERDEAD;
	if (wire->live)
		pv_wire_live_stop(wire);
	for (int i = 0; i < 2; i++) {
		unplug_end(&wire->end[i]);
		vanish(wire, &wire->end[i]);
		pv_wire_way_fini(&wire->end[i].way);
	}
	pthread_mutex_destroy(&wire->lock);
	free(wire);
	return 0;
}

/* ---- use ---- */

static int
check_direction(const struct pv_wire *wire, int direction)
{
	if (pv_is_forked_child())
		return -EOWNERDEAD;
	return wire == NULL || direction < 0 || direction > 1 ? -EINVAL : 0;
}

int
pv_wire_change(struct pv_wire *wire, int direction, const struct pv_wire_params *params)
{
	char err[128];
	int rc = check_direction(wire, direction);

	if (rc == 0)
		rc = pv_wire_check(params, err, sizeof(err));
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&wire->lock);
	wire->end[direction].way.params = *params;
	pthread_mutex_unlock(&wire->lock);
	return 0;
}

int
pv_wire_read(struct pv_wire *wire, int direction, struct pv_wire_stats *out)
{
	int rc = check_direction(wire, direction);

	if (rc != 0)
		return rc;
	pthread_mutex_lock(&wire->lock);
	*out = wire->end[direction].way.stats;
	pthread_mutex_unlock(&wire->lock);
	return 0;
}

int
pv_wire_clear(struct pv_wire *wire)
{
	int rc = check_direction(wire, 0);

	if (rc != 0)
		return rc;
	pthread_mutex_lock(&wire->lock);
	for (int i = 0; i < 2; i++)
		vanish(wire, &wire->end[i]);
	pthread_mutex_unlock(&wire->lock);
	return 0;
}

uint64_t
pv_wire_deadline(struct pv_wire *wire)
{
	uint64_t first = UINT64_MAX;

	for (int i = 0; check_direction(wire, i) == 0; i++) {
		uint64_t next = pv_wire_next(&wire->end[i].way);

		first = next < first ? next : first;
	}
	return first;
}

int
pv_wire_move(struct pv_wire *wire, uint64_t now_ns)
{
	int rc = check_direction(wire, 0), n = 0;

	if (rc == 0 && wire->live)
		rc = -EOPNOTSUPP;
	for (int i = 0; rc == 0 && i < 2; i++) {
		struct pv_wire_end *to = other(&wire->end[i]);
		struct flying *f;

		for (; (f = pv_wire_land(&wire->end[i].way, now_ns)) != NULL; free(f)) {
			if (to->engine != NULL && pv_step_inject(&to->engine->ports[to->port],
								  f->data, f->len) == 0)
				n++;
		}
	}
	return rc != 0 ? rc : n;
}
