/* lib/burst_noipsecmb.c: where intel-ipsec-mb is not built in: there is never a struct mb, and what takes one is never called */
#include <string.h>
#include "lib/burst_int.h"

struct mb *
mb_new(void)
{
	return NULL;
}

void
mb_free(struct mb *mb)
{
	(void)mb;
}

void
mb_expand(const uint8_t key[GW_AES_KEY], uint8_t enc[11 * GW_AES_BLOCK])
{
	(void)key;
	memset(enc, 0, 11 * GW_AES_BLOCK);
}

bool
mb_can_ctr(const uint8_t *iv, size_t len)
{
	(void)iv, (void)len;
	return false;
}

void
mb_ctr(struct gw_burst *b, const struct gw_aes *key, const uint8_t *iv, unsigned skip, uint8_t *p, size_t len)
{
	(void)b, (void)key, (void)iv, (void)skip, (void)p, (void)len;
}

void
mb_cbc(struct gw_burst *b, const struct gw_aes *key, const uint8_t *iv, uint8_t *p, size_t len)
{
	(void)b, (void)key, (void)iv, (void)p, (void)len;
}

struct mac_job *
mb_mac(struct gw_burst *b, const struct gw_hmac *key, const uint8_t *p, size_t len)
{
	(void)key, (void)p, (void)len;
	return b->mac;
}

void
mb_run_ciphers(struct gw_burst *b)
{
	(void)b;
}

void
mb_run_macs(struct gw_burst *b)
{
	(void)b;
}
