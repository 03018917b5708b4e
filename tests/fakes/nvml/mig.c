/* MIG: devices of a layout; a handle of an earlier layout is invalid. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

struct attributes {
    unsigned multiprocessors, copy, decoders, encoders, jpeg, ofa;
    unsigned gpu_slices, compute_slices;
    unsigned long long memory_mib;
};

static struct device devices[MAX_GPUS][MAX_SLOTS];

/* Reads one device of the layout's text; returns 0 where there is none. */
static int device_at(int gpu, int slot, struct attributes *found)
{
    char text[192], *rest, *word;
    if (!text_of("mig", gpu, text, sizeof text))
        return 0;
    word = strtok_r(text, " ", &rest);
    for (int i = 0; word != NULL && i < slot; i++)
        word = strtok_r(NULL, " ", &rest);
    memset(found, 0, sizeof *found);
    return word != NULL
        && sscanf(word, "%u:%u:%llu", &found->gpu_slices, &found->compute_slices,
                  &found->memory_mib) == 3;
}

void mig_name(const struct device *device, char *text, unsigned long size)
{
    struct attributes found;
    if (device_at(device->gpu, device->slot, &found))
        snprintf(text, size, " MIG %ug.%llugb", found.gpu_slices,
                 (found.memory_mib + 512) / 1024);
}

unsigned long long mig_memory_mib(const struct device *device)
{
    struct attributes found;
    return device_at(device->gpu, device->slot, &found) ? found.memory_mib : 0;
}

int nvmlDeviceGetMigMode(void *device, unsigned *current, unsigned *pending)
{
    ENTER(device)
    *current = *pending = layout_of(gpu) != 0;
    return SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(void *device, unsigned *count)
{
    ENTER(device)
    *count = (unsigned)value_of("mig_slices", gpu);
    return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(void *device, unsigned slot, void **found)
{
    struct attributes attributes;
    ENTER(device)
    if (slot >= MAX_SLOTS || !device_at(gpu, (int)slot, &attributes))
        return NOT_FOUND;
    devices[gpu][slot] = (struct device){gpu, (int)slot, layout_of(gpu)};
    *found = &devices[gpu][slot];
    return SUCCESS;
}

int nvmlDeviceGetAttributes_v2(void *device, struct attributes *attributes)
{
    ENTER(device)
    return device_at(gpu, ((struct device *)device)->slot, attributes) ? SUCCESS
                                                                       : NOT_FOUND;
}

int nvmlDeviceGetGpuInstanceId(void *device, unsigned *id)
{
    ENTER(device)
    *id = (unsigned)((struct device *)device)->slot + 1;
    return SUCCESS;
}

int nvmlDeviceGetComputeInstanceId(void *device, unsigned *id)
{
    ENTER(device)
    *id = 0;
    return SUCCESS;
}
