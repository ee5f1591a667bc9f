/*
 * kms/mbms_xml.h: the documents of registration, deregistration, LTKM Request and bootstrapping (bcast-smartcard-profile 3.1, 3.4, 3.5).
 * Element names and media types stand in one table (Reading); parsers match local names and ignore unknown elements.
 */
#ifndef KMS_MBMS_XML_H
#define KMS_MBMS_XML_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"
#include "proto/mikey.h"

enum mbms_procedure { MBMS_REGISTER, MBMS_DEREGISTER, MBMS_MSK, MBMS_PROCEDURES };
enum { MBMS_ITEMS = 256, MBMS_URI = 512, MBMS_TRY_LATER = 503 };
extern const char mbms_all_services[];	/* urn:allServices */

/* One service or key asked for, or answered with a code (200, 403, 404, 503). */
struct mbms_item { char service[MBMS_URI]; struct mikey_ids key; unsigned code; };
struct mbms_list { struct mbms_item *items; size_t n; };	/* at most MBMS_ITEMS */
void mbms_list_free(struct mbms_list *);

const char *mbms_media_type(enum mbms_procedure, bool response);
const char *mbms_request_type(enum mbms_procedure);		/* "register", …: of the query */
int mbms_procedure_of(const char *content_type, const char *query);	/* content type first; -1: neither says */
int mbms_request_parse(enum mbms_procedure, const void *text, size_t len, struct mbms_list *, struct gw_err *);
int mbms_response_parse(enum mbms_procedure, const void *text, size_t len, struct mbms_list *, struct gw_err *);
/* Heap, NUL-terminated; NULL: no memory. */
char *mbms_request_print(enum mbms_procedure, const struct mbms_list *);
char *mbms_response_print(enum mbms_procedure, const struct mbms_list *);

/* BootstrappingInfo. */
char *mbms_bootstrapping_print(const char *btid, int64_t expires_us);
int mbms_bootstrapping_parse(const void *text, size_t len, char *btid, size_t cap, int64_t *expires_us, struct gw_err *);
extern const char mbms_bootstrapping_type[];
#endif
