/* Questions whose answer changes nothing: what a doctor asks. */
#include "cpoa/mq.h"

#include "mq_private.h"

bool mq_try_publish(struct mq *mq, const char *exchange, struct err *e)
{
	const struct mq_publish nothing = {.exchange = exchange,
					   .routing_key = "cpoa.doctor.nothing"};

	amqp_tx_select(mq->conn, MQ_CHANNEL);
	if (!mq_reply(mq, "begin", amqp_get_rpc_reply(mq->conn), e) ||
	    !mq_publish(mq, &nothing, NULL, e))
		return false;
	/* The permission is looked at when it comes, its queues at the commit (rabbit_channel.erl).
	 */
	amqp_tx_rollback(mq->conn, MQ_CHANNEL);
	return mq_reply(mq, "publish", amqp_get_rpc_reply(mq->conn), e);
}
