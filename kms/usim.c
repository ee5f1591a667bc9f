/* kms/usim.c: see usim.h */
#include "kms/usim.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "kms/gba.h"
#include "lib/conf.h"

enum { BTID = 280, NAME = 255 };
#define ROWS(a) a, sizeof(a) / sizeof((a)[0])
#define MEMBER(member) GW_CONF_AT(usim, member)
#define OCTETS(member, n) .count = offsetof(struct usim, member), .min = (n), .max = (n)

static const struct gw_conf_word provisions[] = { { "milenage", USIM_MILENAGE }, { "ks", USIM_KS }, { "keys", USIM_KEYS } };
static const struct gw_conf_word modes[] = { { "u", false }, { "me", true } };

static const struct gw_conf_row rows[] = {
	{ "provision", GW_CONF_ENUM, MEMBER(provision), .words = provisions, .nwords = 3, .dflt = "milenage",
		.meaning = "Where its keys come from: bootstrapping, with MILENAGE in the card; a Ks that both sides were given; or an SMK and an SRK." },
	{ "impi", GW_CONF_TEXT, MEMBER(impi), .meaning = "Private identity of the subscriber, as 001010123456789@ims.mnc001.mcc001.3gppnetwork.org." },
	{ "msisdn", GW_CONF_TEXT, MEMBER(msisdn), .meaning = "Number that SMS are sent to, digits only. Without it there are none." },
	{ "naf", GW_CONF_TEXT, MEMBER(naf), .flags = GW_CONF_NEED, .meaning = "FQDN of the BSM as a NAF: IDi of its messages." },
	{ "bsf", GW_CONF_TEXT, MEMBER(bsf), .meaning = "FQDN of the bootstrapping server: behind the @ of the B-TID. Not with keys." },
	{ "gba_mode", GW_CONF_ENUM, MEMBER(gba_me), .words = modes, .nwords = 2, .dflt = "u",
		.meaning = "Whose keys they are: of a card that knows GBA (u), or of the phone (me)." },
	{ "k", GW_CONF_SECRET, MEMBER(k), .min = 16, .max = 16, .meaning = "MILENAGE: the subscriber's key." },
	{ "opc", GW_CONF_SECRET, MEMBER(opc), .min = 16, .max = 16, .meaning = "MILENAGE: OPc; or, in its place," },
	{ "op", GW_CONF_SECRET, MEMBER(op), .min = 16, .max = 16, .meaning = "the operator's OP, which OPc is made of." },
	{ "sqn", GW_CONF_OCTETS, MEMBER(sqn), OCTETS(sqn_len, 6),
		.meaning = "MILENAGE: sequence number of a new card, 0 by default. What the phone has accepted since is in its state." },
	{ "amf", GW_CONF_OCTETS, MEMBER(amf), OCTETS(amf_len, 2), .meaning = "MILENAGE: authentication management field, 0x8000 by default." },
	{ "gba_u_mac_star", GW_CONF_BOOL, MEMBER(mac_star), .dflt = "false", .meaning = "Whether AUTN has the MAC* of GBA_U, as the BSM's gba_u_mac_star." },
	{ "rand", GW_CONF_OCTETS, MEMBER(rand), OCTETS(rand_len, 16), .meaning = "Ks: the RAND that it belongs to, in the B-TID." },
	{ "ks", GW_CONF_SECRET, MEMBER(ks), .min = 32, .max = 32, .meaning = "Ks: CK and IK." },
	{ "btid", GW_CONF_TEXT, MEMBER(btid), .meaning = "Keys: the B-TID, which names them." },
	{ "smk", GW_CONF_SECRET, MEMBER(smk), .min = 32, .max = 32, .meaning = "Keys: subscriber management key." },
	{ "srk", GW_CONF_SECRET, MEMBER(srk), .min = 32, .max = 32, .meaning = "Keys: subscriber request key." },
	{ "ca", GW_CONF_PATH, MEMBER(ca), .flags = GW_CONF_READABLE,
		.meaning = "PEM file of who vouches for the certificates of BSM and BSF over HTTPS. The default is the system's." },
	{ "lifetime", GW_CONF_DURATION, MEMBER(lifetime_ms), .meaning = "Ks, keys: how long they may be used, from the first time on; for good by default." },
	{ "registration", GW_CONF_DURATION, MEMBER(registration_ms), .dflt = "1h", .min = 1000, .max = INT64_C(30) * 86400000,
		.meaning = "How long the BSM keeps a registration (registration of bsm). The phone registers again after half of it." },
	{ "request_delay", GW_CONF_DURATION, MEMBER(request_delay_ms), .dflt = "10s", .max = 600000,
		.meaning = "An LTKM Request waits a random time up to this, lest many phones ask at once." },
	{ "repeat_verifications", GW_CONF_BOOL, MEMBER(repeat_verifications), .dflt = "true",
		.meaning = "Whether an LTKM that comes again octet by octet, since its verification was lost, is verified again. A card that goes by "
		"its counter alone does not." },
	{ "errors", GW_CONF_BOOL, MEMBER(errors), .dflt = "false", .meaning = "Whether messages that are refused are answered with MIKEY errors." },
};

/* What each kind of provision needs, and what belongs to another. */
static const struct need { const char *key; size_t at; unsigned must, may; } needs[] = {
#define AT(m) offsetof(struct usim, m)
#define ONLY(p) (1u << (p))
	{ "impi", AT(impi), ONLY(USIM_MILENAGE) | ONLY(USIM_KS), ONLY(USIM_KEYS) },
	{ "bsf",  AT(bsf),  ONLY(USIM_MILENAGE) | ONLY(USIM_KS), ONLY(USIM_KEYS) },
	{ "k",    AT(k),    ONLY(USIM_MILENAGE), 0 },
	{ "opc",  AT(opc),  0, ONLY(USIM_MILENAGE) },
	{ "op",   AT(op),   0, ONLY(USIM_MILENAGE) },
	{ "sqn",  AT(sqn),  0, ONLY(USIM_MILENAGE) },
	{ "amf",  AT(amf),  0, ONLY(USIM_MILENAGE) },
	{ "gba_u_mac_star", AT(mac_star), 0, ONLY(USIM_MILENAGE) },
	{ "rand", AT(rand), ONLY(USIM_KS), 0 },
	{ "ks",   AT(ks),   ONLY(USIM_KS), 0 },
	{ "btid", AT(btid), ONLY(USIM_KEYS), 0 },
	{ "smk",  AT(smk),  ONLY(USIM_KEYS), 0 },
	{ "srk",  AT(srk),  ONLY(USIM_KEYS), 0 },
	{ "lifetime", AT(lifetime_ms), 0, ONLY(USIM_KS) | ONLY(USIM_KEYS) },
};

/* Names go into headers and quoted strings as they are. */
static void
check_name(struct gw_conf *c, char *const *name, const char *key)
{
	size_t n = *name ? strlen(*name) : 1;

	if (n == 0 || n > NAME || (*name && (*name)[strcspn(*name, "\"\\ \t\r\n")] != '\0'))
		gw_conf_fail(c, name, "%s: 1 to %d characters without blanks, quotes and backslashes", key, NAME);
}

static void
check_file(struct gw_conf *c, void *object)
{
	struct usim *u = object;
	const unsigned kind = 1u << u->provision;

	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		const struct need *n = &needs[i];
		const void *member = (const char *)object + n->at;
		if ((n->must & kind) && !gw_conf_given(c, member))
			gw_conf_fail(c, u, "%s is missing: provision %s needs it", n->key, provisions[u->provision].word);
		else if (!((n->must | n->may) & kind) && gw_conf_given(c, member))
			gw_conf_fail(c, member, "%s is nothing of provision %s", n->key, provisions[u->provision].word);
	}
	if (u->provision == USIM_MILENAGE && gw_conf_given(c, &u->opc) == gw_conf_given(c, &u->op))
		gw_conf_fail(c, u, "one of opc and op is needed");
	check_name(c, &u->impi, "impi");
	check_name(c, &u->naf, "naf");
	check_name(c, &u->bsf, "bsf");
	check_name(c, &u->btid, "btid");
	for (const char *d = u->msisdn; d && *d; d++)
		if (!isdigit((unsigned char)*d)) {
			gw_conf_fail(c, &u->msisdn, "msisdn: digits only");
			break;
		}
}

static const struct gw_conf_schema schema = { ROWS(rows), sizeof(struct usim), .noun = "card file", .check = check_file };

static int
fill(uint8_t **p, size_t *len, size_t want, uint8_t first)
{
	if (*p)
		return 0;
	if (!(*p = calloc(1, want)))
		return -1;
	**p = first;
	*len = want;
	return 0;
}

/* What follows from the rest. */
static int
complete(struct usim *u, struct gw_err *err)
{
	if (u->provision == USIM_MILENAGE) {
		if (fill(&u->sqn, &u->sqn_len, 6, 0) < 0 || fill(&u->amf, &u->amf_len, 2, 0x80) < 0)
			return gw_fail(err, GW_ESYS, "no memory");
		if (u->op.p && (gw_secret_new(&u->opc, 16) < 0 || milenage_opc(u->k.p, u->op.p, u->opc.p) < 0))
			return gw_fail(err, GW_ECRYPTO, "OPc cannot be made of OP");
		gw_secret_free(&u->op);
	}
	if (u->provision == USIM_KS) {
		char btid[BTID];
		if (gba_btid(u->rand, u->bsf, btid, sizeof(btid)) == 0)
			return gw_fail(err, GW_ECONF, "bsf is too long for a B-TID");
		if (!(u->btid = strdup(btid)))
			return gw_fail(err, GW_ESYS, "no memory");
	}
	return 0;
}

int
usim_load(const char *path, struct usim *u, struct gw_err *err)
{
	memset(u, 0, sizeof(*u));
	if (gw_secret_file_ok(path, err) < 0 || gw_conf_load(&schema, path, u, NULL, err) < 0)
		return -1;
	if (complete(u, err) == 0)
		return 0;
	usim_free(u);
	return gw_wrap(err, "%s: ", path);
}

void
usim_free(struct usim *u)
{
	gw_conf_free(&schema, u);
	memset(u, 0, sizeof(*u));
}

void
usim_print_mdoc(FILE *f)
{
	gw_conf_print_mdoc(&schema, f);
}
