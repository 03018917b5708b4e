/*
 * A driver that does what a text file says: the NVML functions that the exporter
 * uses, for tests through the real Python binding.
 *
 * FAKE_NVML_SCENARIO names the file; it is read again whenever it changes, also
 * from inside a call that hangs. One rule a line; '#' begins a comment; the last
 * line that matches wins; '*' stands for every GPU or every function:
 *
 *   count 8                                     how many GPUs the driver lists
 *   driver 570.86.15                            the driver's version
 *   fault nvmlInitWithFlags return 18           a fault of no GPU in particular
 *   gpu 3 power_mw 650000                       a value; the names are in values[]
 *   gpu * name NVIDIA H100 80GB HBM3            a text: name or uuid
 *   gpu 3 fault nvmlDeviceGetPowerUsage return 15
 *   gpu 3 fault * hang                          until the rule is gone
 *   gpu 3 fault nvmlDeviceGetUUID segfault
 *   gpu * fault nvmlDeviceGetPowerUsage delay_ms 50
 *   gpu 3 fault nvmlDeviceGetPowerUsage ok      takes an earlier rule back
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define ALL_GPUS (-1)
#define NO_GPU (-2)
#define MAX_GPUS 64
#define MAX_RULES 512

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_FOUND = 6 };

struct rule {
    int gpu;
    char key[64];  /* "fault" or the name of a value */
    char what[128]; /* a fault's function, or a value's text up to the line's end */
    char how[16];
    long amount;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[MAX_RULES];
static int rule_count;
static struct stat seen;
static int initialized;
static int handles[MAX_GPUS];

static const struct { const char *name; long value; } values[] = {
    {"utilization_percent", 90}, {"memory_used_mib", 40960}, {"memory_total_mib", 81559},
    {"power_mw", 450000},        {"power_limit_mw", 700000}, {"energy_mj", 123456789},
    {"temperature_c", 55},       {"sm_clock_mhz", 1755},     {"memory_clock_mhz", 2619},
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
        snprintf(rule->what, sizeof rule->what, "%.127s", rest);
    if (rule_count < MAX_RULES - 1)
        rule_count++;
}

/* Called with the lock held. */
static void reload(void)
{
    const char *path = getenv("FAKE_NVML_SCENARIO");
    struct stat now;
    char line[512];
    FILE *file;
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

static void pause_ms(long ms)
{
    struct timespec span = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&span, NULL);
}

static int suffer(const char *function, int gpu)
{
    struct rule fault = fault_of(function, gpu);
    if (strcmp(fault.how, "delay_ms") == 0)
        pause_ms(fault.amount);
    while (strcmp(fault.how, "hang") == 0) {
        pause_ms(5);
        fault = fault_of(function, gpu);
    }
    if (strcmp(fault.how, "segfault") == 0) {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    return strcmp(fault.how, "return") == 0 ? (int)fault.amount : SUCCESS;
}

static int text_of(const char *key, int gpu, char *text, unsigned size)
{
    int found = 0;
    pthread_mutex_lock(&lock);
    reload();
    for (int i = 0; i < rule_count; i++)
        if (applies(&rules[i], gpu) && strcmp(rules[i].key, key) == 0) {
            snprintf(text, size, "%s", rules[i].what);
            found = 1;
        }
    pthread_mutex_unlock(&lock);
    return found;
}

static long value_of(const char *key, int gpu)
{
    char text[128];
    if (text_of(key, gpu, text, sizeof text))
        return atol(text);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (strcmp(values[i].name, key) == 0)
            return values[i].value;
    return 0;
}

static int gpu_count(void)
{
    char text[128];
    return text_of("count", NO_GPU, text, sizeof text) ? atoi(text) : 0;
}

/* Every call on a device: no driver, then the fault, then the answer. */
static int enter(const char *function, void *device)
{
    if (!initialized)
        return UNINITIALIZED;
    if (device == NULL)
        return INVALID_ARGUMENT;
    return suffer(function, *(int *)device);
}

#define ENTER(device)                                                                    \
    int gpu = device == NULL ? 0 : *(int *)device;                                       \
    int code = enter(__func__, device);                                                  \
    if (code != SUCCESS)                                                                 \
        return code;

int nvmlInitWithFlags(unsigned flags)
{
    int code = suffer(__func__, NO_GPU);
    (void)flags;
    initialized = code == SUCCESS;
    return code;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void)
{
    initialized = 0;
    return SUCCESS;
}

const char *nvmlErrorString(int code)
{
    static __thread char text[64];
    snprintf(text, sizeof text, "fake NVML error %d", code);
    return text;
}

int nvmlSystemGetDriverVersion(char *text, unsigned size)
{
    int code = suffer(__func__, NO_GPU);
    if (code != SUCCESS)
        return code;
    if (!text_of("driver", NO_GPU, text, size))
        snprintf(text, size, "570.86.15");
    return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *count)
{
    int code = initialized ? suffer(__func__, NO_GPU) : UNINITIALIZED;
    if (code == SUCCESS)
        *count = (unsigned)gpu_count();
    return code;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
    int code;
    if (!initialized)
        return UNINITIALIZED;
    code = suffer(__func__, (int)index);
    if (code != SUCCESS)
        return code;
    if (index >= MAX_GPUS || (int)index >= gpu_count())
        return INVALID_ARGUMENT;
    handles[index] = (int)index;
    *device = &handles[index];
    return SUCCESS;
}

int nvmlDeviceGetUUID(void *device, char *text, unsigned size)
{
    ENTER(device)
    if (!text_of("uuid", gpu, text, size))
        snprintf(text, size, "GPU-00000000-0000-0000-0000-%012d", gpu);
    return SUCCESS;
}

int nvmlDeviceGetName(void *device, char *text, unsigned size)
{
    ENTER(device)
    if (!text_of("name", gpu, text, size))
        snprintf(text, size, "NVIDIA H100 80GB HBM3");
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *device, unsigned *rates)
{
    ENTER(device)
    rates[0] = (unsigned)value_of("utilization_percent", gpu);
    rates[1] = 0;
    return SUCCESS;
}

struct memory { unsigned long long total, free, used; };
struct memory_v2 { unsigned version; unsigned long long total, reserved, free, used; };

int nvmlDeviceGetMemoryInfo(void *device, struct memory *memory)
{
    ENTER(device)
    memory->total = (unsigned long long)value_of("memory_total_mib", gpu) << 20;
    memory->used = (unsigned long long)value_of("memory_used_mib", gpu) << 20;
    memory->free = memory->total - memory->used;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo_v2(void *device, struct memory_v2 *memory)
{
    ENTER(device)
    memory->total = (unsigned long long)value_of("memory_total_mib", gpu) << 20;
    memory->used = (unsigned long long)value_of("memory_used_mib", gpu) << 20;
    memory->free = memory->total - memory->used;
    memory->reserved = 0;
    return SUCCESS;
}

int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts)
{
    ENTER(device)
    *milliwatts = (unsigned)value_of("power_mw", gpu);
    return SUCCESS;
}

int nvmlDeviceGetEnforcedPowerLimit(void *device, unsigned *milliwatts)
{
    ENTER(device)
    *milliwatts = (unsigned)value_of("power_limit_mw", gpu);
    return SUCCESS;
}

int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *millijoules)
{
    ENTER(device)
    *millijoules = (unsigned long long)value_of("energy_mj", gpu);
    return SUCCESS;
}

int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius)
{
    ENTER(device)
    (void)sensor;
    *celsius = (unsigned)value_of("temperature_c", gpu);
    return SUCCESS;
}

int nvmlDeviceGetClockInfo(void *device, int type, unsigned *megahertz)
{
    ENTER(device)
    *megahertz = (unsigned)value_of(type == 2 ? "memory_clock_mhz" : "sm_clock_mhz", gpu);
    return SUCCESS;
}
