/* The rules of the scenario file, and the faults that they inject. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "scenario.h"

#define MAX_RULES 1024

struct rule {
    int gpu;
    char key[64];   /* "fault" or the name of a value */
    char what[192]; /* a fault's function, or a value's text up to the line's end */
    char how[16];
    long amount;
};

int initialized;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[MAX_RULES];
static int rule_count;
static struct stat seen;
static long looked_at; /* milliseconds */

static const struct {
    const char *name;
    long value;
} values[] = {
    {"utilization_percent", 90}, {"memory_percent", 30},   {"memory_used_mib", 40960},
    {"memory_total_mib", 81559}, {"power_mw", 450000},     {"power_limit_mw", 700000},
    {"energy_mj", 123456789},    {"temperature_c", 55},    {"sm_clock_mhz", 1755},
    {"memory_clock_mhz", 2619},  {"pcie_sent_kib", 2000},  {"pcie_received_kib", 3000},
    {"gpm_supported", 1},        {"gpm_sm", 80},           {"gpm_tensor", 40},
    {"gpm_dram", 20},            {"mig_slices", 7},        {"events_supported", 0x108},
};

static void parse_line(char *line)
{
    struct rule *rule = &rules[rule_count];
    char gpu[16], rest[256] = "";
    memset(rule, 0, sizeof *rule);
    rule->gpu = NO_GPU;
    line[strcspn(line, "#\n")] = '\0';
    if (sscanf(line, "gpu %15s %63s %255[^\n]", gpu, rule->key, rest) == 3)
        rule->gpu = gpu[0] == '*' ? ALL_GPUS : atoi(gpu);
    else if (sscanf(line, "%63s %255[^\n]", rule->key, rest) != 2)
        return;
    if (strcmp(rule->key, "fault") == 0)
        sscanf(rest, "%127s %15s %ld", rule->what, rule->how, &rule->amount);
    else
        snprintf(rule->what, sizeof rule->what, "%.191s", rest);
    if (rule_count < MAX_RULES - 1)
        rule_count++;
}

const char *scenario_path(void) { return getenv("FAKE_NVML_SCENARIO"); }

/*
 * Called with the lock held. Looks at the file at most once a millisecond, so that
 * benchmarks do not measure us.
 */
static void reload(void)
{
    const char *path = scenario_path();
    struct timespec clock;
    struct stat now;
    char line[512];
    FILE *file;
    long at;
    clock_gettime(CLOCK_MONOTONIC, &clock);
    at = clock.tv_sec * 1000 + clock.tv_nsec / 1000000;
    if (at == looked_at)
        return;
    looked_at = at;
    if (path == NULL || stat(path, &now) != 0)
        return;
    if (now.st_ino == seen.st_ino && now.st_mtim.tv_sec == seen.st_mtim.tv_sec
        && now.st_mtim.tv_nsec == seen.st_mtim.tv_nsec)
        return;
    file = fopen(path, "r");
    if (file == NULL)
        return;
    rule_count = 0;
    while (fgets(line, sizeof line, file) != NULL)
        parse_line(line);
    fclose(file);
    seen = now;
}

static int applies(const struct rule *rule, int gpu)
{
    return rule->gpu == gpu || (rule->gpu == ALL_GPUS && gpu >= 0);
}

static struct rule fault_of(const char *function, int gpu)
{
    struct rule found = {.how = "ok"};
    pthread_mutex_lock(&lock);
    reload();
    for (int i = 0; i < rule_count; i++) {
        const struct rule *rule = &rules[i];
        if (applies(rule, gpu) && strcmp(rule->key, "fault") == 0
            && (strcmp(rule->what, "*") == 0 || strcmp(rule->what, function) == 0))
            found = *rule;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

void look_again(void)
{
    pthread_mutex_lock(&lock);
    looked_at = 0;
    pthread_mutex_unlock(&lock);
}

void pause_us(long us)
{
    struct timespec span = {us / 1000000, (us % 1000000) * 1000L};
    nanosleep(&span, NULL);
}

int suffer(const char *function, int gpu)
{
    struct rule fault = fault_of(function, gpu);
    if (strcmp(fault.how, "delay_ms") == 0)
        pause_us(fault.amount * 1000);
    if (strcmp(fault.how, "delay_us") == 0)
        pause_us(fault.amount);
    while (strcmp(fault.how, "hang") == 0) {
        pause_us(5000);
        fault = fault_of(function, gpu);
    }
    if (strcmp(fault.how, "segfault") == 0) {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    return strcmp(fault.how, "return") == 0 ? (int)fault.amount : SUCCESS;
}

int enter(const char *function, const struct device *device)
{
    if (!initialized)
        return UNINITIALIZED;
    if (device == NULL)
        return INVALID_ARGUMENT;
    if (device->slot != WHOLE_GPU && device->layout != layout_of(device->gpu))
        return INVALID_ARGUMENT;
    return suffer(function, device->gpu);
}

void each_text(const char *key, int gpu, void (*visit)(const char *, void *), void *with)
{
    pthread_mutex_lock(&lock);
    reload();
    for (int i = 0; i < rule_count; i++)
        if (applies(&rules[i], gpu) && strcmp(rules[i].key, key) == 0)
            visit(rules[i].what, with);
    pthread_mutex_unlock(&lock);
}

struct text {
    char *text;
    unsigned size;
    int found;
};

static void keep(const char *what, void *with)
{
    struct text *kept = with;
    snprintf(kept->text, kept->size, "%s", what);
    kept->found = 1;
}

int text_of(const char *key, int gpu, char *text, unsigned size)
{
    struct text kept = {text, size, 0};
    each_text(key, gpu, keep, &kept);
    return kept.found;
}

long value_of(const char *key, int gpu)
{
    char text[192];
    if (text_of(key, gpu, text, sizeof text))
        return strtol(text, NULL, 0);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (strcmp(values[i].name, key) == 0)
            return values[i].value;
    return 0;
}

int gpu_count(void)
{
    char text[192];
    return text_of("count", NO_GPU, text, sizeof text) ? atoi(text) : 0;
}

unsigned layout_of(int gpu)
{
    char text[192];
    unsigned hash = 2166136261u;
    if (!text_of("mig", gpu, text, sizeof text))
        return 0;
    for (const char *at = text; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    return hash | 1;
}
