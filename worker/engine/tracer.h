/*
 * tracer: the thread that sends spans to a collector by OTLP over HTTP, in JSON, when there is one
 * (OTEL_EXPORTER_OTLP_ENDPOINT). Spans go in batches: TRACER_BATCH of them, or what there is after
 * a second; one request at a time. A collector that is away or overloaded is asked again with
 * growing waits; a batch that it has not taken after TRACER_TRIES requests is dropped. At most
 * TRACER_QUEUE_MAX spans are held (about 10 MiB); what comes beyond is dropped. All that is dropped
 * is counted: cpoa_spans_dropped_total.
 */
#ifndef ENGINE_TRACER_H
#define ENGINE_TRACER_H

#include "engine/house.h"
#include "engine/span.h"

enum { TRACER_BATCH = 512, TRACER_QUEUE_MAX = 8192, TRACER_TRIES = 4 };

/* Starts it as house->tracer; NULL, and true, when nobody collects. */
MUST_CHECK bool tracer_start(struct house *house, struct err *e);

/* Sends what it has, for at most `timeout_ms`, each batch once; ends the thread. */
void tracer_stop(struct tracer *tracer, int64_t timeout_ms);
void tracer_free(struct tracer *tracer); /* NULL is fine */

/* Copies the span. Any thread; never waits for the collector. */
void tracer_add(struct tracer *tracer, const struct span *span);

#endif
