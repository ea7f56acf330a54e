/* SPDX-License-Identifier: BSD-3-Clause */
/* Passive opens, from the SYN's frame to the request in the backlog, and what may go wrong on the
 * way. */
#include <string.h>

#include "harness.h"
#include "tap.h"
#include "tcp/conn.h"
#include "tcp/established.h"
#include "tcp/state.h"

static struct harness h;
static struct pv_request requests[PV_BURST];

static uint64_t
counter(enum pv_counter which)
{
	return harness_counter(&h, which);
}

static void
start(void)
{
	static struct pv_config config;

	harness_config(&config);
	harness_start(&h, &config);
}

static bool
silent(const struct segment *in)
{
	struct segment out;

	return !harness_exchange(&h, in, &out);
}

static bool
is_reset(const struct segment *in, const struct segment *out)
{
	if (out->window != 0 || out->data_len != 0)
		return false;
	if (in->flags & PV_TCP_ACK)
		return out->flags == PV_TCP_RST && out->seq == in->ack;
	return out->flags == (PV_TCP_RST | PV_TCP_ACK) && out->seq == 0 &&
	       out->ack == in->seq + in->data_len + ((in->flags & PV_TCP_SYN) != 0) +
					       ((in->flags & PV_TCP_FIN) != 0);
}

static bool
answered_by_reset(const struct segment *in)
{
	struct segment out;

	return harness_exchange(&h, in, &out) && is_reset(in, &out);
}

static bool
is_syn_ack(const struct segment *syn, const struct segment *out)
{
	return (out->flags & ~PV_TCP_ECE) == (PV_TCP_SYN | PV_TCP_ACK) &&
	       out->ack == syn->seq + 1 && out->client == syn->client &&
	       out->client_port == syn->client_port && out->our_port == syn->our_port &&
	       out->v6 == syn->v6;
}

/* A whole handshake; the connection's control block, or NULL. */
static struct pv_pcb *
connect_with(const struct segment *syn, uint64_t listener)
{
	struct segment syn_ack, ack;

	if (!harness_exchange(&h, syn, &syn_ack) || !is_syn_ack(syn, &syn_ack))
		return NULL;
	ack = client_ack(syn, &syn_ack);
	if (!silent(&ack) || harness_accept(&h, listener, requests, 1) != 1)
		return NULL;
	return pv_pcb_of(&h.ctx, requests[0].handle);
}

static void
test_plain(bool v6)
{
	struct pv_listen_params params = harness_params(80);
	struct segment syn = client_syn(1, 4000, 80, 0xfffffffe), syn_ack, ack;
	uint64_t listener;
	struct pv_pcb *pcb;

	start();
	listener = harness_listen(&h, &params);
	syn.v6 = v6;
	CHECK(harness_exchange(&h, &syn, &syn_ack) && is_syn_ack(&syn, &syn_ack),
			"a SYN gets a SYN-ACK");
	CHECK_EQ(syn_ack.opts.present,
			PV_TCP_OPT_MSS | PV_TCP_OPT_SACKOK | PV_TCP_OPT_TS | PV_TCP_OPT_WSCALE,
			"with all options");
	CHECK_EQ(syn_ack.raw_len, 20, "in 20 bytes");
	CHECK_EQ(syn_ack.opts.mss, v6 ? 1440 : 1460, "the MSS is what fits the MTU");
	CHECK_EQ(syn_ack.opts.wscale, 7, "the window scale shows the whole buffer");
	CHECK_EQ(syn_ack.opts.tsecr, 1000, "the timestamp is echoed");
	CHECK_EQ(syn_ack.window, 65535, "the window is not scaled");
	CHECK_EQ(harness_accept(&h, listener, requests, 1), 0, "nobody is told yet");
	ack = client_ack(&syn, &syn_ack);
	harness_advance(&h, 5000000);
	CHECK(silent(&ack), "the ACK is not answered");
	CHECK_EQ(harness_accept(&h, listener, requests, 2), 1, "the request is there");
	CHECK_EQ(requests[0].peer_port, 4000, "with the peer's port");
	CHECK_EQ(requests[0].local_port, 80, "and ours");
	CHECK(requests[0].when_ns <= 1000000000 && requests[0].when_ns > 999900000,
			"and the time of the SYN");
	pcb = pv_pcb_of(&h.ctx, requests[0].handle);
	CHECK(pcb != NULL && pcb->state == PV_ESTABLISHED, "the connection is established");
	pv_pmtu_settle(&h.ctx, pcb);
	CHECK(pcb->iss == syn_ack.seq && pcb->snd_una == syn_ack.seq + 1 &&
					pcb->snd_nxt == pcb->snd_una,
			"our sequence space begins behind our SYN");
	CHECK(pcb->irs == syn.seq && pcb->rcv_nxt == syn.seq + 1 &&
					pcb->rcv_adv == pcb->rcv_nxt + 65535,
			"the peer's behind its SYN");
	CHECK_EQ(pcb->snd_wnd, 502 << 7, "the window of the ACK is scaled");
	CHECK_EQ(pcb->snd_mss, (v6 ? 1440 : 1460) - 12,
			"the segment size leaves room for timestamps");
	CHECK_EQ(pcb->flags & ~(uint32_t)PV_PCB_QUEUED,
			PV_PCB_TIMESTAMPS | PV_PCB_SACK | PV_PCB_WSCALE, "all was agreed on");
	CHECK(pcb->syn_rtt_us >= 5000 && pcb->syn_rtt_us < 5100, "the round trip was measured");
	CHECK_EQ(pcb->ts_recent, 1001, "the ACK's timestamp is kept");
	CHECK_EQ(counter(PV_C_TCP_SYN_ACCEPTED), 1, "the SYN is counted");
	CHECK_EQ(counter(PV_C_TCP_ACK_ACCEPTED), 1, "the ACK is counted");
	CHECK_EQ(h.ctx.tcp->half_open.pool.in_use, 0, "the half-open record is free again");
	harness_stop(&h);
}

/* Every combination of what the client offers and what we allow. */
static void
test_negotiation(void)
{
	static const uint8_t bits[] = { PV_TCP_OPT_MSS, PV_TCP_OPT_WSCALE, PV_TCP_OPT_SACKOK,
		PV_TCP_OPT_TS };
	struct pv_listen_params params = harness_params(80);
	uint64_t listener;
	uint32_t wrong = 0;

	start();
	listener = harness_listen(&h, &params);
	for (uint32_t i = 0; i < 256; i++) {
		struct segment syn = client_syn(i, 4000, 80, i * 1000), syn_ack, ack;
		uint8_t offered = 0, allowed = PV_TCP_OPT_MSS;
		struct pv_pcb *pcb;

		for (uint32_t b = 0; b < 4; b++) {
			offered |= i >> b & 1 ? bits[b] : 0;
			allowed |= i >> (4 + b) & 1 ? bits[b] : 0;
		}
		h.ctx.tcp_config.window_scale = (allowed & PV_TCP_OPT_WSCALE) != 0;
		h.ctx.tcp_config.sack = (allowed & PV_TCP_OPT_SACKOK) != 0;
		h.ctx.tcp_config.timestamps = (allowed & PV_TCP_OPT_TS) != 0;
		syn.opts.present = offered;
		wrong += !harness_exchange(&h, &syn, &syn_ack) || !is_syn_ack(&syn, &syn_ack);
		wrong += syn_ack.opts.present != ((offered & allowed) | PV_TCP_OPT_MSS);
		ack = client_ack(&syn, &syn_ack);
		wrong += !silent(&ack) || harness_accept(&h, listener, requests, 1) != 1;
		pcb = pv_pcb_of(&h.ctx, requests[0].handle);
		pv_pmtu_settle(&h.ctx, pcb);
		wrong += pcb->snd_wnd != (offered & allowed & PV_TCP_OPT_WSCALE ? 502u << 7 : 502);
		wrong += (pcb->rcv_wscale != 0) != ((offered & allowed & PV_TCP_OPT_WSCALE) != 0);
		wrong += pcb->snd_mss !=
			 (offered & PV_TCP_OPT_MSS ? 1460 : 536) -
					 (offered & allowed & PV_TCP_OPT_TS ? 12 : 0);
		pv_conn_destroy(&h.ctx, pcb, 0, false);
		harness_drain(&h);
	}
	CHECK_EQ(wrong, 0, "each option is agreed on if both sides want it");
	harness_stop(&h);
}

static void
test_ecn(void)
{
	struct pv_listen_params params = harness_params(80);
	struct segment syn = client_syn(1, 4000, 80, 1), out;
	uint64_t listener;
	struct pv_pcb *pcb;

	start();
	listener = harness_listen(&h, &params);
	h.ctx.tcp_config.ecn = 1;
	syn.flags |= PV_TCP_ECE;
	CHECK(harness_exchange(&h, &syn, &out) && out.flags == (PV_TCP_SYN | PV_TCP_ACK),
			"ECE alone is no ECN-setup SYN");
	syn = client_syn(2, 4000, 80, 1);
	syn.flags |= PV_TCP_ECE | PV_TCP_CWR;
	CHECK(harness_exchange(&h, &syn, &out) &&
					out.flags == (PV_TCP_SYN | PV_TCP_ACK | PV_TCP_ECE),
			"an ECN-setup SYN gets ECE alone");
	pcb = connect_with(&syn, listener);
	CHECK(pcb != NULL && (pcb->flags & PV_PCB_ECN) != 0, "and the connection is ECN capable");
	h.ctx.tcp_config.ecn = 0;
	syn.client = 3;
	CHECK(harness_exchange(&h, &syn, &out) && out.flags == (PV_TCP_SYN | PV_TCP_ACK),
			"unless it is switched off");
	harness_stop(&h);
}

/* RFC 9293 3.10.7.1 and 3.10.7.2: segments that are no SYN, to a port with and without a listener.
 */
static void
test_no_connection(void)
{
	struct pv_listen_params params = harness_params(80);
	struct segment s = client_syn(1, 4000, 81, 100), out;

	start();
	harness_listen(&h, &params);
	CHECK(answered_by_reset(&s), "a SYN to a closed port is reset");
	CHECK_EQ(counter(PV_C_TCP_NO_LISTENER), 1, "and counted");
	s.data_len = 9;
	s.flags = PV_TCP_SYN | PV_TCP_FIN;
	CHECK(answered_by_reset(&s), "data, SYN and FIN are acknowledged by the reset");
	for (uint16_t port = 80; port < 82; port++) {
		s = client_ack(&(struct segment){ .client = 1, .client_port = 1, .our_port = port },
				&(struct segment){ .seq = 77 });
		CHECK(answered_by_reset(&s), "an ACK for nothing is reset");
		s.flags = PV_TCP_SYN | PV_TCP_ACK;
		CHECK(answered_by_reset(&s), "a SYN-ACK for nothing is reset");
		s.flags = PV_TCP_RST | PV_TCP_ACK;
		CHECK(silent(&s), "a RST is never answered");
		s.flags = PV_TCP_RST;
		CHECK(silent(&s), "whatever it carries");
	}
	s = (struct segment){ .client = 1, .client_port = 1, .our_port = 80, .seq = 5 };
	for (uint32_t flags = 0; flags < 64; flags++) {
		if (flags & (PV_TCP_SYN | PV_TCP_ACK | PV_TCP_RST))
			continue;
		s.flags = (uint8_t)flags;
		CHECK(silent(&s), "to a listener, no SYN and no ACK means no answer");
	}
	s.flags = PV_TCP_ACK;
	s.opts.present = PV_TCP_OPT_TS;
	s.opts.tsval = 5;
	CHECK(harness_exchange(&h, &s, &out) && (out.opts.present & PV_TCP_OPT_TS) != 0 &&
					out.opts.tsecr == 0,
			"a reset carries timestamps where the segment did");
	harness_stop(&h);
}

static void
test_reset_limit(void)
{
	struct segment s = client_syn(1, 4000, 81, 100), out;
	uint32_t n = 0;

	start();
	h.ctx.tcp_config.reset_limit = 10;
	for (uint32_t i = 0; i < 30; i++)
		n += harness_exchange(&h, &s, &out);
	CHECK_EQ(n, 10, "no more resets a second than the limit");
	CHECK_EQ(counter(PV_C_TCP_NO_CONNECTION_LIMITED), 20, "the others are counted");
	harness_advance(&h, 1000000000);
	CHECK(answered_by_reset(&s), "and the next second has its own");
	harness_stop(&h);
}

/* The SYN-ACK is repeated at 1, 3, 7, 15, 31 seconds and given up at 63. */
static void
test_retransmission(void)
{
	struct pv_listen_params params = harness_params(80);
	struct segment syn = client_syn(1, 4000, 80, 100), first, again, ack;
	uint64_t listener, sent, start_ns;
	uint32_t wrong = 0;

	start();
	listener = harness_listen(&h, &params);
	harness_exchange(&h, &syn, &first);
	start_ns = h.ctx.now;
	for (uint32_t i = 0; i < 5; i++) {
		harness_advance(&h, (1000000000ull << i) - 100000000);
		wrong += harness_take(&h, &again);
		harness_advance(&h, 100000000);
		sent = h.out[0].when - start_ns;
		wrong += !harness_take(&h, &again) || again.seq != first.seq ||
			 again.raw_len != first.raw_len || memcmp(again.raw, first.raw, 8) != 0 ||
			 sent + 1000000 < (2000000000ull << i) - 1000000000 ||
			 sent > (2000000000ull << i) - 1000000000;
	}
	CHECK_EQ(wrong, 0, "the SYN-ACK comes again after 1, 3, 7, 15 and 31 seconds");
	CHECK(again.opts.tsval != first.opts.tsval, "with a new timestamp");
	harness_advance(&h, 31900000000);
	CHECK_EQ(h.ctx.tcp->half_open.pool.in_use, 1, "the record is kept until 63 seconds");
	harness_advance(&h, 200000000);
	CHECK_EQ(h.ctx.tcp->half_open.pool.in_use, 0, "and not longer");
	CHECK_EQ(counter(PV_C_TCP_HALF_OPEN_EXPIRED), 1, "which is counted");
	ack = client_ack(&syn, &first);
	CHECK(answered_by_reset(&ack), "a later ACK is reset");
	harness_drain(&h);
	harness_exchange(&h, &syn, &first);
	harness_advance(&h, 1500000000);
	CHECK(harness_take(&h, &again), "it is sent again");
	ack = client_ack(&syn, &again);
	CHECK(silent(&ack) && harness_accept(&h, listener, requests, 1) == 1,
			"an ACK after a retransmission completes the handshake");
	CHECK((pv_pcb_of(&h.ctx, requests[0].handle)->flags & PV_PCB_SYN_LOST) != 0,
			"and the loss is remembered");
	CHECK_EQ(pv_pcb_of(&h.ctx, requests[0].handle)->syn_rtt_us, 0, "no round trip is measured");
	harness_stop(&h);
}

/* RFC 9293 3.10.7.4 in SYN-RECEIVED. */
static void
test_half_open(void)
{
	struct pv_listen_params params = harness_params(80);
	struct segment syn = client_syn(1, 4000, 80, 100), syn_ack, s, out;

	start();
	harness_listen(&h, &params);
	harness_exchange(&h, &syn, &syn_ack);
	s = syn;
	s.opts.tsval += 50;
	CHECK(harness_exchange(&h, &s, &out) && is_syn_ack(&syn, &out) && out.seq == syn_ack.seq,
			"a repeated SYN gets the same ISS");
	CHECK_EQ(out.opts.tsecr, 1050, "and its own timestamp back");
	CHECK_EQ(counter(PV_C_TCP_SYN_DUPLICATE), 1, "and is counted");
	s = syn;
	s.seq += 1000;
	CHECK(harness_exchange(&h, &s, &out) && out.flags == PV_TCP_ACK && out.ack == syn.seq + 1 &&
					out.seq == syn_ack.seq + 1,
			"another SYN is challenged");
	s = client_ack(&syn, &syn_ack);
	s.opts.tsval += 100;
	s.ack++;
	CHECK(answered_by_reset(&s), "a wrong acknowledgment is reset");
	CHECK_EQ(counter(PV_C_TCP_ACK_BAD), 1, "and counted");
	s.ack--;
	s.opts.present = 0;
	CHECK(silent(&s), "an ACK without the timestamps agreed on is dropped");
	s.opts.present = PV_TCP_OPT_TS;
	s.opts.tsval = 900;
	CHECK(harness_exchange(&h, &s, &out) && out.flags == PV_TCP_ACK,
			"one with an old timestamp is answered");
	s.opts.tsval = 1049;
	CHECK(harness_exchange(&h, &s, &out) && out.flags == PV_TCP_ACK,
			"also if only older than the repeated SYN");
	s.opts.tsval = 1100;
	s.seq += 70000;
	CHECK(harness_exchange(&h, &s, &out) && out.flags == PV_TCP_ACK,
			"and one outside the window");
	s.flags = PV_TCP_RST;
	CHECK(silent(&s), "a RST outside the window is not");
	s.seq = syn.seq + 2;
	CHECK(harness_exchange(&h, &s, &out) && out.flags == PV_TCP_ACK,
			"a RST in the window is challenged");
	CHECK_EQ(h.ctx.tcp->half_open.pool.in_use, 1, "all that has not ended it");
	s.seq = syn.seq + 1;
	CHECK(silent(&s), "an exact RST is not answered");
	CHECK_EQ(h.ctx.tcp->half_open.pool.in_use, 0, "but ends it");
	CHECK_EQ(counter(PV_C_TCP_HALF_OPEN_RST), 1, "and is counted");
	CHECK_EQ(h.ctx.tcp->flows.used, 0, "nothing is left in the flow table");
	harness_stop(&h);
}

/* The final ACK lost, the first data in its place; FIN with it; data on the SYN. */
static void
test_data(void)
{
	struct pv_listen_params params = harness_params(80);
	struct segment syn = client_syn(1, 4000, 80, 100), out, s;
	uint64_t listener;

	start();
	listener = harness_listen(&h, &params);
	syn.data_len = 4;
	CHECK(harness_exchange(&h, &syn, &out) && out.ack == syn.seq + 1,
			"data on the SYN is left unacknowledged");
	s = client_ack(&syn, &out);
	s.data_len = 5;
	s.flags |= PV_TCP_PSH;
	harness_inject(&h, &s, 1);
	CHECK_EQ(harness_accept(&h, listener, requests, 1), 1, "data completes the handshake");
	CHECK_EQ(counter(PV_C_TCP_ACK_ACCEPTED), 1, "and is counted as the ACK it is");
	harness_drain(&h);
	harness_stop(&h);
}

static void
test_bad_segments(void)
{
	struct pv_listen_params params = harness_params(80);
	struct segment s = client_syn(1, 4000, 80, 100), out;

	start();
	harness_listen(&h, &params);
	s.bad_checksum = true;
	CHECK(silent(&s) && counter(PV_C_TCP_CHECKSUM) == 1, "a wrong checksum is dropped");
	s.bad_checksum = false;
	s.client_port = 0;
	CHECK(silent(&s) && counter(PV_C_TCP_PORT_ZERO) == 1, "port 0 is dropped");
	s.client_port = 4000;
	s.raw_len = 8;
	memcpy(s.raw, (uint8_t[]){ 2, 4, 5, 180, 8, 0, 1, 1 }, 8);
	CHECK(silent(&s) && counter(PV_C_TCP_OPTIONS) == 1, "an option of length 0 is dropped");
	memcpy(s.raw, (uint8_t[]){ 254, 4, 1, 2, 2, 4, 5, 180 }, 8);
	CHECK(harness_exchange(&h, &s, &out) && is_syn_ack(&s, &out),
			"an unknown option is skipped");
	s.client = 2;
	s.raw_len = 0;
	s.flags = PV_TCP_SYN | PV_TCP_FIN;
	CHECK(silent(&s) && counter(PV_C_TCP_SYN_BAD_FLAGS) == 1, "SYN with FIN is dropped");
	s.flags = PV_TCP_SYN | PV_TCP_RST;
	CHECK(silent(&s) && counter(PV_C_TCP_SYN_BAD_FLAGS) == 2, "SYN with RST is dropped");
	s.flags = PV_TCP_SYN | PV_TCP_PSH | PV_TCP_URG;
	CHECK(harness_exchange(&h, &s, &out) && is_syn_ack(&s, &out),
			"SYN with PSH and URG is a SYN");
	harness_stop(&h);
}

int
main(void)
{
	test_plain(false);
	test_plain(true);
	test_negotiation();
	test_ecn();
	test_no_connection();
	test_reset_limit();
	test_retransmission();
	test_half_open();
	test_data();
	test_bad_segments();
	return tap_done();
}
