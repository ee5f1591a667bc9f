/* lib/srtp_old.c: SRTP's sender and receiver as they were before there were rows */
#include <stdlib.h>
#include <string.h>
#include "lib/srtp.h"
#include "lib/srtp_int.h"

static const int verdicts[GW_SRTP_VERDICTS] = {
	[GW_SRTP_OK] = GW_XF_OK, [GW_SRTP_NOT_RTP] = GW_XF_NOT_RTP, [GW_SRTP_NO_KEY] = GW_XF_NO_KEY, [GW_SRTP_REPEAT] = GW_XF_REPEAT,
	[GW_SRTP_OLD] = GW_XF_RESTART, [GW_SRTP_FULL] = GW_XF_FULL, [GW_SRTP_TAKEN] = GW_XF_TAKEN, [GW_SRTP_FORGED] = GW_XF_FORGED,
	[GW_SRTP_FAILED] = GW_XF_FAILED,
};

const char *
gw_srtp_verdict_name(int v)
{
	return v >= 0 && v < GW_SRTP_VERDICTS ? gw_verdict_name(verdicts[v]) : "unknown";
}

static int
verdict(int of_row)
{
	for (int v = 0; v < GW_SRTP_VERDICTS; v++)
		if (verdicts[v] == of_row)
			return v;
	return GW_SRTP_FAILED;
}

struct gw_srtp_tx {
	struct srtp_rtcp_mark rtcp;
	struct gw_tx *tx;
	struct gw_xkey *next;
};

static struct gw_material
material(const struct gw_srtp_key *k)
{
	struct gw_material m = { .id_len = k->mki_len, .tek = k->key, .salt = k->salt, .authenticated = k->authenticated };

	memcpy(m.id, k->mki, sizeof(m.id));
	return m;
}

struct gw_srtp_tx *
gw_srtp_tx_new(struct gw_srtp_mark *marks, size_t n)
{
	struct gw_tx_conf conf = { .engine = GW_ENGINE_LIBSRTP2, .sources = (unsigned)n };
	struct gw_srtp_tx *tx = calloc(1, sizeof(*tx));

	if (tx && (tx->tx = srtp_tx_new_at(&conf, &tx->rtcp, marks, NULL)))
		return tx;
	free(tx);
	return NULL;
}

void
gw_srtp_tx_free(struct gw_srtp_tx *tx)
{
	if (!tx)
		return;
	gw_srtp_tx_forget(tx);
	srtp_tx_free(tx->tx);
	free(tx);
}

int
gw_srtp_tx_prepare(struct gw_srtp_tx *tx, const struct gw_srtp_key *key, struct gw_err *err)
{
	struct gw_material m = material(key);

	srtp_xkey_free(tx->next);
	return (tx->next = srtp_key_new(tx->tx, &m, err)) ? 0 : -1;
}

void
gw_srtp_tx_switch(struct gw_srtp_tx *tx)
{
	if (tx->next)
		srtp_xkey_free(srtp_use(tx->tx, tx->next));
	tx->next = NULL;
}

void
gw_srtp_tx_forget(struct gw_srtp_tx *tx)
{
	srtp_xkey_free(srtp_use(tx->tx, NULL));
	srtp_xkey_free(tx->next);
	tx->next = NULL;
}

int
gw_srtp_protect(struct gw_srtp_tx *tx, uint32_t input, uint8_t *p, size_t *len)
{
	struct gw_tx_medium m = { .index = input };
	struct gw_pk pk = { .p = p, .len = *len };
	int v = srtp_protect_rtp(tx->tx, &m, &pk, NULL, NULL);

	if (v == GW_XF_OK)
		*len = pk.len;
	return verdict(v);
}

size_t
gw_srtp_tx_sources(const struct gw_srtp_tx *tx, uint32_t *roc)
{
	static _Thread_local struct gw_source s[GW_SRTP_SOURCES_MAX];
	size_t n = srtp_sources(tx->tx, s, GW_SRTP_SOURCES_MAX);

	*roc = 0;
	for (size_t i = 0; i < n; i++)
		*roc = s[i].roc > *roc ? s[i].roc : *roc;
	return n;
}

/* A receiver of the row by another name. */
static struct gw_rx *
row(struct gw_srtp_rx *rx)
{
	return (struct gw_rx *)rx;
}

struct gw_srtp_rx *
gw_srtp_rx_new(void)
{
	return (struct gw_srtp_rx *)srtp_rx_new(&(struct gw_rx_conf){ 0 }, NULL);
}

void
gw_srtp_rx_free(struct gw_srtp_rx *rx)
{
	srtp_rx_free(row(rx));
}

int
gw_srtp_rx_key(struct gw_srtp_rx *rx, const struct gw_srtp_key *key, struct gw_err *err)
{
	struct gw_material m = material(key);

	return srtp_rx_key(row(rx), &m, err);
}

void
gw_srtp_rx_drop(struct gw_srtp_rx *rx, const uint8_t *mki, size_t mki_len)
{
	srtp_rx_drop(row(rx), mki, mki_len);
}

int
gw_srtp_unprotect(struct gw_srtp_rx *rx, uint8_t *p, size_t *len, uint64_t *index)
{
	struct gw_pk pk = { .p = p, .len = *len };
	struct gw_rx_got got;
	int v = srtp_unprotect_rtp(row(rx), &pk, &got, NULL);

	if (v == GW_XF_OK) {
		*len = pk.len;
		*index = got.index;
	}
	return verdict(v);
}

const uint8_t *
gw_srtp_rx_mki(const struct gw_srtp_rx *rx, const uint8_t *p, size_t len, size_t *mki_len)
{
	const struct srtp_key *k = srtp_rx_key_of((const struct gw_rx *)rx, p, len);

	if (!k)
		return NULL;
	*mki_len = k->mki_len;
	return k->mki;
}
