#include "cpoa/mailbox.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/time.h>
#include <unistd.h>

struct letter {
	int number;
	struct mail mail;
};

static bool readable(const struct mailbox *box)
{
	struct pollfd fd = {.fd = mailbox_fd(box), .events = POLLIN};

	return poll(&fd, 1, 0) == 1;
}

static int number_of(struct mail *mail)
{
	return mail ? mail_of(mail, struct letter, mail)->number : -1;
}

static struct mailbox box;

static void make_box(void)
{
	struct err e;

	cr_assert(mailbox_init(&box, &e));
}

static void destroy_box(void)
{
	mailbox_destroy(&box);
}

TestSuite(mailbox, .init = make_box, .fini = destroy_box);

Test(mailbox, a_list_keeps_order)
{
	struct letter letter[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
	struct mail_list list = {NULL, NULL};

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 3; i++)
			mail_append(&list, &letter[i].mail);
		for (int i = 0; i < 3; i++)
			cr_expect_eq(number_of(mail_shift(&list)), i);
		cr_expect_null(mail_shift(&list));
		cr_expect_null(list.tail);
	}
}

Test(mailbox, takes_all_in_order_and_clears_the_descriptor)
{
	struct letter letter[5] = {
		{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
	struct mail_list list = {NULL, NULL};

	cr_expect_not(readable(&box));
	cr_expect_null(mailbox_take(&box).head);
	mailbox_post(&box, &letter[0].mail);
	mail_append(&list, &letter[1].mail);
	mail_append(&list, &letter[2].mail);
	mail_append(&list, &letter[3].mail);
	mailbox_post_list(&box, &list);
	cr_expect_null(list.head, "it was handed over");
	cr_expect_null(list.tail);
	mailbox_post(&box, &letter[4].mail);
	mailbox_post_list(&box, &list);
	cr_expect_eq(box.n, 5);
	cr_expect(readable(&box));
	list = mailbox_take(&box);
	for (int i = 0; i < 5; i++)
		cr_expect_eq(number_of(mail_shift(&list)), i);
	cr_expect_null(mail_shift(&list));
	cr_expect_not(readable(&box));
	cr_expect_eq(box.n, 0);
}

Test(mailbox, a_thousand_mails_cost_one_wake_up)
{
	static struct letter letter[1000];
	uint64_t written = 0;

	for (int i = 0; i < 1000; i++)
		mailbox_post(&box, &letter[i].mail);
	cr_expect_eq(read(mailbox_fd(&box), &written, sizeof(written)), sizeof(written));
	cr_expect_eq(written, 1);
	mailbox_take(&box);
}

Test(mailbox, a_poke_wakes_without_a_mail)
{
	mailbox_poke(&box);
	mailbox_poke(&box);
	cr_expect(readable(&box));
	cr_expect_not(mailbox_wait(&box, -1, 60000));
	cr_expect_null(mailbox_take(&box).head);
	cr_expect_not(readable(&box));
}

Test(mailbox, a_poke_never_blocks)
{
	uint64_t almost = UINT64_MAX - 1;

	cr_assert_eq(write(mailbox_fd(&box), &almost, sizeof(almost)), sizeof(almost));
	mailbox_poke(&box);
	mailbox_take(&box);
	cr_expect_not(readable(&box));
}

Test(mailbox, wait_tells_of_the_other_descriptor)
{
	struct letter letter = {.number = 1};
	int pipe_fd[2];

	cr_assert_eq(pipe(pipe_fd), 0);
	cr_expect_not(mailbox_wait(&box, pipe_fd[0], 0));
	cr_expect_not(mailbox_wait(&box, -1, 5));
	mailbox_post(&box, &letter.mail);
	cr_expect_not(mailbox_wait(&box, pipe_fd[0], -1));
	cr_assert_eq(write(pipe_fd[1], "x", 1), 1);
	cr_expect(mailbox_wait(&box, pipe_fd[0], -1));
	mailbox_take(&box);
	close(pipe_fd[1]);
	cr_expect(mailbox_wait(&box, pipe_fd[0], -1), "a closed one is to be read, too");
	close(pipe_fd[0]);
}

static void interrupt(int signal)
{
	(void)signal;
}

Test(mailbox, a_signal_ends_a_wait)
{
	struct sigaction action = {.sa_handler = interrupt};
	struct itimerval soon = {.it_value.tv_usec = 20000};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	cr_expect_not(mailbox_wait(&box, -1, 60000));
}

Test(mailbox_bugs, destroying_a_full_one_is_a_bug, .signal = SIGABRT)
{
	static struct letter letter;

	make_box();
	mailbox_post(&box, &letter.mail);
	mailbox_destroy(&box);
}
