/*
 * intake: the door. The thread with the consuming connection: it takes messages in and settles them
 * (acks them, or hands them back) once their fate is committed. It consumes only while there is a
 * lease, room, and no draining.
 */
#ifndef ENGINE_INTAKE_H
#define ENGINE_INTAKE_H

#include "engine/house.h"

MUST_CHECK struct intake *intake_start(struct house *house, struct err *e);

/* Cancels its consumers, hands back what is not settled, and ends the thread. */
void intake_stop(struct intake *intake);
void intake_free(struct intake *intake);

/* The fate of a message is committed (ack), or it is to be delivered again. `epoch`: run->epoch.
 * Any thread. */
void intake_ack(struct intake *intake, uint64_t epoch, uint64_t tag);
void intake_return(struct intake *intake, uint64_t epoch, uint64_t tag);

/* Something that it watches has changed (lease, room, draining). Any thread. */
void intake_poke(struct intake *intake);

#endif
