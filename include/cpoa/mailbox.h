/*
 * mailbox: a thread's inbox. Many post, one takes.
 *
 * What travels is linked in (`struct mail` as a member), so posting never allocates, never blocks
 * and never fails. Posting hands the mail over: the poster no longer touches it. mailbox_take()
 * hands over everything that has come, in the order of posting, with one lock. The descriptor is
 * readable while there is mail: put it into poll(2). It is written only when the box was empty, so
 * a thousand mails cost one wake-up.
 */
#ifndef CPOA_MAILBOX_H
#define CPOA_MAILBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "cpoa/err.h"

struct mail {
	struct mail *next;
};

/* The struct that a mail is a member of. */
#define mail_of(mail, type, member) ((type *)(void *)((char *)(mail)-offsetof(type, member)))

/* A plain list of mails in order, for whoever collects some before posting them. */
struct mail_list {
	struct mail *head, *tail;
};

static inline void mail_append(struct mail_list *list, struct mail *mail)
{
	mail->next = NULL;
	if (list->tail)
		list->tail->next = mail;
	else
		list->head = mail;
	list->tail = mail;
}

/* Takes the first off, or NULL. */
static inline struct mail *mail_shift(struct mail_list *list)
{
	struct mail *mail = list->head;

	if (mail) {
		list->head = mail->next;
		if (!list->head)
			list->tail = NULL;
		mail->next = NULL;
	}
	return mail;
}

/* Appends all of `more`, which is empty afterwards. */
static inline void mail_join(struct mail_list *list, struct mail_list *more)
{
	if (!more->head)
		return;
	if (list->tail)
		list->tail->next = more->head;
	else
		list->head = more->head;
	list->tail = more->tail;
	*more = (struct mail_list){0};
}

struct mailbox {
	pthread_mutex_t lock;
	struct mail_list list;
	size_t n;
	int fd;		 /* eventfd */
	atomic_uint due; /* of its pokes, how many are still to be read: an empty box is not */
};

MUST_CHECK bool mailbox_init(struct mailbox *box, struct err *e);

/* The box must be empty: what is still in it would be lost. */
void mailbox_destroy(struct mailbox *box);

/* Any thread. */
void mailbox_post(struct mailbox *box, struct mail *mail);

/* Any thread: the whole list at once; it is empty afterwards. */
void mailbox_post_list(struct mailbox *box, struct mail_list *list);

/* Wakes the owner without a mail. Any thread; safe in a signal handler. */
void mailbox_poke(struct mailbox *box);

/* The owner alone: all that has come; clears the descriptor. */
struct mail_list mailbox_take(struct mailbox *box);

/* The owner alone: waits until there is mail, a poke, `extra_fd` (or -1) is readable, or the time
 * is up (-1: never). Returns whether extra_fd is readable. A signal ends it early. */
bool mailbox_wait(struct mailbox *box, int extra_fd, int timeout_ms);

static inline int mailbox_fd(const struct mailbox *box)
{
	return box->fd;
}

#endif
