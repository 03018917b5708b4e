/*
 * A node of GPUs that does what a text file says: the NVML functions that the
 * exporter uses, for tests through the real Python binding.
 *
 * FAKE_NVML_SCENARIO names the file; it is read again whenever it changes, also
 * from inside a call that hangs. One rule a line; '#' begins a comment; the last
 * line that matches wins; '*' stands for every GPU or every function:
 *
 *   count 8                                     how many GPUs the driver lists
 *   driver 570.86.15                            the driver's version
 *   nvml 12.570.86.15                           the library's version
 *   fault nvmlInitWithFlags return 18           a fault of no GPU in particular
 *   gpu 3 power_mw 650000                       a value; the names are in scenario.c
 *   gpu * name NVIDIA H100 80GB HBM3            a text: name or uuid
 *   gpu 3 fault nvmlDeviceGetPowerUsage return 15
 *   gpu 3 fault * hang                          until the rule is gone
 *   gpu 3 fault nvmlDeviceGetUUID segfault
 *   gpu * fault nvmlDeviceGetPowerUsage delay_ms 50      or delay_us
 *   gpu 3 fault nvmlDeviceGetPowerUsage ok      takes an earlier rule back
 *   gpu 0 mig 3:3:40192 3:3:40192               MIG on: GPU slices, compute slices,
 *                                               MiB of each device; "none" has none
 *   gpu 3 field 142 5                           a numbered field's value
 *   gpu 3 field 165/2 0                         the same of one link
 *   gpu 3 field_return 142 3                    its return code
 *   gpu 3 xid 1 31                              an event: its serial number, its code;
 *                                               told once, to who registered before
 *   gpu 3 mig_event 2                           the MIG layout has changed
 *   gpu 3 processes 4711 4712                   host pids
 *   gpu 3 process_growth 2                      so many calls find the list grown, then one does not
 *
 * FAKE_NVML_DEVICES names a folder whose files stand for the device nodes: they are
 * opened by the initialisation, and closed by the shutdown or the process's end.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scenario.h"

#define MAX_NODES 16

static struct device gpus[MAX_GPUS];
static int nodes[MAX_NODES];
static int node_count;

static void open_nodes(void)
{
    const char *folder = getenv("FAKE_NVML_DEVICES");
    const char *names[] = {"nvidiactl", "nvidia0", "nvidia1"};
    char path[4096];
    for (size_t i = 0; folder != NULL && i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && node_count < MAX_NODES)
            nodes[node_count++] = fd;
    }
}

static void close_nodes(void)
{
    while (node_count > 0)
        close(nodes[--node_count]);
}

int nvmlInitWithFlags(unsigned flags)
{
    int code = suffer(__func__, NO_GPU);
    (void)flags;
    initialized = code == SUCCESS;
    if (initialized)
        open_nodes();
    return code;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void)
{
    initialized = 0;
    close_nodes();
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

int nvmlSystemGetNVMLVersion(char *text, unsigned size)
{
    int code = suffer(__func__, NO_GPU);
    if (code != SUCCESS)
        return code;
    if (!text_of("nvml", NO_GPU, text, size))
        snprintf(text, size, "12.570.86.15");
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
    gpus[index] = (struct device){(int)index, WHOLE_GPU, 0};
    *device = &gpus[index];
    return SUCCESS;
}

int nvmlDeviceGetUUID(void *device, char *text, unsigned size)
{
    ENTER(device)
    const struct device *of = device;
    if (of->slot != WHOLE_GPU)
        snprintf(text, size, "MIG-%08x-0000-0000-%04d-%012d", of->layout, gpu, of->slot);
    else if (!text_of("uuid", gpu, text, size))
        snprintf(text, size, "GPU-00000000-0000-0000-0000-%012d", gpu);
    return SUCCESS;
}

int nvmlDeviceGetName(void *device, char *text, unsigned size)
{
    ENTER(device)
    if (!text_of("name", gpu, text, size))
        snprintf(text, size, "NVIDIA H100 80GB HBM3");
    if (((struct device *)device)->slot != WHOLE_GPU)
        mig_name(device, text + strlen(text), size - strlen(text));
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *device, unsigned *rates)
{
    ENTER(device)
    if (layout_of(gpu) != 0)
        return NOT_SUPPORTED;
    rates[0] = (unsigned)value_of("utilization_percent", gpu);
    rates[1] = (unsigned)value_of("memory_percent", gpu);
    return SUCCESS;
}

struct memory { unsigned long long total, free, used; };
struct memory_v2 { unsigned version; unsigned long long total, reserved, free, used; };

static struct memory memory_of(const struct device *device)
{
    int gpu = device->gpu;
    unsigned long long total = (unsigned long long)value_of("memory_total_mib", gpu);
    unsigned long long used = (unsigned long long)value_of("memory_used_mib", gpu);
    if (device->slot != WHOLE_GPU) {
        total = mig_memory_mib(device);
        used = total / 4;
    }
    return (struct memory){total << 20, (total - used) << 20, used << 20};
}

int nvmlDeviceGetMemoryInfo(void *device, struct memory *memory)
{
    ENTER(device)
    *memory = memory_of(device);
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo_v2(void *device, struct memory_v2 *memory)
{
    ENTER(device)
    struct memory found = memory_of(device);
    memory->total = found.total;
    memory->used = found.used;
    memory->free = found.free;
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

int nvmlDeviceGetCurrentClocksEventReasons(void *device, unsigned long long *reasons)
{
    ENTER(device)
    *reasons = (unsigned long long)value_of("clock_reasons", gpu);
    return SUCCESS;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *reasons)
{
    ENTER(device)
    *reasons = (unsigned long long)value_of("clock_reasons", gpu);
    return SUCCESS;
}

int nvmlDeviceGetPcieThroughput(void *device, int counter, unsigned *kib)
{
    ENTER(device)
    *kib = (unsigned)value_of(counter == 0 ? "pcie_sent_kib" : "pcie_received_kib", gpu);
    return SUCCESS;
}

struct process {
    unsigned pid;
    unsigned long long used;
    unsigned gpu_instance, compute_instance;
};

int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, void *infos)
{
    static int grown[MAX_GPUS];
    struct process *found = infos;
    unsigned room = *count, pids[32], total = 0;
    char text[192], *at = text, *end;
    ENTER(device)
    if (text_of("processes", gpu, text, sizeof text))
        for (long pid; total < 32 && (pid = strtol(at, &end, 10), end != at); at = end)
            pids[total++] = (unsigned)pid;
    *count = total;
    if (total > 0 && room == 0)
        return INSUFFICIENT_SIZE;
    if (grown[gpu] < value_of("process_growth", gpu)) {
        grown[gpu]++;
        return INSUFFICIENT_SIZE;
    }
    grown[gpu] = 0;
    for (unsigned i = 0; i < total && i < room; i++)
        found[i] = (struct process){pids[i], 1 << 20, 0xFFFFFFFF, 0xFFFFFFFF};
    return total > room ? INSUFFICIENT_SIZE : SUCCESS;
}
