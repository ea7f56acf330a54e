/* SPDX-License-Identifier: BSD-3-Clause */
#include "ip/pmtu.h"

#define KEEP      600000000000ULL /* ns */
#define SMALLEST4 68              /* RFC 791 */

static uint32_t
slot_of(const struct pv_addr *peer)
{
	uint64_t a, b;

	memcpy(&a, peer->b, 8);
	memcpy(&b, peer->b + 8, 8);
	return (uint32_t)(((a ^ b) * 0x9e3779b97f4a7c15) >> 32) % PV_PMTU_SLOTS;
}

uint16_t
pv_pmtu_get(const struct pv_pmtu *pmtu, const struct pv_addr *peer, uint16_t mtu, uint64_t now)
{
	const struct pv_pmtu_entry *entry;

	if (pmtu->used == 0)
		return mtu;
	entry = &pmtu->slot[slot_of(peer)];
	if (entry->until <= now || !pv_addr_equal(&entry->peer, peer) || entry->mtu >= mtu)
		return mtu;
	return (uint16_t)entry->mtu;
}

bool
pv_pmtu_lower(struct pv_pmtu *pmtu, const struct pv_addr *peer, uint16_t port_mtu, uint16_t mtu,
		uint64_t now)
{
	bool v4 = pv_addr_is_v4(peer);
	uint16_t floor = v4 ? PV_PMTU_MIN4 : PV_PMTU_MIN6;

	if (mtu < (v4 ? SMALLEST4 : PV_PMTU_MIN6))
		return false;
	if (mtu < floor)
		mtu = floor;
	if (mtu >= pv_pmtu_get(pmtu, peer, port_mtu, now))
		return false;
	pmtu->used = 1;
	pmtu->slot[slot_of(peer)] = (struct pv_pmtu_entry){ *peer, now + KEEP, mtu, 0 };
	return true;
}

void
pv_pmtu_raise(struct pv_pmtu *pmtu, const struct pv_addr *peer, uint16_t mtu)
{
	struct pv_pmtu_entry *entry = &pmtu->slot[slot_of(peer)];

	if (pv_addr_equal(&entry->peer, peer) && entry->mtu < mtu)
		entry->mtu = mtu;
}
