/* bridge/errors.c */
#include "bridge/errors.h"
#include <stddef.h>
#include "proto/ecmg_scs.h"
#include "proto/emmg_mux.h"

struct range { uint16_t first, last; unsigned to; };
struct ranges { const struct range *v; size_t n; };
#define RANGES(a) { (a), sizeof(a) / sizeof((a)[0]) }

static const struct range of_ecmg[] = {
	{ 0x0001, 0x0001, BR_SEMANTIC }, { 0x0003, 0x0004, BR_SEMANTIC }, { 0x000e, 0x0011, BR_SEMANTIC },
	{ 0x0002, 0x0002, BR_VERSION },
	{ 0x0005, 0x0005, BR_UNKNOWN_SOURCE },		/* unknown Super_CAS_id */
	{ 0x0006, 0x0007, BR_NO_SERVICE }, { 0x0012, 0x0012, BR_NO_SERVICE },
	{ 0x0008, 0x000a, BR_DELAYED }, { 0x000c, 0x000d, BR_DELAYED },
	{ 0x000b, 0x000b, BR_MISSING },			/* not enough control words */
	{ 0x0013, 0x0015, BR_CONFLICT },
	{ 0x7000, 0x7001, BR_SERVER_ERROR },
};
static const struct range of_mux[] = {
	{ 0x0001, 0x0001, BR_SEMANTIC }, { 0x0003, 0x0004, BR_SEMANTIC }, { 0x000a, 0x000d, BR_SEMANTIC },
	{ 0x0002, 0x0002, BR_VERSION },
	{ 0x000e, 0x000e, BR_UNKNOWN_SOURCE },		/* unknown client_id */
	{ 0x0005, 0x0006, BR_NO_SERVICE }, { 0x0010, 0x0010, BR_NO_SERVICE },
	{ 0x0007, 0x0009, BR_DELAYED }, { 0x000f, 0x000f, BR_DELAYED },
	{ 0x0011, 0x0014, BR_CONFLICT },
	{ 0x7000, 0x7001, BR_SERVER_ERROR },
};
static const struct range of_http_ecmg[] = {
	{ 0, 0, ECMG_E_COMPUTATION }, { 500, 599, ECMG_E_COMPUTATION },
	{ 400, 400, ECMG_E_INVALID_MESSAGE },
	{ 401, 401, ECMG_E_BCAST + BR_NOT_ENTITLED }, { 403, 403, ECMG_E_BCAST + BR_NOT_ENTITLED },
};
static const struct range of_http_mux[] = {
	{ 400, 400, EMMG_E_INVALID_MESSAGE },
	{ 401, 401, ECMG_E_BCAST + BR_NOT_ENTITLED }, { 403, 403, ECMG_E_BCAST + BR_NOT_ENTITLED },
};
static const struct ranges statuses[] = { [BR_ECMG] = RANGES(of_ecmg), [BR_MUX] = RANGES(of_mux) };
static const struct ranges https[] = { [BR_ECMG] = RANGES(of_http_ecmg), [BR_MUX] = RANGES(of_http_mux) };

static unsigned
look_up(const struct ranges *r, unsigned key, unsigned other)
{
	for (size_t i = 0; i < r->n; i++)
		if (key >= r->v[i].first && key <= r->v[i].last)
			return r->v[i].to;
	return other;
}

unsigned
br_status_of(enum br_face face, uint16_t error_status)
{
	if (error_status > ECMG_E_BCAST && error_status <= ECMG_E_BCAST + UINT8_MAX)
		return error_status - ECMG_E_BCAST;
	return look_up(&statuses[face], error_status, BR_UNSPECIFIED);
}

uint16_t
br_error_of_status(unsigned status)
{
	return (uint16_t)(ECMG_E_BCAST + (status <= UINT8_MAX ? status : BR_UNSPECIFIED));
}

uint16_t
br_error_of_http(enum br_face face, unsigned http)
{
	return (uint16_t)look_up(&https[face], http, ECMG_E_UNKNOWN);
}
