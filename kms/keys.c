/* kms/keys.c: see keys.h */
#include "kms/keys.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "lib/conf.h"
#include "proto/bcro.h"

enum { KEY = 16, RAND = 16, KEY_DOMAIN = 3 };
#define ROWS(a) a, sizeof(a) / sizeof((a)[0])
#define LIST_OF(tag, member, n) .offset = offsetof(struct tag, member), .size = sizeof(((struct tag *)0)->member), .count = offsetof(struct tag, n)
#define MEMBER(tag, member) .offset = offsetof(struct tag, member), .size = sizeof(((struct tag *)0)->member)
#define SIXTEEN .min = KEY, .max = KEY

static const struct gw_conf_row stream_rows[] = {
	{ "ecm_id", GW_CONF_UINT, MEMBER(keys_stream, ecm_id), .flags = GW_CONF_NEED, .meaning = "ECM_id of the STKM stream." },
	{ "service", GW_CONF_REF, MEMBER(keys_stream, service), .ref = "services", .flags = GW_CONF_NEED, .meaning = "Whose keys seal it." },
};
static const struct gw_conf_schema stream_schema = { ROWS(stream_rows), sizeof(struct keys_stream), .noun = "stream" };

/* What must not stand twice: ECM_ids, and the names of keys, which a receiver could not tell apart. */
struct names { struct gw_conf *conf; struct gw_conf_key *key; size_t n; };

static void
name_it(struct names *l, const void *member, const char *what, uint32_t id, bool hex)
{
	struct gw_conf_key *k = &l->key[l->n];

	if (!gw_conf_given(l->conf, member))
		return;
	snprintf(k->text, sizeof(k->text), hex ? "%s 0x%08" PRIx32 : "%s %" PRIu32, what, id);
	k->member = member;
	l->n++;
}

static struct names
name_streams(struct gw_conf *c, const struct keys_stream *s, size_t n, size_t more)
{
	struct names l = { c, calloc(n + more + 1, sizeof(struct gw_conf_key)), 0 };

	for (size_t k = 0; l.key && k < n; k++)
		name_it(&l, &s[k].ecm_id, "ECM_id", s[k].ecm_id, false);
	return l;
}

static void
check_names(struct names *l)
{
	gw_conf_unique(l->conf, l->key, l->n, "entries with");
	free(l->key);
}

/* --- DRM profile ------------------------------------------------------------------------------------------------------ */

static int
utc_of(const char *text, int64_t *out)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);

	int day = tm.tm_mday;

	if (!end || *end)
		return -1;
	*out = timegm(&tm);
	return tm.tm_mday == day ? 0 : -1;	/* no 31 February */
}

static void
check_seak(struct gw_conf *c, void *object)
{
	struct keys_seak *k = object;

	k->from_s = INT64_MIN;
	k->to_s = INT64_MAX;
	if (k->valid_from && utc_of(k->valid_from, &k->from_s) < 0)
		gw_conf_fail(c, &k->valid_from, "valid_from: not a time like 2026-11-21T10:30:00Z");
	else if (k->valid_to && utc_of(k->valid_to, &k->to_s) < 0)
		gw_conf_fail(c, &k->valid_to, "valid_to: not a time like 2026-11-21T10:30:00Z");
	else if (k->to_s <= k->from_s)
		gw_conf_fail(c, &k->valid_to, "valid_to is not after valid_from");
}

static const struct gw_conf_row seak_rows[] = {
	{ "service_CID_extension", GW_CONF_UINT, MEMBER(keys_seak, CID_extension), .flags = GW_CONF_NEED | GW_CONF_HEX,
		.meaning = "Names this SEAK in the STKM; changes with every new one." },
	{ "SEK", GW_CONF_SECRET, MEMBER(keys_seak, key), SIXTEEN, .flags = GW_CONF_NEED, .meaning = "Service encryption key." },
	{ "SAS", GW_CONF_SECRET, MEMBER(keys_seak, seed), SIXTEEN, .flags = GW_CONF_NEED, .meaning = "Service authentication seed." },
	{ "valid_from", GW_CONF_TEXT, MEMBER(keys_seak, valid_from), .meaning = "First second of validity, UTC." },
	{ "valid_to", GW_CONF_TEXT, MEMBER(keys_seak, valid_to), .meaning = "First second after it." },
};
static const struct gw_conf_row peak_rows[] = {
	{ "program_CID_extension", GW_CONF_UINT, MEMBER(keys_seak, CID_extension), .flags = GW_CONF_NEED | GW_CONF_HEX,
		.meaning = "Names this PEAK in the STKM." },
	{ "PEK", GW_CONF_SECRET, MEMBER(keys_seak, key), SIXTEEN, .flags = GW_CONF_NEED, .meaning = "Programme encryption key." },
	{ "PAS", GW_CONF_SECRET, MEMBER(keys_seak, seed), SIXTEEN, .flags = GW_CONF_NEED, .meaning = "Programme authentication seed." },
	{ "valid_from", GW_CONF_TEXT, MEMBER(keys_seak, valid_from), .meaning = "Start of the programme, UTC." },
	{ "valid_to", GW_CONF_TEXT, MEMBER(keys_seak, valid_to), .meaning = "Its end." },
};
static const struct gw_conf_schema seak_schema = { ROWS(seak_rows), sizeof(struct keys_seak), .noun = "SEAK", .check = check_seak };
static const struct gw_conf_schema peak_schema = { ROWS(peak_rows), sizeof(struct keys_seak), .noun = "PEAK", .check = check_seak };

static const struct gw_conf_row drm_service_rows[] = {
	{ "seak", GW_CONF_LIST, LIST_OF(keys_drm_service, seak, nseak), .sub = &seak_schema,
		.meaning = "Service keys; of those that are valid the one that became so last is used." },
	{ "peak", GW_CONF_LIST, LIST_OF(keys_drm_service, peak, npeak), .sub = &peak_schema,
		.meaning = "Programme keys; while one is valid, STKMs have the programme layer." },
	{ "synchronised", GW_CONF_BOOL, MEMBER(keys_drm_service, synchronised), .dflt = "false",
		.meaning = "Whether it has those of the store of SEAKs of a bridge, too, which the plugin's setting store names." },
};

static void
check_drm_service(struct gw_conf *c, void *object)
{
	struct keys_drm_service *s = object;

	if (s->nseak + s->npeak == 0 && !s->synchronised)
		gw_conf_fail(c, s, "a service needs a SEAK or a PEAK, unless it is synchronised");
}

static const struct gw_conf_schema drm_service_schema = { ROWS(drm_service_rows), sizeof(struct keys_drm_service), .noun = "service",
	.name = offsetof(struct keys_drm_service, name), .named = true, .check = check_drm_service };

/* --- DRM profile, rights on the broadcast channel --- */

static void
check_number(struct gw_conf *c, char *const *number)
{
	uint8_t bcd[BCRO_DEVICE_LEN];

	if (*number && bcro_device(*number, bcd) < 0)
		gw_conf_fail(c, number, "unique_device_number: not 20 digits");
}

static const struct gw_conf_row issuer_rows[] = {
	{ "private_key", GW_CONF_PATH, MEMBER(keys_issuer, private_key), .flags = GW_CONF_NEED | GW_CONF_KEYS,
		.meaning = "PEM file of the RSA key that signs registrations; mode 0600." },
	{ "RIAK", GW_CONF_SECRET, MEMBER(keys_issuer, RIAK), SIXTEEN, .flags = GW_CONF_NEED,
		.meaning = "Rights issuer authentication key: BCROs are signed under it." },
	{ "lead", GW_CONF_DURATION, MEMBER(keys_issuer, lead_ms), .dflt = "24h", .min = 1000, .max = INT64_C(366) * 86400000,
		.meaning = "How long before its valid_from a SEAK goes on air." },
};
static const struct gw_conf_schema issuer_schema = { ROWS(issuer_rows), sizeof(struct keys_issuer), .noun = "rights issuer" };
static const struct gw_conf_row right_rows[] = {
	{ "service", GW_CONF_REF, MEMBER(keys_right, service), .ref = "services", .flags = GW_CONF_NEED, .meaning = "Whose keys are sent." },
};
static const struct gw_conf_schema right_schema = { ROWS(right_rows), sizeof(struct keys_right), .noun = "right" };
static const struct gw_conf_row group_rows[] = {
	{ "address", GW_CONF_OCTETS, MEMBER(keys_group, address), .count = offsetof(struct keys_group, address_len), .min = BCRO_ADDRESS_LEN,
		.max = BCRO_ADDRESS_LEN, .flags = GW_CONF_NEED, .meaning = "Group address, 5 octets." },
	{ "UGK", GW_CONF_SECRET, MEMBER(keys_group, UGK), SIXTEEN, .flags = GW_CONF_NEED, .meaning = "Unique group key." },
	{ "rights", GW_CONF_LIST, LIST_OF(keys_group, rights, nrights), .sub = &right_schema,
		.meaning = "What the whole group may receive." },
};
static const struct gw_conf_schema group_schema = { ROWS(group_rows), sizeof(struct keys_group), .noun = "group",
	.name = offsetof(struct keys_group, name), .named = true };

static void
check_member(struct gw_conf *c, void *object)
{
	struct keys_member *m = object;

	check_number(c, &m->number);
	if (gw_conf_given(c, &m->position) && !gw_conf_given(c, &m->group))
		gw_conf_fail(c, &m->position, "position_in_group: the device is in no group");
}

static const struct gw_conf_row member_rows[] = {
	{ "unique_device_number", GW_CONF_TEXT, MEMBER(keys_member, number), .flags = GW_CONF_NEED, .meaning = "20 digits, as its user told them." },
	{ "public_key", GW_CONF_PATH, MEMBER(keys_member, public_key), .flags = GW_CONF_NEED | GW_CONF_READABLE,
		.meaning = "PEM file of the device's RSA key." },
	{ "UDK", GW_CONF_SECRET, MEMBER(keys_member, UDK), SIXTEEN, .flags = GW_CONF_NEED, .meaning = "Unique device key." },
	{ "UDF", GW_CONF_OCTETS, MEMBER(keys_member, UDF), .count = offsetof(struct keys_member, UDF_len), .min = BCRO_ADDRESS_LEN,
		.max = BCRO_ADDRESS_LEN, .flags = GW_CONF_NEED, .meaning = "Unique device filter, 5 octets: its address." },
	{ "group", GW_CONF_REF, MEMBER(keys_member, group), .ref = "groups", .meaning = "The group it is in." },
	{ "position_in_group", GW_CONF_UINT, MEMBER(keys_member, position), .meaning = "Its place there." },
	{ "rights", GW_CONF_LIST, LIST_OF(keys_member, rights, nrights), .sub = &right_schema,
		.meaning = "What this device alone may receive." },
};
static const struct gw_conf_schema member_schema = { ROWS(member_rows), sizeof(struct keys_member), .noun = "device",
	.check = check_member };

static void
check_device(struct gw_conf *c, void *object)
{
	check_number(c, &((struct keys_device *)object)->number);
}

static const struct gw_conf_row device_rows[] = {
	{ "unique_device_number", GW_CONF_TEXT, MEMBER(keys_device, number), .flags = GW_CONF_NEED, .meaning = "20 digits." },
	{ "private_key", GW_CONF_PATH, MEMBER(keys_device, private_key), .flags = GW_CONF_NEED | GW_CONF_KEYS,
		.meaning = "PEM file of the device's RSA key; mode 0600." },
	{ "rights_issuer", GW_CONF_PATH, MEMBER(keys_device, rights_issuer), .flags = GW_CONF_NEED | GW_CONF_READABLE,
		.meaning = "PEM file of the public key of the rights issuer it trusts." },
};
static const struct gw_conf_schema device_schema = { ROWS(device_rows), sizeof(struct keys_device), .noun = "device", .check = check_device };

static void
name_octets(struct names *l, const void *member, const char *what, const uint8_t *p, size_t n)
{
	struct gw_conf_key *k = &l->key[l->n];
	int at = snprintf(k->text, sizeof(k->text), "%s 0x", what);

	if (!p)
		return;
	for (size_t i = 0; i < n; i++)
		at += snprintf(k->text + at, sizeof(k->text) - (size_t)at, "%02x", p[i]);
	k->member = member;
	l->n++;
}

/* Two recipients with one address would each be told the other's keys are bad. */
static void
check_recipients(struct gw_conf *c, struct keys_drm *d)
{
	struct names l = { c, calloc(d->ngroups + 2 * d->ndevices + 1, sizeof(struct gw_conf_key)), 0 };

	for (size_t k = 0; l.key && k < d->ngroups; k++)
		name_octets(&l, &d->groups[k].address, "address", d->groups[k].address, d->groups[k].address_len);
	for (size_t k = 0; l.key && k < d->ndevices; k++) {
		struct keys_member *m = &d->devices[k];
		name_octets(&l, &m->UDF, "UDF", m->UDF, m->UDF_len);
		if (m->number) {
			snprintf(l.key[l.n].text, sizeof(l.key[l.n].text), "unique_device_number %.100s", m->number);
			l.key[l.n++].member = &m->number;
		}
	}
	check_names(&l);
}

/* What a file is for: services with their keys, or a device that gets them from the air. */
static void
check_kind(struct gw_conf *c, struct keys_drm *d)
{
	if (d->device.given && d->nservices + d->ngroups + d->ndevices > 0)
		gw_conf_fail(c, &d->device, "a device that gets its keys from the air has no services, groups or devices of its own");
	else if (!d->device.given && d->nservices == 0)
		gw_conf_fail(c, d, "the key file lacks services, or a device that gets their keys from the air");
	if (d->ngroups + d->ndevices > 0 && !gw_conf_given(c, &d->issuer))
		gw_conf_fail(c, d->ngroups ? (void *)&d->groups : (void *)&d->devices, "groups and devices need a rights_issuer");
}

static void
check_drm(struct gw_conf *c, void *object)
{
	struct keys_drm *d = object;
	size_t n = 0;

	check_kind(c, d);
	check_recipients(c, d);
	for (size_t s = 0; s < d->nservices; s++)
		n += d->services[s].nseak + d->services[s].npeak;
	struct names l = name_streams(c, d->streams, d->nstreams, n);
	for (size_t s = 0; l.key && s < d->nservices; s++) {
		const struct keys_drm_service *v = &d->services[s];
		for (size_t k = 0; k < v->nseak; k++)
			name_it(&l, &v->seak[k].CID_extension, "service_CID_extension", v->seak[k].CID_extension, true);
		for (size_t k = 0; k < v->npeak; k++)
			name_it(&l, &v->peak[k].CID_extension, "program_CID_extension", v->peak[k].CID_extension, true);
	}
	check_names(&l);
}

static const struct gw_conf_word drm_word[] = { { "drm", 1 } };
static const struct gw_conf_row drm_rows[] = {
	{ "profile", GW_CONF_ENUM, MEMBER(keys_drm, profile), .words = drm_word, .nwords = 1, .flags = GW_CONF_NEED,
		.meaning = "drm: keys of the DRM profile." },
	{ "base_cid", GW_CONF_TEXT, MEMBER(keys_drm, base_cid), .flags = GW_CONF_NEED, .meaning = "BaseCID of the services." },
	{ "services", GW_CONF_NAMED, LIST_OF(keys_drm, services, nservices), .sub = &drm_service_schema,
		.meaning = "Services and their keys." },
	{ "rights_issuer", GW_CONF_OBJECT, MEMBER(keys_drm, issuer), .has = offsetof(struct keys_drm, issuer.given), .sub = &issuer_schema,
		.meaning = "Sends rights on the broadcast channel." },
	{ "groups", GW_CONF_NAMED, LIST_OF(keys_drm, groups, ngroups), .sub = &group_schema, .meaning = "Groups of devices." },
	{ "devices", GW_CONF_LIST, LIST_OF(keys_drm, devices, ndevices), .sub = &member_schema, .meaning = "Devices that are registered." },
	{ "device", GW_CONF_OBJECT, MEMBER(keys_drm, device), .has = offsetof(struct keys_drm, device.given), .sub = &device_schema,
		.meaning = "A receiver that is registered, and gets its rights, on the broadcast channel." },
	{ "streams", GW_CONF_LIST, LIST_OF(keys_drm, streams, nstreams), .sub = &stream_schema,
		.meaning = "Which ECM_id belongs to which service; not needed when there is one service." },
};
static const struct gw_conf_schema drm_schema = { ROWS(drm_rows), sizeof(struct keys_drm), .noun = "key file", .check = check_drm };

/* --- Smartcard profile ------------------------------------------------------------------------------------------------ */

static void
check_sek(struct gw_conf *c, void *object)
{
	struct keys_sek *k = object;

	if (gw_conf_given(c, &k->id) && (k->id >> 16 == 0 || (k->id & 0xffff) == 0))
		gw_conf_fail(c, &k->id, "id: Key Group 0 and Key Number 0 are reserved");
	if (k->lower >= k->upper)
		gw_conf_fail(c, &k->upper, "upper is not above lower: the key would be unusable");
}

static const struct gw_conf_row sek_rows[] = {
	{ "id", GW_CONF_UINT, MEMBER(keys_sek, id), .flags = GW_CONF_NEED | GW_CONF_HEX, .meaning = "SEK/PEK ID: Key Group and Key Number." },
	{ "key", GW_CONF_SECRET, MEMBER(keys_sek, key), SIXTEEN, .flags = GW_CONF_NEED, .meaning = "The SEK or PEK." },
	{ "RAND", GW_CONF_OCTETS, MEMBER(keys_sek, rand), .count = offsetof(struct keys_sek, rand_len), .min = RAND, .max = RAND,
		.flags = GW_CONF_NEED, .meaning = "RAND of the LTKMs that carry the key." },
	{ "lower", GW_CONF_UINT, MEMBER(keys_sek, lower), .dflt = "0", .meaning = "TEK IDs begin above this." },
	{ "upper", GW_CONF_UINT, MEMBER(keys_sek, upper), .dflt = "65535", .meaning = "The last TEK ID." },
	{ "first_cp", GW_CONF_UINT, MEMBER(keys_sek, first_cp), .dflt = "0", .meaning = "CP_number at which the key comes into use." },
};
static const struct gw_conf_schema sek_schema = { ROWS(sek_rows), sizeof(struct keys_sek), .noun = "SEK", .check = check_sek };
static const struct gw_conf_row card_service_rows[] = {
	{ "sek", GW_CONF_LIST, LIST_OF(keys_card_service, sek, nsek), .sub = &sek_schema, .flags = GW_CONF_NEED,
		.meaning = "Service or programme keys, by first_cp." },
};
static const struct gw_conf_schema card_service_schema = { ROWS(card_service_rows), sizeof(struct keys_card_service), .noun = "service",
	.name = offsetof(struct keys_card_service, name), .named = true };
static void
check_card(struct gw_conf *c, void *object)
{
	struct keys_card *d = object;
	size_t n = 0;

	for (size_t s = 0; s < d->nservices; s++)
		n += d->services[s].nsek;
	struct names l = name_streams(c, d->streams, d->nstreams, n);
	for (size_t s = 0; l.key && s < d->nservices; s++)
		for (size_t k = 0; k < d->services[s].nsek; k++)
			name_it(&l, &d->services[s].sek[k].id, "id", d->services[s].sek[k].id, true);
	check_names(&l);
}

static const struct gw_conf_word card_word[] = { { "smartcard", 2 } };
static const struct gw_conf_row card_rows[] = {
	{ "profile", GW_CONF_ENUM, MEMBER(keys_card, profile), .words = card_word, .nwords = 1, .flags = GW_CONF_NEED,
		.meaning = "smartcard: keys of the Smartcard profile." },
	{ "key_domain", GW_CONF_OCTETS, MEMBER(keys_card, key_domain), .count = offsetof(struct keys_card, key_domain_len),
		.min = KEY_DOMAIN, .max = KEY_DOMAIN, .flags = GW_CONF_NEED, .meaning = "Key Domain ID: MCC and MNC in PLMN coding." },
	{ "services", GW_CONF_NAMED, LIST_OF(keys_card, services, nservices), .sub = &card_service_schema, .flags = GW_CONF_NEED,
		.meaning = "Services and their keys." },
	{ "streams", GW_CONF_LIST, LIST_OF(keys_card, streams, nstreams), .sub = &stream_schema,
		.meaning = "Which ECM_id belongs to which service; not needed when there is one service." },
};
static const struct gw_conf_schema card_schema = { ROWS(card_rows), sizeof(struct keys_card), .noun = "key file", .check = check_card };

/* --- loading ---------------------------------------------------------------------------------------------------------- */

/* From here on the keys live in their objects only; a rights issuer wraps them anew for each recipient. */
static int
make_seak(enum drm_layer layer, struct keys_seak *k, struct keys_drm *d, struct gw_err *err)
{
	k->made = drm_key_new(layer, k->CID_extension, k->key.p, k->seed.p, err);
	if (!k->made)
		return -1;
	drm_key_validity(k->made, k->from_s, k->to_s);
	if (!d->issuer.given) {
		gw_secret_free(&k->key);
		gw_secret_free(&k->seed);
	}
	d->all[d->nall++] = k->made;
	return 0;
}

static struct keys_seak *
find_seak(struct keys_seak *k, size_t n, uint32_t CID_extension)
{
	for (size_t i = 0; i < n; i++)
		if (k[i].CID_extension == CID_extension)
			return &k[i];
	return NULL;
}

int
keys_drm_add(struct keys_drm *d, const struct keys_more *m, struct gw_err *err)
{
	struct keys_drm_service *v = NULL;

	for (size_t s = 0; s < d->nservices; s++)
		if (strcmp(d->services[s].name, m->service) == 0)
			v = &d->services[s];
	if (!v || !v->synchronised)
		return 0;
	struct keys_seak **list = m->layer == DRM_SERVICE ? &v->seak : &v->peak;
	size_t *n = m->layer == DRM_SERVICE ? &v->nseak : &v->npeak;
	if (find_seak(*list, *n, m->CID_extension))
		return 0;
	struct drm_key **all = reallocarray(d->all, d->nall + 1, sizeof(*all));
	if (all)
		d->all = all;
	struct keys_seak *grown = reallocarray(*list, *n + 1, sizeof(*grown));
	if (grown)
		*list = grown;
	if (!all || !grown)
		return gw_fail(err, GW_ESYS, "no memory for a key");
	struct keys_seak *k = &grown[*n];
	*k = (struct keys_seak){ .CID_extension = m->CID_extension, .from_s = m->from_s, .to_s = m->to_s };
	++*n;
	if (gw_secret_set(&k->key, m->key, KEY) < 0 || gw_secret_set(&k->seed, m->key + KEY, KEY) < 0)
		return gw_fail(err, GW_ESYS, "no locked memory left");
	return make_seak(m->layer, k, d, err) < 0 ? -1 : 1;
}

static int
make_drm(struct keys_drm *d, struct gw_err *err)
{
	size_t n = 0;

	for (size_t s = 0; s < d->nservices; s++)
		n += d->services[s].nseak + d->services[s].npeak;
	d->all = calloc(n + 1, sizeof(struct drm_key *));
	if (!d->all)
		return gw_fail(err, GW_ESYS, "no memory for %zu keys", n);
	for (size_t s = 0; s < d->nservices; s++) {
		struct keys_drm_service *v = &d->services[s];
		for (size_t k = 0; k < v->nseak + v->npeak; k++)
			if (make_seak(k < v->nseak ? DRM_SERVICE : DRM_PROGRAM, k < v->nseak ? &v->seak[k] : &v->peak[k - v->nseak], d, err) < 0)
				return -1;
	}
	return 0;
}

int
keys_drm_load(const char *path, struct keys_drm *d, struct gw_err *err)
{
	memset(d, 0, sizeof(*d));
	if (gw_secret_file_ok(path, err) < 0 || gw_conf_load(&drm_schema, path, d, NULL, err) < 0)
		return -1;
	if (make_drm(d, err) == 0)
		return 0;
	keys_drm_free(d);
	return gw_wrap(err, "%s", path);
}

void
keys_drm_free(struct keys_drm *d)
{
	for (size_t k = 0; k < d->nall; k++)
		drm_key_free(d->all[k]);
	free(d->all);
	gw_conf_free(&drm_schema, d);
	memset(d, 0, sizeof(*d));
}

static int
make_card(struct keys_card *d, struct gw_err *err)
{
	size_t n = 0;

	for (size_t s = 0; s < d->nservices; s++)
		n += d->services[s].nsek;
	d->all = calloc(n, sizeof(struct msk *));
	if (!d->all)
		return gw_fail(err, GW_ESYS, "no memory for %zu keys", n);
	for (size_t s = 0; s < d->nservices; s++)
		for (size_t i = 0; i < d->services[s].nsek; i++) {
			struct keys_sek *k = &d->services[s].sek[i];
			struct mikey_ids ids = { .key_group = (uint16_t)(k->id >> 16), .key_number = (uint16_t)k->id };
			memcpy(ids.domain, d->key_domain, KEY_DOMAIN);
			k->made = msk_new(&ids, k->key.p, k->rand, k->rand_len, k->lower, k->upper, err);
			if (!k->made)
				return -1;
			gw_secret_free(&k->key);
			d->all[d->nall++] = k->made;
		}
	return 0;
}

int
keys_card_load(const char *path, struct keys_card *d, struct gw_err *err)
{
	memset(d, 0, sizeof(*d));
	if (gw_secret_file_ok(path, err) < 0 || gw_conf_load(&card_schema, path, d, NULL, err) < 0)
		return -1;
	if (make_card(d, err) == 0)
		return 0;
	keys_card_free(d);
	return gw_wrap(err, "%s", path);
}

void
keys_card_free(struct keys_card *d)
{
	for (size_t k = 0; k < d->nall; k++)
		msk_free(d->all[k]);
	free(d->all);
	gw_conf_free(&card_schema, d);
	memset(d, 0, sizeof(*d));
}

void
keys_print_mdoc(bool smartcard, FILE *f)
{
	gw_conf_print_mdoc(smartcard ? &card_schema : &drm_schema, f);
}

/* --- asking ----------------------------------------------------------------------------------------------------------- */

static const void *
by_stream(const struct keys_stream *s, size_t n, uint16_t ecm_id, const void *services, size_t nservices)
{
	for (size_t k = 0; k < n; k++)
		if (s[k].ecm_id == ecm_id)
			return s[k].service;
	return n == 0 && nservices == 1 ? services : NULL;
}

const struct keys_drm_service *
keys_drm_service(const struct keys_drm *d, uint16_t ecm_id)
{
	return by_stream(d->streams, d->nstreams, ecm_id, d->services, d->nservices);
}

const struct keys_card_service *
keys_card_service(const struct keys_card *d, uint16_t ecm_id)
{
	return by_stream(d->streams, d->nstreams, ecm_id, d->services, d->nservices);
}

struct drm_key *
keys_valid(const struct keys_seak *k, size_t n, int64_t now_s)
{
	const struct keys_seak *last = NULL;

	for (size_t i = 0; i < n; i++)
		if (drm_key_valid(k[i].made, now_s) && (!last || k[i].from_s > last->from_s ||
		    (k[i].from_s == last->from_s && k[i].CID_extension > last->CID_extension)))
			last = &k[i];
	return last ? last->made : NULL;
}

struct msk *
keys_sek_at(const struct keys_card_service *s, uint16_t cp, uint16_t *tek_id)
{
	const struct keys_sek *best = NULL;
	uint16_t id;

	for (size_t k = 0; k < s->nsek; k++)
		if (msk_tek_id(s->sek[k].made, s->sek[k].first_cp, cp, &id) == 0 &&
		    (!best || (uint16_t)(cp - s->sek[k].first_cp) < (uint16_t)(cp - best->first_cp))) {
			best = &s->sek[k];
			*tek_id = id;
		}
	return best ? best->made : NULL;
}
