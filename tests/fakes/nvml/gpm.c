/* GPM: two samples of one GPU, the older one first, make ratios. */
#include <stdlib.h>

#include "scenario.h"

#define METRICS 477

struct sample {
    int gpu;
    long serial;
    double sm, tensor, dram;
};

struct metric {
    unsigned id;
    int code;
    double value;
    const char *names[3];
};

struct question {
    unsigned version, count;
    struct sample *older, *newer;
    struct metric metrics[METRICS];
};

struct support {
    unsigned version, is_supported;
};

int nvmlGpmQueryDeviceSupport(void *device, struct support *support)
{
    ENTER(device)
    support->is_supported = (unsigned)value_of("gpm_supported", gpu);
    return SUCCESS;
}

int nvmlGpmSampleAlloc(struct sample **made)
{
    *made = calloc(1, sizeof **made);
    return SUCCESS;
}

int nvmlGpmSampleFree(struct sample *sample)
{
    free(sample);
    return SUCCESS;
}

int nvmlGpmSampleGet(void *device, struct sample *sample)
{
    static _Thread_local long serial;
    ENTER(device)
    if (layout_of(gpu) != 0)
        return NOT_SUPPORTED;
    *sample = (struct sample){gpu, ++serial, (double)value_of("gpm_sm", gpu),
                              (double)value_of("gpm_tensor", gpu),
                              (double)value_of("gpm_dram", gpu)};
    return SUCCESS;
}

int nvmlGpmMetricsGet(struct question *asked)
{
    const struct sample *older = asked->older, *newer = asked->newer;
    if (asked->version != 1 || older->gpu != newer->gpu || older->serial >= newer->serial)
        return INVALID_ARGUMENT;
    for (unsigned i = 0; i < asked->count; i++) {
        struct metric *metric = &asked->metrics[i];
        metric->code = SUCCESS;
        switch (metric->id) {
        case 2: metric->value = newer->sm; break;
        case 5: metric->value = newer->tensor; break;
        case 10: metric->value = newer->dram; break;
        default: metric->code = NOT_SUPPORTED;
        }
    }
    return SUCCESS;
}
