#include "api/pv_api.h"
