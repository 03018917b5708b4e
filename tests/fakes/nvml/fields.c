/* The numbered fields of a GPU, many in one call; as an H100 has them. */
#include <stdio.h>
#include <stdlib.h>

#include "scenario.h"

#define ANY_LINK 0xFFFFFFFFu
#define UNSIGNED_LONG_LONG 3

struct field {
    unsigned id, scope;
    long long timestamp, latency_us;
    int type, code;
    union {
        double d;
        unsigned long long ull;
    } value;
};

static const struct {
    unsigned first, last;
    int code;
    unsigned long long value;
} fields[] = {
    {3, 6, SUCCESS, 0},            /* ECC totals */
    {29, 31, NOT_SUPPORTED, 0},    /* retired pages: before Ampere */
    {38, 38, NOT_SUPPORTED, 0},    /* NVLink totals: before Hopper */
    {52, 52, NOT_SUPPORTED, 0},
    {59, 59, NOT_SUPPORTED, 0},
    {74, 74, SUCCESS, 0},          /* throttled by the power cap */
    {76, 76, SUCCESS, 0},          /* throttled by sync boost */
    {82, 82, SUCCESS, 60},         /* memory temperature */
    {91, 91, SUCCESS, 18},         /* NVLinks */
    {94, 94, SUCCESS, 0},          /* PCIe replays */
    {142, 145, SUCCESS, 0},        /* row remapping */
    {161, 163, SUCCESS, 0},        /* errors of one NVLink */
    {165, 165, SUCCESS, 1},        /* the state of one NVLink */
    {230, 230, SUCCESS, 0},        /* recovery action */
    {269, 271, SUCCESS, 0},        /* throttled by heat and the power brake */
};

struct search {
    struct field *field;
    int is_code;
};

static void apply(const char *text, void *with)
{
    const struct search *search = with;
    struct field *field = search->field;
    unsigned id, scope = ANY_LINK;
    unsigned long long value;
    if (sscanf(text, "%u/%u %llu", &id, &scope, &value) != 3) {
        scope = ANY_LINK;
        if (sscanf(text, "%u %llu", &id, &value) != 2)
            return;
    }
    if (id != field->id || (scope != ANY_LINK && scope != field->scope))
        return;
    field->code = search->is_code ? (int)value : SUCCESS;
    if (!search->is_code)
        field->value.ull = value;
}

int nvmlDeviceGetFieldValues(void *device, int count, struct field *values)
{
    ENTER(device)
    for (int i = 0; i < count; i++) {
        struct field *field = &values[i];
        field->type = UNSIGNED_LONG_LONG;
        field->code = INVALID_ARGUMENT;
        for (size_t row = 0; row < sizeof fields / sizeof fields[0]; row++)
            if (field->id >= fields[row].first && field->id <= fields[row].last) {
                field->code = fields[row].code;
                field->value.ull = fields[row].value;
            }
        each_text("field", gpu, apply, &(struct search){field, 0});
        each_text("field_return", gpu, apply, &(struct search){field, 1});
    }
    return SUCCESS;
}
