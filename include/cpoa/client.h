/*
 * client: jobs in, events out, for whoever wants podcasts made and is no part of cpoa.
 *
 * A library of its own, libcpoa-client.a: this header needs no other of ours, and the library shows
 * no names but cpoa_client_*. Compile and link with `pkg-config --cflags --libs cpoa-client`.
 *
 *	struct cpoa_client_options options = {.url = getenv("AMQP_URL")};
 *	struct cpoa_client_job job = {.type = "podcast_generation", .arguments = "{…}"};
 *	struct cpoa_client *client = cpoa_client_connect(&options, &error);
 *
 *	if (client && cpoa_client_follow(client, job.type, &error) &&
 *	    cpoa_client_enqueue(client, &job, &ticket, &error) &&
 *	    cpoa_client_wait(client, &ticket, 600000, on_event, NULL, &end, &error))
 *		puts(end.json);
 *
 * A client belongs to one thread at a time; there may be many clients. It connects again by itself.
 * It starts no threads, touches no signals (ignore SIGPIPE: a broker that goes away raises it) and
 * no environment, and prints nothing. Running out of memory ends the process, as does misuse that
 * this header forbids.
 */
#ifndef CPOA_CLIENT_H
#define CPOA_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cpoa_client;

/* What the caller can do about an error. */
enum cpoa_client_code {
	CPOA_CLIENT_OK,
	CPOA_CLIENT_USAGE,	/* an argument, or the URL: a person must change it */
	CPOA_CLIENT_LOST,	/* no broker, and nothing was sent: later */
	CPOA_CLIENT_UNKNOWN,	/* sent, and never confirmed: again, with the same message_id */
	CPOA_CLIENT_UNROUTABLE, /* there is no such exchange or queue: `cpoa topology apply` */
	CPOA_CLIENT_REFUSED,	/* by the broker */
	CPOA_CLIENT_TIMEOUT,	/* it has not ended in time; it goes on */
	CPOA_CLIENT_REPLY_LOST, /* the connection that the reply was to come by: enqueue it again,
				   with the same key; if it has ended by then, the reply comes at
				   once */
};

struct cpoa_client_error {
	enum cpoa_client_code code;
	char text[768]; /* a sentence: what was wrong, where, what to do */
};

struct cpoa_client_options {
	const char *url; /* amqp:// or amqps://, with user and password */
	const char *ca_file, *cert_file, *key_file; /* for amqps://; NULL: the system's CAs, no
						       client certificate */
	const char *name; /* in the broker's list of connections; NULL: "cpoa client" */
	/* How long cpoa_client_enqueue may take with all its attempts, in ms; 0: 30000. */
	int64_t enqueue_ms;
	/* Told of what goes on without an error: a job that is sent once more, a broker that takes
	 * nothing for now. May be NULL. */
	void (*notice)(void *ctx, const char *text);
	void *ctx;
};

/* All strings are copied but ctx. NULL: the broker is not there (LOST), or refuses us (USAGE). */
struct cpoa_client *cpoa_client_connect(const struct cpoa_client_options *options,
					struct cpoa_client_error *error);
void cpoa_client_close(struct cpoa_client *client); /* NULL is fine */

/* ---- jobs ---- */

/* What is NULL is left out, or drawn at random where it must be there. */
struct cpoa_client_job {
	const char *type;	     /* "podcast_generation", … */
	const char *arguments;	     /* a JSON object, at most 1 MiB; NULL: {} */
	const char *idempotency_key; /* 1 to 255 printable ASCII characters: the same job under the
					same key is run once */
	const char *message_id;	     /* 1 to 255 bytes; serves as the key where there is none */
	const char *workflow_id;     /* a UUID */
	const char *traceparent, *tracestate; /* W3C */
	bool reply; /* its last event comes to us alone, by direct reply-to, with cpoa_client_wait;
		       no subscription is needed */
};

/* What was sent. To send it again, put these into a job. */
struct cpoa_client_ticket {
	char type[64];
	char message_id[256], workflow_id[37], traceparent[56];
	char idempotency_key[256]; /* "" when none was given */
	bool reply;
};

/*
 * Publishes a job, and returns when the broker has it for good (confirm, mandatory). Where that is
 * not known because the connection broke, it is sent again with the same message_id: two messages,
 * one workflow. *ticket is filled in also when it fails (but for USAGE).
 */
bool cpoa_client_enqueue(struct cpoa_client *client, const struct cpoa_client_job *job,
			 struct cpoa_client_ticket *ticket, struct cpoa_client_error *error);

/* ---- events ---- */

/* An event (CloudEvents 1.0). All strings are valid until the next call, and never NULL: "" is what
 * the event does not say. Anybody may publish events: do not trust them more than your broker. */
struct cpoa_client_event {
	const char *json; /* all of it */
	size_t len;
	const char *kind; /* "started" "progress" "completed" "failed" "cancelled" */
	const char *workflow_id, *workflow_type, *idempotency_key;
	const char *status;	     /* "in_progress" "completed" … */
	const char *stage, *message; /* what users are shown */
	bool terminal;		     /* it has ended */
};

/*
 * Subscribes to the events of a type (NULL: of all), through a queue that goes when we do. Before
 * the job is enqueued, or its first events are missed. Once a client.
 */
bool cpoa_client_follow(struct cpoa_client *client, const char *type,
			struct cpoa_client_error *error);

enum cpoa_client_news {
	CPOA_CLIENT_NOTHING, /* the time is up */
	CPOA_CLIENT_EVENT,
	CPOA_CLIENT_GONE, /* the connection is lost, and is made anew; *error says why */
	CPOA_CLIENT_BACK, /* it stands again; what was published meanwhile was missed */
};

/* Waits for at most `timeout_ms` (less when a signal comes). To be called at least every few
 * seconds, for the heartbeat; cpoa_client_follow first. */
enum cpoa_client_news cpoa_client_next(struct cpoa_client *client, int timeout_ms,
				       struct cpoa_client_event *event,
				       struct cpoa_client_error *error);

/* How long there has been no connection to hear events by, in ms; 0: there is one. */
int64_t cpoa_client_gone_ms(const struct cpoa_client *client);

/*
 * Until the job of this ticket has ended, or the time is up. `on_event` (may be NULL) sees each of
 * its events before the last, false from it ends the waiting, as TIMEOUT. True: *end is its last
 * event, whatever it says: look at its kind.
 *
 * Without `reply` in the job, cpoa_client_follow comes before the enqueuing. What is missed while a
 * connection is made anew is not heard of here: give a time, and ask for the row or enqueue the
 * job again under its key, upon which its last event is sent once more.
 */
bool cpoa_client_wait(struct cpoa_client *client, const struct cpoa_client_ticket *ticket,
		      int64_t timeout_ms,
		      bool (*on_event)(void *ctx, const struct cpoa_client_event *event), void *ctx,
		      struct cpoa_client_event *end, struct cpoa_client_error *error);

#ifdef __cplusplus
}
#endif

#endif
