#include "api/pv_api.h"
#include "api/pv_bench.h"
#include "api/pv_condition.h"
#include "api/pv_offer.h"
