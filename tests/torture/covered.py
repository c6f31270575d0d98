#!/usr/bin/env python3
"""Does the torture run know every call by which the library reaches the system?

    covered.py ARCHIVE

Each undefined symbol of the archive is wrapped (wraps.c), or is listed here with the reason why it
need not be made to fail. Last line: what is missing, or `complete`.
"""
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).parent

WHY = {
    "computes, and cannot fail": """bcmp memchr memcmp memcpy memmove memset qsort qsort_r snprintf strchr strcmp strcpy
        getenv isatty strncpy strspn strcasestr strcspn strerrordesc_np strlen strncmp strnlen strrchr vsnprintf __divti3 __sched_cpucount
        __errno_location __sigsetjmp siglongjmp __assert_fail strtol strtoul strtod strstr strcasecmp
        strncasecmp log exp pow sqrt fabs ceil floor round llround lround log2 exp2 log1p expm1 cos sin""",
    "fails through sp__alloc_asked, which base/alloc.c asks before it": "malloc calloc realloc posix_memalign free",
    "fails only for an argument that is wrong": """getrlimit getrusage closedir freeaddrinfo getpid pthread_attr_destroy
        pthread_attr_getstack pthread_cond_broadcast pthread_cond_destroy pthread_cond_signal
        pthread_condattr_destroy pthread_condattr_setclock pthread_detach pthread_equal pthread_join
        pthread_mutex_destroy pthread_mutex_lock pthread_mutex_unlock pthread_self pthread_sigmask
        sched_getparam sched_getscheduler sched_yield sem_init sem_post sigaddset sigdelset sigemptyset
        sigfillset sysconf __libc_current_sigrtmax __libc_current_sigrtmin""",
    "looks at the program's own code, in the handler of a fault too": """_Unwind_Backtrace
        _Unwind_FindEnclosingFunction _Unwind_GetCFA _Unwind_GetIPInfo dl_iterate_phdr dladdr dladdr1
        dlsym __start_sp_text __stop_sp_text""",
    "asked for by tests alone, and 0 where it fails": "mincore",
    "waits for the sink of a log, and is called again where it fails": "poll",
    "no function of the system": "program_invocation_short_name _GLOBAL_OFFSET_TABLE_ __tls_get_addr __stack_chk_fail",
}
EXCUSED = {symbol for symbols in WHY.values() for symbol in symbols.split()}
INSTRUMENT = re.compile(r"__(asan|ubsan|lsan|sanitizer|gcov|tsan)_|__real_|sp_|__aarch64_")


def main():
    wrapped = set(re.findall(r"__wrap_(\w+)\(", (HERE / "wraps.c").read_text()))
    symbols = subprocess.run(["nm", "-u", sys.argv[1]], capture_output=True, text=True, check=True)
    used = {line.split()[-1].split("@")[0] for line in symbols.stdout.splitlines() if " U " in line}
    used = {symbol for symbol in used if not INSTRUMENT.match(symbol)}
    unknown = sorted(used - wrapped - EXCUSED)
    for symbol in unknown:
        print(f"the library calls {symbol}, which is neither made to fail nor excused")
    for symbol in sorted(wrapped - used):
        print(f"{symbol} is made to fail, but the library does not call it")
    if len(used) < 50:
        print(f"only {len(used)} symbols found in {sys.argv[1]}: not looked at")
    complete = not unknown and not wrapped - used and len(used) >= 50
    print(f"{len(used & wrapped)} calls made to fail, {len(used & EXCUSED)} excused"
          f"{', complete' if complete else ''}")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
