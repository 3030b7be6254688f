/* Signals ask for an orderly end. */
#include "cli.h"

#include "base/stop.h"

volatile sig_atomic_t cli_stop;

/* A second Ctrl-C does not wait for what the first one asked for. */
static void request_stop(int signal_number)
{
    static volatile sig_atomic_t interrupted;
    if (signal_number == SIGINT && interrupted) {
        signal(SIGINT, SIG_DFL);
        raise(SIGINT);
    }
    interrupted = interrupted || signal_number == SIGINT;
    cli_stop = 1;
}

/* From the first second on, and what a signal interrupts goes on. One that is ignored stays so:
 * shells ask for that where a command runs in the background. */
void cli_stop_on_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
    struct sigaction action = {.sa_handler = request_stop, .sa_flags = SA_RESTART}, before;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    pp_stop_on(&cli_stop);
}
