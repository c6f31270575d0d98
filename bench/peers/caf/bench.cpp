// The workloads of spawned-bench as a user of the C++ Actor Framework (0.17) writes them:
// event-based actors.
//
//     bench WORKLOAD WORKERS SIZE SECONDS
//
// SIZE and SECONDS 0 mean the defaults, which are those of spawned-bench. Prints "METRIC VALUE"
// lines. Nothing preempts an actor and mailboxes have no bound, so who spawns or sends a lot
// gives way now and then: it sends itself a message to go on.
#include "caf/all.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <malloc.h>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace caf;

namespace
{

using go_atom = atom_constant<atom("go")>;
using ping_atom = atom_constant<atom("ping")>;
using pong_atom = atom_constant<atom("pong")>;
using next_atom = atom_constant<atom("next")>;
using get_atom = atom_constant<atom("get")>;

struct options {
    int64_t workers;
    int64_t size;
    int64_t seconds;
    int64_t size_or(int64_t normal) const
    {
        return size > 0 ? size : normal;
    }
};

// ---- figures ---------------------------------------------------------------------------------

void out(const char *metric, double value)
{
    std::printf("%s %.3f\n", metric, value);
    std::fflush(stdout);
}

[[noreturn]] void fail(const char *why)
{
    std::fprintf(stderr, "%s\n", why);
    std::_Exit(EXIT_FAILURE);
}

int64_t now_ns()
{
    auto since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
}

double cpu_seconds()
{
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    auto seconds = [](const timeval &t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// A figure of /proc/self/status in bytes.
double memory(const std::string &key)
{
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.compare(0, key.size(), key) == 0)
            return 1024 * std::strtod(line.c_str() + key.size(), nullptr);
    fail("a figure is missing in /proc/self/status");
}

// xorshift: a random generator without a lock.
class xorshift
{
  public:
    explicit xorshift(uint64_t seed) : state_(seed * 2654435761u + 88172645463325252u)
    {
    }
    uint64_t below(uint64_t n)
    {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_ % n;
    }

  private:
    uint64_t state_;
};

// The main thread waits for `count` messages; the sum of what they say.
int64_t await(scoped_actor &main, int64_t count)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < count; ++i)
        main->receive([&](int64_t value) { sum += value; });
    return sum;
}

// ---- pingpong, ring ----------------------------------------------------------------------------

struct player_state {
    actor next;
};

behavior player(stateful_actor<player_state> *self, actor main)
{
    return { [=](const actor &next) { self->state.next = next; },
             [=](int64_t left) {
                 if (left == 0)
                     self->send(main, int64_t{ 0 });
                 else
                     self->send(self->state.next, left - 1);
             } };
}

double players(actor_system &system, size_t count, int64_t hops)
{
    scoped_actor main{ system };
    std::vector<actor> all;
    for (size_t i = 0; i < count; ++i)
        all.push_back(system.spawn(player, actor{ main }));
    for (size_t i = 0; i < count; ++i)
        main->send(all[i], all[(i + 1) % count]);
    auto start = now_ns();
    main->send(all[0], hops);
    await(main, 1);
    return double(now_ns() - start);
}

void pingpong(actor_system &system, const options &o)
{
    auto messages = 2 * o.size_or(2000000);
    out("ns_per_message", players(system, 2, messages) / double(messages));
}

void ring(actor_system &system, const options &o)
{
    auto hops = o.size_or(5000000);
    out("ns_per_hop", players(system, 503, hops) / double(hops));
}

// ---- spawn ---------------------------------------------------------------------------------------

struct spawner_state {
    int64_t left = 0;
};

behavior spawner(stateful_actor<spawner_state> *self, actor main, int64_t count,
                 std::shared_ptr<std::atomic<int64_t>> alive)
{
    self->state.left = count;
    return { [=](go_atom) {
        auto *counter = alive.get();
        for (int i = 0; i < 100 && self->state.left > 0; ++i, --self->state.left)
            self->spawn([counter, main](event_based_actor *nothing) {
                if (counter->fetch_sub(1, std::memory_order_acq_rel) == 1)
                    nothing->send(main, int64_t{ 0 });
            });
        if (self->state.left > 0)
            self->send(self, go_atom::value);
    } };
}

void spawn(actor_system &system, const options &o)
{
    auto count = o.size_or(1000000);
    scoped_actor main{ system };
    auto alive = std::make_shared<std::atomic<int64_t>>(count);
    auto start = now_ns();
    auto first = system.spawn(spawner, actor{ main }, count, alive);
    main->send(first, go_atom::value);
    await(main, 1);
    out("ns_per_spawn_exit", double(now_ns() - start) / double(count));
}

// ---- idle_memory -----------------------------------------------------------------------------------

struct idler_state {
    int64_t value = 0;
};

behavior idler(stateful_actor<idler_state> *self, int64_t value)
{
    self->state.value = value;
    return { [=](int64_t n) { self->state.value += n; },
             [=](get_atom) { return self->state.value; } };
}

void idle_memory(actor_system &system, const options &o)
{
    auto count = o.size_or(1000000);
    // The addresses are kept in memory that is there, and not counted, before the start.
    std::vector<actor> addresses(static_cast<size_t>(count));
    malloc_trim(0);
    auto before = memory("VmRSS:");
    auto start = now_ns();
    for (int64_t i = 0; i < count; ++i)
        addresses[static_cast<size_t>(i)] = system.spawn(idler, i);
    auto ns = double(now_ns() - start);
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    auto after = memory("VmRSS:");
    out("bytes_per_actor", (after - before) / double(count));
    out("ns_per_start", ns / double(count));
    out("rss_mib", after / 1048576);
}

// ---- skynet --------------------------------------------------------------------------------------------

struct node_state {
    int64_t sum = 0;
    int missing = 10;
};

behavior node(stateful_actor<node_state> *self, actor parent, int64_t first, int64_t size)
{
    auto part = size / 10;
    auto me = actor_cast<actor>(self);
    for (int64_t i = 0; i < 10; ++i) {
        auto at = first + i * part;
        if (part == 1)
            self->spawn([=](event_based_actor *leaf) { leaf->send(me, at); });
        else
            self->spawn(node, me, at, part);
    }
    return { [=](int64_t sum) {
        self->state.sum += sum;
        if (--self->state.missing == 0) {
            self->send(parent, self->state.sum);
            self->quit();
        }
    } };
}

void skynet(actor_system &system, const options &o)
{
    auto leaves = o.size_or(1000000);
    scoped_actor main{ system };
    auto start = now_ns();
    system.spawn(node, actor{ main }, int64_t{ 0 }, leaves);
    auto sum = await(main, 1);
    auto ns = now_ns() - start;
    if (sum != leaves * (leaves - 1) / 2)
        fail("the sum is wrong (the size must be a power of ten)");
    out("ms", double(ns) / 1e6);
}

// ---- fanin ---------------------------------------------------------------------------------------------

struct sink_state {
    int64_t left = 0;
    int64_t sum = 0;
};

behavior sink(stateful_actor<sink_state> *self, actor main, int64_t expected)
{
    self->state.left = expected;
    return { [=](int64_t n) {
        self->state.sum += n;
        if (--self->state.left == 0)
            self->send(main, self->state.sum);
    } };
}

struct sender_state {
    int64_t next = 0;
};

behavior sender(stateful_actor<sender_state> *self, actor to, int64_t count)
{
    return { [=](go_atom) {
        auto &next = self->state.next;
        for (int i = 0; i < 1000 && next < count; ++i)
            self->send(to, next++);
        if (next < count)
            self->send(self, go_atom::value);
    } };
}

void fanin(actor_system &system, const options &o)
{
    constexpr int64_t senders = 100;
    auto each = o.size_or(100000);
    scoped_actor main{ system };
    auto to = system.spawn(sink, actor{ main }, senders * each);
    auto start = now_ns();
    for (int64_t i = 0; i < senders; ++i)
        main->send(system.spawn(sender, to, each), go_atom::value);
    auto sum = await(main, 1);
    auto seconds = double(now_ns() - start) / 1e9;
    if (sum != senders * (each * (each - 1) / 2))
        fail("the sum is wrong");
    out("messages_per_s", double(senders * each) / seconds);
    out("peak_rss_mib", memory("VmHWM:") / 1048576);
}

// ---- big -------------------------------------------------------------------------------------------------

using crowd = std::shared_ptr<std::vector<actor>>;

struct big_state {
    int64_t left = 0;
    xorshift random{ 0 };
};

behavior big_member(stateful_actor<big_state> *self, actor main, crowd members, int64_t pings,
                    uint64_t seed)
{
    self->state.left = pings;
    self->state.random = xorshift{ seed };
    auto next = [=] {
        if (self->state.left-- == 0)
            self->send(main, int64_t{ 0 });
        else
            self->send((*members)[self->state.random.below(members->size())], ping_atom::value);
    };
    return { [=](go_atom) { next(); }, [=](ping_atom) { return pong_atom::value; },
             [=](pong_atom) { next(); } };
}

void big(actor_system &system, const options &o)
{
    constexpr int64_t count = 500;
    auto pings = o.size_or(2000);
    scoped_actor main{ system };
    auto members = std::make_shared<std::vector<actor>>();
    for (int64_t i = 0; i < count; ++i)
        members->push_back(system.spawn(big_member, actor{ main }, members, pings, uint64_t(i)));
    auto start = now_ns();
    for (auto &member : *members)
        main->send(member, go_atom::value);
    await(main, count);
    out("messages_per_s", 2.0 * double(count * pings) / (double(now_ns() - start) / 1e9));
}

// ---- call, call_c1000 --------------------------------------------------------------------------------------

struct counter_state {
    int64_t value = 0;
};

behavior counter(stateful_actor<counter_state> *self)
{
    return { [=](next_atom) { return ++self->state.value; } };
}

struct client_state {
    int64_t left = 0;
};

void client_call(stateful_actor<client_state> *self, const actor &main, const actor &server)
{
    self->request(server, infinite, next_atom::value).then([=](int64_t) {
        if (--self->state.left > 0)
            client_call(self, main, server);
        else
            self->send(main, int64_t{ 0 });
    });
}

behavior client(stateful_actor<client_state> *self, actor main, actor server, int64_t calls)
{
    self->state.left = calls;
    return { [=](go_atom) { client_call(self, main, server); } };
}

void clients(actor_system &system, int64_t count, int64_t calls)
{
    scoped_actor main{ system };
    auto server = system.spawn(counter);
    auto start = now_ns();
    for (int64_t i = 0; i < count; ++i)
        main->send(system.spawn(client, actor{ main }, server, calls), go_atom::value);
    await(main, count);
    out("ns_per_call", double(now_ns() - start) / double(count * calls));
}

void call(actor_system &system, const options &o)
{
    clients(system, 1, o.size_or(1000000));
}

void call_c1000(actor_system &system, const options &o)
{
    clients(system, 1000, o.size_or(1000));
}

// ---- timers ------------------------------------------------------------------------------------------------

// Lateness in steps of 10 us: 10 s of them, and one for all above.
constexpr int64_t late_step_ns = 10000;
constexpr size_t late_steps = 1000001;

using lateness = std::shared_ptr<std::vector<uint32_t>>;

double late_at(const std::vector<uint32_t> &late, int64_t rank)
{
    int64_t seen = 0;
    size_t step = 0;
    while (step + 1 < late.size() && (seen += late[step]) < rank)
        ++step;
    return double(step + 1) * double(late_step_ns) / 1e6;
}

struct clockwork_state {
    int64_t left = 0;
};

behavior clockwork(stateful_actor<clockwork_state> *self, actor main, lateness late,
                   int64_t expected)
{
    self->state.left = expected;
    return { [=](int64_t due_ns) {
        auto late_ns = std::max<int64_t>(0, now_ns() - due_ns);
        ++(*late)[std::min(late_steps - 1, size_t(late_ns / late_step_ns))];
        if (--self->state.left == 0)
            self->send(main, int64_t{ 0 });
    } };
}

struct armer_state {
    int64_t left = 0;
    xorshift random{ 0 };
};

behavior armer(stateful_actor<armer_state> *self, actor main, actor to, int64_t count)
{
    self->state.left = count;
    return { [=](go_atom) {
        for (int i = 0; i < 1000 && self->state.left > 0; ++i, --self->state.left) {
            auto after_ns = int64_t(self->state.random.below(2000000000));
            self->delayed_send(to, std::chrono::nanoseconds(after_ns), now_ns() + after_ns);
        }
        if (self->state.left > 0)
            self->send(self, go_atom::value);
        else
            self->send(main, now_ns());
    } };
}

void timers(actor_system &system, const options &o)
{
    auto count = o.size_or(1000000);
    scoped_actor main{ system };
    scoped_actor end{ system };
    auto late = std::make_shared<std::vector<uint32_t>>(late_steps);
    auto to = system.spawn(clockwork, actor{ end }, late, count);
    auto cpu = cpu_seconds();
    auto start = now_ns();
    main->send(system.spawn(armer, actor{ main }, to, count), go_atom::value);
    auto armed = await(main, 1);
    await(end, 1);
    auto ended = now_ns();
    out("cpu_s", cpu_seconds() - cpu);
    out("p50_late_ms", late_at(*late, count / 2));
    out("p99_late_ms", late_at(*late, count * 99 / 100));
    out("max_late_ms", late_at(*late, count));
    out("arm_ns_per_timer", double(armed - start) / double(count));
    out("wall_s", double(ended - start) / 1e9);
}

// ---- fairness ------------------------------------------------------------------------------------------------

struct fair {
    std::atomic<bool> stop{ false };
    std::atomic<int64_t> trips{ 0 };
    std::vector<float> us;
};

struct trips_state {
    actor echo;
    int64_t start = 0;
};

behavior trips(stateful_actor<trips_state> *self, std::shared_ptr<fair> shared, actor main)
{
    self->state.echo = self->spawn([](event_based_actor *) -> behavior {
        return { [](ping_atom) { return pong_atom::value; } };
    });
    auto trip = [=] {
        self->state.start = now_ns();
        self->send(self->state.echo, ping_atom::value);
    };
    trip();
    return { [=](pong_atom) {
        shared->us.push_back(float(now_ns() - self->state.start) / 1000);
        shared->trips.fetch_add(1, std::memory_order_relaxed);
        if (shared->stop.load(std::memory_order_relaxed))
            self->send(main, int64_t{ 0 });
        else
            trip();
    } };
}

void fairness(actor_system &system, const options &o)
{
    auto shared = std::make_shared<fair>();
    scoped_actor main{ system };
    for (int64_t i = 0; i < o.workers; ++i)
        system.spawn([=](event_based_actor *) {
            while (!shared->stop.load(std::memory_order_relaxed))
                continue;
        });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    system.spawn(trips, shared, actor{ main });
    std::this_thread::sleep_for(std::chrono::seconds(o.seconds > 0 ? o.seconds : 3));
    if (shared->trips.load(std::memory_order_relaxed) == 0) {
        std::puts("p50_us starved");
        return;
    }
    shared->stop.store(true, std::memory_order_relaxed);
    await(main, 1);
    auto &us = shared->us;
    std::sort(us.begin(), us.end());
    out("p50_us", us[us.size() / 2]);
    out("p99_us", us[us.size() * 99 / 100]);
    out("max_us", us.back());
    out("round_trips", double(us.size()));
}

// ---- the command line ------------------------------------------------------------------------------------------

using workload = void (*)(actor_system &, const options &);

const std::map<std::string, workload> workloads = {
    { "pingpong", pingpong },
    { "ring", ring },
    { "spawn", spawn },
    { "idle_memory", idle_memory },
    { "skynet", skynet },
    { "fanin", fanin },
    { "big", big },
    { "call", call },
    { "call_c1000", call_c1000 },
    { "timers", timers },
    { "fairness", fairness },
};

} // namespace

int main(int argc, char **argv)
{
    if (argc != 5)
        fail("usage: bench WORKLOAD WORKERS SIZE SECONDS");
    auto found = workloads.find(argv[1]);
    if (found == workloads.end())
        fail("no such workload");
    options o{ std::atoll(argv[2]), std::atoll(argv[3]), std::atoll(argv[4]) };
    actor_system_config config;
    config.set("scheduler.max-threads", static_cast<size_t>(o.workers));
    // With the default, an idle worker that looks for work to steal holds up the one that spawns.
    if (found->second == spawn)
        config.set("scheduler.policy", atom("sharing"));
    actor_system system{ config };
    found->second(system, o);
    std::fflush(stdout);
    std::_Exit(EXIT_SUCCESS); // actors that refer to each other never end
}
