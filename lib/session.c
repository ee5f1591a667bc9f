/* lib/session.c: session descriptions from the head-end's file */
#include "lib/session.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "proto/sdp.h"

enum { CONNECTION = 300, KMS_TYPE = 80 };

static const char stkm_format[] = "vnd.oma.bcast.stkm";
static const uint64_t NTP_1970 = UINT64_C(2208988800);

/* ---- what hangs on type and protection ---- */

static const struct type { const char *kind, *encoding, *clock, *fmtp, *protected_fmtp; } types[] = {
	[HE_TS] = { "video", "MP2T", "90000", "", "" },
	[HE_H264] = { "video", "H264", "90000", "packetization-mode=1",
		"streamtype=4; profile-level-id=1; mode=avc-video; DTSDeltaLength=22; randomAccessIndication=1" },
	[HE_AAC] = { "audio", "mpeg4-generic", "48000/2", "streamtype=5; profile-level-id=41; mode=AAC-hbr; sizeLength=13; indexLength=3; "
		"indexDeltaLength=3", NULL },	/* the same: it is one RTP payload format */
};
/* As lib/ismacryp writes access unit headers; the salt comes in the key stream. */
static const char ismacryp_fmtp[] = "ISMACrypCryptoSuite=AES_CTR_128; ISMACrypIVLength=4; ISMACrypDeltaIVLength=0; "
    "ISMACrypSelectiveEncryption=0; ISMACrypKeyIndicatorLength=1; ISMACrypKeyIndicatorPerAU=0";

enum { RCC_M2 = 3 };	/* SRTPAuthentication: RFC 4771's mode RCCm2 */

/* ---- addresses ---- */

/* The value of a c= line: a TTL for multicast of IPv4, which alone has one there. */
static void
connection(const struct gw_addr *a, char out[CONNECTION])
{
	bool v6 = a->numeric && a->ss.ss_family == AF_INET6;

	if (!v6 && gw_addr_multicast(a))
		snprintf(out, CONNECTION, "IN IP4 %s/%u", a->host, a->ttl);
	else
		snprintf(out, CONNECTION, "IN %s %s", v6 ? "IP6" : "IP4", a->host);
}

/* The one of the session is the first medium's; others are said where they differ. */
static void
put_connection(struct sdp_writer *w, const struct gw_addr *a, const char *session)
{
	char own[CONNECTION];

	connection(a, own);
	if (strcmp(own, session) != 0)
		sdp_put(w, 'c', "%s", own);
}

/* RFC 4570: whom to join for, where we say where packets come from. */
static void
put_filter(struct sdp_writer *w, const struct gw_addr *a)
{
	if (a->source[0] && gw_addr_multicast(a))
		sdp_put(w, 'a', "source-filter: incl IN IP%c %s %s", a->ss.ss_family == AF_INET6 ? '6' : '4', a->host, a->source);
}

/* ---- media ---- */

/* Whether a list "a=1; b=2" names that parameter; names are compared without regard to case. */
static bool
names_parameter(const char *list, const char *name, size_t len)
{
	for (const char *p = list; *p; p += strcspn(p, ";"), p += *p == ';') {
		p += strspn(p, " ");
		if (strncasecmp(p, name, len) == 0 && (p[len] == '=' || p[len] == ';' || p[len] == ' ' || p[len] == '\0'))
			return true;
	}
	return false;
}

/* Those of `list` that are not in out yet. */
static void
add_parameters(char *out, size_t cap, const char *list)
{
	char given[GW_SESSION_MAX / 4];

	snprintf(given, sizeof(given), "%s", out);
	for (const char *p = list; *p; ) {
		size_t len = strcspn(p, ";"), n = strlen(out);

		if (!names_parameter(given, p, strcspn(p, "=;")))
			snprintf(out + n, cap - n, "%s%.*s", n ? "; " : "", (int)len, p);
		p += len;
		p += strspn(p, "; ");
	}
}

static void
put_formats(struct sdp_writer *w, const struct he_service *s, const struct he_medium *m)
{
	const struct type *t = &types[m->type];
	bool isma = s->scrambling == HE_ISMACRYP;
	const char *slash = m->rtpmap ? strchr(m->rtpmap, '/') : NULL, *clock = slash ? slash + 1 : t->clock;
	char fmtp[GW_SESSION_MAX / 4];

	if (isma)
		sdp_put(w, 'a', "rtpmap:%u enc-mpeg4-generic/%s", m->payload_type, clock);
	else if (m->rtpmap)
		sdp_put(w, 'a', "rtpmap:%u %s", m->payload_type, m->rtpmap);
	else
		sdp_put(w, 'a', "rtpmap:%u %s/%s", m->payload_type, t->encoding, clock);
	snprintf(fmtp, sizeof(fmtp), "%s", m->fmtp ? m->fmtp : "");
	add_parameters(fmtp, sizeof(fmtp), isma && t->protected_fmtp ? t->protected_fmtp : t->fmtp);
	if (isma)
		add_parameters(fmtp, sizeof(fmtp), ismacryp_fmtp);
	if (*fmtp)
		sdp_put(w, 'a', "fmtp:%u %s", m->payload_type, fmtp);
}

/* On air by itself: a stream without an out is for another multiplexer, one with a PID in a transport stream, whose PMT tells of it. */
static bool
described(const struct he_stkm *k)
{
	return k->out.scheme && !k->out.pid;
}

static void
put_stkmstreams(struct sdp_writer *w, const struct he_unit *u)
{
	for (size_t i = 0; i < u->nstkm; i++)
		if (described(&u->stkm[i]))
			sdp_put(w, 'a', "stkmstream:%u", u->stkm[i].ecm_id);
}

static const struct he_unit *
unit_of(const struct he_service *s, const struct he_medium *m)
{
	for (size_t i = 0; i < s->nunits; i++)
		for (size_t j = 0; j < s->units[i].nmedia; j++)
			if (s->units[i].media[j] == m)
				return &s->units[i];
	return NULL;
}

static void
put_sources(struct sdp_writer *w, const struct gw_session_more *more, size_t medium)
{
	const struct gw_session_source *list;
	size_t n = more->sources ? more->sources(more->self, medium, &list) : 0;

	for (size_t i = 0; i < n; i++)
		sdp_put(w, 'a', "X-simulgate-roc:%" PRIu32 " %" PRIu32, list[i].ssrc, list[i].roc);
}

static void
put_medium(struct sdp_writer *w, const struct he_service *s, size_t i, const char *session, bool shared, const struct gw_session_more *more)
{
	const struct he_medium *m = &s->media[i];
	const struct he_unit *u = unit_of(s, m);

	if (m->rtp) {
		sdp_put(w, 'm', "%s %u RTP/%s %u", types[m->type].kind, m->out.port, s->scrambling == HE_SRTP ? "SAVP" : "AVP", m->payload_type);
		put_connection(w, &m->out, session);
		put_formats(w, s, m);
	} else {
		sdp_put(w, 'm', "%s %u UDP %s", types[m->type].kind, m->out.port, types[m->type].encoding);
		put_connection(w, &m->out, session);
	}
	put_filter(w, &m->out);
	if (!shared && u)
		put_stkmstreams(w, u);
	if (s->scrambling == HE_SRTP && s->rcc) {
		sdp_put(w, 'a', "SRTPAuthentication:%d", RCC_M2);
		sdp_put(w, 'a', "SRTPROCTxRate:%" PRIu32, s->rcc);
	}
	put_sources(w, more, i);
}

/* ---- key streams ---- */

/* The KMSType of the service guide for the BCAST profiles; others are named by what SimulCrypt calls them. */
static void
kms_type(const struct he_kms *k, char out[KMS_TYPE])
{
	static const struct { uint32_t cas; const char *type; } known[] = { { 0x0001, "oma-bcast-drm-pki" }, { 0x0002, "oma-bcast-gba_u-mbms" } };

	snprintf(out, KMS_TYPE, "simulcrypt-%08" PRIx32, k->super_cas_id);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (k->super_cas_id >> 16 == known[i].cas)
			snprintf(out, KMS_TYPE, "%s", known[i].type);
	if (k->kms_type)
		snprintf(out, KMS_TYPE, "%s", k->kms_type);
}

static void
put_stkm(struct sdp_writer *w, const struct he_service *s, const struct he_stkm *k, const char *session)
{
	char fmtp[4096], type[KMS_TYPE], cid[2048];
	size_t n;

	kms_type(k->kms, type);
	n = (size_t)snprintf(fmtp, sizeof(fmtp), "streamid=%u;kmstype=%s", k->ecm_id, type);
	if (k->kms->service_provider)
		n += (size_t)snprintf(fmtp + n, sizeof(fmtp) - n, ";serviceprovider=%.1024s", k->kms->service_provider);
	if (k->base_cid && sdp_escape(k->base_cid, cid, sizeof(cid)) < sizeof(cid))
		n += (size_t)snprintf(fmtp + n, sizeof(fmtp) - n, ";baseCID=%s", cid);
	if (k->srv_cid_ext.set)
		n += (size_t)snprintf(fmtp + n, sizeof(fmtp) - n, ";srvCIDExt=%" PRIX32, k->srv_cid_ext.v);
	if (k->prg_cid_ext.set)
		n += (size_t)snprintf(fmtp + n, sizeof(fmtp) - n, ";prgCIDExt=%" PRIX32, k->prg_cid_ext.v);
	if (s->scrambling == HE_CISSA)	/* no protocol of BCAST: receivers must be told */
		snprintf(fmtp + n, sizeof(fmtp) - n, ";protocol=%d", HE_CISSA);
	sdp_put(w, 'm', "application %u UDP %s", k->out.port, stkm_format);
	put_connection(w, &k->out, session);
	put_filter(w, &k->out);
	sdp_put(w, 'a', "fmtp:%s %s", stkm_format, fmtp);
}

/* ---- the session ---- */

/* FNV-1a of the names; below 2^63, since some read it as a signed number. */
static uint64_t
session_id(const struct headend *h, const struct he_service *s)
{
	const char *names[] = { h->head_end, s->id };
	uint64_t id = UINT64_C(14695981039346656037);

	if (s->session_id.set)
		return s->session_id.v;
	for (size_t i = 0; i < 2; i++) {
		for (const char *p = names[i]; *p; p++)
			id = (id ^ (unsigned char)*p) * UINT64_C(1099511628211);
		id = (id ^ '/') * UINT64_C(1099511628211);
	}
	return id >> 1;
}

uint64_t
gw_session_version(const struct headend *h)
{
	struct stat st;

	return stat(h->file, &st) == 0 && st.st_mtime >= 0 ? (uint64_t)st.st_mtime + NTP_1970 : 1;
}

/* Several media with one unit: its key streams are said once. */
static bool
one_unit_for_all(const struct he_service *s)
{
	return s->nunits == 1 && s->nmedia > 1;
}

size_t
gw_session_write(const struct headend *h, const struct he_service *s, const struct gw_session_more *more, char *out, size_t cap, struct gw_err *err)
{
	bool shared = one_unit_for_all(s), v6 = strchr(h->session.origin, ':') != NULL;
	char session[CONNECTION];
	struct sdp_writer w;
	size_t n;

	if (s->scrambling == HE_NONE || !s->nmedia) {
		gw_fail(err, GW_ECONF, "%s:%d:%d: service %s sends no media: there is no session to describe", h->file, s->at.line, s->at.column, s->id);
		return 0;
	}
	connection(&s->media[0].out, session);
	sdp_begin(&w, out, cap);
	sdp_put(&w, 'v', "0");
	sdp_put(&w, 'o', "%s %" PRIu64 " %" PRIu64 " IN IP%c %s", h->session.owner, session_id(h, s), more->version, v6 ? '6' : '4', h->session.origin);
	sdp_put(&w, 's', "%s", s->title ? s->title : s->id);
	sdp_put(&w, 'c', "%s", session);
	sdp_put(&w, 't', "0 0");
	sdp_put(&w, 'a', "bcastversion:1.0");
	if (shared)
		put_stkmstreams(&w, &s->units[0]);
	for (size_t i = 0; i < s->nmedia; i++)
		put_medium(&w, s, i, session, shared, more);
	for (size_t i = 0; i < s->nunits; i++)
		for (size_t k = 0; k < s->units[i].nstkm; k++)
			if (described(&s->units[i].stkm[k]))
				put_stkm(&w, s, &s->units[i].stkm[k], session);
	n = sdp_end(&w);
	if (n == 0)
		gw_fail(err, GW_ECONF, "%s:%d:%d: service %s: its session description does not fit %zu octets", h->file, s->at.line, s->at.column, s->id, cap);
	return n;
}
