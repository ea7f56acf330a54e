/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_API_H
#define PV_API_H

/*
 * The border between the dataplane and the control plane: the only header that Python's cdef
 * mirrors.
 *
 * - It compiles with stdint, stddef and stdbool alone; no DPDK type crosses it.
 * - Records have fixed size, explicit padding, no pointers unless stated, and are checked against
 * Python's view at import.
 * - Return values: 0 or a count on success, -errno on failure (translated to Winsock codes only in
 * Python).
 * - Addresses are 16 bytes in network order; IPv4 is v4-mapped (::ffff:a.b.c.d). Ports and all
 * numbers are host order.
 * - Times are nanoseconds of the engine's clock: monotonic when live, virtual in step mode.
 * - Threads: every function is safe from any thread, except that a step-mode engine belongs to one
 * caller at a time. No function blocks, but for pv_eal_start, pv_engine_start, pv_engine_stop,
 * pv_listen, pv_listener_close and pv_waiter_wait.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PV_API_VERSION 1

struct pv_addr {
	uint8_t b[16];
};

/* An address with its network; prefix counts the bits of the 16 bytes (IPv4 /24 is 120). */
struct pv_cidr {
	struct pv_addr addr;
	uint8_t prefix;
	uint8_t pad[3];
};

/* ---- configuration: runtime/config.py fills it in; no zero means a default ---- */

enum pv_syn_cookies {
	PV_SYN_COOKIES_AUTO = 0,
	PV_SYN_COOKIES_ALWAYS = 1,
	PV_SYN_COOKIES_NEVER = 2
};
enum pv_congestion { PV_CC_CUBIC = 0, PV_CC_NEWRENO = 1, PV_CC_DCTCP = 2 };
enum pv_option_order { PV_OPTIONS_LINUX = 0, PV_OPTIONS_FREEBSD = 1 };
enum pv_overflow { PV_OVERFLOW_DROP = 0, PV_OVERFLOW_RESET = 1 };

/* The [tcp] table. Times in milliseconds. Copied into a connection's behaviour when the connection
 * is made. */
struct pv_tcp_config {
	uint8_t sack, timestamps, window_scale, ecn; /* booleans */
	uint8_t congestion;                          /* enum pv_congestion */
	uint8_t delayed_ack, nagle;                  /* booleans */
	uint8_t slow_start_after_idle, rack, f_rto, mtu_probing;
	uint8_t syn_cookies;  /* enum pv_syn_cookies */
	uint8_t option_order; /* enum pv_option_order */
	uint8_t ttl, dscp;
	uint8_t backlog_overflow;   /* enum pv_overflow: full accept queue */
	uint8_t half_open_overflow; /* enum pv_overflow: full half-open table without cookies */
	uint8_t hystart;
	uint8_t tlp, prr, limited_transmit, undo; /* booleans */
	uint8_t cluster; /* cookies of others with the same secret are good here */
	uint8_t pad0;
	uint32_t initial_window; /* segments */
	uint32_t rto_min, rto_initial, rto_max;
	uint32_t delayed_ack_time;
	uint32_t quick_ack_start; /* segments acknowledged at once after the start */
	uint32_t syn_retries, syn_ack_retries, data_retries;
	uint32_t time_wait, fin_wait_2;
	uint32_t keepalive_idle, keepalive_interval, keepalive_count;
	uint32_t user_timeout;        /* 0: none */
	uint32_t challenge_ack_limit; /* a second, per worker */
	uint32_t invalid_ack_limit; /* ms between two answers to a connection's invalid segments */
	uint32_t reset_limit;       /* RSTs to unknown segments a second, per worker */
	uint32_t mss_clamp;         /* 0: none */
	uint32_t recv_buffer, recv_buffer_max, send_buffer,
			send_buffer_max; /* bytes: initial and autotuning limit */
	uint32_t epoch;                  /* seconds between two rotations of the cookie secret */
};

#define PV_MAX_ADDRESSES  16
#define PV_MAX_NEIGHBOURS 64
#define PV_MAX_ROUTES     16
#define PV_MAX_VLANS      8
#define PV_MAX_PORTS      8
#define PV_MAX_WORKERS    16

struct pv_neighbour_config {
	struct pv_addr addr;
	uint8_t mac[6];
	uint8_t pad[2];
};

struct pv_route_config {
	struct pv_cidr to;
	struct pv_addr via;
};

struct pv_port_config {
	char device[192]; /* "ring", "step", or a DPDK device: PCI address or vdev string
			     "net_tap0,iface=pv0" */
	struct pv_cidr address[PV_MAX_ADDRESSES];
	struct pv_addr gateway4, gateway6; /* all zero: none */
	struct pv_route_config route[PV_MAX_ROUTES];
	struct pv_neighbour_config neighbour[PV_MAX_NEIGHBOURS];
	uint64_t rate;  /* bit/s of the link for admission and reports; 0: ask the device */
	uint8_t mac[6]; /* all zero: the device's, or a locally administered one */
	uint16_t mtu;
	uint16_t vlan[PV_MAX_VLANS];
	uint16_t n_address, n_route, n_neighbour, n_vlan;
	uint16_t queues;              /* 0: one a worker, as far as the device has them */
	uint8_t checksum_offload;     /* 0: always in software */
	uint8_t dad;                  /* duplicate address detection for IPv6 addresses */
	uint8_t segmentation_offload; /* 0: every segment is made here */
	uint8_t receive_offload;      /* 1: the device, or io/, puts segments together */
	uint8_t pad[2];
};

struct pv_config {
	struct pv_tcp_config tcp;
	struct pv_port_config port[PV_MAX_PORTS];
	uint8_t secret[16]; /* key of initial sequence numbers and hashes, when has_secret */
	uint64_t seed;      /* of the random source in step mode */
	uint64_t wall_ns;   /* in a cluster: the wall clock now; epochs are those of all */
	uint32_t max_connections, half_open_max, time_wait_max, backlog_max,
			listeners_max; /* per worker, but for listeners and backlog */
	uint32_t mbufs;                /* packet buffers a worker */
	uint32_t chunk_memory;         /* MiB of stream chunks, all workers together */
	uint32_t spin_us;              /* a waiter spins so long before it sleeps */
	uint16_t n_port, n_worker;
	int16_t lcore[PV_MAX_WORKERS]; /* CPU of each worker; -1: floating */
	uint8_t step;                  /* step mode: no thread, virtual clock */
	uint8_t has_secret;
	uint8_t busy_poll;
	uint8_t huge; /* ask for huge pages for tables */
	uint8_t pad[2];
	uint16_t idle_turns;         /* empty turns before a worker sleeps */
	uint16_t nap_us, nap_max_us; /* where no device can wake it: the first nap, the longest */
};

/* ---- process and engine ---- */

struct pv_engine;

uint32_t pv_api_version(void);
/* sizeof of the n-th record of this header in the order: addr, tcp_config, port_config, config,
 * request, status, ready, info, listen_params, connect_params, generator_params,
 * generator_stats, worker_load, wire_params, wire_stats, wire_join, service_stats, flowspec,
 * offer, request_facts; 0 past the end. */
size_t pv_api_record_size(uint32_t n);

/* Starts EAL on a thread of its own (that thread keeps no CPU affinity of the caller's). argv[0] is
 * the program name. Again with equal arguments: 0. With different ones: -EEXIST. err gets one line
 * that names the cause and the cure. */
int pv_eal_start(int argc, const char *const *argv, char *err, size_t err_cap);

int pv_engine_start(const struct pv_config *config, struct pv_engine **engine, char *err,
		size_t err_cap);
/* Closes listeners, lets connections flush for flush_ns, resets the rest, ends workers, frees
 * everything. */
int pv_engine_stop(struct pv_engine *engine, uint64_t flush_ns);
/* In a forked child: makes every later call on any engine fail with -EOWNERDEAD and touches nothing
 * else. */
void pv_after_fork_in_child(void);
uint64_t pv_engine_now(struct pv_engine *engine);
/* Replaces the [tcp] table for connections and listeners made from now on. */
int pv_engine_configure(struct pv_engine *engine, const struct pv_tcp_config *tcp);
/* Aborts all connections without a packet, empties all tables (half-open, time-wait, fragments,
 * neighbours learned). */
int pv_engine_reset(struct pv_engine *engine);

/* Step mode. One turn of every worker at virtual time now_ns (never backwards): frames injected,
 * commands, due timers, output. */
int pv_engine_step(struct pv_engine *engine, uint64_t now_ns);
int pv_engine_inject(struct pv_engine *engine, uint16_t port, const void *data, size_t len);
/* One sent frame: its length, 0 when there is none, -ENOSPC when cap is too small (the frame
 * stays). */
int pv_engine_collect(
		struct pv_engine *engine, uint16_t port, void *buf, size_t cap, uint64_t *when_ns);
/* When the next timer is due; UINT64_MAX when none. With housekeeping = false, only timers of
 * connections count (not secret rotation, neighbour ageing and the like). */
uint64_t pv_engine_deadline(struct pv_engine *engine, bool housekeeping);

/* ---- handles, requests, status ---- */

/* 64 bits: worker 8, index 24, generation 32 (never 0). A listener's worker field is
 * PV_HANDLE_LISTENER. */
#define PV_HANDLE_LISTENER 255

/* A connection request as it waits in the backlog. 64 bytes. */
struct pv_request {
	uint64_t handle;
	struct pv_addr peer, local;
	uint16_t peer_port, local_port;
	uint32_t qos;      /* PV_OFFER_* of what came with it; 0: nothing */
	uint64_t when_ns;  /* arrival of the SYN where known, else of the ACK */
	uint32_t listener; /* index */
	uint32_t flags;    /* PV_REQUEST_* */
};

enum pv_request_flags {
	PV_REQUEST_HELD = 1,    /* SYN unanswered, a verdict is due (conditional accept) */
	PV_REQUEST_COOKIE = 2,  /* came by a SYN cookie: options and time of the SYN are unknown */
	PV_REQUEST_OFFER = 4,   /* the peer speaks the handshake option, and waits for a verdict */
	PV_REQUEST_DECIDED = 8, /* the listener's program has accepted it: nobody else is asked */
	PV_REQUEST_ENDED = 16,  /* had died when pv_accept gave it out, it alone; see status */
};

/* Readiness of a handle: level bits, true at this moment. */
enum pv_ready_bits {
	PV_READY_READ = 0x001,    /* stream bytes can be taken */
	PV_READY_WRITE = 0x002,   /* connected, and the send buffer has room */
	PV_READY_OOB = 0x004,     /* urgent data waits or is announced; in line: the mark was not
				     passed yet */
	PV_READY_ACCEPT = 0x008,  /* the listener's backlog is not empty */
	PV_READY_CONNECT = 0x010, /* a connect has ended; see status.error */
	PV_READY_CLOSE = 0x020,   /* the peer's FIN came */
	PV_READY_QOS = 0x040,
	PV_READY_ERROR = 0x100, /* reset, timed out or aborted; see status.error */
	PV_READY_SENT = 0x200,  /* everything written has been acknowledged, FIN included when there
				   was one */
};

/*
 * Status record of a connection or listener; 64 bytes, one cache line, in the engine's shared
 * array, written by the owning worker (listener counters: by every worker) and read by anyone with
 * plain aligned loads. The counters only grow (mod 2^32): who waits compares with what he saw last.
 * A record speaks of a handle only while generation equals the handle's.
 */
struct pv_status {
	uint32_t generation;
	uint32_t ready;    /* PV_READY_* now */
	uint32_t reads;    /* arrivals of in-order stream bytes */
	uint32_t writes;   /* times the send buffer got room after it was full, and 1 for the
			      connection's start */
	uint32_t oobs;     /* urgent bytes arrived or were announced */
	uint32_t accepts;  /* requests that entered the backlog */
	uint32_t closes;   /* 1 after the peer's FIN, an abort or a reset */
	uint32_t qos;      /* generation of the QoS block */
	int32_t error;     /* 0, or the -errno of the connection's end (or of its connect) */
	uint32_t state;    /* enum pv_tcp_state, for information */
	uint32_t queued;   /* listener: requests waiting in the backlog */
	uint32_t watch;    /* worker's: first watch of this handle */
	uint64_t rx_total; /* stream bytes received in order */
	uint64_t tx_acked; /* stream bytes acknowledged by the peer */
};

const struct pv_status *pv_status_of(struct pv_engine *engine,
		uint64_t handle); /* NULL: not a handle of this engine; stale: see generation */

/* ---- listeners ---- */

struct pv_listen_params {
	struct pv_addr local;              /* zero: any (v4 and v6 by family) */
	uint32_t backlog;                  /* waiting requests over all workers, 1..backlog_max */
	uint32_t recv_buffer, send_buffer; /* 0: as configured */
	uint16_t port;
	uint8_t family;                               /* 4, 6, or 46: both (dual stack) */
	uint8_t conditional;                          /* hold SYNs for a verdict */
	uint8_t backlog_overflow, half_open_overflow; /* enum pv_overflow */
	uint8_t syn_cookies;                          /* enum pv_syn_cookies */
	uint8_t paused;                               /* answer every SYN with RST */
	uint8_t reuse; /* may share local and port with other listeners that have it set; the first
			  gets the requests */
	uint8_t ttl;   /* of SYN-ACKs and of what it accepts, as those of pv_connect_params */
	uint8_t tos;
	uint8_t pad[5];
};

/* Returns when every worker has installed it. -EADDRINUSE, -EADDRNOTAVAIL, -ENOBUFS. */
int pv_listen(struct pv_engine *engine, const struct pv_listen_params *params, uint64_t *listener);
/* Another backlog (shrinking resets those that came last), paused state, ttl and tos; the rest of
 * params is not looked at. */
int pv_listener_update(
		struct pv_engine *engine, uint64_t listener, const struct pv_listen_params *params);
/* Requests still waiting are reset. */
int pv_listener_close(struct pv_engine *engine, uint64_t listener);
/* Takes up to n requests, oldest first, a deferred one before all others. 0: none waits. */
int pv_accept(struct pv_engine *engine, uint64_t listener, struct pv_request *out, uint32_t n);
/* Puts one request back at the head (CF_DEFER, or no descriptor left). */
int pv_defer(struct pv_engine *engine, uint64_t listener, const struct pv_request *request);

/* ---- connections ---- */

struct pv_offer; /* api/pv_offer.h */

struct pv_connect_params {
	struct pv_addr local, peer; /* local zero: from the route */
	uint16_t local_port,
			peer_port; /* local 0: ephemeral, on a worker that will own the answer */
	uint32_t recv_buffer, send_buffer; /* 0: as configured */
	uint16_t rto_initial;              /* ms until the SYN is repeated; 0: as configured */
	uint8_t syn_retries;               /* how often it is, plus 1; 0: as configured */
	uint8_t timestamps;                /* 1: offered, 2: not; 0: as configured */
	uint8_t ttl;                       /* 0: as configured */
	uint8_t tos;                       /* with bit 0: this one; 0: as configured */
	uint8_t pad[6];
	const struct pv_offer *offer; /* goes with the SYN; NULL: a plain one. Read before
					 pv_connect returns */
};

struct pv_iov {
	void *base;
	size_t len;
};

/* DETACH: the connection goes on without an owner: data resets it, and it closes when its peer
 * does. */
enum pv_close_how { PV_CLOSE_GRACEFUL = 0, PV_CLOSE_ABORT = 1, PV_CLOSE_DETACH = 2 };
/* WHOLE: pv_send takes everything if the buffer has any room, as far as there is memory. OOB:
 * pv_send makes the last byte urgent, if it takes all of them; pv_recv gives the oldest urgent
 * byte, -EAGAIN: it is announced only, -EINVAL: there is none, or it is in the stream. */
enum pv_io_flags { PV_IO_PEEK = 1, PV_IO_OOB = 2, PV_IO_MORE = 4, PV_IO_WHOLE = 8 };

/* Our address in a connection with peer. -ENETUNREACH. */
int pv_source(struct pv_engine *engine, const struct pv_addr *peer, struct pv_addr *local);
/* Which IPv6 addresses are not in use: by port, a bit for each by its place in the configuration.
 * Such an address is probed for still, or another has it (RFC 4862 5.4). A waiter >= 0 is rung from
 * now on when one changes, in place of the one before. Returns how many changes there were. */
int64_t pv_addresses_unused(struct pv_engine *engine, uint32_t unused[PV_MAX_PORTS], int waiter);
/* local and local_port become what was chosen. -EMSGSIZE: the offer does not fit a SYN. */
int pv_connect(struct pv_engine *engine, struct pv_connect_params *params, uint64_t *handle);
/* Bytes taken over (may be fewer than given), -EAGAIN when the buffer is full, -ENOTCONN, -EPIPE
 * after shutdown, or the connection's error. */
int64_t pv_send(struct pv_engine *engine, uint64_t handle, const struct pv_iov *iov, uint32_t n,
		uint32_t flags);
/* Bytes copied out, 0 at the peer's FIN, -EAGAIN when nothing is there yet, or the connection's
 * error once all data is taken. */
int64_t pv_recv(struct pv_engine *engine, uint64_t handle, const struct pv_iov *iov, uint32_t n,
		uint32_t flags);
/* Bytes that one pv_recv would find, which never reads across the urgent mark. */
int64_t pv_readable(struct pv_engine *engine, uint64_t handle);
/* Of received urgent data. The mark stands where the latest urgent byte was or, in line, is. */
enum pv_urgent_bits {
	PV_URGENT_WAITS = 1, /* a byte can be taken with PV_IO_OOB */
	PV_URGENT_AHEAD = 2, /* the mark lies ahead of the next byte of the stream */
	PV_URGENT_HERE = 4,  /* the next byte of the stream stands at the mark */
};
int pv_urgent(struct pv_engine *engine, uint64_t handle);        /* enum pv_urgent_bits */
int pv_shutdown_send(struct pv_engine *engine, uint64_t handle); /* FIN after what was written */
int pv_shutdown_receive(struct pv_engine *engine,
		uint64_t handle); /* data that waits or comes later resets the connection */
/* The control plane lets go of the handle, which is stale from then on. Graceful: unsent data and
 * FIN still go out. */
int pv_close(struct pv_engine *engine, uint64_t handle, int how);

/* The same for many, in one call; results[i] as the single call would return. */
int pv_close_many(struct pv_engine *engine, const uint64_t *handles, uint32_t n, int how);
int pv_send_many(struct pv_engine *engine, const uint64_t *handles, const struct pv_iov *iov,
		int64_t *results, uint32_t n);
int pv_recv_many(struct pv_engine *engine, const uint64_t *handles, const struct pv_iov *iov,
		int64_t *results, uint32_t n);

enum pv_option {
	PV_OPT_NODELAY = 1,
	PV_OPT_KEEPALIVE,
	PV_OPT_KEEPALIVE_IDLE,
	PV_OPT_KEEPALIVE_INTERVAL,
	PV_OPT_KEEPALIVE_COUNT, /* times in ms */
	PV_OPT_USER_TIMEOUT,
	PV_OPT_MAXSEG,
	PV_OPT_RECV_BUFFER,
	PV_OPT_SEND_BUFFER,
	PV_OPT_TTL,
	PV_OPT_TOS,
	PV_OPT_CONGESTION,
	PV_OPT_OOB_INLINE,
	PV_OPT_RATE, /* pacing, bytes/s; 0: none */
};
int pv_set_option(struct pv_engine *engine, uint64_t handle, int option, uint64_t value);

/* What the connection knows about itself (as TCP_INFO does). Times in microseconds. */
struct pv_info {
	struct pv_addr local, peer;
	uint16_t local_port, peer_port;
	uint8_t state, options, snd_wscale,
			rcv_wscale; /* options: 1 timestamps, 2 sack, 4 window scale, 8 ecn */
	uint8_t recovery;           /* 0 open, 1 disorder, 2 recovery, 3 loss */
	uint8_t backoff, probes, congestion;
	uint32_t snd_mss, rcv_mss, pmtu, rto, srtt, rttvar, min_rtt;
	uint32_t snd_cwnd, snd_ssthresh; /* bytes */
	uint32_t snd_wnd, rcv_wnd;
	uint32_t unacked, sacked, lost, retrans; /* segments now */
	uint32_t total_retrans, reordering, dsack_dups;
	uint32_t last_data_sent, last_data_recv, last_ack_recv; /* ago */
	uint32_t notsent;
	uint32_t rcv_buffer; /* bytes */
	/* episodes of fast retransmission and of time-outs; duplicate ACKs that came; SYNs sent
	   again */
	uint32_t fast_retrans, timeouts, dup_acks, syn_retrans;
	uint64_t bytes_reordered; /* came out of order */
	uint64_t bytes_sent, bytes_received, bytes_acked, bytes_retrans;
	uint64_t segs_out, segs_in, data_segs_out, data_segs_in;
	uint64_t pacing_rate, rwnd_limited, sndbuf_limited;
	uint64_t established_ns; /* engine time when it was established; 0: never */
};
int pv_get_info(struct pv_engine *engine, uint64_t handle, struct pv_info *out);
/* Handles of live connections, from *cursor on (0 at first); for statistics. */
int pv_connections(struct pv_engine *engine, uint64_t *handles, uint32_t n, uint64_t *cursor);

/* ---- waiting ---- */

/* One changed handle. */
struct pv_ready {
	uint64_t handle;
	uint64_t cookie; /* given to pv_watch */
	uint32_t ready;  /* PV_READY_* now */
	uint32_t pad;
};

enum pv_waiter_kind {
	PV_WAITER_QUEUE = 0,  /* ready list + doorbell: calls, select, queues, event loops */
	PV_WAITER_SIGNAL = 1, /* doorbell only, rung at each new matching change: event objects (fd
				 stays readable until the owner reads it) */
};

/* ONCE: ends with the first report. SINCE: the cookie is the sum (mod 2^32) of the counters behind
 * the mask's bits (READY_CONNECT counts 1 once it is set; CLOSE and ERROR share one counter) as the
 * owner last saw them; the registration reports when they have moved, and not what is ready. */
enum pv_watch_flags { PV_WATCH_ONCE = 1, PV_WATCH_SINCE = 2 };

/* fd: an eventfd of the caller's that is rung (he keeps it), or -1 to make one. Returns the
 * waiter's number >= 0. */
int pv_waiter_open(struct pv_engine *engine, int kind, int fd);
int pv_waiter_close(struct pv_engine *engine, int waiter); /* drops its watches */
int pv_waiter_fd(struct pv_engine *engine, int waiter);
/* Reports changes of the handle whose PV_READY_* bits are in mask to the waiter; again for the same
 * pair replaces mask and cookie; mask 0 removes. What is ready at the moment of registration is
 * reported at once (QUEUE kind; SIGNAL kind only with ONCE). */
int pv_watch(struct pv_engine *engine, int waiter, uint64_t handle, uint32_t mask, uint32_t flags,
		uint64_t cookie);
/* Takes up to n changed handles; never blocks. */
int pv_waiter_take(struct pv_engine *engine, int waiter, struct pv_ready *out, uint32_t n);
/* Spins, arms, re-checks, sleeps. 1: something is ready or pv_waiter_ring came, 0: time is up
 * (timeout_ns < 0: none), -EINTR: a signal, or `also` is readable, a descriptor of the caller's
 * (-1: none). */
int pv_waiter_wait(struct pv_engine *engine, int waiter, int64_t timeout_ns, int also);
int pv_waiter_ring(struct pv_engine *engine, int waiter); /* wakes its sleeper, from any thread */

/* ---- services ---- */

/* Built-in services that take a listener's requests inside the workers. */
enum pv_service_kind {
	PV_SERVICE_NONE = 0,  /* the application accepts */
	PV_SERVICE_COUNT = 1, /* takes each request and lets it go: the connection lives until its
				 peer ends it */
	PV_SERVICE_DISCARD = 2,
	PV_SERVICE_ECHO = 3,
	PV_SERVICE_HTTP = 4, /* GET /N answers N bytes; PUT and POST take what comes; keep-alive */
	/* Of single connections only: */
	PV_SERVICE_SOURCE = 5, /* sends what the peer takes, for ever */
	PV_SERVICE_ASK = 6,    /* sends `size` bytes, waits until as many came back, again */
};
int pv_service_start(struct pv_engine *engine, uint64_t listener, int kind);
/* Gives a connection of the caller's to a service. The handle is the service's from then on. */
int pv_service_adopt(struct pv_engine *engine, uint64_t handle, int kind, uint32_t size);
/* Ends the connections that were adopted. */
int pv_service_drop(struct pv_engine *engine);

/* What the services of one worker have done. */
struct pv_service_stats {
	uint64_t connections;  /* now */
	uint64_t taken, given; /* bytes */
	uint64_t rounds;       /* of PV_SERVICE_ASK */
};
/* latency: of the rounds, in PV_LATENCY_BUCKETS buckets; or NULL. */
int pv_service_read(struct pv_engine *engine, int worker, struct pv_service_stats *stats,
		uint64_t *latency);

/* ---- emulated wire between two ports ---- */

/* What a wire does to the frames in one direction. Shares are frames in a million. */
struct pv_wire_params {
	uint64_t rate;          /* bit/s; 0: no limit */
	uint64_t delay;         /* ns that every frame travels */
	uint64_t jitter;        /* ns: up to so much more, in order */
	uint64_t reorder_delay; /* ns: so much longer for those that others overtake */
	uint64_t queue; /* bytes that wait at the rate; what comes then is lost. 0: no limit */
	uint32_t loss;
	uint32_t burst; /* mean length of a run of losses; 0, 1: each by itself */
	uint32_t reorder;
	uint32_t duplicate;
	uint32_t corrupt; /* one bit behind the Ethernet header is turned over */
	uint32_t mtu;     /* IP packets larger than this vanish; 0: none */
};

struct pv_wire_stats {
	uint64_t frames, bytes; /* sent into it */
	uint64_t lost, queue_lost, too_large;
	uint64_t reordered, duplicated, corrupted;
	uint64_t flying; /* now */
};

/* Which ports are joined: both in step mode, or both "ring" and live. way[0] is from end 0 to
 * end 1. */
struct pv_wire_join {
	struct pv_engine *engine[2];
	struct pv_wire_params way[2];
	uint64_t seed;
	uint16_t port[2];
	uint8_t keep; /* step mode: pv_engine_collect has the frames that were sent as well */
	uint8_t pad[3];
};

struct pv_wire;

/* A live wire has a thread of its own. An engine that stops is unplugged: frames for it vanish. */
int pv_wire_open(const struct pv_wire_join *join, struct pv_wire **wire, char *err, size_t err_cap);
int pv_wire_close(struct pv_wire *wire); /* what flies vanishes */
/* From now on; direction 0: from end 0 to end 1. */
int pv_wire_change(struct pv_wire *wire, int direction, const struct pv_wire_params *params);
int pv_wire_read(struct pv_wire *wire, int direction, struct pv_wire_stats *out);
/* Step mode: when the next frame arrives; UINT64_MAX: none flies. */
uint64_t pv_wire_deadline(struct pv_wire *wire);
/* Step mode: what arrives at now_ns or before is injected; returns how many frames. The engines are
 * not stepped. */
int pv_wire_move(struct pv_wire *wire, uint64_t now_ns);
int pv_wire_clear(struct pv_wire *wire); /* what flies vanishes */

/* ---- counters ---- */

uint32_t pv_counter_count(void);
const char *pv_counter_name(uint32_t counter);
const char *pv_counter_text(uint32_t counter);
int pv_counter_kind(uint32_t counter); /* 0: a packet's one outcome, 1: event */
/* Sums over workers (worker < 0) or one worker's. Returns how many were written. */
int pv_counters(struct pv_engine *engine, int worker, uint64_t *out, uint32_t n);

#endif
