/*
 * broker: a RabbitMQ with the queues of jobs, an exchange of events that writes down what it gets,
 * and nothing else. What is not acked when a connection ends comes again; what was not confirmed
 * may or may not have arrived.
 */
#ifndef SIM_BROKER_H
#define SIM_BROKER_H

#include "cpoa/mq.h"
#include "cpoa/uuid.h"

#include "workflows/workflows.h"

/* A job's message. Everything but the state is chosen by its sender. */
struct message {
	struct message *next; /* in its queue, in the order of sending */
	int number;
	enum workflow_index type;
	char *body, *message_id, *key, *workflow_id, *reply_to; /* NULL: absent */
	bool redelivered;
	int64_t delivered_us; /* last time */
	bool of_ended;	      /* its workflow had ended when it was acked */
};

/* What became of an event: all publishings of one id. */
struct told {
	struct uuid id;
	char *body;
	bool terminal, started;
	int times;	   /* to the exchange of events */
	int64_t last_us;   /* when it was last told there */
	int replies;	   /* to somebody by name */
	bool has_workflow; /* it belongs to a row that is committed */
};

enum { BROKER_TOLD = 512 };

struct broker {
	struct message *queue[WORKFLOW_COUNT];
	struct mq *connections;
	struct told told[BROKER_TOLD];
	int n_told;
	int64_t down_until_us;
};

struct worker;

extern struct broker broker;

/* A reply_to that takes the connection with it, as RabbitMQ 3.10 does over some. */
#define BROKER_CRASH "crash"

void broker_begin(void);
void broker_end(void);

/* A sender's message; it is the broker's to free. */
void broker_send(struct message *m);
bool broker_idle(void); /* nothing waits or is unacked */
struct told *broker_told(const struct uuid *id);

/* ---- what may happen to it ---- */

/* Ends connections of a worker (NULL: of all). */
void broker_cut(const struct worker *worker);
void broker_restart(int64_t down_us);
void broker_block(bool block); /* connection.blocked on all that publish */
void broker_refuse_one(void);  /* basic.nack for what was published last */
void broker_cancel_one(void);  /* ends a consumer, as the deletion of its queue does */

#endif
