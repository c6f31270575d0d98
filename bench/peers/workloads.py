"""What is measured: the workloads that peers have too, and the figures taken from each.

A row of the table is one figure of a workload with one number of workers.
"""
from collections import namedtuple

# `less`: the smaller value is the better one. `factor` turns the program's figure into `unit`.
Figure = namedtuple("Figure", "metric label unit less factor")

# `short` is the size in short mode, `once` says that one round must do there; `seconds` is the
# duration of a workload that takes a time: (full, short). 0: the program's default.
Workload = namedtuple("Workload", "name figures short once seconds", defaults=(False, (0, 0)))


def ns(metric, label=None):
    return Figure(metric, label, "ns", True, 1)


def millions(metric="messages_per_s"):
    return Figure(metric, None, "M/s", False, 1e-6)


WORKLOADS = (
    Workload("pingpong", (ns("ns_per_message"),), 300000),
    Workload("ring", (ns("ns_per_hop"),), 600000),
    Workload("spawn", (ns("ns_per_spawn_exit"),), 200000),
    Workload("skynet", (Figure("ms", None, "ms", True, 1),), 100000),
    Workload("fanin", (millions(),), 10000),
    Workload("mailbox_bounded", (millions(),), 500000),
    Workload("big", (millions(),), 400),
    Workload("call", (ns("ns_per_call"),), 200000),
    Workload("call_c1000", (ns("ns_per_call"),), 500),
    Workload("selective_receive", (ns("ns_per_message_skipped"),), 20),
    Workload("registry", (ns("ns_per_whereis"),), 500000),
    Workload("pg_broadcast", (ns("ns_per_delivery"),), 3),
    Workload("idle_memory", (Figure("bytes_per_actor", None, "bytes", True, 1),), 100000, True),
    Workload(
        "timers",
        (
            Figure("cpu_s", "CPU", "s", True, 1),
            Figure("p99_late_ms", "p99 late", "ms", True, 1),
        ),
        0,
        True,
    ),
    Workload(
        "fairness",
        (
            Figure("p50_us", "p50", "us", True, 1),
            Figure("p99_us", "p99", "us", True, 1),
            Figure("max_us", "max", "us", True, 1),
        ),
        0,
        True,
        (3, 1),
    ),
    Workload(
        "tcp_echo",
        (
            Figure("p50_us_c1", "1 connection, p50", "us", True, 1),
            Figure("messages_per_s_c100", "100 connections", "k/s", False, 1e-3),
            Figure("messages_per_s_c10000", "10,000 connections", "k/s", False, 1e-3),
        ),
        100,  # connections at most
        True,
    ),
)

# Workloads that have a floor of their own, a workload of spawned-bench with figures of theirs.
FLOOR_OF = {"tcp_echo": "tcp_echo_floor", "fairness": "fairness_floor"}

# A peer only serves these; the client of spawned-bench drives it (--connect PORT).
SERVED = {"tcp_echo"}

# What the machine takes without a runtime: printed beside every table, measured in each round.
FLOOR = (
    ("floor_hop", ns("ns_per_hop", "message through an intrusive queue, one thread"), 2000000),
    ("floor_switch", ns("ns_per_switch", "switch to another stack"), 2000000),
    ("floor_line", ns("ns_per_round_trip", "cache line to another processor and back"), 300000),
    ("floor_wake", ns("ns_per_round_trip", "sleeping thread woken, and back"), 5000),
    ("floor_malloc", ns("ns_per_pair", "malloc and free"), 2000000),
    ("floor_clock", ns("ns_per_read", "reading of the clock"), 2000000),
)

# Speed-up from 1 to N workers of our own: one workload of spawned-bench, several figures.
SCALING = ("big", "skynet", "call_c1000", "spawn", "fanout_cpu")
