%% The workloads of spawned-bench as an Erlang programmer writes them.
%%
%%     erl +S N:N +P 4000000 -noshell -pa DIR -s bench main WORKLOAD SIZE SECONDS
%%
%% SIZE and SECONDS 0 mean the defaults, which are those of spawned-bench. Prints "METRIC VALUE"
%% lines. Erlang preempts, so nobody gives way; its mailboxes have no bound.
-module(bench).
-export([main/1, idler_hibernate/1]).

main([Workload | Numbers]) ->
    [Size, Seconds] = [list_to_integer(atom_to_list(N)) || N <- Numbers],
    logger:set_primary_config(level, none),
    {_, Ref} = spawn_monitor(fun() -> run(Workload, Size, Seconds) end),
    receive
        {'DOWN', Ref, process, _, normal} ->
            erlang:halt(0, [{flush, true}]);
        {'DOWN', Ref, process, _, Reason} ->
            io:format(standard_error, "~p~n", [Reason]),
            erlang:halt(1)
    end.

run(pingpong, Size, _) ->
    Messages = 2 * default(Size, 2000000),
    out("ns_per_message", players(2, Messages) / Messages);
run(ring, Size, _) ->
    Hops = default(Size, 5000000),
    out("ns_per_hop", players(503, Hops) / Hops);
run(spawn, Size, _) -> spawn_exit(default(Size, 1000000));
run(idle_memory, Size, _) -> idle_memory(default(Size, 1000000));
run(skynet, Size, _) -> skynet(default(Size, 1000000));
run(fanin, Size, _) -> fanin(100, default(Size, 100000));
run(big, Size, _) -> big(500, default(Size, 2000));
run(call, Size, _) -> calls(1, default(Size, 1000000));
run(call_c1000, Size, _) -> calls(1000, default(Size, 1000));
run(timers, Size, _) -> timers(default(Size, 1000000));
run(fairness, _, Seconds) -> fairness(default(Seconds, 3));
run(selective_receive, Size, _) -> selective_receive(100000, default(Size, 100));
run(registry, Size, _) -> registry(10000, default(Size, 1000000));
run(pg_broadcast, Size, _) -> pg_broadcast(100000, default(Size, 10)).

default(0, Normal) -> Normal;
default(Size, _) -> Size.

out(Metric, Value) -> io:format("~s ~.3f~n", [Metric, float(Value)]).

now_ns() -> erlang:monotonic_time(nanosecond).

%% A figure of /proc/self/status. Units: bytes.
memory(Key) ->
    {ok, Status} = file:read_file("/proc/self/status"),
    {match, [KiB]} = re:run(Status, Key ++ ":\\s*(\\d+)", [{capture, all_but_first, list}]),
    1024 * list_to_integer(KiB).

await(_, 0) -> ok;
await(Message, Count) ->
    receive
        Message -> await(Message, Count - 1)
    end.

%% pingpong and ring: `Count` processes in a circle, `Hops` hops of one number. Nanoseconds.

players(Count, Hops) ->
    Main = self(),
    First = spawn(fun() -> receive {meet, Next} -> player(Next, Main) end end),
    Last = lists:foldl(
        fun(_, Next) -> spawn(fun() -> player(Next, Main) end) end, First, lists:seq(2, Count)
    ),
    First ! {meet, Last},
    Start = now_ns(),
    First ! Hops,
    await(done, 1),
    now_ns() - Start.

player(Next, Main) ->
    receive
        0 ->
            Main ! done;
        Left ->
            Next ! Left - 1,
            player(Next, Main)
    end.

%% spawn: the last one that ends says so.

spawn_exit(Count) ->
    Main = self(),
    Left = atomics:new(1, []),
    atomics:put(Left, 1, Count),
    Nothing = fun() ->
        case atomics:sub_get(Left, 1, 1) of
            0 -> Main ! done;
            _ -> ok
        end
    end,
    Start = now_ns(),
    spawn_many(Nothing, Count),
    await(done, 1),
    out("ns_per_spawn_exit", (now_ns() - Start) / Count).

spawn_many(_, 0) -> ok;
spawn_many(Fun, Count) ->
    spawn(Fun),
    spawn_many(Fun, Count - 1).

%% idle_memory: hibernated, which is what a process does that expects to idle for long; and as
%% they come, of which a tenth is enough.

idle_memory(Count) ->
    {Bytes, Ns} = idlers(fun(Value) -> idler_hibernate(Value) end, Count),
    out("bytes_per_actor", Bytes),
    out("ns_per_start", Ns),
    out("rss_mib", memory("VmRSS") / 1048576),
    {Plain, _} = idlers(fun(Value) -> idler(Value) end, max(1, Count div 10)),
    out("bytes_not_hibernated", Plain).

idlers(Fun, Count) ->
    erlang:garbage_collect(),
    timer:sleep(200),
    Before = memory("VmRSS"),
    Start = now_ns(),
    start_idlers(Fun, Count),
    Ns = now_ns() - Start,
    timer:sleep(500),
    {(memory("VmRSS") - Before) / Count, Ns / Count}.

start_idlers(_, 0) -> ok;
start_idlers(Fun, Count) ->
    spawn(fun() -> Fun(Count) end),
    start_idlers(Fun, Count - 1).

idler_hibernate(Value) ->
    receive
        {add, N} -> idler_hibernate(Value + N);
        {get, From} -> From ! Value, idler_hibernate(Value)
    after 0 -> erlang:hibernate(?MODULE, idler_hibernate, [Value])
    end.

idler(Value) ->
    receive
        {add, N} -> idler(Value + N);
        {get, From} -> From ! Value, idler(Value)
    end.

%% skynet

skynet(Leaves) ->
    Main = self(),
    Start = now_ns(),
    spawn(fun() -> node_(Main, 0, Leaves) end),
    Sum = receive {sum, S} -> S end,
    Ns = now_ns() - Start,
    Sum = Leaves * (Leaves - 1) div 2,
    out("ms", Ns / 1.0e6).

node_(Parent, First, 1) ->
    Parent ! {sum, First};
node_(Parent, First, Size) ->
    node_children(self(), First, Size div 10, 10),
    Parent ! {sum, node_sum(10, 0)}.

node_children(_, _, _, 0) -> ok;
node_children(Self, First, Part, Count) ->
    spawn(fun() -> node_(Self, First, Part) end),
    node_children(Self, First + Part, Part, Count - 1).

node_sum(0, Sum) -> Sum;
node_sum(Missing, Sum) ->
    receive
        {sum, S} -> node_sum(Missing - 1, Sum + S)
    end.

%% fanin: the receiver keeps its queue off the heap, as one with a long queue should.

fanin(Senders, Each) ->
    Main = self(),
    Sink = spawn_opt(
        fun() -> Main ! {sum, sink(Senders * Each, 0)} end, [{message_queue_data, off_heap}]
    ),
    Start = now_ns(),
    spawn_many(fun() -> send_numbers(Sink, Each - 1) end, Senders),
    Sum = receive {sum, S} -> S end,
    Ns = now_ns() - Start,
    Sum = Senders * (Each * (Each - 1) div 2),
    out("messages_per_s", Senders * Each / (Ns / 1.0e9)),
    out("peak_rss_mib", memory("VmHWM") / 1048576).

sink(0, Sum) -> Sum;
sink(Left, Sum) ->
    receive
        N -> sink(Left - 1, Sum + N)
    end.

send_numbers(_, -1) -> ok;
send_numbers(Sink, N) ->
    Sink ! N,
    send_numbers(Sink, N - 1).

%% big

big(Count, Pings) ->
    Main = self(),
    List = [spawn(fun() -> big_start(Pings, Main) end) || _ <- lists:seq(1, Count)],
    Members = list_to_tuple(List),
    Start = now_ns(),
    [Member ! {go, Members} || Member <- List],
    await(done, Count),
    out("messages_per_s", 2 * Count * Pings / ((now_ns() - Start) / 1.0e9)).

big_start(Pings, Main) ->
    receive
        {go, Members} ->
            Random = rand:seed_s(exsss, erlang:unique_integer()),
            big_ping(Members, tuple_size(Members), Pings, Main, Random)
    end.

big_ping(_, _, 0, Main, _) ->
    Main ! done,
    big_answer();
big_ping(Members, Count, Pings, Main, Random) ->
    {Index, Next} = rand:uniform_s(Count, Random),
    element(Index, Members) ! {ping, self()},
    big_wait(),
    big_ping(Members, Count, Pings - 1, Main, Next).

big_wait() ->
    receive
        pong -> ok;
        {ping, From} -> From ! pong, big_wait()
    end.

big_answer() ->
    receive
        {ping, From} -> From ! pong, big_answer()
    end.

%% call, call_c1000

calls(Clients, Each) ->
    Main = self(),
    {ok, Server} = gen_server:start(bench_counter, 0, []),
    Start = now_ns(),
    spawn_many(fun() -> call(Server, Each), Main ! done end, Clients),
    await(done, Clients),
    out("ns_per_call", (now_ns() - Start) / (Clients * Each)).

call(_, 0) -> ok;
call(Server, Left) ->
    _ = gen_server:call(Server, next, infinity),
    call(Server, Left - 1).

%% timers: lateness in steps of 10 us: 10 s of them, and one for all above. A timer's delay is
%% in whole milliseconds.

-define(LATE_STEPS, 1000001).

timers(Count) ->
    Main = self(),
    Late = counters:new(?LATE_STEPS, []),
    Clockwork = spawn(fun() -> clockwork(Count, Late), Main ! done end),
    {Cpu, _} = erlang:statistics(runtime),
    Start = now_ns(),
    arm(Count, Clockwork, rand:seed_s(exsss, 1)),
    Armed = now_ns(),
    await(done, 1),
    End = now_ns(),
    {CpuEnd, _} = erlang:statistics(runtime),
    out("cpu_s", (CpuEnd - Cpu) / 1000),
    out("p50_late_ms", late_at(Late, Count div 2)),
    out("p99_late_ms", late_at(Late, Count * 99 div 100)),
    out("max_late_ms", late_at(Late, Count)),
    out("arm_ns_per_timer", (Armed - Start) / Count),
    out("wall_s", (End - Start) / 1.0e9).

arm(0, _, _) -> ok;
arm(Left, Clockwork, Random) ->
    {N, Next} = rand:uniform_s(2001, Random),
    After = N - 1,
    erlang:send_after(After, Clockwork, now_ns() + After * 1000000),
    arm(Left - 1, Clockwork, Next).

clockwork(0, _) -> ok;
clockwork(Left, Late) ->
    receive
        Due ->
            Step = max(0, now_ns() - Due) div 10000,
            counters:add(Late, min(Step + 1, ?LATE_STEPS), 1),
            clockwork(Left - 1, Late)
    end.

late_at(Late, Rank) -> late_at(Late, Rank, 1, counters:get(Late, 1)).

late_at(_, Rank, Step, Seen) when Seen >= Rank; Step =:= ?LATE_STEPS -> Step * 0.01;
late_at(Late, Rank, Step, Seen) ->
    late_at(Late, Rank, Step + 1, Seen + counters:get(Late, Step + 1)).

%% fairness: the round trips are counted in a histogram, steps of 10 ns up to 10 ms and of
%% 10 us above, so that the measuring process keeps no heap of its own.

-define(TRIP_FINE, 1000000).
-define(TRIP_STEPS, 2000000).

fairness(Seconds) ->
    spawn_many(fun spin/0, erlang:system_info(schedulers_online)),
    timer:sleep(100),
    Echo = spawn(fun echo/0),
    Trips = counters:new(?TRIP_STEPS, []),
    Start = now_ns(),
    {Count, Max} = trips(Echo, Trips, Start, Start + Seconds * 1000000000, 0, 0),
    out("p50_us", trip_at(Trips, max(1, Count div 2))),
    out("p99_us", trip_at(Trips, max(1, Count * 99 div 100))),
    out("max_us", Max / 1000),
    out("round_trips", Count).

spin() -> spin().

echo() ->
    receive
        From -> From ! pong, echo()
    end.

trips(_, _, Start, End, Count, Max) when Start >= End -> {Count, Max};
trips(Echo, Trips, Start, End, Count, Max) ->
    Echo ! self(),
    receive
        pong -> ok
    end,
    Now = now_ns(),
    Ns = Now - Start,
    counters:add(Trips, trip_step(Ns), 1),
    trips(Echo, Trips, Now, End, Count + 1, max(Max, Ns)).

trip_step(Ns) when Ns < ?TRIP_FINE * 10 -> Ns div 10 + 1;
trip_step(Ns) -> min(?TRIP_STEPS, ?TRIP_FINE + Ns div 10000).

trip_at(Trips, Rank) -> trip_at(Trips, Rank, 1, counters:get(Trips, 1)).

trip_at(_, Rank, Step, Seen) when Seen >= Rank; Step =:= ?TRIP_STEPS ->
    if
        Step =< ?TRIP_FINE -> Step * 0.01;
        true -> (Step - ?TRIP_FINE) * 10
    end;
trip_at(Trips, Rank, Step, Seen) ->
    trip_at(Trips, Rank, Step + 1, Seen + counters:get(Trips, Step + 1)).

%% selective_receive: a message found behind `Backlog` others.

selective_receive(Backlog, Rounds) ->
    [self() ! {hop, I} || I <- lists:seq(1, Backlog)],
    Start = now_ns(),
    select(Rounds),
    out("ns_per_message_skipped", (now_ns() - Start) / Rounds / Backlog).

select(0) -> ok;
select(Left) ->
    self() ! {done, Left},
    receive
        {done, _} -> select(Left - 1)
    end.

%% registry

registry(Count, Lookups) ->
    Names = list_to_tuple([list_to_atom("name_" ++ integer_to_list(I)) || I <- lists:seq(1, Count)]),
    Pids = list_to_tuple([spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, Count)]),
    Start = now_ns(),
    register_all(Names, Pids, Count),
    Registered = now_ns(),
    look_up(Names, Count, Lookups),
    Found = now_ns(),
    unregister_all(Names, Count),
    End = now_ns(),
    out("ns_per_whereis", (Found - Registered) / Lookups),
    out("ns_per_register", (Registered - Start) / Count),
    out("ns_per_unregister", (End - Found) / Count).

register_all(_, _, 0) -> ok;
register_all(Names, Pids, I) ->
    register(element(I, Names), element(I, Pids)),
    register_all(Names, Pids, I - 1).

look_up(_, _, 0) -> ok;
look_up(Names, Count, Left) ->
    true = is_pid(whereis(element(Left * 7919 rem Count + 1, Names))),
    look_up(Names, Count, Left - 1).

unregister_all(_, 0) -> ok;
unregister_all(Names, I) ->
    unregister(element(I, Names)),
    unregister_all(Names, I - 1).

%% pg_broadcast

pg_broadcast(Members, Count) ->
    Main = self(),
    {ok, _} = pg:start_link(),
    Missing = atomics:new(1, []),
    atomics:put(Missing, 1, Members),
    Pids = [spawn(fun() -> listener(Count, Missing, Main) end) || _ <- lists:seq(1, Members)],
    ok = pg:join(listeners, Pids),
    Start = now_ns(),
    [broadcast({word, I}) || I <- lists:seq(1, Count)],
    await(done, 1),
    out("ns_per_delivery", (now_ns() - Start) / (Members * Count)).

broadcast(Word) -> [Pid ! Word || Pid <- pg:get_local_members(listeners)], ok.

listener(0, Missing, Main) ->
    case atomics:sub_get(Missing, 1, 1) of
        0 -> Main ! done;
        _ -> ok
    end;
listener(Left, Missing, Main) ->
    receive
        {word, _} -> listener(Left - 1, Missing, Main)
    end.
