/* What an answer says; see value.h. */
#include "value.h"

#include "text.h"

#include <math.h>
#include <stdio.h>

const char *value_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

double value_number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

bool value_is_null(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return value == NULL || json_is_null(value);
}

size_t value_count(const json_t *object, const char *key)
{
    return json_array_size(json_object_get(object, key));
}

/* With one decimal below ten thousand of a unit, so that it takes six columns at most. */
static const char *value_scaled(char out[VALUE_TEXT_MAX], double number, double step,
                                const char *units)
{
    size_t unit = 0;
    while (fabs(number) >= step * (unit == 0 ? 10 : 1) && units[unit + 1] != '\0') {
        number /= step;
        unit++;
    }
    if (unit == 0)
        snprintf(out, VALUE_TEXT_MAX, "%.0f", number);
    else
        snprintf(out, VALUE_TEXT_MAX, "%.1f%c", number, units[unit]);
    return out;
}

const char *value_format_count(char out[VALUE_TEXT_MAX], double number)
{
    return value_scaled(out, number, 1000, " kMGTPE");
}

const char *value_format_bytes(char out[VALUE_TEXT_MAX], double bytes)
{
    return value_scaled(out, bytes, 1024, " KMGTPE");
}

const char *value_format_ms(char out[VALUE_TEXT_MAX], double ms)
{
    double s = ms / 1000;
    if (s < 1)
        snprintf(out, VALUE_TEXT_MAX, "%.1fms", ms);
    else if (s < 60)
        snprintf(out, VALUE_TEXT_MAX, "%.1fs", s);
    else if (s < 3600)
        snprintf(out, VALUE_TEXT_MAX, "%.0fm%02.0fs", floor(s / 60), floor(fmod(s, 60)));
    else if (s < 86400)
        snprintf(out, VALUE_TEXT_MAX, "%.0fh%02.0fm", floor(s / 3600), floor(fmod(s, 3600) / 60));
    else
        snprintf(out, VALUE_TEXT_MAX, "%.0fd%02.0fh", floor(s / 86400),
                 floor(fmod(s, 86400) / 3600));
    return out;
}

const char *value_name(char *out, size_t size, const json_t *process)
{
    const char *name = value_text(process, "name");
    const char *label = value_text(process, "label");
    size_t half = size / 2;
    char shown[2][512];
    size_t room = half < sizeof(shown[0]) ? half : sizeof(shown[0]);
    text_show(shown[0], room, name, room);
    text_show(shown[1], room, label, room);
    if (name != NULL && label != NULL)
        snprintf(out, size, "%s (%s)", shown[0], shown[1]);
    else
        snprintf(out, size, "%s", name != NULL ? shown[0] : shown[1]);
    return out;
}
