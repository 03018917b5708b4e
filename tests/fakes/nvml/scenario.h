/*
 * What the fake driver plays: the rules of a text file, read again whenever it
 * changes, also from inside a call that hangs. See the head of nvml.c.
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#define ALL_GPUS (-1)
#define NO_GPU (-2)
#define MAX_GPUS 64
#define MAX_SLOTS 8
#define WHOLE_GPU (-1)

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    TIMEOUT = 10
};

/* A handle: a GPU, or one of its MIG devices in one layout. */
struct device {
    int gpu;
    int slot;
    unsigned layout;
};

extern int initialized;

/* Does what the scenario says of a call: waits, hangs, crashes; returns its code. */
int suffer(const char *function, int gpu);

/* Every call on a device: no driver, then a stale handle, then the fault. */
int enter(const char *function, const struct device *device);

/* Copies the last text of a key, if there is one; else returns 0. */
int text_of(const char *key, int gpu, char *text, unsigned size);

/* The last number of a key, or its default. */
long value_of(const char *key, int gpu);

/* Calls *visit* with every text of a key, in the order of the file. */
void each_text(const char *key, int gpu, void (*visit)(const char *, void *), void *with);

/* Which MIG layout a GPU has; 0 is MIG off. */
unsigned layout_of(int gpu);

/* What a MIG device is called after its GPU's name, and its memory. */
void mig_name(const struct device *device, char *text, unsigned long size);
unsigned long long mig_memory_mib(const struct device *device);

/* Reads the file again though it was looked at just now. */
void look_again(void);

const char *scenario_path(void);
int gpu_count(void);
void pause_us(long us);

#define ENTER(device)                                                                    \
    int gpu = (device) == NULL ? 0 : ((struct device *)(device))->gpu;                   \
    int code = enter(__func__, device);                                                  \
    (void)gpu;                                                                           \
    if (code != SUCCESS)                                                                 \
        return code;

#endif
