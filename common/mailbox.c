#include "cpoa/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool mailbox_init(struct mailbox *box, struct err *e)
{
	*box = (struct mailbox){.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
	if (box->fd < 0)
		return err_errno(e, ERR_RETRY, errno, "cannot make an inbox");
	pthread_mutex_init(&box->lock, NULL);
	return true;
}

void mailbox_destroy(struct mailbox *box)
{
	/* The lock waits for a poster that is on its last lines. */
	pthread_mutex_lock(&box->lock);
	assert(!box->list.head);
	pthread_mutex_unlock(&box->lock);
	pthread_mutex_destroy(&box->lock);
	close(box->fd);
	box->fd = -1;
}

void mailbox_post(struct mailbox *box, struct mail *mail)
{
	struct mail_list list = {NULL, NULL};

	mail_append(&list, mail);
	mailbox_post_list(box, &list);
}

void mailbox_post_list(struct mailbox *box, struct mail_list *list)
{
	bool was_empty;
	size_t n = 0;

	for (const struct mail *mail = list->head; mail; mail = mail->next)
		n++;
	if (n == 0)
		return;
	pthread_mutex_lock(&box->lock);
	was_empty = !box->list.head;
	if (was_empty)
		box->list.head = list->head;
	else
		box->list.tail->next = list->head;
	box->list.tail = list->tail;
	box->n += n;
	/* Under the lock: once the owner has taken a last mail it may destroy the box. */
	if (was_empty)
		mailbox_poke(box);
	pthread_mutex_unlock(&box->lock);
	*list = (struct mail_list){NULL, NULL};
}

void mailbox_poke(struct mailbox *box)
{
	int saved = errno;
	uint64_t one = 1;

	atomic_fetch_add(&box->due, 1);
	/* It fails only when the counter is full, and then the owner is being woken already. */
	if (write(box->fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
	errno = saved;
}

struct mail_list mailbox_take(struct mailbox *box)
{
	struct mail_list list;
	uint64_t pokes;

	/* Cleared before the list is taken: a mail that comes between the two is taken, or wakes us
	 * again. */
	if (atomic_load(&box->due) > 0) {
		if (read(box->fd, &pokes, sizeof(pokes)) > 0)
			atomic_fetch_sub(&box->due, (unsigned)pokes);
		else
			assert(errno == EAGAIN); /* its write is yet to come */
	}
	pthread_mutex_lock(&box->lock);
	list = box->list;
	box->list = (struct mail_list){NULL, NULL};
	box->n = 0;
	pthread_mutex_unlock(&box->lock);
	return list;
}

bool mailbox_wait(struct mailbox *box, int extra_fd, int timeout_ms)
{
	struct pollfd fds[2] = {
		{.fd = box->fd, .events = POLLIN},
		{.fd = extra_fd, .events = POLLIN},
	};

	if (poll(fds, 2, timeout_ms) < 0) {
		assert(errno == EINTR);
		return false;
	}
	/* A broken or closed connection counts as readable: reading it says what happened. */
	return fds[1].revents != 0;
}
