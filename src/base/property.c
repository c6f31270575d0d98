#include "spawned/property.h"

const struct sp__property_ops *sp__properties;
