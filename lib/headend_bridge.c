/* lib/headend_bridge.c: the part of simulgate.yaml(5) that says what of SP-4 and CP-3 goes by XML, and its checks */
#include "lib/headend_int.h"
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct gw_conf_word roles[] = { { "bsm", HE_ROLE_BSM }, { "bsda", HE_ROLE_BSDA }, { "bsa", HE_ROLE_BSA } };
static const struct gw_conf_word statuses[] = { { "extended", 0 }, { "basic", 1 } };
static const struct gw_conf_word modes[] = { { "a", HE_MODE_A }, { "c", HE_MODE_C } };

static const struct gw_conf_row peer_rows[] = {
	{ "id", GW_CONF_TEXT, GW_CONF_AT(he_sp4_peer, id), .meaning = "What it calls itself: its @source, and @destination of what it is sent. "
	    "The default is its name here." },
	{ "identity", GW_CONF_TEXT, GW_CONF_AT(he_sp4_peer, identity),
	    .meaning = "The DNS name or URI in the subjectAltName of its certificate. The default is id." },
	{ "url", GW_CONF_TEXT, GW_CONF_AT(he_sp4_peer, url),
	    .meaning = "Where it is called, https://HOST[:PORT]; http:// only on loopback and with plain. Without it only the peer calls." },
	{ "roles", GW_CONF_SET, GW_CONF_AT(he_sp4_peer, roles), WORDS(roles), .flags = GW_CONF_NEED,
	    .meaning = "What it may be towards the bridge: what it asks for in another role is refused with status 11." },
	{ "status", GW_CONF_ENUM, GW_CONF_AT(he_sp4_peer, basic), WORDS(statuses), .dflt = "extended",
	    .meaning = "Whether it is told the status code of a refusal, or 1 for each." },
	{ "short", GW_CONF_BOOL, GW_CONF_AT(he_sp4_peer, short_form), .dflt = "false", .meaning = "Whether it gets answers in their short form." },
	{ "timeout", GW_CONF_DURATION, GW_CONF_AT(he_sp4_peer, timeout_ms), .dflt = "0", .max = 600000,
	    .meaning = "How long an answer is waited for before it is asked again; 0 is 2s for traffic keys and their messages, else 10s." },
	{ "connections", GW_CONF_UINT, GW_CONF_AT(he_sp4_peer, connections), .dflt = "4", .min = 1, .max = 64,
	    .meaning = "Connections to it at a time, each with one exchange in flight." },
	{ "services", GW_CONF_REFS, LIST(he_sp4_peer, services, nservices), .ref = "services",
	    .meaning = "For the role bsa: of which services, with stkm of mode a, it gets the traffic keys that are made here, beside those whose STKMs "
	    "it asks for itself. The default is none." },
};
static const struct gw_conf_row ecmg_rows[] = {
	{ "kms", GW_CONF_REF, GW_CONF_AT(he_bridge_ecmg, kms), .ref = "kms", .flags = GW_CONF_NEED,
	    .meaning = "The KMS whose ECMG the bridge is for SCSs." },
	{ "peer", GW_CONF_REF, GW_CONF_AT(he_bridge_ecmg, peer), .ref = "peers", .flags = GW_CONF_NEED, .meaning = "The BSM that makes the STKMs." },
	{ "mode", GW_CONF_ENUM, GW_CONF_AT(he_bridge_ecmg, mode), WORDS(modes), .dflt = "c",
	    .meaning = "Who makes the traffic keys: a, the BSM; c, the SCS, whose keys go to the BSM in its requests." },
	{ "listen", GW_CONF_ADDRS, LIST(he_bridge_ecmg, listen, nlisten), .schemes = GW_TCP | GW_UNIX,
	    .meaning = "Which of the ecmg addresses of the KMS it listens at. The default is all." },
};
#define STREAM(tag) \
	{ "client_id", GW_CONF_UINT, GW_CONF_AT(tag, client_id), .flags = GW_CONF_NEED | GW_CONF_HEX, .meaning = "client_id of the stream." }, \
	{ "data_id", GW_CONF_UINT, GW_CONF_AT(tag, data_id), .flags = GW_CONF_NEED, .meaning = "data_id of the stream." }, \
	{ "registration", GW_CONF_BOOL, GW_CONF_AT(tag, registration), .dflt = "false", \
	    .meaning = "Whether its datagrams are registration objects (tags 13 to 16) in place of LTKMs (tags 9 to 12)." }, \
	{ "bandwidth", GW_CONF_RATE, GW_CONF_AT(tag, bandwidth_bps), .dflt = "64kbit/s", .min = 1000, .max = UINT32_MAX, \
	    .meaning = "What it may use at most." }
static const struct gw_conf_row emmg_rows[] = {
	{ "listen", GW_CONF_ADDR, GW_CONF_AT(he_bridge_emmg, listen), .schemes = GW_TCP | GW_TLS, .flags = GW_CONF_NEED,
	    .meaning = "Where the EMMG connects; several streams may share it." },
	{ "listen_udp", GW_CONF_ADDR, GW_CONF_AT(he_bridge_emmg, listen_udp), .schemes = GW_UDP, .meaning = "Where it may send data by UDP." },
	{ "peer", GW_CONF_REF, GW_CONF_AT(he_bridge_emmg, peer), .ref = "peers", .flags = GW_CONF_NEED, .meaning = "The BSD/A that gets them." },
	{ "service", GW_CONF_REF, GW_CONF_AT(he_bridge_emmg, service), .ref = "services", .flags = GW_CONF_NEED, .meaning = "What they are for." },
	STREAM(he_bridge_emmg),
	{ "repetition", GW_CONF_DURATION, GW_CONF_AT(he_bridge_emmg, repetition_ms), .dflt = "10s", .min = 100, .max = 3600000,
	    .meaning = "The time in which a datagram that comes again is not sent again; the peer is told it as repetitionMs." },
};
static const struct gw_conf_row bridge_stkm_rows[] = {
	{ "kms", GW_CONF_REF, GW_CONF_AT(he_bridge_stkm, kms), .ref = "kms", .flags = GW_CONF_NEED, .meaning = "Whose ECMGs make the STKMs." },
	{ "peer", GW_CONF_REF, GW_CONF_AT(he_bridge_stkm, peer), .ref = "peers", .flags = GW_CONF_NEED, .meaning = "The BSD/A that asks for them." },
	{ "service", GW_CONF_REF, GW_CONF_AT(he_bridge_stkm, service), .ref = "services", .flags = GW_CONF_NEED,
	    .meaning = "What is protected; it is asked for by its global_service_id." },
	{ "ecm_id", GW_CONF_UINT, GW_CONF_AT(he_bridge_stkm, ecm_id), .flags = GW_CONF_NEED, .meaning = "ECM_id of the stream: the stkmStream of requests." },
	{ "mode", GW_CONF_ENUM, GW_CONF_AT(he_bridge_stkm, mode), WORDS(modes), .dflt = "c",
	    .meaning = "Who makes the traffic keys: a, the bridge, which gives them to the BSA; c, the BSD/A, whose requests hold them." },
};
static const struct gw_conf_row bridge_mux_rows[] = {
	{ "peer", GW_CONF_REF, GW_CONF_AT(he_bridge_mux, peer), .ref = "peers", .flags = GW_CONF_NEED, .meaning = "The BSM that they come from." },
	{ "service", GW_CONF_REF, GW_CONF_AT(he_bridge_mux, service), .ref = "services", .flags = GW_CONF_NEED, .meaning = "What they are for." },
	{ "to", GW_CONF_ADDR, GW_CONF_AT(he_bridge_mux, to), .schemes = GW_TCP | GW_TLS,
	    .meaning = "The MUX that they go to. The default is emmg of the file's mux." },
	{ "to_udp", GW_CONF_ADDR, GW_CONF_AT(he_bridge_mux, to_udp), .schemes = GW_UDP, .meaning = "Where data goes by UDP. Without it all goes by TCP." },
	STREAM(he_bridge_mux),
	{ "repetition", GW_CONF_DURATION, GW_CONF_AT(he_bridge_mux, repetition_ms), .dflt = "10s", .min = 100, .max = 3600000,
	    .meaning = "How often they are sent when the peer does not say." },
};
static const struct gw_conf_row seak_rows[] = {
	{ "service", GW_CONF_REF, GW_CONF_AT(he_bridge_seak, service), .ref = "services", .flags = GW_CONF_NEED, .meaning = "Whose SEAK it is." },
	{ "generator", GW_CONF_REF, GW_CONF_AT(he_bridge_seak, generator), .ref = "peers",
	    .meaning = "The BSM that makes it. Without it, of each SEAK the BSM that is first." },
	{ "others", GW_CONF_REFS, LIST(he_bridge_seak, others, nothers), .ref = "peers",
	    .meaning = "The BSMs that get it. One without a url is not called: it asks." },
	{ "wait", GW_CONF_DURATION, GW_CONF_AT(he_bridge_seak, wait_ms), .dflt = "30s", .max = 3600000,
	    .meaning = "How long after the first of them confirmed it no STKM may use it while another is reachable and has not." },
	{ "make_stkm", GW_CONF_BOOL, GW_CONF_AT(he_bridge_seak, make_stkm), .dflt = "false",
	    .meaning = "Whether the bridge makes STKMs with it (mode B): those of the service's KMSs whose plugin is drm and whose store is the "
	    "bridge's seaks; it is their ECMG." },
	{ "bsda", GW_CONF_REF, GW_CONF_AT(he_bridge_seak, bsda), .ref = "peers",
	    .meaning = "For a bridge that is a BSM: the BSD/A that SEAKs come from and go to." },
	{ "generate", GW_CONF_BOOL, GW_CONF_AT(he_bridge_seak, generate), .dflt = "false", .meaning = "With bsda: whether SEAKs are made here." },
	{ "life", GW_CONF_DURATION, GW_CONF_AT(he_bridge_seak, life_ms), .dflt = "30d", .min = 1000, .max = INT64_C(315360000000),
	    .meaning = "With generate: how long a SEAK is the newest." },
	{ "ahead", GW_CONF_DURATION, GW_CONF_AT(he_bridge_seak, ahead_ms), .dflt = "1d", .min = 100, .max = INT64_C(315360000000),
	    .meaning = "With generate: how long before that it is delivered." },
};

static void check_peer(struct gw_conf *, void *);
static void check_bridge(struct gw_conf *, void *);
static const struct gw_conf_schema peer_schema = { ROWS(peer_rows), sizeof(struct he_sp4_peer), "peer", NAMED(he_sp4_peer, name),
	PLACED(he_sp4_peer, at), .check = check_peer };
static const struct gw_conf_schema ecmg_schema = { ROWS(ecmg_rows), sizeof(struct he_bridge_ecmg), "entry", PLACED(he_bridge_ecmg, at) };
static const struct gw_conf_schema emmg_schema = { ROWS(emmg_rows), sizeof(struct he_bridge_emmg), "entry", PLACED(he_bridge_emmg, at) };
static const struct gw_conf_schema bridge_stkm_schema = { ROWS(bridge_stkm_rows), sizeof(struct he_bridge_stkm), "entry", PLACED(he_bridge_stkm, at) };
static const struct gw_conf_schema bridge_mux_schema = { ROWS(bridge_mux_rows), sizeof(struct he_bridge_mux), "entry", PLACED(he_bridge_mux, at) };
static const struct gw_conf_schema seak_schema = { ROWS(seak_rows), sizeof(struct he_bridge_seak), "entry", PLACED(he_bridge_seak, at) };

static const struct gw_conf_row bridge_rows[] = {
	{ "id", GW_CONF_TEXT, GW_CONF_AT(he_bridge, id), .meaning = "What it calls itself: its @source. The default is its name." },
	{ "roles", GW_CONF_SET, GW_CONF_AT(he_bridge, roles), WORDS(roles), .flags = GW_CONF_NEED,
	    .meaning = "What it is towards its peers: bsda and bsa for a head-end whose BSMs speak XML, bsm for a SimulCrypt KMS behind it." },
	{ "listen", GW_CONF_ADDR, GW_CONF_AT(he_bridge, listen), .schemes = GW_TCP | GW_TLS,
	    .meaning = "Where peers call, tls://HOST:PORT; tcp:// only on loopback and with plain. Without it nobody can." },
	{ "plain", GW_CONF_BOOL, GW_CONF_AT(he_bridge, plain), .dflt = "false",
	    .meaning = "For tests: messages may go over a loopback address without TLS, and nobody proves who they are." },
	{ "certificate", GW_CONF_PATH, GW_CONF_AT(he_bridge, certificate), .flags = GW_CONF_READABLE,
	    .meaning = "Its certificate and those above it, PEM, for both sides of connections. Read again at SIGHUP, as the next two are." },
	{ "private_key", GW_CONF_PATH, GW_CONF_AT(he_bridge, private_key), .flags = GW_CONF_KEYS, .meaning = "The key of it, PEM, mode 0600." },
	{ "ca", GW_CONF_PATH, GW_CONF_AT(he_bridge, ca), .flags = GW_CONF_READABLE,
	    .meaning = "The certificates of those whom it believes who its peers are, PEM." },
	{ "store", GW_CONF_PATH, GW_CONF_AT(he_bridge, store),
	    .meaning = "The store of what was answered. The default is bridge-NAME.db in the directory of state." },
	{ "master", GW_CONF_PATH, GW_CONF_AT(he_bridge, master),
	    .meaning = "The file of the key, mode 0600, that wraps keys in the store. The default is the store's name with .master behind it." },
	{ "store_limit", GW_CONF_SIZE, GW_CONF_AT(he_bridge, store_limit), .dflt = "1GiB", .min = 1 << 20, .max = INT64_C(1) << 40,
	    .meaning = "What the answers of ten minutes may take there, about. Half of it is the peers', in equal shares; of the other half one may have half, "
	    "and what it begins beyond that is told 503. 1 KiB for each STKM is usual." },
	{ "seaks", GW_CONF_PATH, GW_CONF_AT(he_bridge, seaks),
	    .meaning = "The store of SEAKs, which the plugin drm may read, too. The default is bridge-NAME.seaks in the directory of state." },
	{ "seaks_master", GW_CONF_PATH, GW_CONF_AT(he_bridge, seaks_master),
	    .meaning = "The file of the key, mode 0600, that wraps them. The default is its name with .master behind it." },
	{ "peers", GW_CONF_NAMED, LIST(he_bridge, peers, npeers), .sub = &peer_schema, .flags = GW_CONF_NEED,
	    .meaning = "Whom it exchanges messages with, by name." },
	{ "ecmg", GW_CONF_LIST, LIST(he_bridge, ecmg, necmg), .sub = &ecmg_schema,
	    .meaning = "XML BSMs that SCSs see as ECMGs. The SCS may be another head-end's." },
	{ "emmg", GW_CONF_LIST, LIST(he_bridge, emmg, nemmg), .sub = &emmg_schema, .meaning = "Streams of EMMGs that an XML BSD/A gets." },
	{ "stkm", GW_CONF_LIST, LIST(he_bridge, stkm, nstkm), .sub = &bridge_stkm_schema, .meaning = "STKMs of ECMGs that an XML BSD/A asks for." },
	{ "mux", GW_CONF_LIST, LIST(he_bridge, mux, nmux), .sub = &bridge_mux_schema, .meaning = "Streams of an XML BSM that a MUX gets." },
	{ "seak", GW_CONF_LIST, LIST(he_bridge, seak, nseak), .sub = &seak_schema, .meaning = "Services whose BSMs share one SEAK." },
};
const struct gw_conf_schema he_bridge_schema = { ROWS(bridge_rows), sizeof(struct he_bridge), "bridge", NAMED(he_bridge, name),
	PLACED(he_bridge, at), .check = check_bridge };

/* ---- one bridge ---- */

static void
check_identifier(struct gw_conf *c, char *const *member, const char *key)
{
	he_check_word(c, member, key, " <>\"&");
	if (*member && (!**member || strlen(*member) > 200))
		gw_conf_fail(c, member, "%s: it has 1 to 200 characters", key);
}

/* Of a bridge or peer: @source and @destination, which the store of SEAKs and its audit keep whole. */
static void
check_id(struct gw_conf *c, char *const *member)
{
	check_identifier(c, member, "id");
	if (*member && strlen(*member) > 128)
		gw_conf_fail(c, member, "id: it has 1 to 128 characters");
}

static bool
https(const struct he_sp4_peer *p)
{
	return p->url && strncmp(p->url, "https://", 8) == 0;
}

/* https://HOST[:PORT]: the paths are the standard's. */
static void
check_peer(struct gw_conf *c, void *object)
{
	struct he_sp4_peer *p = object;
	const char *host;

	if (!p->id && p->name && !gw_conf_given(c, &p->id))
		gw_conf_text(c, &p->id, p->name);
	check_id(c, &p->id);
	if (!p->identity && p->id && !gw_conf_given(c, &p->identity))
		gw_conf_text(c, &p->identity, p->id);
	check_identifier(c, &p->identity, "identity");
	if (!p->url)
		return;
	host = https(p) ? p->url + 8 : strncmp(p->url, "http://", 7) == 0 ? p->url + 7 : "";
	if (!*host || strpbrk(host, "/?#@ ") || strlen(host) > 300)
		gw_conf_fail(c, &p->url, "url: https://HOST or https://HOST:PORT is wanted, without a path");
}

/* http:// is for tests on one machine. */
static void
check_plain(struct gw_conf *c, const struct he_bridge *b, const struct he_sp4_peer *p)
{
	struct gw_addr a;
	char text[340], *host;
	bool port;

	if (!p->url || strncmp(p->url, "http://", 7) != 0)
		return;
	host = p->url + 7;
	port = strrchr(host, ':') && !strchr(strrchr(host, ':'), ']');
	snprintf(text, sizeof(text), "tcp://%.300s%s", host, port ? "" : ":80");
	if (gw_addr_parse(text, GW_TCP, &a, NULL) < 0)
		gw_conf_fail(c, &p->url, "url: http://HOST or http://HOST:PORT is wanted, without a path");
	else if (!gw_addr_loopback(&a))
		gw_conf_fail(c, &p->url, "http:// is for a loopback address: keys would go over the network in clear");
	else if (!b->plain && (gw_conf_good(c, &b->plain) || !gw_conf_given(c, &b->plain)))
		gw_conf_fail(c, &p->url, "http:// needs plain: true of the bridge");
}

static void
check_tls(struct gw_conf *c, const struct he_bridge *b)
{
	const struct he_part parts[] = { { &b->certificate, "certificate", b->certificate }, { &b->private_key, "private_key", b->private_key },
		{ &b->ca, "ca", b->ca } };
	const struct he_sp4_peer *called = NULL;

	for (size_t i = 0; i < b->npeers; i++) {
		check_plain(c, b, &b->peers[i]);
		if (!called && https(&b->peers[i]))
			called = &b->peers[i];
	}
	if (b->listen.scheme == GW_TCP && !gw_addr_loopback(&b->listen))
		gw_conf_fail(c, &b->listen, "tcp:// is for a loopback address: keys would go over the network in clear, to anybody");
	else if (b->listen.scheme == GW_TCP && !b->plain && !gw_conf_given(c, &b->plain))
		gw_conf_fail(c, &b->listen, "tcp:// needs plain: true");
	if (b->listen.scheme == GW_TLS)
		he_check_parts(c, &b->listen, "tls://", true, parts, 3);
	else
		he_check_parts(c, called ? (const void *)&called->url : b, "https://", called != NULL, parts, 3);
}

/* What an entry wants of the two ends; ours 0: nothing of the bridge; called: we begin exchanges. */
static void
check_ends(struct gw_conf *c, const struct he_bridge *b, const void *entry, const void *member, const struct he_sp4_peer *peer, unsigned ours,
    unsigned theirs, bool called, const char *what)
{
	static const char *const names[] = { [HE_ROLE_BSM] = "bsm", [HE_ROLE_BSDA] = "bsda", [HE_ROLE_BSA] = "bsa" };

	if (ours && b->roles && !(b->roles & ours) && gw_conf_good(c, &b->roles))
		gw_conf_fail(c, entry, "%s is for a bridge with the role %s", what, names[ours]);
	if (!peer)
		return;
	if (peer->roles && !(peer->roles & theirs))
		gw_conf_fail(c, member, "%s wants a peer with the role %s, and %s has it not", what, names[theirs], peer->name ? peer->name : "it");
	if (called && !peer->url && !gw_conf_given(c, &peer->url))
		gw_conf_fail(c, member, "%s calls the peer, and %s has no url", what, peer->name ? peer->name : "it");
}

static bool
same_addr(const struct gw_addr *a, const struct gw_addr *b)
{
	char x[GW_ADDR_TEXT], y[GW_ADDR_TEXT];

	return strcmp(gw_addr_text(a, x, sizeof(x)), gw_addr_text(b, y, sizeof(y))) == 0;
}

static void
check_ecmg(struct gw_conf *c, const struct he_bridge *b, struct he_bridge_ecmg *e)
{
	check_ends(c, b, e, &e->peer, e->peer, HE_ROLE_BSDA, HE_ROLE_BSM, true, "ecmg");
	if (!e->kms)
		return;
	if (e->kms->plugin)
		gw_conf_fail(c, &e->kms, "KMS %s has a plugin: our own ECMG serves its addresses", e->kms->name ? e->kms->name : "");
	for (size_t i = 0; i < e->nlisten; i++) {
		size_t k = 0;

		while (k < e->kms->necmg && !same_addr(&e->kms->ecmg[k], &e->listen[i]))
			k++;
		if (k == e->kms->necmg && e->listen[i].scheme)
			gw_conf_fail(c, &e->listen, "listen is none of the ecmg addresses of KMS %s: no SCS would connect", e->kms->name ? e->kms->name : "");
	}
	if (e->nlisten || gw_conf_given(c, &e->listen) || !e->kms->necmg)
		return;
	e->listen = calloc(e->kms->necmg, sizeof(*e->listen));
	if (!e->listen) {
		gw_conf_fail(c, e, "out of memory");
		return;
	}
	memcpy(e->listen, e->kms->ecmg, e->kms->necmg * sizeof(*e->listen));
	e->nlisten = e->kms->necmg;
}

static void
check_seak(struct gw_conf *c, const struct he_bridge *b, const struct he_bridge_seak *s)
{
	bool drm = false;
	const struct raw_service *r = (const struct raw_service *)(const void *)s->service;

	if (s->bsda || gw_conf_given(c, &s->bsda)) {	/* a BSM's */
		const struct he_part parts[] = { { &s->generator, "generator", s->generator }, { &s->others, "others", s->nothers },
			{ &s->make_stkm, "make_stkm", s->make_stkm } };

		check_ends(c, b, s, &s->bsda, s->bsda, HE_ROLE_BSM, HE_ROLE_BSDA, true, "seak with bsda");
		he_check_parts(c, s, "an entry without bsda", false, parts, 3);
		if (s->generate && s->ahead_ms >= s->life_ms && s->life_ms)
			gw_conf_fail(c, gw_conf_given(c, &s->ahead_ms) ? (const void *)&s->ahead_ms : &s->life_ms, "ahead is as long as life");
		return;
	}
	if (s->generate)
		gw_conf_fail(c, &s->generate, "generate is for an entry with bsda");
	if (b->roles && !(b->roles & HE_ROLE_BSDA) && gw_conf_good(c, &b->roles))
		gw_conf_fail(c, s, "seak is for a bridge with the role bsda, or names the bsda of a BSM");
	check_ends(c, b, s, &s->generator, s->generator, 0, HE_ROLE_BSM, false, "seak");
	for (size_t i = 0; i < s->nothers; i++) {
		check_ends(c, b, s, &s->others, s->others[i], 0, HE_ROLE_BSM, false, "seak");
		if (s->others[i] && s->others[i] == s->generator)
			gw_conf_fail(c, &s->others, "%s is the generator: it has the SEAK already", s->others[i]->name);
		for (size_t k = 0; k < i; k++)
			if (s->others[i] && s->others[k] == s->others[i])
				gw_conf_fail(c, &s->others, "%s is named twice", s->others[i]->name);
	}
	for (size_t i = 0; r && i < r->nstkm; i++)
		drm = drm || !r->stkm[i].kms || r->stkm[i].kms->super_cas_id >> 16 == 1;
	if (s->make_stkm && r && !drm)
		gw_conf_fail(c, &s->make_stkm, "make_stkm: service %s has no stkm of a KMS of the DRM profile", r->s.id ? r->s.id : "");
}

/* Whose keys a BSA may have: they have to be made here. */
static void
check_entitlement(struct gw_conf *c, const struct he_bridge *b, const struct he_sp4_peer *p)
{
	if (p->nservices && p->roles && !(p->roles & HE_ROLE_BSA))
		gw_conf_fail(c, &p->services, "services is for a peer with the role bsa, and %s has it not", p->name ? p->name : "it");
	for (size_t i = 0; i < p->nservices; i++) {
		const struct raw_service *s = (const struct raw_service *)(const void *)p->services[i];
		size_t k = 0;

		while (k < b->nstkm && (b->stkm[k].service != p->services[i] || b->stkm[k].mode != HE_MODE_A))
			k++;
		if (s && k == b->nstkm)
			gw_conf_fail(c, &p->services, "services: no keys of %s are made here, for no stkm entry with mode a has it", s->s.id ? s->s.id : "it");
	}
}

static void
check_bridge(struct gw_conf *c, void *object)
{
	struct he_bridge *b = object;
	struct gw_conf_key *ids = calloc(b->npeers + 1, sizeof(*ids));

	if (!b->id && b->name && !gw_conf_given(c, &b->id))
		gw_conf_text(c, &b->id, b->name);
	check_id(c, &b->id);
	check_tls(c, b);
	for (size_t i = 0; ids && i < b->npeers; i++) {
		ids[i].member = gw_conf_given(c, &b->peers[i].id) ? (const void *)&b->peers[i].id : &b->peers[i].name;
		snprintf(ids[i].text, sizeof(ids[i].text), "%s", b->peers[i].id ? b->peers[i].id : "");
		if (b->id && b->peers[i].id && strcmp(b->id, b->peers[i].id) == 0)
			gw_conf_fail(c, ids[i].member, "the peer has the id of the bridge itself");
	}
	for (size_t i = 0; i < b->npeers; i++)
		check_entitlement(c, b, &b->peers[i]);
	if (ids)
		gw_conf_unique(c, ids, b->npeers, "peers have the id");
	free(ids);
	for (size_t i = 0; i < b->necmg; i++)
		check_ecmg(c, b, &b->ecmg[i]);
	for (size_t i = 0; i < b->nemmg; i++)
		check_ends(c, b, &b->emmg[i], &b->emmg[i].peer, b->emmg[i].peer, HE_ROLE_BSM, HE_ROLE_BSDA, true, "emmg");
	for (size_t i = 0; i < b->nstkm; i++)
		check_ends(c, b, &b->stkm[i], &b->stkm[i].peer, b->stkm[i].peer, HE_ROLE_BSM, HE_ROLE_BSDA, false, "stkm");
	for (size_t i = 0; i < b->nmux; i++)
		check_ends(c, b, &b->mux[i], &b->mux[i].peer, b->mux[i].peer, HE_ROLE_BSDA, HE_ROLE_BSM, false, "mux");
	for (size_t i = 0; i < b->nseak; i++)
		check_seak(c, b, &b->seak[i]);
	if (!b->listen.scheme && !gw_conf_given(c, &b->listen) && b->nstkm + b->nmux + b->nseak)
		gw_conf_fail(c, b, "the bridge lacks listen: stkm, mux and seak wait for calls of peers");
}

/* ---- the whole file ---- */

/* Keys that grow as they come. */
struct many { struct he_keys keys; size_t cap; };

static struct gw_conf_key *
another(struct gw_conf *c, struct many *m)
{
	if (m->keys.n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 32;
		struct gw_conf_key *k = realloc(m->keys.k, cap * sizeof(*k));

		if (!k) {
			gw_conf_fail(c, NULL, "out of memory");
			return NULL;
		}
		m->keys.k = k;
		m->cap = cap;
	}
	m->keys.k[m->keys.n] = (struct gw_conf_key){ .text = "" };
	return &m->keys.k[m->keys.n++];
}

/* A port; tcp and tls are one. */
static void
add_port(struct gw_conf *c, struct many *m, const struct gw_addr *a)
{
	struct gw_conf_key *k = a->scheme ? another(c, m) : NULL;

	if (!k)
		return;
	m->keys.n--;
	he_add_addr(&m->keys, a);
	if (a->scheme == GW_TCP || a->scheme == GW_TLS)
		memmove(k->text, k->text + strlen("tcp://"), sizeof(k->text) - strlen("tcp://"));
}

static void
add_bridge_ports(struct gw_conf *c, struct many *ports, const struct he_bridge *b)
{
	add_port(c, ports, &b->listen);
	for (size_t i = 0; i < b->necmg; i++)
		for (size_t k = 0; k < b->ecmg[i].nlisten; k++) {
			add_port(c, ports, &b->ecmg[i].listen[k]);
			if (ports->keys.n && b->ecmg[i].listen[k].scheme)
				ports->keys.k[ports->keys.n - 1].member = gw_conf_given(c, &b->ecmg[i].listen) ? (const void *)&b->ecmg[i].listen :
				    &b->ecmg[i].kms;
		}
	for (size_t i = 0; i < b->nemmg; i++) {
		size_t tcp = 0, udp = 0;	/* streams of one bridge share them */

		while (tcp < i && !same_addr(&b->emmg[tcp].listen, &b->emmg[i].listen))
			tcp++;
		while (udp < i && !same_addr(&b->emmg[udp].listen_udp, &b->emmg[i].listen_udp))
			udp++;
		if (tcp == i)
			add_port(c, ports, &b->emmg[i].listen);
		if (udp == i)
			add_port(c, ports, &b->emmg[i].listen_udp);
	}
}

/* One ECMG may serve several KMSs. */
static bool
known_ecmg(const struct full *f, size_t before, const struct gw_addr *a)
{
	for (size_t i = 0; i < before; i++)
		for (size_t k = 0; k < f->h.kms[i].necmg; k++)
			if (same_addr(&f->h.kms[i].ecmg[k], a))
				return true;
	return false;
}

static void
check_ports(struct gw_conf *c, const struct full *f)
{
	struct many ports = { .cap = 0 };

	for (size_t i = 0; i < f->h.nbridge; i++)
		add_bridge_ports(c, &ports, &f->h.bridge[i]);
	for (size_t i = 0; i < f->h.nbsm; i++)
		add_port(c, &ports, &f->h.bsm[i].listen);
	add_port(c, &ports, &f->h.mux.emmg);
	add_port(c, &ports, &f->h.mux.emmg_udp);
	for (size_t i = 0; f->h.nbridge && i < f->h.nkms; i++)
		for (size_t k = 0; f->h.kms[i].plugin && k < f->h.kms[i].necmg; k++) {
			if (known_ecmg(f, i, &f->h.kms[i].ecmg[k]))
				continue;
			add_port(c, &ports, &f->h.kms[i].ecmg[k]);
			if (ports.keys.n && f->h.kms[i].ecmg[k].scheme)
				ports.keys.k[ports.keys.n - 1].member = &f->h.kms[i].ecmg;
		}
	if (f->h.nbridge)
		gw_conf_unique(c, ports.keys.k, ports.keys.n, "listeners are at");
	free(ports.keys.k);
}

/* A stream and what names it, among those of `where`. */
static void
add_stream(struct gw_conf *c, struct many *m, const char *where, uint32_t client_id, const uint16_t *data_id)
{
	struct gw_conf_key *k = gw_conf_good(c, data_id) ? another(c, m) : NULL;

	if (!k)
		return;
	k->member = data_id;
	snprintf(k->text, sizeof(k->text), "0x%08" PRIx32 " %u at %.300s", client_id, *data_id, where);
}

/* A stream towards a MUX. */
static void
add_data(struct gw_conf *c, struct many *m, const struct gw_addr *at, uint32_t client_id, const uint16_t *data_id)
{
	char text[GW_ADDR_TEXT];

	if (at->scheme)
		add_stream(c, m, gw_addr_text(at, text, sizeof(text)), client_id, data_id);
}

static void
check_data(struct gw_conf *c, struct full *f)
{
	struct many at_mux = { .cap = 0 }, at_us = { .cap = 0 };

	for (size_t i = 0; i < f->h.nbridge; i++) {
		struct he_bridge *b = &f->h.bridge[i];

		for (size_t k = 0; k < b->nmux; k++) {
			if (!b->mux[k].to.scheme && !gw_conf_given(c, &b->mux[k].to)) {
				b->mux[k].to = f->h.mux.emmg;
				if (!b->mux[k].to.scheme)
					gw_conf_fail(c, &b->mux[k], "the entry lacks to: the file's mux has no emmg");
			}
			add_data(c, &at_mux, &b->mux[k].to, b->mux[k].client_id, &b->mux[k].data_id);
		}
		for (size_t k = 0; k < b->nemmg; k++)	/* whichever address they come in at: the bridge tells them apart by nothing else */
			add_stream(c, &at_us, b->name ? b->name : "", b->emmg[k].client_id, &b->emmg[k].data_id);
	}
	for (size_t i = 0; f->h.nbridge && i < f->h.nltkm; i++)
		if (he_ltkm_ours(&f->h.ltkm[i]) && f->h.ltkm[i].data_type == 0)
			add_data(c, &at_mux, &f->h.ltkm[i].to, f->h.ltkm[i].client_id, &f->h.ltkm[i].data_id);
	gw_conf_unique(c, at_mux.keys.k, at_mux.keys.n, "streams have client_id and data_id");
	gw_conf_unique(c, at_us.keys.k, at_us.keys.n, "streams have client_id and data_id");
	free(at_mux.keys.k);
	free(at_us.keys.k);
}

static void
add_scs_streams(struct gw_conf *c, struct many *m, const struct he_stkm *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct gw_conf_key *k = list[i].kms && list[i].kms->name && gw_conf_good(c, &list[i].ecm_id) ? another(c, m) : NULL;

		if (!k)
			continue;
		k->member = &list[i].ecm_id;
		snprintf(k->text, sizeof(k->text), "%u at KMS %s", list[i].ecm_id, list[i].kms->name);
	}
}

/* One ECM_id at a KMS is one service's stream, whoever asks for it: several BSD/As may. */
static bool
shared(const struct full *f, const struct he_bridge_stkm *s)
{
	for (size_t i = 0; i < f->h.nbridge; i++)
		for (size_t k = 0; k < f->h.bridge[i].nstkm; k++) {
			const struct he_bridge_stkm *o = &f->h.bridge[i].stkm[k];

			if (o == s)
				return false;
			if (o->kms == s->kms && o->ecm_id == s->ecm_id && o->service == s->service && o->peer != s->peer)
				return true;
		}
	return false;
}

static void
check_ecm_ids(struct gw_conf *c, const struct full *f)
{
	struct many ids = { .cap = 0 };

	for (size_t i = 0; i < f->h.nbridge; i++)
		for (size_t k = 0; k < f->h.bridge[i].nstkm; k++) {
			const struct he_bridge_stkm *s = &f->h.bridge[i].stkm[k];
			struct gw_conf_key *key = s->kms && s->kms->name && gw_conf_good(c, &s->ecm_id) && !shared(f, s) ? another(c, &ids) : NULL;

			if (!key)
				continue;
			key->member = &s->ecm_id;
			snprintf(key->text, sizeof(key->text), "%u at KMS %s", s->ecm_id, s->kms->name);
		}
	for (size_t i = 0; ids.keys.n && i < f->nservices; i++) {
		add_scs_streams(c, &ids, f->services[i].stkm, f->services[i].nstkm);
		for (size_t k = 0; k < f->services[i].nmedia; k++)
			add_scs_streams(c, &ids, f->services[i].media[k].stkm, f->services[i].media[k].nstkm);
	}
	gw_conf_unique(c, ids.keys.k, ids.keys.n, "streams have ecm_id");
	free(ids.keys.k);
}

static const struct he_bridge *
bridge_called(const struct full *f, const char *name)
{
	for (size_t i = 0; i < f->h.nbridge; i++)
		if (f->h.bridge[i].name && strcmp(f->h.bridge[i].name, name) == 0)
			return &f->h.bridge[i];
	return NULL;
}

/* In mode A the BSM makes the keys, so that the SCS must not. */
static void
check_mode_a(struct gw_conf *c, const struct full *f, const struct raw_service *s, const struct he_stkm *list, size_t n)
{
	for (size_t i = 0; i < f->h.nbridge; i++)
		for (size_t e = 0; e < f->h.bridge[i].necmg; e++)
			for (size_t k = 0; k < n; k++) {
				const struct he_bridge_ecmg *ecmg = &f->h.bridge[i].ecmg[e];

				if (ecmg->mode == HE_MODE_A && ecmg->kms && list[k].kms == ecmg->kms && !s->s.outside_keys && !gw_conf_given(c, &s->s.outside_keys))
					gw_conf_fail(c, &list[k].kms, "KMS %s makes the keys itself (mode a at bridge %s): the service needs keys: %s",
					    ecmg->kms->name ? ecmg->kms->name : "", f->h.bridge[i].name ? f->h.bridge[i].name : "",
					    f->h.bridge[i].name ? f->h.bridge[i].name : "");
			}
}

static void
check_outside_keys(struct gw_conf *c, const struct full *f, const struct raw_service *s)
{
	const struct he_bridge *b = s->s.outside_keys ? bridge_called(f, s->s.outside_keys) : NULL;

	if (s->s.outside_keys && !b)
		gw_conf_fail(c, &s->s.outside_keys, "keys: there is no bridge %.60s", s->s.outside_keys);
	else if (b && b->roles && !(b->roles & HE_ROLE_BSA))
		gw_conf_fail(c, &s->s.outside_keys, "keys: bridge %s has not the role bsa", b->name);
	check_mode_a(c, f, s, s->stkm, s->nstkm);
	for (size_t i = 0; i < s->nmedia; i++)
		check_mode_a(c, f, s, s->media[i].stkm, s->media[i].nstkm);
}

static void
set_global(struct gw_conf *c, struct full *f, const struct raw_service *s, char **member, const char *key, const char *dflt, struct many *ids)
{
	struct gw_conf_key *k;
	char text[256];

	if (!*member && !gw_conf_given(c, member) && s->s.id && f->h.head_end) {
		snprintf(text, sizeof(text), "urn:simulgate:%s:%s", f->h.head_end, s->s.id);
		gw_conf_text(c, member, dflt ? dflt : text);
	}
	check_identifier(c, member, key);
	if (!*member || !(k = another(c, ids)))
		return;
	k->member = gw_conf_given(c, member) ? (const void *)member : &s->s.id;
	snprintf(k->text, sizeof(k->text), "%.300s", *member);
}

static void
set_services(struct gw_conf *c, struct full *f)
{
	struct many services = { .cap = 0 }, contents = { .cap = 0 };

	for (size_t i = 0; i < f->nservices; i++) {
		struct he_service *s = &f->services[i].s;

		set_global(c, f, &f->services[i], &s->global_service_id, "global_service_id", NULL, &services);
		set_global(c, f, &f->services[i], &s->global_content_id, "global_content_id", s->global_service_id, &contents);
		check_outside_keys(c, f, &f->services[i]);
	}
	gw_conf_unique(c, services.keys.k, services.keys.n, "services have global_service_id");
	gw_conf_unique(c, contents.keys.k, contents.keys.n, "services have global_content_id");
	free(services.keys.k);
	free(contents.keys.k);
}

/* A store and the file of its key, which are nobody else's. */
static void
set_store(struct gw_conf *c, const struct full *f, const struct he_bridge *b, char **store, char **master, const char *suffix, struct many *all)
{
	struct gw_conf_key *k;
	char path[PATH_MAX];

	if (!*store && !gw_conf_given(c, store) && f->h.state && b->name) {
		snprintf(path, sizeof(path), "%s/bridge-%s.%s", f->h.state, b->name, suffix);
		gw_conf_text(c, store, path);
	}
	if (!*master && !gw_conf_given(c, master) && *store) {
		snprintf(path, sizeof(path), "%s.master", *store);
		gw_conf_text(c, master, path);
	}
	if (!*store || !(k = another(c, all)))
		return;
	k->member = store;
	snprintf(k->text, sizeof(k->text), "%s", *store);
}

static void
set_stores(struct gw_conf *c, struct full *f)
{
	struct many stores = { .cap = 0 };

	for (size_t i = 0; i < f->h.nbridge; i++) {
		struct he_bridge *b = &f->h.bridge[i];

		set_store(c, f, b, &b->store, &b->master, "db", &stores);
		set_store(c, f, b, &b->seaks, &b->seaks_master, "seaks", &stores);
	}
	gw_conf_unique(c, stores.keys.k, stores.keys.n, "bridges have the store");
	free(stores.keys.k);
}

/* A SEAK entry for each service, once a bridge. */
static void
check_seaks(struct gw_conf *c, const struct full *f)
{
	for (size_t i = 0; i < f->h.nbridge; i++) {
		const struct he_bridge *b = &f->h.bridge[i];

		for (size_t k = 0; k < b->nseak; k++)
			for (size_t o = 0; o < k; o++)
				if (b->seak[k].service && b->seak[o].service == b->seak[k].service)
					gw_conf_fail(c, &b->seak[k].service, "service %s has an entry already, in line %d",
					    b->seak[k].service->id ? b->seak[k].service->id : "", b->seak[o].at.line);
	}
}

/* A list of a bridge's entries has one for the service: the members lie at the same places of each. */
static bool
lists(const void *list, size_t n, size_t size, size_t at, const struct raw_service *s)
{
	for (size_t i = 0; i < n; i++) {
		const void *service;

		memcpy(&service, (const char *)list + i * size + at, sizeof(service));
		if (service == s)
			return true;
	}
	return false;
}
#define LISTS(b, list, n, s) lists((b)->list, (b)->n, sizeof((b)->list[0]), (size_t)((const char *)&(b)->list->service - (const char *)(b)->list), s)

/* A service of somebody else's head-end has neither media nor stkm here: it stands there for what the entries of a bridge say of it. */
static void
check_bare(struct gw_conf *c, const struct full *f)
{
	for (size_t i = 0; i < f->nservices; i++) {
		const struct raw_service *s = &f->services[i];
		bool named = s->nmedia || s->nstkm || s->s.scrambling == HE_NONE || gw_conf_given(c, &s->stkm);

		for (size_t k = 0; k < f->h.nbridge && !named; k++) {
			const struct he_bridge *b = &f->h.bridge[k];

			named = (b->nstkm && LISTS(b, stkm, nstkm, s)) || (b->nmux && LISTS(b, mux, nmux, s)) || (b->nemmg && LISTS(b, emmg, nemmg, s)) ||
			    (b->nseak && LISTS(b, seak, nseak, s));
		}
		if (!named)
			gw_conf_fail(c, s, "the service has no media");
	}
}

void
he_bridge_check_all(struct gw_conf *c, struct full *f)
{
	check_bare(c, f);
	set_services(c, f);
	set_stores(c, f);
	check_ports(c, f);
	check_data(c, f);
	check_ecm_ids(c, f);
	check_seaks(c, f);
}

static const struct he_service *
made(const struct full *f, const struct he_service *of_file)
{
	return &f->h.services[(const struct raw_service *)(const void *)of_file - f->services];
}

void
he_bridge_services(struct full *f)
{
	for (size_t i = 0; i < f->h.nbridge; i++) {
		struct he_bridge *b = &f->h.bridge[i];

		for (size_t k = 0; k < b->npeers; k++)
			for (size_t s = 0; s < b->peers[k].nservices; s++)
				b->peers[k].services[s] = made(f, b->peers[k].services[s]);
		for (size_t k = 0; k < b->nemmg; k++)
			b->emmg[k].service = made(f, b->emmg[k].service);
		for (size_t k = 0; k < b->nstkm; k++)
			b->stkm[k].service = made(f, b->stkm[k].service);
		for (size_t k = 0; k < b->nmux; k++)
			b->mux[k].service = made(f, b->mux[k].service);
		for (size_t k = 0; k < b->nseak; k++)
			b->seak[k].service = made(f, b->seak[k].service);
	}
}
