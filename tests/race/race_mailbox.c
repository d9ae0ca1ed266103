/* Many threads post, one by one and in lists; the owner sees every mail once, and each poster's in
 * order. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpoa/clock.h"
#include "cpoa/mailbox.h"

enum { POSTERS = 4, MAILS = 20000, WAIT_MS = 10000 };

struct letter {
	struct mail mail;
	int poster, number;
};

static struct mailbox box;
static struct letter letter[POSTERS][MAILS];

static void *post_all(void *arg)
{
	int poster = *(int *)arg;
	struct mail_list list = {NULL, NULL};

	for (int i = 0; i < MAILS; i++) {
		letter[poster][i].poster = poster;
		letter[poster][i].number = i;
		if (i % 7 < 3) {
			mail_append(&list, &letter[poster][i].mail);
			continue;
		}
		mailbox_post_list(&box, &list);
		mailbox_post(&box, &letter[poster][i].mail);
		if (i % 101 == 0)
			mailbox_poke(&box);
	}
	mailbox_post_list(&box, &list);
	return NULL;
}

/* How many mails came; -1: one came twice or out of order. */
static int take_all(int next[POSTERS])
{
	struct mail_list list = mailbox_take(&box);
	struct mail *mail;
	int n = 0;

	while ((mail = mail_shift(&list))) {
		const struct letter *l = mail_of(mail, struct letter, mail);

		if (l->number != next[l->poster]++) {
			fprintf(stderr, "poster %d: mail %d, not %d\n", l->poster, l->number,
				next[l->poster] - 1);
			return -1;
		}
		n++;
	}
	return n;
}

/* A lost wake-up shows as a wait that lasts its whole time. */
static int receive(void)
{
	int next[POSTERS] = {0}, left = POSTERS * MAILS;

	while (left > 0) {
		int64_t begin = clock_mono_ms();
		int n;

		mailbox_wait(&box, -1, WAIT_MS);
		if (clock_mono_ms() - begin >= WAIT_MS) {
			fprintf(stderr, "nothing came, %d mails are missing\n", left);
			return 1;
		}
		n = take_all(next);
		if (n < 0)
			return 1;
		left -= n;
	}
	return take_all(next) != 0;
}

/* The last mail tells the owner to destroy the box while its poster is still coming back from
 * posting it. */
static void *post_one(void *arg)
{
	mailbox_post(&box, arg);
	return NULL;
}

static int destroy_at_the_last_mail(void)
{
	for (int i = 0; i < 1000; i++) {
		struct mail last;
		pthread_t thread;
		struct err e;

		if (!mailbox_init(&box, &e) || pthread_create(&thread, NULL, post_one, &last) != 0)
			return 1;
		/* Not waiting, so as to come between what the poster does. */
		while (!mailbox_take(&box).head)
			continue;
		mailbox_destroy(&box);
		pthread_join(thread, NULL);
	}
	return 0;
}

int main(void)
{
	pthread_t thread[POSTERS];
	int number[POSTERS], failed;
	struct err e;

	if (!mailbox_init(&box, &e)) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	for (int i = 0; i < POSTERS; i++) {
		number[i] = i;
		if (pthread_create(&thread[i], NULL, post_all, &number[i]) != 0)
			return 1;
	}
	failed = receive();
	for (int i = 0; i < POSTERS && !failed; i++)
		pthread_join(thread[i], NULL);
	if (failed)
		return 1;
	mailbox_destroy(&box);
	return destroy_at_the_last_mail();
}
