/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge/urgent.h"

#include <errno.h>

#include "bridge/bridge_private.h"

/* The word: how many octets wait, is one awaited, and the octets, the oldest lowest. */
#define COUNT   UINT64_C(0x07)
#define AWAITED UINT64_C(0x08)
#define OCTETS  8 /* bits below them */

static_assert(PV_URGENT_MAX <= COUNT && OCTETS + 8 * PV_URGENT_MAX <= 64, "fits one word");

static uint64_t
load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static bool
exchange(uint64_t *word, uint64_t *old, uint64_t new)
{
	return __atomic_compare_exchange_n(
			word, old, new, true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

bool
pv_urgent_put(struct pv_bridge *bridge, struct pv_stream *rx, uint8_t octet)
{
	uint64_t old = load(&rx->urgent), new;

	pv_slot_note_used(bridge, rx);
	do {
		uint64_t n = old & COUNT;

		if (n == PV_URGENT_MAX)
			return false;
		new = (old + 1) | (uint64_t)octet << (OCTETS + 8 * n);
	} while (!exchange(&rx->urgent, &old, new));
	return true;
}

void
pv_urgent_set_mark(struct pv_bridge *bridge, struct pv_stream *rx)
{
	pv_slot_note_used(bridge, rx);
	__atomic_store_n(&rx->mark, rx->written + 1, __ATOMIC_RELEASE);
}

void
pv_urgent_await(struct pv_bridge *bridge, struct pv_stream *rx, bool awaited)
{
	pv_slot_note_used(bridge, rx);
	if (awaited)
		__atomic_fetch_or(&rx->urgent, AWAITED, __ATOMIC_ACQ_REL);
	else
		__atomic_fetch_and(&rx->urgent, ~AWAITED, __ATOMIC_ACQ_REL);
}

void
pv_urgent_set_inline(struct pv_bridge *bridge, struct pv_stream *rx, bool in_line)
{
	pv_slot_note_used(bridge, rx);
	if (in_line)
		__atomic_fetch_or(&rx->flags, PV_STREAM_INLINE, __ATOMIC_ACQ_REL);
	else
		__atomic_fetch_and(&rx->flags, ~(uint32_t)PV_STREAM_INLINE, __ATOMIC_ACQ_REL);
}

bool
pv_urgent_is_inline(const struct pv_stream *rx)
{
	return (__atomic_load_n(&rx->flags, __ATOMIC_ACQUIRE) & PV_STREAM_INLINE) != 0;
}

int
pv_urgent_take(struct pv_stream *rx, uint8_t *octet, bool peek)
{
	uint64_t old = load(&rx->urgent), rest;

	do {
		if ((old & COUNT) == 0)
			return (old & AWAITED) != 0 && !pv_urgent_is_inline(rx) ? -EAGAIN : -EINVAL;
		*octet = (uint8_t)(old >> OCTETS);
		if (peek)
			return 1;
		rest = old >> (OCTETS + 8) << OCTETS;
	} while (!exchange(&rx->urgent, &old, rest | (old & AWAITED) | ((old & COUNT) - 1)));
	return 1;
}

uint64_t
pv_urgent_stop(const struct pv_stream *rx, uint64_t pos, uint64_t end)
{
	uint64_t mark = load(&rx->mark);

	return mark != 0 && pos < mark - 1 && mark - 1 < end ? mark - 1 : end;
}

int
pv_urgent_bits(const struct pv_stream *rx)
{
	uint64_t word = load(&rx->urgent), mark = load(&rx->mark), taken = load(&rx->taken);
	int bits = 0;

	if ((word & COUNT) != 0)
		bits |= PV_URGENT_WAITS;
	if ((word & AWAITED) != 0 || taken + 1 < mark)
		bits |= PV_URGENT_AHEAD;
	if (taken + 1 == mark)
		bits |= PV_URGENT_HERE;
	return bits;
}

bool
pv_urgent_pending(const struct pv_stream *rx)
{
	if ((load(&rx->urgent) & (COUNT | AWAITED)) != 0)
		return true;
	return pv_urgent_is_inline(rx) && load(&rx->taken) < load(&rx->mark);
}
