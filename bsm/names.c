/* bsm/names.c */
#include "bsm/names.h"
#include <stdio.h>
#include <string.h>
#include "lib/log.h"

static const char naf_note[] = "bsm.naf", bsf_note[] = "bsm.bsf";
enum { PAGE = 1000 };

static bool
noted(struct kms_store *s, const char *name, char out[256])
{
	size_t len = 255;

	if (kms_note_get(s, name, out, &len, false) != GW_WON || len == 0)
		return false;
	out[len] = '\0';
	return true;
}

bool
bsm_names_get(struct kms_store *s, struct bsm_names *n)
{
	return noted(s, naf_note, n->naf) && noted(s, bsf_note, n->bsf);
}

struct search { int64_t last; size_t n; char name[KMS_NAME]; };

static int
find_ks(void *self, const struct kms_subscriber *r)
{
	struct search *f = self;

	f->last = r->id;
	f->n++;
	if (r->provision != KMS_KS)
		return 0;
	memcpy(f->name, r->name, sizeof(f->name));
	return 1;
}

/* A subscriber whose keys were made of a given Ks. "" in *f: there is none. */
static enum gw_outcome
somebody_with_ks(struct kms_store *s, struct search *f)
{
	enum gw_outcome o;

	*f = (struct search){ .last = 0 };
	do {
		f->n = 0;
		o = kms_subscribers(s, f->last, PAGE, find_ks, f);
	} while (o == GW_WON && !*f->name && f->n == PAGE);
	return o;
}

int
bsm_names_note(struct kms_store *s, const char *naf, const char *bsf, struct gw_err *err)
{
	struct bsm_names was = { { 0 }, { 0 } };
	struct search f;
	const bool there = bsm_names_get(s, &was);

	if (there && strcmp(was.naf, naf) == 0 && strcmp(was.bsf, bsf) == 0)
		return 0;
	if (there) {
		if (somebody_with_ks(s, &f) != GW_WON)
			return gw_fail(err, GW_ETEMP, "the store is not available");
		if (*f.name)
			return gw_fail(err, GW_ECONF, "the store's BSM was NAF %s, BSF %s, and is to be %s, %s: the keys of subscriber %s, who has provision ks, are "
			    "made of the old names: end such subscribers, and add them again afterwards", was.naf, was.bsf, naf, bsf, f.name);
		gw_log(GW_WARNING, "bsm_renamed", "subscribers have to bootstrap again under the new names", "naf=%s bsf=%s naf_was=%s bsf_was=%s", naf, bsf,
		    was.naf, was.bsf);
	}
	kms_store_begin(s);
	kms_note_put(s, naf_note, naf, strlen(naf), false);
	kms_note_put(s, bsf_note, bsf, strlen(bsf), false);
	return kms_store_flush(s) == GW_WON ? 0 : gw_fail(err, GW_ETEMP, "the store is busy");
}
