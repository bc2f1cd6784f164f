"""Faults in traces."""

from fault import Fault

TRACE_FAULTS = [
    Fault(
        "trace_ring: an event that is being overwritten is not counted as lost",
        "runtime/sched/trace/trace_ring.cpp",
        "  const std::uint64_t lost = whole - std::min(from, whole);",
        "  const std::uint64_t lost = begin - std::min(from, begin);",
    ),
    Fault(
        "trace_ring: the last event is read again",
        "runtime/sched/trace/trace_ring.cpp",
        "  from = std::max(from, end);",
        "  from = std::max(from, end == 0 ? end : end - 1);",
    ),
    Fault(
        "trace_json: a late event makes slices that overlap",
        "runtime/tool/trace_json.cpp",
        "  from = std::max(from, on.last);\n",
        "",
    ),
    Fault(
        "trace_json: a run whose end was lost has no slice",
        "runtime/tool/trace_json.cpp",
        '  end_run(here, one.time, "not recorded");\n',
        "",
    ),
    Fault(
        "trace_json: a wake that comes before the park is forgotten",
        "runtime/tool/trace_json.cpp",
        "one.what == trace_what::parks && !its.woken ? state::parked",
        "one.what == trace_what::parks ? state::parked",
    ),
    Fault(
        "trace_json: a fiber is parked until it runs",
        "runtime/tool/trace_json.cpp",
        "  if (its.now != state::parked) return;\n",
        "  if (its.now == state::parked) return;\n",
    ),
]
