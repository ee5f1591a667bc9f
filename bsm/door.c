/* bsm/door.c */
#include "bsm/door.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char door_json[] = "application/json";
const char *const door_headers[] = { "authorization", "user-agent", "x-registered-address", "idempotency-key", NULL };

void
door_answer_init(struct door_answer *a)
{
	a->status = 500;
	a->type = NULL;
	a->body = NULL;
	a->len = 0;
	a->at_once = false;
	a->headers[0] = NULL;
}

void
door_answer_free(struct door_answer *a)
{
	free(a->body);
	a->body = NULL;
	a->len = 0;
}

int
door_answer_take(struct door_answer *a, unsigned status, const char *type, char *text)
{
	door_answer_free(a);
	a->status = text != NULL ? status : 500;
	a->type = text != NULL ? type : NULL;
	a->body = text;
	a->len = text != NULL ? strlen(text) : 0;
	return text != NULL ? 0 : -1;
}

int
door_answer_text(struct door_answer *a, unsigned status, const char *type, const char *text)
{
	return door_answer_take(a, status, type, strdup(text));
}

bool
door_answer_header(struct door_answer *a, const char *fmt, ...)
{
	size_t i = 0;
	va_list ap;
	int n;

	while (a->headers[i] != NULL)
		i++;
	if (i == DOOR_HEADERS)
		return false;
	va_start(ap, fmt);
	n = vsnprintf(a->text[i], DOOR_HEADER, fmt, ap);
	va_end(ap);
	if (n < 0 || n >= DOOR_HEADER)
		return false;
	a->headers[i] = a->text[i];
	a->headers[i + 1] = NULL;
	return true;
}

void
door_unavailable(struct door_answer *a)
{
	bool json = a->type != NULL && strcmp(a->type, door_json) == 0;

	door_answer_free(a);
	door_answer_init(a);
	if (json)
		door_answer_text(a, 503, door_json, "{\"error\":\"unavailable\",\"message\":\"not now; try again\",\"field\":null}");
	else
		door_answer_text(a, 503, "text/plain", "not now; try again\n");
	door_answer_header(a, "retry-after: 5");
}
