/*
 * otel: where spans go and who sends them, from OpenTelemetry's environment variables
 * (opentelemetry.io/docs/specs/otel/protocol/exporter). OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is taken
 * as it stands; to OTEL_EXPORTER_OTLP_ENDPOINT "/v1/traces" is appended. Headers and resource
 * attributes are lists "name=value,name=value" with percent-encoded values.
 */
#ifndef ENGINE_OTEL_H
#define ENGINE_OTEL_H

#include "engine/settings.h"

enum { OTEL_HEADERS_MAX = 10, OTEL_RESOURCE_MAX = 32 };

struct otel {
	char *url;			 /* NULL: nobody collects */
	char *headers[OTEL_HEADERS_MAX]; /* "name: value" */
	int n_headers;
	char *resource; /* JSON: {"attributes":[…]} */
};

/* False (ERR_USAGE): the sentence names the variable, and shows no value of it. Release it in
 * either case. */
MUST_CHECK bool otel_setup(struct otel *o, const struct settings *s, const char *worker_name,
			   struct err *e);
void otel_release(struct otel *o);

#endif
