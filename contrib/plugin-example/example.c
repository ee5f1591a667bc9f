/*
 * example.c: a whole KMS as a plugin of simulgate-ecmg, to start one's own from. Its ECM is a private section, table_id
 * 0x80 | (CP_number & 1) as ETR 289 has it, whose receiver shares one AES key with it:
 *
 *	Super_CAS_id(4) ECM_id(2) CP_number(2) count(1), then count times CP(2) length(1) and the control word,
 *	wrapped under the shared key (RFC 5649)
 *
 * A real KMS has keys that expire, rights, and a card or DRM agent to prove them to.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <simulgate/kms-plugin.h>

enum { UNKNOWN_CAS = 0x0005, BAD_VALUE = 0x0011, UNKNOWN_ECM_ID = 0x0012, OTHER = 0x7000 };	/* error_status, TS 103 197 clause 5.6 */
enum { KEY = 16, HEAD = 3 + 4 + 2 + 2 + 1, CW_MAX = 64, WRAPPED_MAX = CW_MAX + 16, SECTION_MAX = 4096 };

/* One open() of the plugin: there are no globals, an ECMG may open it several times. */
struct kms {
	EVP_CIPHER_CTX *wrap;
	unsigned long super_cas_id, last_ecm_id;
};

#define REFUSE(status, ...) (snprintf(why, why_cap, __VA_ARGS__), -(status))

static int
read_key(struct kms *k, const char *path, char *why, size_t why_cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ok = 0;
	uint8_t key[KEY];
	struct stat st;

	if (fd < 0)
		return REFUSE(1, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) < 0 || (st.st_mode & 077) || read(fd, key, sizeof(key)) != (ssize_t)sizeof(key))
		snprintf(why, why_cap, "%s: wants a key of 16 octets that nobody else can read", path);
	else if (!(ok = EVP_EncryptInit_ex(k->wrap, EVP_aes_128_wrap_pad(), NULL, key, NULL) == 1))
		snprintf(why, why_cap, "the key cannot be used");
	OPENSSL_cleanse(key, sizeof(key));
	close(fd);
	return ok ? 0 : -1;
}

static int
read_number(unsigned long *out, const char *text, unsigned long max)
{
	char *end;

	errno = 0;
	*out = strtoul(text, &end, 0);
	return errno || *end || end == text || *text == '-' || *out > max ? -1 : 0;
}

/* One line of the settings. */
static int
set(struct kms *k, char *line, char *why, size_t why_cap)
{
	char *value = strchr(line, '=');

	if (!value)
		return REFUSE(1, "%s: a setting is KEY=VALUE", line);
	*value++ = '\0';
	if (strcmp(line, "key") == 0)
		return read_key(k, value, why, why_cap);
	if (strcmp(line, "super_cas_id") == 0 && read_number(&k->super_cas_id, value, UINT32_MAX) == 0)
		return 0;
	if (strcmp(line, "last_ecm_id") == 0 && read_number(&k->last_ecm_id, value, UINT16_MAX) == 0)
		return 0;
	return REFUSE(1, "%s=%s: no such setting, or a bad value", line, value);
}

static void
kms_close(void *state)
{
	struct kms *k = state;

	EVP_CIPHER_CTX_free(k->wrap);	/* cleanses the key */
	free(k);
}

static int
kms_open(const struct kms_host *host, const char *conf, void **state, char *why, size_t why_cap)
{
	struct kms *k = calloc(1, sizeof(*k));
	char *lines = strdup(conf), *rest = lines, *line;
	int rc = 0;

	if (k)
		k->wrap = EVP_CIPHER_CTX_new();
	if (!k || !lines || !k->wrap)
		rc = REFUSE(1, "out of memory");
	if (rc == 0) {
		EVP_CIPHER_CTX_set_flags(k->wrap, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
		k->last_ecm_id = UINT16_MAX;
	}
	while (rc == 0 && (line = strsep(&rest, "\n")) != NULL)
		if (*line)
			rc = set(k, line, why, why_cap);
	free(lines);
	if (rc == 0 && !EVP_CIPHER_CTX_get0_cipher(k->wrap))
		rc = REFUSE(1, "--set key=FILE is missing");
	if (rc < 0) {
		if (k)
			kms_close(k);
		return -1;
	}
	host->log(host->ctx, KMS_LOG_INFO, "the example KMS is open");
	*state = k;
	return 0;
}

static int
kms_channel(void *state, uint32_t super_cas_id, struct kms_channel *c, char *why, size_t why_cap)
{
	const struct kms *k = state;

	if (k->super_cas_id && k->super_cas_id != super_cas_id)
		return REFUSE(UNKNOWN_CAS, "Super_CAS_id 0x%08x is not served", (unsigned)super_cas_id);
	/* One control word in each ECM, which is on air from 0.2 s before its crypto-period until the next one's is. */
	*c = (struct kms_channel){ .CW_per_msg = 1, .lead_CW = 0, .delay_start = -200, .delay_stop = -200, .ECM_rep_period = 100,
		.min_CP_duration = 10, .max_comp_time = 100 };
	return 0;
}

static int
kms_stream(void *state, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t why_cap)
{
	const struct kms *k = state;

	(void)super_cas_id;
	return ecm_id <= k->last_ecm_id ? 0 : REFUSE(UNKNOWN_ECM_ID, "ECM_id %u: the last one is %lu", ecm_id, k->last_ecm_id);
}

static uint8_t *
put(uint8_t *p, uint32_t value, int octets)
{
	while (octets-- > 0)
		*p++ = (uint8_t)(value >> 8 * octets);
	return p;
}

static int
kms_ecm(void *state, const struct kms_request *r, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	struct kms *k = state;
	uint8_t *p = out + 3;
	int n;

	if (r->ncws > UINT8_MAX || HEAD + r->ncws * (3 + WRAPPED_MAX) > SECTION_MAX || HEAD + r->ncws * (3 + WRAPPED_MAX) > cap)
		return REFUSE(BAD_VALUE, "%zu control words are too many", r->ncws);
	p = put(p, r->super_cas_id, 4);
	p = put(p, r->ecm_id, 2);
	p = put(p, r->cp_number, 2);
	p = put(p, (uint32_t)r->ncws, 1);
	for (size_t i = 0; i < r->ncws; i++) {
		const struct kms_cw *cw = &r->cws[i];

		if (cw->cw_len == 0 || cw->cw_len > CW_MAX)
			return REFUSE(BAD_VALUE, "CP %u: a control word of %zu octets", cw->cp_number, cw->cw_len);
		if (EVP_EncryptInit_ex(k->wrap, NULL, NULL, NULL, NULL) != 1 ||
		    EVP_EncryptUpdate(k->wrap, p + 3, &n, cw->cw, (int)cw->cw_len) != 1)
			return REFUSE(OTHER, "CP %u: the control word cannot be wrapped", cw->cp_number);
		p = put(p, cw->cp_number, 2);
		p = put(p, (uint32_t)n, 1) + n;
	}
	put(out, 0x80u | (r->cp_number & 1u), 1);
	put(out + 1, 0x7000u | (uint32_t)(p - out - 3), 2);	/* private, reserved bits set, section_length */
	return (int)(p - out);
}

static const struct kms_plugin plugin = {
	.abi = KMS_PLUGIN_ABI, .size = sizeof(struct kms_plugin),
	.name = "example", .version = "1",
	.calling = KMS_INLINE,		/* microseconds: no thread is needed */
	.open = kms_open, .channel = kms_channel, .stream = kms_stream, .ecm = kms_ecm, .close = kms_close,
};

const struct kms_plugin *
kms_plugin_entry(void)
{
	return &plugin;
}
