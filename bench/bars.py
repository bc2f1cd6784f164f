"""The figures that hilo is held to, as data: ./dev bench prints how each was met.

A bar is one figure of hilo with so many carriers, divided by what it is compared with: the same
figure of another implementation measured in the same run; another cell; or nothing, when the bar is
an amount. The report calls it met when the result is at most the bar.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Bar:
    figure: str
    carriers: int
    most: float
    over: str = ""  # the implementation divided by; none: the figure itself is held to `most`
    implementation: str = "hilo"
    over_carriers: int = 0  # if not the same number
    above: str = ""  # another figure of the same implementation, subtracted


def ratios(figure, over, *most, implementation="hilo"):
    """One bar with 1 carrier and, where two are given, one with 2."""
    return [
        Bar(figure, carriers, bar, over, implementation) for carriers, bar in enumerate(most, 1)
    ]


KIB = 1024

BARS = [
    # Kernel threads, against std::thread and the standard library's locks.
    *ratios("thread_create_join", "pthread", 0.90, 0.90, implementation="hilo_thread"),
    *ratios("thread_create_join_alloc", "pthread", 0.40, 0.40, implementation="hilo_thread"),
    *ratios("thread_create_join_8", "pthread", 0.90, 0.90, implementation="hilo_thread"),
    *ratios("kernel_mutex", "pthread", 1.0, implementation="hilo_thread"),
    Bar("kernel_mutex_8", 2, 0.8, "pthread", "hilo_thread"),
    *ratios("kernel_shared_mutex_8", "pthread", 1.0, 1.0, implementation="hilo_thread"),
    # Fibers, against kernel threads.
    *ratios("spawn_join", "pthread", 0.01),
    *ratios("pingpong", "pthread", 0.03, 0.03),
    Bar("skynet", 1, 1000),
    Bar("skynet", 2, 1000),
    # Fibers, against goroutines.
    *ratios("spawn_join", "go", 0.12, 0.20),
    *ratios("yield", "go", 0.12),
    *ratios("spawn_many", "go", 0.12, 0.20),
    *ratios("skynet", "go", 0.10, 0.10),
    *ratios("mutex_8", "go", 0.60, 0.30),
    *ratios("fib_spawn", "go", 0.08, 0.08),
    *ratios("timers", "go", 0.5, 0.5),
    Bar("timers_p99", 1, 0.5),
    Bar("timers_p99", 2, 0.5),
    Bar("timers_storm_p99", 1, 5),
    Bar("timers_storm_p99", 2, 5),
    Bar("memory", 1, 4.3 * KIB),
    Bar("memory_1m", 1, 4.3 * KIB),
    Bar("idle", 1, 1),
    Bar("idle", 2, 1),
    # The switch alone, against Boost.Context's; and what a libc thread block of one's own adds.
    *ratios("switch", "boost", 0.70),
    Bar("switch_own", 1, 12, above="switch"),
    # Fork-join, against the same calls made plainly, with itself, and against oneTBB.
    *ratios("fib_fork_join", "serial", 4),
    Bar("fib_fork_join", 2, 1 / 1.8, "hilo", over_carriers=1),
    *ratios("fib_fork_join", "tbb", 0.06, 0.06),
    # Channels and select, against Go's.
    *ratios("pingpong", "go", 0.15, 0.25),
    *ratios("channel_1x1", "go", 0.30, 0.50),
    *ratios("channel_4x4", "go", 0.35, 0.35),
    *ratios("select_4", "go", 0.5, 0.5),
    *ratios("skynet_channel", "go", 0.15, 0.15),
    # Servers: processor time for a request, against an epoll loop and a thread a connection.
    *ratios("echo_64", "bare", 1.00),
    *ratios("echo_1000", "bare", 1.00),
    *ratios("echo_1000", "pthread", 1.00),
    *ratios("echo_1000_memory", "pthread", 1 / 5),
    *ratios("http_64", "bare", 1.15),
    *ratios("http_1000", "bare", 1.15),
    *ratios("http_64", "nginx", 0.95),
    *ratios("http_1000", "nginx", 0.95),
    *ratios("http_64", "go", 0.45),
    *ratios("http_1000", "go", 0.45),
    *ratios("keyvalue_get", "redis", 1.00),
    *ratios("keyvalue_set", "redis", 1.00),
    *ratios("keyvalue_pipelined", "redis", 0.90),
    *ratios("keyvalue_get_memory", "redis", 0.60),
    Bar("echo_idle", 1, 12 * KIB),
    Bar("echo_idle_cpu", 1, 1),
    Bar("http_idle", 1, 12 * KIB),
    Bar("http_idle_cpu", 1, 1),
]
