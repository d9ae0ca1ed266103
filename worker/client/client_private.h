/* client_private: what the files of the client share. Manual: cpoa/client.h. */
#ifndef CLIENT_CLIENT_PRIVATE_H
#define CLIENT_CLIENT_PRIVATE_H

#include <json-c/json.h>

#include "cpoa/client.h"
#include "cpoa/err.h"

#include "client/listener.h"
#include "client/publisher.h"

enum {
	REPLIES_MAX = 1000, /* that nobody has waited for; the oldest go */
};

struct cpoa_client {
	char *url, *ca_file, *cert_file, *key_file, *name;
	int64_t enqueue_ms;
	void (*notice)(void *ctx, const char *text);
	void *ctx;
	struct publisher publisher;
	struct listener listener;
	bool follows;
	struct mq_message *replies; /* in the order in which they came */
	int n_replies;
	/* the event that was handed out last */
	struct mq_message *message;
	struct json_object *event;
};

/* Both return false. */
bool client_fail(struct cpoa_client_error *error, enum cpoa_client_code code, const char *text);
bool client_fail_err(struct cpoa_client_error *error, const struct err *e);

struct mq_options client_mq(const struct cpoa_client *c);

/* For the publisher; its context is the client. */
void client_keep_reply(void *ctx, struct mq_message *m);

/* Frees what was handed out. */
void client_let_go(struct cpoa_client *c);

#endif
