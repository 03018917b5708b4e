/* XIDs: told once, by serial number, to event sets that were there before. */
#define _GNU_SOURCE
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "scenario.h"

#define XID 0x8ull
#define MIG_CHANGE 0x100ull

struct set {
    int gpu;
    unsigned long long kinds;
    long seen;
    int changes_fd; /* readable when the scenario has changed; -1 where it cannot be */
};

struct event {
    void *device;
    unsigned long long kind, data;
    unsigned gpu_instance, compute_instance;
};

struct next {
    long after, serial, newest;
    unsigned long long kind, wanted, data;
};

static void look(const char *text, struct next *next, unsigned long long kind)
{
    long serial = 0;
    unsigned long long data = 0;
    sscanf(text, "%ld %llu", &serial, &data);
    if (serial > next->newest)
        next->newest = serial;
    if ((next->wanted & kind) == 0 || serial <= next->after)
        return;
    if (next->serial == 0 || serial < next->serial) {
        next->serial = serial;
        next->kind = kind;
        next->data = data;
    }
}

static void look_xid(const char *text, void *next) { look(text, next, XID); }
static void look_mig(const char *text, void *next) { look(text, next, MIG_CHANGE); }

static struct next next_of(const struct set *set)
{
    struct next next = {.after = set->seen, .wanted = set->kinds};
    each_text("xid", set->gpu, look_xid, &next);
    each_text("mig_event", set->gpu, look_mig, &next);
    return next;
}

static int watch_scenario(void)
{
    char folder[4096];
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0 || scenario_path() == NULL)
        return fd;
    snprintf(folder, sizeof folder, "%s", scenario_path());
    inotify_add_watch(fd, dirname(folder), IN_MOVED_TO);
    return fd;
}

static void wait_for_change(const struct set *set, long ms)
{
    struct pollfd change = {set->changes_fd, POLLIN, 0};
    char ignored[4096];
    if (set->changes_fd < 0) {
        pause_us(10000);
        return;
    }
    if (poll(&change, 1, (int)ms) > 0)
        while (read(set->changes_fd, ignored, sizeof ignored) > 0)
            continue;
    look_again();
}

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int nvmlDeviceGetSupportedEventTypes(void *device, unsigned long long *kinds)
{
    ENTER(device)
    *kinds = (unsigned long long)value_of("events_supported", gpu);
    return SUCCESS;
}

int nvmlEventSetCreate(void **made)
{
    struct set *set;
    int code = initialized ? suffer(__func__, NO_GPU) : UNINITIALIZED;
    if (code != SUCCESS)
        return code;
    set = calloc(1, sizeof *set);
    set->gpu = NO_GPU;
    set->changes_fd = watch_scenario();
    *made = set;
    return SUCCESS;
}

int nvmlDeviceRegisterEvents(void *device, unsigned long long kinds, void *events)
{
    struct set *set = events;
    ENTER(device)
    if ((kinds & ~(unsigned long long)value_of("events_supported", gpu)) != 0)
        return NOT_SUPPORTED;
    set->gpu = gpu;
    set->kinds = kinds;
    set->seen = next_of(set).newest;
    return SUCCESS;
}

int nvmlEventSetWait_v2(void *events, struct event *event, unsigned timeout_ms)
{
    struct set *set = events;
    long until = now_ms() + timeout_ms;
    for (;;) {
        int code = initialized ? suffer(__func__, set->gpu) : UNINITIALIZED;
        struct next next = next_of(set);
        long left = until - now_ms();
        if (code != SUCCESS)
            return code;
        if (next.serial != 0) {
            set->seen = next.serial;
            *event = (struct event){NULL, next.kind, next.data, 0xFFFFFFFF, 0xFFFFFFFF};
            return SUCCESS;
        }
        if (left <= 0)
            return TIMEOUT;
        wait_for_change(set, left);
    }
}

int nvmlEventSetFree(void *events)
{
    struct set *set = events;
    if (set->changes_fd >= 0)
        close(set->changes_fd);
    free(set);
    return SUCCESS;
}
