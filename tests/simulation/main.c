/*
 * simulation: runs schedules and says what was in them.
 *
 *   simulation [-n SCHEDULES] [-s FIRST_SEED] [-v]     CPOA_SEED=N: that one alone, told step by
 * step simulation -m MUTANT [-n SCHEDULES]                succeeds when the mutant is found
 *   simulation -m all [-n SCHEDULES]                   each of them
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "simulation/sim.h"
#include "simulation/world.h"

/* Read by the parent when a child has ended badly, in whatever way. */
static uint64_t *at_seed;

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void tell_tally(double took)
{
	printf("%llu schedules in %.1f s (%.0f a second): %llu messages, %llu events told, %llu "
	       "steps; %llu kills, %llu freezes, %llu drains, %llu cuts, %llu restarts, %llu dead "
	       "letters, %llu replies recalled\n",
	       (unsigned long long)tally.schedules, took, (double)tally.schedules / took,
	       (unsigned long long)tally.jobs, (unsigned long long)tally.events,
	       (unsigned long long)tally.steps, (unsigned long long)tally.kills,
	       (unsigned long long)tally.freezes, (unsigned long long)tally.drains,
	       (unsigned long long)tally.cuts, (unsigned long long)tally.restarts,
	       (unsigned long long)tally.letters, (unsigned long long)tally.recalls);
}

static void run(uint64_t first, uint64_t n)
{
	double began = seconds();

	for (uint64_t seed = first; seed < first + n; seed++) {
		*at_seed = seed;
		world_run(seed);
	}
	tell_tally(seconds() - began);
}

/* In a process of its own: true when all was well. A mutant's last words are not shown. */
static bool run_apart(uint64_t first, uint64_t n, bool quiet)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		BUG("fork");
	if (pid == 0) {
		if (quiet && !freopen("/dev/null", "w", stderr))
			BUG("freopen");
		run(first, n);
		exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		BUG("waitpid");
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool find_mutant(enum mutant mutant, uint64_t first, uint64_t n)
{
	double began = seconds();

	sim_mutant = mutant;
	if (run_apart(first, n, !sim_verbose)) {
		printf("%s: NOT found in %llu schedules\n", mutant_names[mutant],
		       (unsigned long long)n);
		return false;
	}
	printf("%s: found in schedule %llu, %.2f s\n", mutant_names[mutant],
	       (unsigned long long)(*at_seed - first + 1), seconds() - began);
	return true;
}

static bool find_mutants(const char *name, uint64_t first, uint64_t n)
{
	bool found = true, known = false;

	for (int i = 1; i < MUTANTS; i++)
		if (strcmp(name, "all") == 0 || strcmp(name, mutant_names[i]) == 0) {
			known = true;
			found &= find_mutant((enum mutant)i, first, n);
		}
	return known && found;
}

int main(int argc, char **argv)
{
	const char *seed = getenv("CPOA_SEED"), *mutant = NULL;
	uint64_t first = 1, n = 1000;
	int option;

	while ((option = getopt(argc, argv, "n:s:m:v")) != -1) {
		if (option == 'n')
			n = strtoull(optarg, NULL, 10);
		else if (option == 's')
			first = strtoull(optarg, NULL, 10);
		else if (option == 'm')
			mutant = optarg;
		else if (option == 'v')
			sim_verbose = true;
		else
			return 2;
	}
	if (seed) {
		first = strtoull(seed, NULL, 10);
		n = 1;
		sim_verbose = true;
	}
	at_seed = mmap(NULL, sizeof(*at_seed), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (at_seed == MAP_FAILED)
		BUG("mmap");
	if (mutant)
		return find_mutants(mutant, first, n) ? 0 : 1;
	if (run_apart(first, n, false))
		return 0;
	printf("schedule %llu failed; again, with every step: CPOA_SEED=%llu %s\n",
	       (unsigned long long)(*at_seed - first + 1), (unsigned long long)*at_seed, argv[0]);
	return 1;
}
