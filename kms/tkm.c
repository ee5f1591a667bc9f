/* kms/tkm.c: see tkm.h */
#include "kms/tkm.h"
#include <string.h>
#include "kms/fauth.h"

int
tkm_of_cw(struct tkm *t, uint8_t protocol, bool authenticated, const void *cw, size_t len)
{
	t->layout = stkm_layout(protocol, authenticated, len == 8 ? STKM_CSA2 : STKM_CISSA);
	if (!t->layout || len != tkm_len(t))
		return -1;
	memcpy(t->cw, cw, len);
	return 0;
}

int
tkm_of_material(struct tkm *t, uint8_t protocol, bool authenticated, uint8_t cipher, const void *material, size_t len)
{
	const struct stkm_layout *l = stkm_layout(protocol, authenticated, cipher);
	const uint8_t *p = material;
	uint8_t pad = 0;

	if (!l || len != (size_t)l->tek + l->salt + l->pad + l->tas)
		return -1;
	t->layout = l;
	memcpy(t->cw, p, (size_t)l->tek + l->salt);
	p += l->tek + l->salt;
	for (int k = 0; k < l->pad; k++)
		pad |= *p++;
	memcpy(t->cw + l->tek + l->salt, p, l->tas);
	return pad ? -1 : 0;
}

size_t
tkm_material(const struct tkm *t, uint8_t out[STKM_MATERIAL_MAX])
{
	const struct stkm_layout *l = t->layout;
	uint8_t *p = out;

	memcpy(p, t->cw, (size_t)l->tek + l->salt);
	p += l->tek + l->salt;
	memset(p, 0, l->pad);
	p += l->pad;
	memcpy(p, tkm_tas(t), l->tas);
	return (size_t)(p - out) + l->tas;
}

int
tkm_tak(const struct tkm *t, uint8_t out[20])
{
	return t->layout->tas ? fauth(tkm_tas(t), FAUTH_TAK, out) : -1;
}
