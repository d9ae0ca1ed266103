/*
 * news: what an event of cpoa.events has for the ASF (interface.md §4): the two bodies that its
 * endpoints take (agents.md §2.7, §2.8), as text. Pure; anybody may publish events, so every field
 * may be missing or of another type, and everything has a limit.
 */
#ifndef BRIDGE_NEWS_H
#define BRIDGE_NEWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpoa/err.h"

enum {
	NEWS_KEY_MAX = 512,	   /* bytes of a stream's or client's id */
	NEWS_BODY_MAX = 64 << 10,  /* bytes of a body for the ASF */
	NEWS_WORKFLOW_SIZE = 64,   /* of an id with its NUL; a longer one is cut */
	NEWS_EVENT_MAX = 16 << 20, /* bytes of an event that are read */
};

/* A body and whom it is about; all zero is none. */
struct notice {
	char *key;  /* the stream's or the client's id */
	char *body; /* JSON */
	size_t len;
};

struct news {
	struct notice stream, ui;
	char workflow[NEWS_WORKFLOW_SIZE]; /* "" when the event does not say */
	bool terminal;			   /* its workflow has ended */
	int64_t time_us;		   /* since 1970; 0 when the event does not say */
};

/*
 * Reads an event. False (ERR_REJECT): there is something for the ASF in it that cannot be passed
 * on, or it is no event; what could be read stands in *news all the same. news_release it in either
 * case.
 */
MUST_CHECK bool news_read(struct news *news, const char *text, size_t len, struct err *e);

/* The same of data.stream alone, as PostgreSQL has it. */
MUST_CHECK bool news_read_stream(struct news *news, const char *text, size_t len, struct err *e);

void news_release(struct news *news);

#endif
