%% The server of call and call_c1000.
-module(bench_counter).
-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2]).

init(Value) -> {ok, Value}.

handle_call(next, _From, Value) -> {reply, Value + 1, Value + 1}.

handle_cast(_, Value) -> {noreply, Value}.
