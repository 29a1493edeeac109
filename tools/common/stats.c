/* SPDX-License-Identifier: MIT
 *
 * stats.c - see stats.h.
 */
#include "common/stats.h"

#include "common/system.h"
#include "common/tool.h"

#include <time.h>

static double seconds_of(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

tool_span tool_stats_now(void)
{
    return (tool_span){ seconds_of(CLOCK_MONOTONIC),
                        seconds_of(CLOCK_THREAD_CPUTIME_ID) };
}

static tool_span now_of_process(void)
{
    return (tool_span){ seconds_of(CLOCK_MONOTONIC),
                        seconds_of(CLOCK_PROCESS_CPUTIME_ID) };
}

void tool_stats_begin(tool_stats *stats)
{
    *stats = (tool_stats){ .from = now_of_process() };
}

void tool_stats_add(tool_stats *stats, tool_stage stage, tool_span start)
{
    const tool_span now = tool_stats_now();

    stats->stages[stage].wall += now.wall - start.wall;
    stats->stages[stage].cpu += now.cpu - start.cpu;
}

/* The CPU seconds of the process that are not the other stages'. */
static double cpu_of_tower(const tool_stats *stats, double all)
{
    for (int i = 0; i < TOOL_N_STAGES; i++)
        if (i != TOOL_STAGE_TOWER)
            all -= stats->stages[i].cpu;
    return all > 0.0 ? all : 0.0;
}

void tool_stats_show(const tool_stats *stats, size_t n, const char *what)
{
    static const char *const names[TOOL_N_STAGES] = { "read", "decode",
                                                      "resize", "tower",
                                                      "write" };
    const tool_span now = now_of_process();
    const double wall = now.wall - stats->from.wall;
    const double cpu = now.cpu - stats->from.cpu;

    tool_say("%zu %s in %.3f s, %.1f a second; %.2f CPUs at work; at most "
             "%.0f MiB",
             n, what, wall, wall > 0.0 ? (double)n / wall : 0.0,
             wall > 0.0 ? cpu / wall : 0.0, tool_peak_mib());
    tool_say("stage   CPU s  share  wall s");
    for (int i = 0; i < TOOL_N_STAGES; i++) {
        tool_span span = stats->stages[i];
        if (span.wall <= 0.0) /* texts are not decoded */
            continue;
        if (i == TOOL_STAGE_TOWER)
            span.cpu = cpu_of_tower(stats, cpu);
        tool_say("%-6s %6.3f  %3.0f %%  %6.3f", names[i], span.cpu,
                 cpu > 0.0 ? 100.0 * span.cpu / cpu : 0.0, span.wall);
    }
    tool_say("the tower waited %.3f s for inputs", stats->waited);
}
