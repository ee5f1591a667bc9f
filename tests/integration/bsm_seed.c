/*
 * tests/integration/bsm_seed.c: STORE NAME IMPI K OPC: a subscriber with a (U)SIM into a store that others have open. AMF b9b9.
 */
#include <stdio.h>
#include <string.h>
#include "kms/store.h"
#include "lib/hex.h"

int
main(int argc, char **argv)
{
	struct kms_subscriber s = { .provision = KMS_MILENAGE, .amf = { 0xb9, 0xb9 } };
	const struct kms_store_conf conf = { .path = argc == 6 ? argv[1] : "" };
	struct kms_store *store;
	struct gw_err err = { 0 };
	int64_t id;

	if (argc != 6 || gw_unhex(argv[4], s.k, sizeof(s.k)) != 16 || gw_unhex(argv[5], s.opc, sizeof(s.opc)) != 16) {
		fprintf(stderr, "usage: %s STORE NAME IMPI K OPC\n", argv[0]);
		return 64;
	}
	snprintf(s.name, sizeof(s.name), "%s", argv[2]);
	snprintf(s.impi, sizeof(s.impi), "%s", argv[3]);
	if (kms_store_open(&conf, &store, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	enum gw_outcome o = kms_subscriber_put(store, &s, &id);
	kms_store_close(store);
	return o != GW_WON;
}
