/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/counters.h"

static const struct {
	const char *name, *text;
	int kind;
} rows[] = {
#define P(symbol, text) { #symbol, text, 0 },
#define E(symbol, text) { #symbol, text, 1 },
#include "base/counters.def"
#undef P
#undef E
};

const char *
pv_counters_name(enum pv_counter counter)
{
	return rows[counter].name;
}

const char *
pv_counters_text(enum pv_counter counter)
{
	return rows[counter].text;
}

int
pv_counters_kind(enum pv_counter counter)
{
	return rows[counter].kind;
}
